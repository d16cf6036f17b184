"""Charts as inline SVG: values with their intervals, one line a label. Colours come from the page's style sheet."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

WIDTH: Final = 720
LABELS: Final = 190
VALUES: Final = 190
LINE: Final = 18
GAP: Final = 12
LONGEST_LABEL: Final = 26
SERIES: Final = 6
"""So many colours and shapes there are; a seventh model looks like the first and is told by its line's title."""


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
    """An SVG element; ``shown`` writes a value of the axis. ``bars`` draws from zero, otherwise marks stand alone.

    Zero is always on the axis, so that lengths and distances can be compared by eye.
    """
    marks = [mark for line in lines for mark in line.marks]
    ticks = axis_ticks(min(0.0, *(mark.low for mark in marks)), max(0.0, *(mark.high for mark in marks)))
    left, right = LABELS, WIDTH - VALUES
    scale = (right - left) / (ticks[-1] - ticks[0])

    def x(value: float) -> float:
        return round(left + (value - ticks[0]) * scale, 1)

    drawn, top = [], 4
    for line in lines:
        height = LINE * max(len(line.marks), 1)
        middle = top + height / 2
        drawn.append(_text(left - 10, middle, _shortened(line.label), "end", line.label))
        drawn.append(_text(right + 10, middle, line.note, "start"))
        for place, mark in enumerate(line.marks):
            y = top + LINE * (place + 0.5)
            drawn.append(_bar(x(0.0), x(mark.value), y, mark) if bars else "")
            drawn.append(_mark(x(mark.value), x(mark.low), x(mark.high), y, mark, bars))
        top += height + GAP
    grid = [_tick(x(tick), top - GAP / 2, shown(tick), tick == 0.0) for tick in ticks]
    height = top + 16
    return (
        f'<div class="chart"><svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(description)}">'
        f"{''.join(grid)}{''.join(drawn)}</svg></div>"
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


def _shortened(label: str) -> str:
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def _text(x: float, y: float, text: str, anchor: str, title: str = "") -> str:
    told = f"<title>{escape(title)}</title>" if title else ""
    return f'<text x="{x}" y="{y + 4}" text-anchor="{anchor}">{told}{escape(text)}</text>'


def _tick(x: float, bottom: float, text: str, zero: bool) -> str:
    kind = "zero" if zero else "grid"
    return (
        f'<line class="{kind}" x1="{x}" x2="{x}" y1="0" y2="{bottom}"/>'
        f'<text class="tick" x="{x}" y="{bottom + 14}" text-anchor="middle">{escape(text)}</text>'
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
