"""The HTML page of an evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from goldthread.app.charts import Series, line_chart, page, table
from goldthread.app.evaluate.report import lines
from goldthread.app.evaluate.systems import SystemReport
from goldthread.matching.evaluation import Resampling

__all__ = ["render_page"]

_METHOD = (
    "Pairs are counted after closure: every pair of rows in one cluster. B³ is B-cubed (Bagga & Baldwin 1998); splits and merges are the generalised merge "
    "distance at unit costs (Menestrina et al. 2010). Candidates count for both of their records. Intervals: bootstrap over true persons (Efron 1979)"
)


def render_page(systems: Sequence[SystemReport], resampling: Resampling) -> str:
    """One self-contained document with the table, the calibration curve and the precision-recall curve."""
    parts = [
        table(
            ["", *(f"{one.name} {one.version}" for one in systems)],
            ([title, *cells] for title, cells in lines(systems)),
        ),
        f"<p>{escape(_METHOD)}, {resampling.resamples:,} draws, seed {resampling.seed}, {resampling.confidence:.0%}.</p>",
        "<h2>Probabilities</h2>",
    ]
    calibrated = [
        Series(name=one.name, points=[(found.mean, found.observed) for found in calibration.bins], marks=True)
        for one in systems
        if (calibration := one.evaluation.calibration) is not None and calibration.pairs
    ]
    curves = [
        Series(name=one.name, points=[(point.recall, point.precision) for point in one.evaluation.curve])
        for one in systems
        if one.evaluation.curve
    ]
    if calibrated:
        parts.append(
            line_chart(
                "Calibration: bins of equal mass",
                calibrated,
                x_label="mean probability",
                y_label="observed share of one person",
                diagonal=True,
            )
        )
    if curves:
        parts.append(line_chart("Pairs before clustering, by threshold", curves, x_label="recall", y_label="precision"))
    if not calibrated and not curves:
        parts.append("<p>No scored pairs were given.</p>")
    return page("Evaluation", parts)
