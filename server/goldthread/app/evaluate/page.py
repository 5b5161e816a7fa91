"""The HTML page of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from itertools import cycle

from goldthread.app.charts import COLOURS, Axis, Series, chart, legend, page, table
from goldthread.app.evaluate.report import lines
from goldthread.app.evaluate.systems import SystemReport
from goldthread.matching.evaluation import Resampling

__all__ = ["curves_of", "render_page"]

_METHOD = (
    "Pairs are counted after closure: every pair of rows in one cluster. B³ is B-cubed (Bagga & Baldwin 1998); splits and merges are the generalised merge "
    "distance at unit costs (Menestrina et al. 2010). Candidates count for both of their records. Intervals: bootstrap over true persons (Efron 1979)"
)


def render_page(systems: Sequence[SystemReport], resampling: Resampling) -> str:
    """One self-contained document with the table, the calibration curve and the precision-recall curve."""
    method = f"{_METHOD}, {resampling.resamples:,} draws, seed {resampling.seed}, {resampling.confidence:.0%}."
    parts = [
        table(
            ["", *(f"{one.name} {one.version}" for one in systems)],
            ([escape(title), *map(escape, cells)] for title, cells in lines(systems)),
        ),
        f"<p class='note'>{escape(method)}</p>",
        "<h2>Probabilities</h2>",
        *(curves_of(systems) or ["<p>No scored pairs were given.</p>"]),
    ]
    return page("Evaluation", parts)


def curves_of(systems: Sequence[SystemReport]) -> list[str]:
    """Calibration curves and precision-recall curves of the systems that have scored pairs."""
    styles = dict(zip((one.name for one in systems), cycle(COLOURS), strict=False))
    calibrated = [
        Series(
            name=one.name,
            points=[(found.mean, found.observed) for found in calibration.bins],
            style=styles[one.name],
            dots=True,
        )
        for one in systems
        if (calibration := one.evaluation.calibration) is not None and calibration.pairs
    ]
    curves = [
        Series(
            name=one.name,
            points=[(point.recall, point.precision) for point in one.evaluation.curve],
            style=styles[one.name],
        )
        for one in systems
        if one.evaluation.curve
    ]
    parts = []
    if calibrated:
        title = "Calibration: bins of equal mass"
        across, up = Axis(title="mean probability"), Axis(title="observed share of one person")
        parts += [f"<h3>{title}</h3>", legend(calibrated), chart(title, across, up, calibrated, diagonal=True)]
        parts += [f"<p class='note'>{escape(text)}</p>" for text in map(_error_beside_chance, systems) if text]
    if curves:
        title = "Pairs before clustering, by threshold"
        across, up = Axis(title="recall"), Axis(title="precision")
        parts += [f"<h3>{title}</h3>", legend(curves), chart(title, across, up, curves)]
    return parts


def _error_beside_chance(system: SystemReport) -> str:
    """The calibration error and what chance alone makes of it, as a sentence; empty without scored pairs."""
    calibration = system.evaluation.calibration
    if calibration is None or not calibration.pairs:
        return ""
    return (
        f"{system.name}: expected calibration error {calibration.expected_error:.3f} over {calibration.pairs:,} pairs; were every "
        f"probability right, it would be {calibration.noise.mean:.3f} on average and 95 times of 100 below {calibration.noise.high:.3f}."
    )
