"""Small charts as inline SVG: nothing is fetched, nothing runs, colours follow the page's."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Axis", "Series", "bar", "chart", "stacks"]

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 12, 12, 44


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale with its title and the values marked on it; logarithmic scales begin at `low` > 0."""

    title: str
    low: float
    high: float
    ticks: Sequence[float]
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


def chart(title: str, across: Axis, up: Axis, series: Sequence[Series]) -> str:
    """A line chart."""
    parts = []
    for one in series:
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
