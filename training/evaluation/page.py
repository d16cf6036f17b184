"""One HTML page that needs nothing but itself: no script, no network, light and dark, on screen and on paper."""

from html import escape
from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --ground: #ffffff; --raised: #f4f6f8; --ink: #1b2430; --quiet: #55606e;
  --edge: #d5dbe2; --grid: #e6eaee; --shade: #aab4bf; --c0: #0b62a8; --c1: #c2410c; --c2: #157347; --c3: #7e3f98;
  --c4: #7a6000; --c5: #55606e; }
@media (prefers-color-scheme: dark) { :root { --ground: #12171d; --raised: #1b222b; --ink: #e8edf2; --quiet: #a3afbc;
  --edge: #37424f; --grid: #262f39; --shade: #5b6a7b; --c0: #64aef0; --c1: #ff9a62; --c2: #63cb8b; --c3: #d09be8;
  --c4: #dcc04f; --c5: #a9b5c2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.75rem 0 .5rem; padding-top: .9rem; border-top: 1px solid var(--edge); }
h3 { font-size: 1rem; margin: 1.6rem 0 .2rem; }
p, ul { margin: .4rem 0 .8rem; max-width: 44rem; }
.quiet, caption, figcaption { color: var(--quiet); font-size: .9rem; }
.answer { background: var(--raised); border-left: 4px solid var(--c0); border-radius: 4px; padding: .8rem 1.1rem;
  margin: 1.2rem 0; font-size: 1.08rem; }
.answer p { margin: .3rem 0; }
.caution { border-left: 4px solid var(--c1); padding: .2rem 1.1rem; margin: .6rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .3rem; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--grid); vertical-align: top; }
thead th { border-bottom-color: var(--edge); }
tbody th { white-space: nowrap; padding-right: 1.2rem; }
.number { text-align: right; white-space: nowrap; }
.scroll { overflow-x: auto; background: linear-gradient(to right, var(--ground) 1rem, transparent 3rem) local,
  linear-gradient(to left, var(--ground) 1rem, transparent 3rem) local,
  linear-gradient(to right, var(--shade), transparent .9rem),
  linear-gradient(to left, var(--shade), transparent .9rem); }
.chart svg { display: block; width: 100%; height: auto; }
.chart .narrow { display: none; }
.narrow text { paint-order: stroke; stroke: var(--ground); stroke-width: 4px; }
@media screen and (max-width: 40rem) { .chart .wide { display: none; } .chart .narrow { display: block; }
  main { padding: 1.25rem 1.25rem 3rem; } h1 { font-size: 1.4rem; overflow-wrap: break-word; } }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .tick { fill: var(--quiet); font-size: 11.5px; }
.grid, .zero { stroke: var(--grid); } .zero { stroke: var(--quiet); }
.whisker { stroke: var(--ink); stroke-width: 1.6; fill: none; }
.s0 { fill: var(--c0); } .s1 { fill: var(--c1); } .s2 { fill: var(--c2); } .s3 { fill: var(--c3); }
.s4 { fill: var(--c4); } .s5 { fill: var(--c5); }
.l0 { stroke: var(--c0); } .l1 { stroke: var(--c1); } .l2 { stroke: var(--c2); } .l3 { stroke: var(--c3); }
.l4 { stroke: var(--c4); } .l5 { stroke: var(--c5); }
.l0, .l1, .l2, .l3, .l4, .l5 { stroke-width: 1.8; fill: none; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; list-style: none; padding: 0; font-size: .92rem; }
.legend svg { vertical-align: -2px; }
summary { cursor: pointer; }
@media print { :root { color-scheme: light; --ground: #fff; --raised: #f4f6f8; --ink: #1b2430; --quiet: #55606e;
  --edge: #d5dbe2; --grid: #e6eaee; --c0: #0b62a8; --c1: #c2410c; --c2: #157347; --c3: #7e3f98; --c4: #7a6000;
  --c5: #55606e; } main { max-width: none; padding: 0; } .chart, tr { break-inside: avoid; }
  h2, h3 { break-after: avoid; } .scroll { background: none; }
  details::details-content { content-visibility: visible; block-size: auto; } }
"""


def page(title: str, body: str) -> str:
    """A whole document; ``body`` is HTML, ``title`` is text."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n"
        "</html>\n"
    )


def table(caption: str, headings: list[str], lines: list[list[str]], numbers_from: int) -> str:
    """A table of texts; columns from ``numbers_from`` on hold numbers, the first column names its line.

    Where the screen is narrower it scrolls, and is shaded on the side where there is more.
    """
    css = [' class="number"' if place >= numbers_from else "" for place in range(len(headings))]
    head = "".join(f'<th scope="col"{c}>{escape(text)}</th>' for text, c in zip(headings, css, strict=True))
    body = "".join(
        "<tr>"
        + f'<th scope="row"{css[0]}>{escape(line[0])}</th>'
        + "".join(f"<td{c}>{escape(text)}</td>" for text, c in zip(line[1:], css[1:], strict=True))
        + "</tr>"
        for line in lines
    )
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )
