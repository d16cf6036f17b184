"""The report: one page for people who train no models, complete in itself."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from training.evaluation.charts import Line, Mark, axis_ticks, interval_chart
from training.evaluation.comparison import Comparison, Setting
from training.evaluation.evaluation import Row
from training.evaluation.report import answer, render
from training.evaluation.task import Metric
from training.evaluation.wording import WORDINGS


def row(model: str, value: float, metric: Metric = Metric.HR, n: int = 500, part: str | None = None) -> Row:
    return Row(model, metric, 20, value, value - 0.05, value + 0.05, n, part)


@pytest.fixture
def comparison() -> Comparison:
    setting = Setting(
        question="After each click the model was asked for the next.",
        learnt_from="clicks.parquet",
        asked_about="today.parquet",
        interactions=1000,
        items=50,
        customers=70,
        questions=500,
        made_at=datetime(2026, 3, 1, 9, tzinfo=UTC),
        models={"knn": "what others did."},
        notes=("Nothing was removed.",),
    )
    return Comparison(
        setting=setting,
        models=("knn", "popular"),
        rows=[row(model, value, metric) for model, value in (("knn", 0.6), ("popular", 0.2)) for metric in Metric],
        differences=[row("knn - popular", 0.4)],
        sliced=[
            row("knn", 0.7, part="item=head"),
            row("knn", 0.3, part="item=tail"),
            row("popular", 0.1, n=40, part="item=tail"),
            row("knn", 0.1, n=40, part="market=AT"),
            row("knn - popular", -0.2, part="item=tail"),
            row("knn - popular", -0.9, n=40, part="market=AT"),
        ],
    )


class Page(HTMLParser):
    """Tags, each closed in order, and what stands between them."""

    void = frozenset({"meta", "link", "img", "br"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_needs_nothing_but_itself_and_is_well_formed(comparison: Comparison) -> None:
    html = render(comparison)
    page = Page(html)
    assert page.open == []
    assert not {tag for tag, _ in page.seen} & {"script", "link", "img", "iframe"}
    assert not re.search(r"https?://|url\(|@import", html)


def test_every_chart_says_in_words_what_it_shows(comparison: Comparison) -> None:
    charts = [attrs for tag, attrs in Page(render(comparison)).seen if tag == "svg" and "aria-hidden" not in attrs]
    assert len(charts) == 2 * (len(Metric) + 2)
    assert [attrs["class"] for attrs in charts[:2]] == ["wide", "narrow"]
    assert charts[0]["aria-label"] == charts[1]["aria-label"]
    assert all(attrs["role"] == "img" and "knn" in (attrs["aria-label"] or "") for attrs in charts)


def test_the_answer_is_told_in_sentences(comparison: Comparison) -> None:
    told = answer(comparison)
    assert told[0].startswith("In 60.0 % (95 % interval 55.0 to 65.0) of cases the item the customer went to next was")
    assert told[1] == "Compared with popular: +40.0 points (+35.0 to +45.0), clearly better."
    assert told[2] == "It found least where the right item was of the tail of the catalogue: 30.0 % (25.0 to 35.0)."
    assert told[3].startswith("In 1 of the parts below another model is clearly better")


def test_a_lead_that_may_be_chance_is_not_called_better(comparison: Comparison) -> None:
    unsure = replace(comparison, differences=[row("knn - popular", 0.01)])
    assert answer(unsure)[1].endswith("no clear difference.")
    assert "Between knn and popular this figure does not decide" in Page(render(unsure)).text
    assert "knn is the one to take" in Page(render(comparison)).text


def test_small_parts_are_marked_and_lead_to_no_conclusion(comparison: Comparison) -> None:
    text = Page(render(comparison)).text
    assert "40 questions, few" in text
    assert "Where the right item was of the tail of the catalogue: popular" in text
    assert "Where the market was AT" not in text


def test_names_from_the_data_cannot_become_markup(comparison: Comparison) -> None:
    evil = "<script>alert(1)</script>\"'&"
    rows = [row(evil, 0.5), row(evil, 0.5, part=f"market={evil}")]
    page = Page(render(replace(comparison, models=(evil,), rows=rows, sliced=rows[1:], differences=[])))
    assert page.open == []
    assert "script" not in {tag for tag, _ in page.seen}
    assert evil in page.text


def test_one_model_alone_is_reported_without_comparison(comparison: Comparison) -> None:
    alone = replace(comparison, models=("knn",), rows=[row("knn", 0.6)], differences=[], sliced=[])
    text = Page(render(alone)).text
    assert "How well knn predicts what customers do next" in text
    assert "Every pair" not in text
    assert "Where it is better" not in text


def test_every_metric_is_explained() -> None:
    assert set(WORDINGS) == set(Metric)


@pytest.mark.parametrize(
    ("low", "high"), [(0, 0), (0, 1), (-0.3, 0.004), (0, 0.0007), (0, 12.3), (-5e-16, 0), (-1, 0), (0.0, 100.0)]
)
def test_the_axis_spans_its_values_in_round_steps(low: float, high: float) -> None:
    ticks = axis_ticks(low, high)
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 7
    assert 0.0 in ticks


LINES = [
    Line("a", "60.0 % (55.0 to 65.0)", [Mark(0.2, -0.3, 0.9, 0, "")]),
    Line("b" * 60, "1,234 questions, few", [Mark(1.0, 1.0, 1.0, 7, "")] * 3),
]


@pytest.mark.parametrize(("name", "width"), [("wide", 720), ("narrow", 340)])
def test_all_that_is_drawn_lies_within_the_picture(name: str, width: int) -> None:
    drawn = next(part for part in interval_chart(LINES, "d", str).split("<svg ") if f'class="{name}"' in part)
    assert f'viewBox="0 0 {width} ' in drawn
    assert all(
        0 <= float(x) <= width for x in re.findall(r'(?:\bx|x1|x2)="([-\d.]+)"|M([-\d.]+) ', drawn) for x in x if x
    )


def test_a_phone_is_shown_a_chart_that_fits_and_tables_that_tell_where_they_go_on(comparison: Comparison) -> None:
    html = render(comparison)
    assert "min-width: 36rem" not in html
    assert "@media screen and (max-width: 40rem) { .chart .wide { display: none; }" in html
    assert re.search(r"\.scroll \{ overflow-x: auto; background: [^}]*local", html)


def test_the_words_of_a_narrow_chart_do_not_meet() -> None:
    """About 7 pixels a letter: label and note of a line share the width."""
    drawn = interval_chart(LINES, "d", str).partition('class="narrow"')[2]
    assert "b" * 21 + "…" in re.sub(r"<title>.*?</title>", "", drawn)
    assert 7 * (22 + len(LINES[1].note)) < 340
