"""Charts as inline SVG: values with their intervals, one line a label. Colours come from the page's style sheet.

Each is drawn twice, for a desk and for a phone, whose width leaves no room beside the bars; the style sheet shows one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

LINE: Final = 18
GAP: Final = 12
SERIES: Final = 6
"""So many colours and shapes there are; a seventh model looks like the first and is told by its line's title."""
_MOST_TICKS: Final = 5
"""A phone has room to write so many values on an axis; of more, every second one is written."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things stand, in pixels; ``above``: labels and notes stand over their marks instead of beside them."""

    name: str
    width: int
    left: int
    right: int
    longest_label: int
    above: bool


WIDE: Final = Layout("wide", width=720, left=190, right=530, longest_label=26, above=False)
NARROW: Final = Layout("narrow", width=340, left=8, right=332, longest_label=22, above=True)


@dataclass(frozen=True, slots=True)
class Mark:
    """One value with its interval; ``series`` decides colour and shape, ``title`` is what pointing at it tells."""

    value: float
    low: float
    high: float
    series: int
    title: str


@dataclass(frozen=True, slots=True)
class Line:
    """One label with its marks below each other; ``note`` stands at the right end."""

    label: str
    note: str
    marks: Sequence[Mark]


def interval_chart(lines: Sequence[Line], description: str, shown: Callable[[float], str], bars: bool = False) -> str:
    """An element with the chart in both layouts; ``shown`` writes a value of the axis. ``bars`` draws from zero,
    otherwise marks stand alone.

    Zero is always on the axis, so that lengths and distances can be compared by eye.
    """
    marks = [mark for line in lines for mark in line.marks]
    ticks = axis_ticks(min(0.0, *(mark.low for mark in marks)), max(0.0, *(mark.high for mark in marks)))
    drawn = (_drawn(lines, ticks, description, shown, bars, layout) for layout in (WIDE, NARROW))
    return f'<div class="chart">{"".join(drawn)}</div>'


def _drawn(
    lines: Sequence[Line],
    ticks: Sequence[float],
    description: str,
    shown: Callable[[float], str],
    bars: bool,
    layout: Layout,
) -> str:
    scale = (layout.right - layout.left) / (ticks[-1] - ticks[0])

    def x(value: float) -> float:
        return round(layout.left + (value - ticks[0]) * scale, 1)

    drawn, top = [], 4.0
    for line in lines:
        height = LINE * max(len(line.marks), 1)
        drawn.append(_told(line, top, height, layout))
        top += LINE if layout.above else 0
        for place, mark in enumerate(line.marks):
            y = top + LINE * (place + 0.5)
            drawn.append(_bar(x(0.0), x(mark.value), y, mark) if bars else "")
            drawn.append(_mark(x(mark.value), x(mark.low), x(mark.high), y, mark, bars))
        top += height + GAP
    written = ticks[::2] if layout.above and len(ticks) > _MOST_TICKS else ticks
    grid = [
        _tick(x(tick), top - GAP / 2, shown(tick) if tick in written else "", _anchor(tick, ticks, layout), tick == 0.0)
        for tick in ticks
    ]
    return (
        f'<svg class="{layout.name}" viewBox="0 0 {layout.width} {top + 16:g}" role="img" '
        f'aria-label="{escape(description)}">{"".join(grid)}{"".join(drawn)}</svg>'
    )


def _told(line: Line, top: float, height: int, layout: Layout) -> str:
    """The line's label and note."""
    label = line.label if len(line.label) <= layout.longest_label else line.label[: layout.longest_label - 1] + "…"
    if layout.above:
        middle = top + LINE / 2
        return _text(0, middle, label, "start", line.label) + _text(layout.width, middle, line.note, "end")
    middle = top + height / 2
    return _text(layout.left - 10, middle, label, "end", line.label) + _text(
        layout.right + 10, middle, line.note, "start"
    )


def legend(names: Sequence[str]) -> str:
    """Which colour and shape is which model."""
    entries = (
        f'<li><svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">{_shape(8, 8, number)}</svg> '
        f"{escape(name)}</li>"
        for number, name in enumerate(names)
    )
    return f'<ul class="legend">{"".join(entries)}</ul>'


def axis_ticks(low: float, high: float) -> list[float]:
    """Round values, at most seven, that begin at or below ``low`` and end at or above ``high``."""
    span = high - low if high - low > 1e-9 else 1.0
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 5, 10) if span / (step * factor) <= 5)
    first, last = math.floor(low / step + 1e-9), max(math.ceil(high / step - 1e-9), math.floor(low / step + 1e-9) + 1)
    return [round(number * step, 10) for number in range(first, last + 1)]


def _text(x: float, y: float, text: str, anchor: str, title: str = "") -> str:
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<text x="{x}" y="{y + 4}" text-anchor="{anchor}">{told}{escape(text)}</text>'


def _anchor(tick: float, ticks: Sequence[float], layout: Layout) -> str:
    """Of a narrow chart the first and the last value are written inwards: there is no room beside the axis."""
    if layout.above and tick in (ticks[0], ticks[-1]):
        return "start" if tick == ticks[0] else "end"
    return "middle"


def _tick(x: float, bottom: float, text: str, anchor: str, zero: bool) -> str:
    kind = "zero" if zero else "grid"
    return (
        f'<line class="{kind}" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>'
        f'<text class="tick" x="{x}" y="{bottom + 14}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _bar(zero: float, end: float, y: float, mark: Mark) -> str:
    left, width = min(zero, end), max(abs(end - zero), 0.5)
    return f'<rect class="s{mark.series % SERIES}" x="{left}" y="{y - 7}" width="{width:.1f}" height="14" rx="2"/>'


def _mark(x: float, low: float, high: float, y: float, mark: Mark, on_bar: bool) -> str:
    kind = "whisker" if on_bar else f"l{mark.series % SERIES}"
    interval = (
        f'<path class="{kind}" d="M{low} {y}H{high}M{low} {y - 4}V{y + 4}M{high} {y - 4}V{y + 4}"/>'
        if high > low
        else ""
    )
    shape = "" if on_bar else _shape(x, y, mark.series)
    return f"<g><title>{escape(mark.title)}</title>{interval}{shape}</g>"


def _shape(x: float, y: float, series: int) -> str:
    """Shapes differ as colours do, for those who cannot tell these apart and for print."""
    number = series % SERIES
    shapes = (
        f"M{x - 5} {y}a5 5 0 1 0 10 0a5 5 0 1 0 -10 0Z",
        f"M{x - 4.5} {y - 4.5}h9v9h-9Z",
        f"M{x} {y - 6}l5.5 10h-11Z",
        f"M{x} {y - 6}l6 6l-6 6l-6 -6Z",
        f"M{x} {y + 6}l5.5 -10h-11Z",
        f"M{x - 6} {y - 2}h4v-4h4v4h4v4h-4v4h-4v-4h-4Z",
    )
    return f'<path class="s{number}" d="{shapes[number]}"/>'
