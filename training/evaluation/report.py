"""The report of a comparison: one page that says what was compared, on what, what came out and what that is worth."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC
from html import escape
from itertools import groupby
from typing import Final

from training.evaluation.charts import Line, Mark, interval_chart, legend
from training.evaluation.comparison import Comparison
from training.evaluation.evaluation import Row
from training.evaluation.page import page, table
from training.evaluation.task import Metric
from training.evaluation.wording import LIMITS, SLICES, WORDINGS, Wording

FEW: Final = 100
"""Slices of fewer questions are marked: their intervals are wide and not to be trusted to the last per cent."""
ACCURACY: Final = (Metric.HR, Metric.RECALL, Metric.MRR, Metric.NDCG, Metric.REVENUE)


def render(comparison: Comparison) -> str:
    """The page as HTML, complete in itself."""
    models = comparison.models
    title = f"How well {_listed(models)} {'predicts' if len(models) == 1 else 'predict'} what customers do next"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="quiet">Made on {comparison.setting.made_at.astimezone(UTC):%d %B %Y, %H:%M} UTC.</p>',
        f'<div class="answer">{"".join(f"<p>{escape(text)}</p>" for text in answer(comparison))}</div>',
        *(f'<p class="caution"><strong>Caution.</strong> {escape(text)}</p>' for text in comparison.setting.cautions),
        *_setting(comparison),
        *_accuracy(comparison),
        *_differences(comparison),
        *_slices(comparison),
        *_breadth(comparison),
        *_meaning(comparison),
        *_limits(),
        *_numbers(comparison),
    ]
    return page(title, "\n".join(parts))


def answer(comparison: Comparison) -> list[str]:
    """The result in a few sentences: the best model, how sure its lead is, where it finds least, what it shows."""
    best = comparison.models[0]
    main = next(row for row in comparison.rows if row.model == best and row.metric in ACCURACY)
    wording = WORDINGS[main.metric]
    told = f"{100 * main.value:.1f} % (95 % interval {100 * main.low:.1f} to {100 * main.high:.1f})"
    if main.metric is Metric.RECALL:
        found = [f"Of what customers took next, {told} was among the {main.k} items that {best} showed."]
    else:
        found = [f"In {told} of cases the item the customer went to next was among the {main.k} that {best} showed."]
    for row in comparison.differences:
        if row.metric is main.metric and row.model.startswith(f"{best} - "):
            found.append(f"Compared with {_other(row)}: {wording.gain(row)}, {_sureness(row)}.")
    parts = [row for row in comparison.sliced if row.model == best and row.metric is main.metric and row.n >= FEW]
    if parts:
        worst = min(parts, key=lambda row: row.value)
        found.append(f"It found least where {_spoken(worst.slice or '')}: {wording.interval(worst)}.")
    if lost := _lost(comparison):
        found.append(f"In {len(lost)} of the parts below another model is clearly better; see “What it means”.")
    shown = {row.metric: row for row in comparison.rows if row.model == best}
    if Metric.COVERAGE in shown and Metric.TOP_SHARE in shown:
        found.append(
            f"It showed {100 * shown[Metric.COVERAGE].value:.1f} % of the catalogue; the most popular 1 % of items had "
            f"{100 * shown[Metric.TOP_SHARE].value:.1f} % of all places."
        )
    return found


def _setting(comparison: Comparison) -> Iterator[str]:
    setting = comparison.setting
    yield "<h2>What was compared, and on what</h2>"
    yield f"<p>{escape(setting.question)}</p>"
    explained = [f"{name}: {setting.models[name]}" if name in setting.models else name for name in comparison.models]
    yield "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in explained) + "</ul>"
    facts = [
        ["Learnt from", setting.learnt_from],
        ["Asked about", setting.asked_about],
        [
            "Size",
            f"{setting.interactions:,} interactions, {setting.customers:,} {setting.owners}, {setting.items:,} items",
        ],
        ["Questions", f"{setting.questions:,}, the same ones for every model"],
    ]
    yield table("The comparison in brief", ["About", "The data"], facts, numbers_from=2)
    yield from (f"<p>{escape(note)}</p>" for note in setting.notes)


def _accuracy(comparison: Comparison) -> Iterator[str]:
    yield "<h2>How much each model finds</h2>"
    yield (
        "<p>The bar is the figure. The line on it is the 95 % interval: had other customers of the same shop been "
        "asked, the figure would in most cases have come out within it.</p>"
    )
    for metric in ACCURACY:
        yield from _bars(comparison, metric)


def _breadth(comparison: Comparison) -> Iterator[str]:
    metrics = [Metric.COVERAGE, Metric.NOVELTY, Metric.DIVERSITY, Metric.TOP_SHARE]
    if not any(row.metric in metrics for row in comparison.rows):
        return
    yield "<h2>What the lists are like</h2>"
    yield (
        "<p>A model can be right often by showing everybody the same few bestsellers. These figures tell whether it "
        "does. None of them is good or bad alone: read them beside the figures above.</p>"
    )
    for metric in metrics:
        yield from _bars(comparison, metric)


def _bars(comparison: Comparison, metric: Metric) -> Iterator[str]:
    found = {row.model: row for row in comparison.rows if row.metric is metric}
    if not found:
        return
    wording, k = WORDINGS[metric], next(iter(found.values())).k
    lines = [
        Line(row.model, wording.interval(row), [_marked(row, place, wording)])
        for place, model in enumerate(comparison.models)
        if (row := found.get(model))
    ]
    described = f"{wording.title}: " + "; ".join(f"{line.label} {line.note}" for line in lines)
    yield f"<h3>{escape(wording.title)}</h3><p>{escape(wording.meaning.format(k=k))}</p>"
    yield interval_chart(lines, described, wording.on_axis, bars=True)


def _differences(comparison: Comparison) -> Iterator[str]:
    if not comparison.differences:
        return
    yield "<h2>Is the better one clearly better?</h2>"
    yield (
        "<p>Both models of a pair answered the same questions, so their difference is known better than two separate "
        "intervals suggest. Where its interval touches zero, nobody can tell from these data which is better.</p>"
    )
    lines = []
    for row in comparison.differences:
        wording = WORDINGS[row.metric]
        ours, _, other = row.model.partition(" - ")
        lines.append(
            [f"{ours} over {other}", f"{wording.title} ({row.metric}@{row.k})", wording.gain(row), _sureness(row)]
        )
    yield table(
        "Every pair of models", ["Pair", "Figure", "Difference (95 % interval)", "Verdict"], lines, numbers_from=4
    )


def _slices(comparison: Comparison) -> Iterator[str]:
    main = next((metric for metric in ACCURACY if any(row.metric is metric for row in comparison.sliced)), None)
    if main is None:
        return
    wording = WORDINGS[main]
    rows = [row for row in comparison.sliced if row.metric is main and row.model in comparison.models]
    yield "<h2>Where it is better and worse</h2>"
    yield (
        f"<p>The same figure (“{escape(wording.title)}”) for parts of the questions. A mark is the figure of a model, "
        f"the line through it the 95 % interval; “few” stands at parts of fewer than {FEW} questions.</p>"
    )
    yield legend(comparison.models)
    for kind, found in groupby(sorted(rows, key=_kind_order), key=_kind):
        parts = list(found)
        heading, meaning = SLICES.get(kind, (kind, ""))
        yield f"<h3>{escape(heading)}</h3><p>{escape(meaning)}</p>"
        lines = _slice_lines(parts, comparison.models, wording)
        described = f"{heading}: " + "; ".join(mark.title for line in lines for mark in line.marks)
        yield interval_chart(lines, described, wording.on_axis)


def _slice_lines(rows: Sequence[Row], models: Sequence[str], wording: Wording) -> list[Line]:
    lines = []
    for part in dict.fromkeys(row.slice for row in rows):
        here = [row for row in rows if row.slice == part]
        n = here[0].n
        marks = [_marked(row, place, wording) for place, m in enumerate(models) for row in here if row.model == m]
        note = f"{n:,} questions" + (", few" if n < FEW else "")
        lines.append(Line((part or "").partition("=")[2], note, marks))
    return lines


def _meaning(comparison: Comparison) -> Iterator[str]:
    best, *others = comparison.models
    if not others:
        return
    leads = [row for row in comparison.differences if row.metric in ACCURACY and row.model.startswith(f"{best} - ")]
    main = leads[0].metric if leads else None
    open_ = [_other(row) for row in leads if row.metric is main and row.low <= 0]
    if open_:
        told = (
            f"Between {best} and {_listed(open_)} this figure does not decide. Look at the other figures and at the "
            "parts of the questions that matter to the shop, or try both in an experiment."
        )
    else:
        told = f"As far as these questions go, {best} is the one to take: its lead is more than chance."
    yield f"<h2>What it means</h2><p>{escape(told)}</p>"
    if lost := _lost(comparison):
        yield "<p>In these parts another model is clearly better, so a mix of models may serve more customers:</p><ul>"
        for row in lost:
            gain = WORDINGS[row.metric].gain(row)
            yield f"<li>{escape(f'Where {_spoken(row.slice or str())}: {_other(row)}; {best} differs by {gain}.')}</li>"
        yield "</ul>"


def _lost(comparison: Comparison) -> list[Row]:
    """The best model's differences in parts that are not small and in which another model clearly has more."""
    best = comparison.models[0]
    main = next((metric for metric in ACCURACY if any(row.metric is metric for row in comparison.rows)), None)
    return [
        row
        for row in comparison.sliced
        if row.metric is main and row.model.startswith(f"{best} - ") and row.high < 0 and row.n >= FEW
    ]


