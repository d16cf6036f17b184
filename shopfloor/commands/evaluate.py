"""``shopfloor evaluate``: how well models predict what customers did next, on files of any shop."""

import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from feature_repo.errors import BadInput
from shopfloor.commands.options import Config, check_target
from shopfloor.output import Output

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.progress import Progress
    from rich.table import Table

    from shopfloor.settings import Settings
    from training.candidates.candidate import CandidateModel
    from training.evaluation.evaluation import Answers, Row
    from training.evaluation.task import Task

EXAMPLES = """
[bold]Examples[/]

  Next click, for every prefix of every test session:

    shopfloor evaluate --protocol sessions --train clicks.parquet --test today.parquet
      --columns session=SessionId,item=ItemId,time=Time --model session_knn --model popular

  Held-out items of each user, those of the training file removed (users), or the next basket (baskets):

    shopfloor evaluate --protocol users --train train.csv --test test.csv --model als --k 10 --k 20

    shopfloor evaluate --protocol baskets --train history.csv --test next.csv
      --columns user=customer,basket=order,item=sku --model buy_again --json rows.json

  The next purchase, from views, carts and purchases:

    shopfloor evaluate --protocol users --train events.jsonl --test test.jsonl
      --columns user=user,item=item,time=ts,event=event --target buy --exclude seen --model graph_filter

  One file with times, cut where the last tenth of its time begins, and a page for those who train no models:

    shopfloor evaluate --protocol sessions --data clicks.parquet
      --model session_knn --model popular --items items.parquet --report report.html

--data is cut in time. Of --train and --test, --split says how they were cut: held-out, where the test file was taken
out of customers' histories (the default of users), or temporal, where it is what came later (that of the others).
ranked, which learns by asking itself, asks in the same way.

Files are Parquet, CSV or JSON lines; a column that --columns leaves out is looked for under our own name (session,
user, basket, item, time, event, market; in the items file category, parent_category, price and name). A sessions test
file may hold prefix (a list of items) and label instead. Times are numbers since 1970 (s, ms, µs or ns) or timestamps.

Models: popular, trending, als, bpr, bspm, ease, graph_filter, session_knn, covisitation, bought_together, buy_again,
buy_again_due, new_items, and the whole of candidates and ranker, ranked (ranked_plain: without the taxonomy).
training.own_models in shopfloor.toml adds a shop's own; docs/evaluation.md shows how.

Metrics: hr and mrr for sessions, recall and ndcg for users and baskets; coverage, the share of the catalogue seen in
training that was shown to anyone; novelty, in bits, of the items shown; diversity, how unlike each other the items of
a list are (over the taxonomy where --items gives one, else over who touched them); top_share, the share of places that
goes to the most popular 1 % of items; revenue, the share of the money of the right answers that stood in the lists
(where --items gives prices). Every figure is over the full catalogue, with a 95 % bootstrap interval over sessions or
users. --slices adds rows with the key slice, such as customer=new, item=tail or market=Germany.

--track also logs figures, page and rows as a run of MLflow, beside those of trainings, at the models address of
shopfloor.toml.
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=EXAMPLES)(evaluate)


def evaluate(
    protocol: Annotated[str, typer.Option(help="What is asked: sessions, users or baskets.")],
    model: Annotated[list[str], typer.Option(help="A model, of those named below; may be repeated.")],
    train: Annotated[Path | None, typer.Option(help="File to fit on; its items are the catalogue.")] = None,
    test: Annotated[Path | None, typer.Option(help="File with what happened next.")] = None,
    split: Annotated[
        str | None, typer.Option(help="temporal: what is asked for came later; held-out: was taken out of histories.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="One file instead of two, cut in time; needs times.")] = None,
    share: Annotated[float, typer.Option(help="With --data, the last part of the time, which is asked about.")] = 0.1,
    items: Annotated[Path | None, typer.Option(help="File of items: category, parent_category, price, name.")] = None,
    columns: Annotated[str, typer.Option(help="Our names for the files' columns: session=SessionId,item=ItemId")] = "",
    k: Annotated[list[int] | None, typer.Option(help="Length of the list, 20 if not given; may be repeated.")] = None,
    target: Annotated[str | None, typer.Option(help="Ask only for test events of this kind: view, cart, buy.")] = None,
    exclude: Annotated[
        str | None, typer.Option(help="Never recommend what the customer has: seen, bought or none.")
    ] = None,
    slices: Annotated[bool, typer.Option("--slices", help="Also every accuracy figure in each slice.")] = False,
    compare: Annotated[bool, typer.Option(help="Also each model minus the last, with paired intervals.")] = False,
    seed: Annotated[int, typer.Option(help="Of models, of the order of ties and of the intervals.")] = 42,
    json_file: Annotated[Path | None, typer.Option("--json", help='Write {"rows": […]} to this file.')] = None,
    report: Annotated[Path | None, typer.Option(help="Write a page that explains the result to this file.")] = None,
    track: Annotated[
        bool, typer.Option("--track", help="Also log figures and page as a run in the MLflow of --config.")
    ] = False,
    config: Config = None,
) -> None:
    """Measure models on what customers did next, over the full catalogue, with intervals."""
    from shopfloor.settings import LoadedSettings
    from training.evaluation.catalogue import Catalogue
    from training.evaluation.comparison import all_sliced, compared, compared_with_last, model_rows
    from training.evaluation.files import parse_columns
    from training.evaluation.protocol import Protocol, kind_named
    from training.evaluation.report import render
    from training.evaluation.slices import slices_of
    from training.evaluation.source import described, read_source
    from training.evaluation.task import Exclude
    from training.evaluation.tracking import PAGE, ROWS
    from training.models import MODELS, fit_for
    from training.own_models import WithOwn

    settings = LoadedSettings.read(config).settings
    models = WithOwn(MODELS, settings.training.own_models)
    for name in model:
        _one_of("--model", name, models)
    _one_of("--protocol", protocol, list(Protocol))
    if exclude is not None:
        _one_of("--exclude", exclude, list(Exclude))
    ks = _lengths(k)
    _check_targets(("--json", json_file), ("--report", report))
    named, kind = parse_columns(columns), kind_named(target) if target else None
    source = read_source(
        Protocol(protocol), train, test, split, data, share, named, seed, kind, Exclude(exclude) if exclude else None
    )
    task, cautions = source.task, source.cautions
    catalogue = Catalogue.read(items, named, task.train.item_ids) if items else None
    output = Output()
    output.note(f"{len(task.train):,} interactions with {task.train.n_items:,} items; {len(task):,} questions")
    for note in (*source.notes, *cautions):
        output.note(note)
    with output.progress() as progress:
        fit = partial(fit_for, task=task, seed=seed, target=kind, catalogue=catalogue, models=models)
        answers = [_answers(name, fit, task, ks[-1], progress) for name in dict.fromkeys(model)]
    found = model_rows(answers, task, ks, catalogue, seed)
    parts, now, page = slices_of(task, catalogue), datetime.now(UTC), ""
    if report is not None or track:
        setting = source.setting({name: described(models[name]) for name in model}, now)
        page = render(compared(setting, answers, task, found, parts, ks[-1], seed))
    found += compared_with_last(answers, task, ks, seed) if compare else []
    found += all_sliced(answers, task, ks, parts, seed) if slices else []
    document = {"rows": [row.as_document() for row in found]} | ({"cautions": cautions} if cautions else {})
    rows = json.dumps(document, indent=1) + "\n"
    for file, text in ((report, page), (json_file, rows)):
        if file is not None:
            file.write_text(text, encoding="utf-8")
    output.result({}, lambda console: console.print(_table(found, cautions)))
    if track:
        told = {"protocol": protocol, "learnt_from": source.learnt_from, "asked_about": source.asked_about}
        params = told | {"exclude": task.exclude, "target": target or "all", "seed": seed}
        params |= {"cautions": " ".join(cautions)} if cautions else {}
        run = _tracked(settings, params, found, {PAGE: page, ROWS: rows}, now)
        output.note(f"logged to MLflow as run {run}")


def _answers(
    name: str, fit: "Callable[[str], CandidateModel]", task: "Task", k: int, progress: "Progress"
) -> "Answers":
    from training.evaluation.evaluation import answer

    bar = progress.add_task(f"{name}: fitting", total=len(task))
    fitted = fit(name)
    progress.update(bar, description=f"{name}: answering")
    answers = answer(name, fitted, task, k, partial(progress.advance, bar))
    progress.update(bar, description=name)
    return answers


def _tracked(
    settings: "Settings", params: dict[str, Any], found: "list[Row]", documents: dict[str, str], now: datetime
) -> str:
    """Log the evaluation where trainings are logged; the run's id."""
    from shopfloor import wiring
    from training.evaluation.tracking import track

    settings.data.mkdir(parents=True, exist_ok=True)
    registry = wiring.model_registry(settings)
    return track(lambda: registry.tracked_run(f"evaluate {now:%Y-%m-%d %H:%M}"), params, found, documents, now)


def _one_of(option: str, given: str, known: Any) -> None:
    if given not in known:
        raise BadInput(f"{option} {given}: known are {', '.join(known)}")


def _lengths(given: list[int] | None) -> list[int]:
    ks = sorted(set(given or [20]))
    if ks[0] < 1:
        raise BadInput(f"--k {ks[0]} makes no list; give 1 or more")
    return ks


def _check_targets(*targets: tuple[str, Path | None]) -> None:
    for option, file in targets:
        if file is not None:
            check_target(option, file)


def _table(found: "list[Row]", cautions: "Sequence[str]") -> "Table":
    """The figures; what to be careful about stands below them, where a table alone is copied along."""
    from rich.table import Table

    sliced = any(row.slice for row in found)
    caption = "\n".join(f"Caution: {text}" for text in cautions)
    table = Table("model", *(["slice"] if sliced else []), "metric", caption=caption or None, caption_justify="left")
    for heading in ("value", "95 % interval", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in found:
        part = [row.slice or ""] if sliced else []
        interval = f"{row.low:.4f} to {row.high:.4f}"
        table.add_row(row.model, *part, f"{row.metric}@{row.k}", f"{row.value:.4f}", interval, f"{row.n:,}")
    return table
