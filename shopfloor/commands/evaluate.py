"""``shopfloor evaluate``: how well models predict what customers did next, on files of any shop."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from feature_repo.errors import BadInput
from shopfloor.output import Output

if TYPE_CHECKING:
    from rich.table import Table

    from training.evaluation.evaluation import Row

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

Files are Parquet, CSV or JSON lines; a column that --columns leaves out is looked for under our own name (session,
user, basket, item, time, event, market). A sessions test file may hold prefix (a list of items) and label instead.
Metrics: hr and mrr for sessions, recall and ndcg for users and baskets, and coverage, the share of the catalogue
seen in training that was shown to anyone. Every figure is over the full catalogue, with a 95 % bootstrap interval
over sessions or users. Times are numbers since 1970 (s, ms, µs or ns) or timestamps.
"""


def register(app: typer.Typer) -> None:
    app.command(epilog=EXAMPLES)(evaluate)


def evaluate(
    protocol: Annotated[str, typer.Option(help="What is asked: sessions, users or baskets.")],
    train: Annotated[Path, typer.Option(help="File to fit on; its items are the catalogue.")],
    test: Annotated[Path, typer.Option(help="File with what happened next.")],
    model: Annotated[list[str], typer.Option(help="Candidate model; may be repeated.")],
    columns: Annotated[str, typer.Option(help="Our names for the files' columns: session=SessionId,item=ItemId")] = "",
    k: Annotated[list[int] | None, typer.Option(help="Length of the list, 20 if not given; may be repeated.")] = None,
    target: Annotated[str | None, typer.Option(help="Ask only for test events of this kind: view, cart, buy.")] = None,
    exclude: Annotated[
        str | None, typer.Option(help="Never recommend what the customer has: seen, bought or none.")
    ] = None,
    compare: Annotated[bool, typer.Option(help="Also each model minus the last, with paired intervals.")] = False,
    seed: Annotated[int, typer.Option(help="Of models, of the order of ties and of the intervals.")] = 42,
    json_file: Annotated[Path | None, typer.Option("--json", help='Write {"rows": […]} to this file.')] = None,
) -> None:
    """Measure models on a training and a test file, over the full catalogue, with intervals."""
    from training.evaluation.evaluation import answer, differences, rows
    from training.evaluation.files import parse_columns
    from training.evaluation.protocol import Protocol, kind_named, read_task
    from training.evaluation.task import Exclude
    from training.models import MODELS, fit_for

    ks = sorted(set(k or [20]))
    if ks[0] < 1:
        raise BadInput(f"--k {ks[0]} makes no list; give 1 or more")
    for name in model:
        _one_of("--model", name, MODELS)
    _one_of("--protocol", protocol, list(Protocol))
    if exclude is not None:
        _one_of("--exclude", exclude, list(Exclude))
    if json_file is not None and not json_file.absolute().parent.is_dir():
        raise BadInput(f"--json {json_file}: there is no folder {json_file.absolute().parent}; make it first")
    task = read_task(
        Protocol(protocol),
        train,
        test,
        parse_columns(columns),
        seed=seed,
        target=kind_named(target) if target else None,
        exclude=Exclude(exclude) if exclude else None,
    )
    output = Output()
    output.note(f"{len(task.train):,} interactions with {task.train.n_items:,} items; {len(task):,} questions")
    answers = []
    with output.progress() as progress:
        for name in dict.fromkeys(model):
            bar = progress.add_task(f"{name}: fitting", total=len(task))
            fitted = fit_for(name, task, seed, kind_named(target) if target else None)
            progress.update(bar, description=f"{name}: answering")
            answers.append(answer(name, fitted, task, ks[-1], partial(progress.advance, bar)))
            progress.update(bar, description=name)
    found = [row for each in answers for row in rows(each, task, ks, seed)]
    if compare:
        found += [row for each in answers[:-1] for row in differences(each, answers[-1], task, ks, seed)]
    if json_file is not None:
        json_file.write_text(json.dumps({"rows": [row.as_document() for row in found]}, indent=1) + "\n")
    output.result({}, lambda console: console.print(_table(found)))


def _one_of(option: str, given: str, known: Any) -> None:
    if given not in known:
        raise BadInput(f"{option} {given}: known are {', '.join(known)}")


def _table(found: "list[Row]") -> "Table":
    from rich.table import Table

    table = Table("model", "metric")
    for heading in ("value", "95 % interval", "n"):
        table.add_column(heading, justify="right")
    for row in found:
        table.add_row(
            row.model, f"{row.metric}@{row.k}", f"{row.value:.4f}", f"{row.low:.4f} to {row.high:.4f}", f"{row.n:,}"
        )
    return table
