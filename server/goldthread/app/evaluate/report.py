"""What was measured, as a table for people and as JSON for programs. Holds no value of any row."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence

from goldthread.app.evaluate.systems import SystemReport
from goldthread.matching.evaluation import MOST_JUDGED, Calibration, Measure, Resampling, difference

__all__ = ["DIFFERENCES", "MEASURES", "as_json", "as_text", "interval", "lines", "noise"]

MEASURES = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "bcubed_precision": "B³ precision",
    "bcubed_recall": "B³ recall",
    "bcubed_f1": "B³ F1",
    "exact": "exact persons",
    "expected_calibration_error": "calibration error, p ≥ .05",
    "band_precision": "observed for p in [.90, .98]",
    "blocking_direct": "blocking recall, direct",
    "blocking_through_cluster": "blocking recall, through the cluster",
    "blocking_findable_direct": "of findable pairs, direct",
    "blocking_findable_through_cluster": "of findable pairs, through the cluster",
    "blocking_beyond_names_direct": "of those with more in common than names, direct",
    "blocking_beyond_names_through_cluster": "of those with more in common than names, through the cluster",
    "blocking_kept_direct": "of pairs that would be kept, direct",
    "blocking_kept_through_cluster": "of pairs that would be kept, through the cluster",
}
"""Measures with an interval, in the order in which they are shown."""

DIFFERENCES = ("precision", "recall", "f1", "bcubed_f1", "exact")
"""Measures of the first system that every other is compared with, draw by draw."""

_COUNTS = {
    "rows": "rows",
    "true_persons": "true persons",
    "clusters": "clusters",
    "true_pairs": "true pairs",
    "predicted_pairs": "predicted pairs",
    "correct_pairs": "correct pairs",
    "over_merged": "clusters of several persons",
    "under_merged": "persons in several clusters",
    "splits": "splits to the truth",
    "merges": "merges to the truth",
}

_FINDABLE_COUNTS = {
    "true_record_pairs": "true pairs of different records",
    "findable_pairs": "of them findable",
    "beyond_names_pairs": "of them findable by more than names",
    "kept_pairs": "of them would be kept as candidates",
}


def noise(calibration: Calibration | None) -> str:
    """What the calibration error would be were every probability right, mean and 95th percentile; empty without pairs."""
    if calibration is None or not calibration.pairs:
        return ""
    return f"{calibration.noise.mean:.3f}, {calibration.noise.high:.3f}"


def _band_mean(calibration: Calibration | None) -> str:
    return "" if calibration is None or not calibration.band.pairs else f"{calibration.band.mean:.3f}"


_BESIDE = {
    "expected_calibration_error": ("what chance makes of it: mean, 95 % below", noise),
    "band_precision": ("mean p there, which it is held against", _band_mean),
}
"""What a measure of the probabilities is held against stands below it."""


def as_text(systems: Sequence[SystemReport], resampling: Resampling) -> str:
    """A table with a column for each system, and the calibration bins of the first that has some."""
    head = ["", *(_title(system) for system in systems)]
    body = [[title, *cells] for title, cells in lines(systems)]
    widths = [max(len(row[place]) for row in (head, *body)) for place in range(len(head))]
    shown = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *body)
    ]
    shown += ["", _explained(resampling)]
    for system in systems:
        if system.evaluation.calibration is not None and system.evaluation.calibration.pairs:
            shown += ["", *_bins(system.name, system.evaluation.calibration)]
            break
    return "\n".join(shown)


def lines(systems: Sequence[SystemReport]) -> Iterator[tuple[str, list[str]]]:
    """Title and one cell a system of everything that any of them has."""
    for name, title in MEASURES.items():
        cells = [system.evaluation.measures.get(name) for system in systems]
        if any(cells):
            yield title, [interval(cell) for cell in cells]
        if name in _BESIDE and any(cells):
            beside, said = _BESIDE[name]
            yield beside, [said(system.evaluation.calibration) for system in systems]
    for first, *others in [systems]:
        for name in DIFFERENCES if others else ():
            cells = [difference(first.evaluation, other.evaluation, name) for other in others]
            yield f"{MEASURES[name]}: {first.name} is better by", ["", *(interval(cell, signed=True) for cell in cells)]
    rates = (
        (
            "candidates per record",
            [None if (found := one.evaluation.blocking) is None else found.per_record for one in systems],
        ),
        ("reviews per 1,000 rows", [one.reviews_per_thousand for one in systems]),
        ("reviews per 1,000 records", [one.reviews_per_thousand_records for one in systems]),
        ("seconds", [one.seconds for one in systems]),
        ("MiB", [one.peak_mebibytes for one in systems]),
    )
    for title, values in rates:
        if any(value is not None for value in values):
            yield title, ["" if value is None else f"{value:,.1f}" for value in values]
    for name, title in _FINDABLE_COUNTS.items():
        counts = [None if (found := one.evaluation.blocking) is None else getattr(found, name) for one in systems]
        if any(count is not None for count in counts):
            yield title, ["" if count is None else f"{count:,}" for count in counts]
    beyond = [one.evaluation.blocking is not None and one.evaluation.blocking.judged is False for one in systems]
    if any(beyond):
        yield (
            "which of them could be found",
            [f"not judged: more than {MOST_JUDGED:,}" if one else "" for one in beyond],
        )
    for name, title in _COUNTS.items():
        yield title, [f"{getattr(system.evaluation.counts, name):,}" for system in systems]
    if any(system.evaluation.unlabelled for system in systems):
        yield "rows without a truth, left out", [f"{system.evaluation.unlabelled:,}" for system in systems]


def interval(measure: Measure | None, *, signed: bool = False) -> str:
    """Value and interval in three digits; empty for None."""
    if measure is None:
        return ""
    sign = "+" if signed else ""
    return f"{measure.value:{sign}.3f} [{measure.low:{sign}.3f}, {measure.high:{sign}.3f}]"


def as_json(systems: Sequence[SystemReport], resampling: Resampling) -> dict[str, object]:
    """Everything, with full digits. `differences` has, for every system but the first, what the first has more of each measure."""
    first = systems[0]
    return {
        "resampling": dataclasses.asdict(resampling),
        "systems": [_system(system) for system in systems],
        "differences": {
            other.name: {
                name: dataclasses.asdict(difference(first.evaluation, other.evaluation, name)) for name in DIFFERENCES
            }
            for other in systems[1:]
        },
    }


def _system(system: SystemReport) -> dict[str, object]:
    found = system.evaluation
    return {
        "name": system.name,
        "version": system.version,
        "counts": dataclasses.asdict(found.counts),
        "unlabelled": found.unlabelled,
        "measures": {name: dataclasses.asdict(measure) for name, measure in found.measures.items()},
        "calibration": None if found.calibration is None else dataclasses.asdict(found.calibration),
        "blocking": None
        if found.blocking is None
        else dataclasses.asdict(found.blocking) | {"per_record": found.blocking.per_record},
        "precision_recall": [[point.probability, point.precision, point.recall] for point in found.curve],
        "reviews_per_thousand": system.reviews_per_thousand,
        "reviews_per_thousand_records": system.reviews_per_thousand_records,
        "seconds": system.seconds,
        "peak_mebibytes": system.peak_mebibytes,
    }


def _title(system: SystemReport) -> str:
    return f"{system.name} {system.version}".rstrip()


def _explained(resampling: Resampling) -> str:
    if not resampling.resamples:
        return "No intervals were asked for."
    return (
        f"[…]: {resampling.confidence:.0%} of {resampling.resamples:,} draws of true persons, seed {resampling.seed}. "
        "Pairs are counted after closure: every pair of rows in one cluster."
    )


def _bins(name: str, calibration: Calibration) -> Iterator[str]:
    yield f"calibration of {name}: {calibration.pairs:,} pairs with p ≥ {calibration.floor:.2f}"
    yield "  p from   to     mean   observed  pairs"
    for one in (*calibration.bins, calibration.band):
        note = "  (the band around the link threshold)" if one is calibration.band else ""
        yield f"  {one.low:.3f}  {one.high:.3f}  {one.mean:.3f}  {one.observed:.3f}     {one.pairs:,}{note}"
