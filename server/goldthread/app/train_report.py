"""The report of a training: one HTML page that holds everything it shows. It names no value of any record."""

from __future__ import annotations

from html import escape

from goldthread.app.charts import Axis, Series, bar, chart, page, stacks, table
from goldthread.matching.training import TrainedComparison, Training

__all__ = ["report_page"]

_LINK = 0.94
_LEVELS_NOTE = (
    "<p class='note'>Share of each level among pairs of one person (m), of two people of one household (h) and of strangers (u), and its weight "
    "in bits before calibration: log2(m/u) against strangers, and log2(m/u) − log2(h/u) against a household.</p>"
)


def report_page(training: Training) -> str:
    """The page, complete in itself: no script, no request. Equal trainings give equal bytes."""
    body = [
        _facts(training),
        "<h2>Match weights of the candidates</h2>",
        _histogram(training),
        "<h2>Calibration</h2>",
        _calibration(training),
        "<h2>Estimated precision and recall</h2>",
        _precision_recall(training),
        "<h2>Blocking</h2>",
        _blocking(training),
        "<h2>Weights of the levels</h2>",
        _LEVELS_NOTE,
        *(_levels(comparison) for comparison in training.comparisons if comparison.levels),
    ]
    return page(f"Match model {training.version}", body)


def _facts(training: Training) -> str:
    evidence = (
        f"{training.labels:,} labels" if training.labels else f"{training.votes:,} pairs that third records vote on"
    )
    doubt = "" if training.calibrated else ": uncalibrated, since nothing sure was heard"
    rows = [
        ("records", f"{training.records:,}"),
        ("population the priors speak of", f"{training.population:,}"),
        ("candidate pairs", f"{training.candidates:,.0f}"),
        ("estimated pairs of one person", f"{training.matches:,.0f}"),
        ("estimated pairs of one household", f"{training.households:,.0f}"),
        ("rounds of the estimation", f"{training.rounds}" + ("" if training.settled else " (not settled)")),
        (
            "calibration",
            f"slope {training.slope:.3f}, intercept {training.intercept:+.3f} bits, from {evidence}{doubt}",
        ),
        ("seed", f"{training.seed}"),
    ]
    if training.probes < training.records:
        rows.insert(1, ("records whose candidates were looked at", f"{training.probes:,}"))
    return table((), rows)


def _histogram(training: Training) -> str:
    bins = [found for found in training.histogram if -20 <= found.bits < 40]
    if not bins:
        return "<p class='note'>No candidates.</p>"
    most = max(found.strangers + found.households for found in bins)
    ticks = [10.0**power for power in range(13) if 10.0**power <= most * 1.01] or [1.0]
    up = Axis(
        title="pairs",
        low=0.5,
        high=max(most, 1.0) * 1.2,
        ticks=ticks,
        logarithmic=True,
        label=lambda value: f"{value:,.0f}",
    )
    across = Axis(title="calibrated match weight in bits", low=-20, high=40, ticks=range(-20, 41, 5))
    bars = []
    for found in bins:
        rest = found.strangers + found.households - found.matches
        kin = min(found.households, rest)
        bars.append(
            (found.bits, found.bits + 0.5, [("same", found.matches), ("household", kin), ("strangers", rest - kin)])
        )
    return (
        "<p class='note'><span class='key same'>expected pairs of one person</span>, of the others those whose nearest rival is "
        "<span class='key household'>one household</span> or <span class='key strangers'>strangers</span>. The scale of pairs is logarithmic; "
        "0 bits is as likely as not.</p>" + stacks("Histogram of match weights", across, up, bars)
    )


def _calibration(training: Training) -> str:
    if not training.reliability:
        return "<p class='note'>No third record and no label says anything of these pairs: the scores stay as they were estimated.</p>"
    points = [(found.expected, found.observed) for found in training.reliability]
    pairs = sum(found.pairs for found in training.reliability)
    error = sum(found.pairs * abs(found.expected - found.observed) for found in training.reliability) / pairs
    judge = "labels" if training.labels else "third records"
    lines = chart(
        "Calibration curve",
        Axis(title="probability of one person"),
        Axis(title=f"share that {judge} call one person"),
        [Series(name="observed", points=points, style="same", dots=True)],
        diagonal=True,
    )
    note = f"{pairs:,} pairs of probability 0.05 or more in bins of equal number; mean distance from the ideal {error:.3f}."
    return f"<p class='note'>{note}</p>{lines}"


def _precision_recall(training: Training) -> str:
    points = training.precision_recall()
    if not points:
        return "<p class='note'>No candidates.</p>"
    at_link = min(points, key=lambda point: abs(point[0] - 4.0))
    lines = chart(
        "Estimated precision and recall",
        Axis(title="recall among the candidates"),
        Axis(title="precision"),
        [Series(name="by threshold", points=[(recall, precision) for _, precision, recall in points], style="same")],
    )
    return (
        "<p class='note'>What the calibrated probabilities say of single pairs, before clusters are made. At probability "
        f"{_LINK}: precision {at_link[1]:.3f}, recall {at_link[2]:.3f}.</p>{lines}"
    )


def _blocking(training: Training) -> str:
    most = max((found.pairs for found in training.passes), default=1.0)
    total = sum(found.only for found in training.passes)
    rows = [
        (
            escape(found.name),
            f"{found.pairs:,.0f}",
            bar(found.pairs / most if most else 0.0, "strangers"),
            f"{found.new_pairs:,.0f}",
            f"{found.matches:,.0f}",
            f"{found.only:,.1f}",
            f"{found.households:,.0f}",
            "mostly households" if found.distrusted else "kept" if found.kept else "not needed",
        )
        for found in training.passes
    ]
    head = ("pass", "pairs", "", "new pairs", "matches", "only by it", "households", "")
    note = (
        "Matches and households are expected numbers. A pass that finds mostly households teaches nothing about one person; a rule is not needed if "
        f"the others find all but a thousandth of the matches without it. {total:,.0f} matches were found by one pass only."
    )
    return f"<p class='note'>{note}</p>" + table(head, rows)


def _levels(comparison: TrainedComparison) -> str:
    rows = []
    for level in comparison.levels:
        against = level.stranger_weight / 1000
        rival = (level.stranger_weight - level.household_weight) / 1000
        rows.append(
            (
                escape(level.name),
                f"{level.same:.4f}",
                bar(level.same, "same"),
                f"{level.household:.4f}",
                bar(level.household, "household"),
                f"{level.strangers:.2g}",
                bar(level.strangers, "strangers"),
                f"{against:+.2f}",
                f"{rival:+.2f}",
            )
        )
    head = ("level", "m", "", "h", "", "u", "", "against strangers", "against a household")
    return table(head, rows, caption=comparison.name)
