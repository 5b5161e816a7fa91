"""Charts as inline SVG and a page around them: one file, no script, nothing loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Series", "line_chart", "page", "table"]

_WIDTH, _HEIGHT = 520, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 16, 16, 48
_COLOURS = ("#0b5394", "#b45f06", "#38761d", "#741b47", "#4c1130")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #222; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2rem }
table { border-collapse: collapse } th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #ddd; font-variant-numeric: tabular-nums }
figure { display: inline-block; margin: 0 1.5rem 1.5rem 0 } figcaption { font-weight: 600 }
svg { max-width: 100%; height: auto } svg text { font: 12px system-ui, sans-serif; fill: #444 }
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Points of one line, in order; `marks` draws a dot at each, `line` joins them."""

    name: str
    points: Sequence[tuple[float, float]]
    marks: bool = False
    line: bool = True


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] = (0.0, 1.0),
    y_range: tuple[float, float] = (0.0, 1.0),
    diagonal: bool = False,
) -> str:
    """A figure with axes, grid, legend and the series; points outside the ranges are drawn at the edge."""
    horizontal = _Scale(*x_range, _LEFT, _WIDTH - _RIGHT)
    vertical = _Scale(*y_range, _HEIGHT - _BOTTOM, _TOP)
    drawn = list(_axes(horizontal, vertical, x_label=x_label, y_label=y_label))
    if diagonal:
        ends = (horizontal.low, vertical.low, horizontal.high, vertical.high)
        x1, y1, x2, y2 = (
            f"{value:.1f}"
            for value in (horizontal.at(ends[0]), vertical.at(ends[1]), horizontal.at(ends[2]), vertical.at(ends[3]))
        )
        drawn.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="#999" stroke-dasharray="4 4"/>')
    for place, one in enumerate(series):
        colour = _COLOURS[place % len(_COLOURS)]
        spots = [(horizontal.at(x), vertical.at(y)) for x, y in one.points]
        if one.line and spots:
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in spots)
            drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if one.marks:
            drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in spots]
        row = _TOP + 16 + 17 * place
        drawn.append(f'<rect x="{_LEFT + 10}" y="{row - 9}" width="10" height="10" fill="{colour}"/>')
        drawn.append(f'<text x="{_LEFT + 26}" y="{row}">{escape(one.name)}</text>')
    body = "".join(drawn)
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" role="img" aria-label="{escape(title)}">{body}</svg></figure>'
    )


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def page(title: str, parts: Iterable[str]) -> str:
    """A whole document of parts that are HTML already."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


@dataclass(frozen=True, slots=True)
class _Scale:
    """Values from `low` to `high` onto coordinates from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = self.high - self.low
        share = (value - self.low) / span if span else 0.0
        return self.start + (self.end - self.start) * min(max(share, 0.0), 1.0)

    def ticks(self) -> list[float]:
        return [self.low + (self.high - self.low) * step / 5 for step in range(6)]


def _axes(horizontal: _Scale, vertical: _Scale, *, x_label: str, y_label: str) -> Iterable[str]:
    for value in horizontal.ticks():
        x = f"{horizontal.at(value):.1f}"
        yield f'<line x1="{x}" y1="{vertical.start}" x2="{x}" y2="{vertical.end}" stroke="#eee"/>'
        yield f'<text x="{x}" y="{vertical.start + 18}" text-anchor="middle">{value:.3g}</text>'
    for value in vertical.ticks():
        y = f"{vertical.at(value):.1f}"
        yield f'<line x1="{horizontal.start}" y1="{y}" x2="{horizontal.end}" y2="{y}" stroke="#eee"/>'
        yield f'<text x="{horizontal.start - 8}" y="{y}" dy="4" text-anchor="end">{value:.3g}</text>'
    yield f'<text x="{(horizontal.start + horizontal.end) / 2}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>'
    middle = (vertical.start + vertical.end) / 2
    yield f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">{escape(y_label)}</text>'
