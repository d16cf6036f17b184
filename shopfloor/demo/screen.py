"""What the demo shows: tables that read well in colour and in a plain log."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from shopfloor.demo.visitor import SHOWN, Answer, Recommended


def before_and_after(title: str, before: Answer, after: Answer) -> Table:
    """The answers side by side; what is new after the clicks is marked."""
    table = Table("", "before", "after three clicks", title=title, title_justify="left", show_lines=False)
    known = {item.item_id for item in before.items[:SHOWN]}
    for place in range(min(max(len(before.items), len(after.items)), SHOWN)):
        old = before.items[place] if place < len(before.items) else None
        new = after.items[place] if place < len(after.items) else None
        is_new = new is not None and new.item_id not in known
        table.add_row(str(place + 1), _cell(old, False), _cell(new, is_new))
    return table


def _cell(item: Recommended | None, is_new: bool) -> Text:
    if item is None:
        return Text("")
    price = "" if item.price is None else f"  {item.price:,.2f} {item.currency}"
    name = Text(("* " if is_new else "  ") + item.name, style="bold green" if is_new else "")
    return name.append(price, style="cyan").append(f"\n  {item.reason}", style="dim")


def against_popularity(metrics: Mapping[str, float]) -> Table:
    """The champion beside plain popularity, with 95 % intervals, on the sessions after those it was fitted on."""
    table = Table(
        "the next click of the latest sessions", "champion", "popularity", "difference",
        title="Champion against plain popularity, 95 % intervals", title_justify="left",
    )  # fmt: skip
    for metric, meaning in (("hr_20", "is among 20 (HR@20)"), ("mrr_20", "mean reciprocal rank (MRR@20)")):
        figures = (f"home.{metric}", f"popular.{metric}", f"over_popular.{metric}")
        if all(figure in metrics for figure in figures):
            table.add_row(meaning, *(_with_interval(metrics, figure) for figure in figures))
    return table


def _with_interval(metrics: Mapping[str, float], figure: str) -> str:
    sign = "+" if figure.startswith("over") else ""
    low, high = metrics[f"{figure}.low"], metrics[f"{figure}.high"]
    return f"{metrics[figure]:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"


def pairs(title: str, rows: Sequence[tuple[str, str]]) -> Table:
    """Two columns without a frame, for addresses and figures."""
    table = Table(title=title, title_justify="left", box=None, show_header=False, pad_edge=False)
    for name, value in rows:
        table.add_row(Text(name, style="bold"), Text(value, overflow="fold"))
    return table