def _other(row: Row) -> str:
    return row.model.partition(" - ")[2]


def _limits() -> Iterator[str]:
    yield "<h2>What this does not tell</h2>"
    yield "<ul>" + "".join(f"<li>{escape(text)}</li>" for text in LIMITS) + "</ul>"


def _numbers(comparison: Comparison) -> Iterator[str]:
    yield "<h2>All numbers</h2>"
    headings = ["Model", "Figure", "Value", "95 % interval", "n"]
    yield table("Over all questions", headings, [_line(row) for row in comparison.rows], numbers_from=2)
    if comparison.sliced:
        lines = [[row.slice or "", *_line(row)] for row in comparison.sliced]
        yield "<details><summary>Every slice</summary>"
        yield table("Each figure in each slice", ["Slice", *headings], lines, numbers_from=3) + "</details>"


def _line(row: Row) -> list[str]:
    return [
        row.model,
        f"{row.metric}@{row.k}",
        f"{row.value:.4f}",
        f"{row.low:.4f} to {row.high:.4f}",
        f"{row.n:,}",
    ]


def _marked(row: Row, series: int, wording: Wording) -> Mark:
    part = f", {row.slice}" if row.slice else ""
    return Mark(row.value, row.low, row.high, series, f"{row.model}{part}: {wording.interval(row)}, n {row.n:,}")


def _sureness(row: Row) -> str:
    if row.low > 0:
        return "clearly better"
    return "clearly worse" if row.high < 0 else "no clear difference"


def _spoken(part: str) -> str:
    kind, _, name = part.partition("=")
    spoken: Mapping[str, str] = {
        "customer": f"the customer was {name}",
        "item": "the right item was new" if name == "new" else f"the right item was of the {name} of the catalogue",
        "market": f"the market was {name}",
        "session": f"the visit had {name} click{'' if name == '1' else 's'} so far",
        "history": f"{name} earlier interactions of the customer were known",
        "category": f"the product line was {name}",
    }
    return spoken.get(kind, part)


def _kind(row: Row) -> str:
    return (row.slice or "").partition("=")[0]


def _kind_order(row: Row) -> int:
    kinds = list(SLICES)
    return kinds.index(_kind(row)) if _kind(row) in kinds else len(kinds)


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
