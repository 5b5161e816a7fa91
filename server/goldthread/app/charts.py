"""Pages with charts, complete in themselves: inline SVG, no script, nothing fetched; colours follow the reader's scheme."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["COLOURS", "SHARES", "Axis", "Series", "bar", "chart", "legend", "page", "stacks", "table"]

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 12, 12, 44

COLOURS = ("first", "second", "third", "fourth", "fifth")
"""Styles for things that are compared."""
SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Marks of a scale from 0 to 1."""

_STYLE = """
:root { color-scheme: light dark; --same: #1b7f5c; --household: #c77d0a; --strangers: #6a7587; --line: #8886;
  --first: #2a72c4; --second: #c7640a; --third: #3a8a22; --fourth: #a23068; --fifth: #7a5ac8; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; } p.note { opacity: .8; max-width: 48rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } caption { text-align: left; font-weight: 600; padding: .8rem 0 .2rem; }
th, td { padding: .1rem .7rem .1rem 0; text-align: right; border-bottom: 1px solid var(--line); } th:first-child, td:first-child { text-align: left; }
svg.chart { width: 100%; max-width: 46rem; height: auto; } svg.bar { width: 6rem; height: .6rem; }
svg text { font-size: 12px; fill: currentColor; } .grid { stroke: var(--line); } polyline { stroke-width: 2; } rect { stroke: none !important; }
.same { fill: var(--same); stroke: var(--same); } .household { fill: var(--household); stroke: var(--household); }
.strangers { fill: var(--strangers); stroke: var(--strangers); } .ideal { stroke: var(--strangers); stroke-dasharray: 4 4; }
.first { fill: var(--first); stroke: var(--first); } .second { fill: var(--second); stroke: var(--second); }
.third { fill: var(--third); stroke: var(--third); }
.fourth { fill: var(--fourth); stroke: var(--fourth); } .fifth { fill: var(--fifth); stroke: var(--fifth); }
.key::before { content: "■ "; } .key.same { color: var(--same); } .key.household { color: var(--household); } .key.strangers { color: var(--strangers); }
.key.first { color: var(--first); } .key.second { color: var(--second); } .key.third { color: var(--third); } .key.fourth { color: var(--fourth); }
.key.fifth { color: var(--fifth); }
""".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale with its title and the values marked on it; logarithmic scales begin at `low` > 0. What lies outside is drawn at the edge."""

    title: str
    low: float = 0.0
    high: float = 1.0
    ticks: Sequence[float] = SHARES
    logarithmic: bool = False
    label: Callable[[float], str] = "{:g}".format

    def place(self, value: float) -> float:
        """Where a value stands, 0 to 1."""
        if self.logarithmic:
            span = math.log(self.high / self.low)
            return math.log(min(max(value, self.low), self.high) / self.low) / span if span else 0.0
        return (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points joined by a line; `style` is a class of the page. `dots` marks each point."""

    name: str
    points: Sequence[tuple[float, float]]
    style: str
    dots: bool = False


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document of parts that are HTML already. Equal parts give equal bytes."""
    return (
        "<!doctype html>\n<html lang='en'>\n<head>\n<meta charset='utf-8'>\n<meta name='viewport' content='width=device-width, initial-scale=1'>\n"
        f"<title>{escape(title)}</title>\n<style>\n{_STYLE}\n</style>\n</head>\n<body>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, caption: str = "") -> str:
    """A table whose cells are HTML already; caption and head are texts."""
    lines = [f"<table><caption>{escape(caption)}</caption>" if caption else "<table>"]
    if head:
        lines.append("<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>")
    lines += ["<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    return "\n".join([*lines, "</table>"])


def legend(series: Iterable[Series]) -> str:
    """What the colours of a chart stand for."""
    keys = (f"<span class='key {one.style}'>{escape(one.name)}</span>" for one in series)
    return "<p class='note'>" + " &nbsp; ".join(keys) + "</p>"


def chart(title: str, across: Axis, up: Axis, series: Sequence[Series], *, diagonal: bool = False) -> str:
    """A line chart; the `diagonal` is what is ideal."""
    ideal = [(across.low, up.low), (across.high, up.high)]
    drawn = [*([Series(name="ideal", points=ideal, style="ideal")] if diagonal else []), *series]
    parts = []
    for one in drawn:
        placed = [(_x(across, x), _y(up, y)) for x, y in one.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in placed)
        parts.append(
            f'<polyline class="{one.style}" style="fill:none" points="{path}"><title>{escape(one.name)}</title></polyline>'
        )
        if one.dots:
            parts += [
                f'<circle class="{one.style}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{_at(point)}</title></circle>'
                for (x, y), point in zip(placed, one.points, strict=True)
            ]
    return _framed(title, across, up, parts)


def stacks(title: str, across: Axis, up: Axis, bars: Sequence[tuple[float, float, Sequence[tuple[str, float]]]]) -> str:
    """Stacked bars: from, to, and `(style, height)` from the bottom."""
    parts = []
    for start, end, heights in bars:
        low = 0.0
        for style, height in heights:
            if height <= 0:
                continue
            top, bottom = _y(up, low + height), _y(up, low)
            x, width = _x(across, start), max(1.0, _x(across, end) - _x(across, start) - 1)
            parts.append(
                f'<rect class="{style}" x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{max(0.0, bottom - top):.1f}">'
                f"<title>{start:g} to {end:g}: {height:,.1f}</title></rect>"
            )
            low += height
    return _framed(title, across, up, parts)


def bar(share: float, style: str) -> str:
    """A bar for a table cell, `share` of its width."""
    width = 100 * min(max(share, 0.0), 1.0)
    return (
        f'<svg class="bar" viewBox="0 0 100 8" role="img" aria-label="{share:.0%}" preserveAspectRatio="none">'
        f'<rect class="{style}" width="{width:.1f}" height="8"/></svg>'
    )


def _framed(title: str, across: Axis, up: Axis, parts: Sequence[str]) -> str:
    lines = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in across.ticks:
        x = _x(across, tick)
        lines.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
        lines.append(
            f'<text x="{x:.1f}" y="{_HEIGHT - _BOTTOM + 16}" text-anchor="middle">{escape(across.label(tick))}</text>'
        )
    for tick in up.ticks:
        y = _y(up, tick)
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{escape(up.label(tick))}</text>')
    lines += parts
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    lines.append(f'<text x="{middle:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(across.title)}</text>')
    lines.append(
        f'<text class="up" transform="translate(12 {_HEIGHT / 2:.0f}) rotate(-90)" text-anchor="middle">{escape(up.title)}</text>'
    )
    return "\n".join([*lines, "</svg>"])


def _x(axis: Axis, value: float) -> float:
    return _LEFT + axis.place(value) * (_WIDTH - _LEFT - _RIGHT)


def _y(axis: Axis, value: float) -> float:
    return _HEIGHT - _BOTTOM - axis.place(value) * (_HEIGHT - _TOP - _BOTTOM)


def _at(point: tuple[float, float]) -> str:
    return f"{point[0]:.3f}, {point[1]:.3f}"
