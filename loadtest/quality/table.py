"""The table of `make bench-quality`, and each set's verdict against the best other tool."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from goldthread.app.evaluate.report import noise
from goldthread.app.evaluate.systems import SystemReport
from goldthread.matching.evaluation import Measure, Resampling, difference
from loadtest.quality.failures import Failure
from loadtest.quality.reproduced import PUBLISHED, TOLERANCE, reproduced

__all__ = ["Row", "markdown"]

_HEAD = (
    "set",
    "fields",
    "system",
    "P",
    "R",
    "F1",
    "B³ F1",
    "exact",
    "calibration error",
    "by chance: mean, 95 % below",
    "p in [.90, .98]: observed",
    "mean p there",
    "reviews / 1,000 rows",
    "/ 1,000 records",
    "blocking direct",
    "through cluster",
    "of findable: direct",
    "through cluster",
    "of kept: direct",
    "through cluster",
    "candidates / record",
    "seconds",
    "MiB",
)
_TIE = 0.995
"""From here on two systems count as equal."""


@dataclass(frozen=True, slots=True)
class Row:
    """One system on one set."""

    name: str
    fields: str
    report: SystemReport

    @property
    def ours(self) -> bool:
        """Whether it is Goldthread."""
        return self.report.name.startswith("goldthread")


def markdown(runs: Sequence[Row | Failure], *, missing: Sequence[str], machine: str, resampling: Resampling) -> str:
    """The whole page: of the runs, in their order, and of the sets that were not there."""
    rows = [run for run in runs if isinstance(run, Row)]
    intro = (
        f"Machine: {machine}. [low, high]: {resampling.confidence:.0%} of {resampling.resamples:,} draws of true persons, seed {resampling.seed}. "
        "Pairs are counted after closure. Seconds run from columns to clusters, training included. Calibration over pairs with p ≥ .05."
    )
    parts = [
        intro,
        "",
        _line(_HEAD),
        _line(["---"] * 3 + ["---:"] * (len(_HEAD) - 3)),
        *(_line(_cells(run) if isinstance(run, Row) else _told(run)) for run in runs),
        "",
        *_verdicts(rows),
        *_reproductions(rows),
    ]
    if missing:
        parts += ["", "Not measured:", "", *(f"- {what}" for what in missing)]
    return "\n".join(parts) + "\n"


def _cells(row: Row) -> Iterator[str]:
    report, found = row.report, row.report.evaluation
    yield from (row.name, row.fields, f"{report.name} {report.version}")
    for name in ("precision", "recall"):
        yield _value(found.measures[name])
    yield _spread(found.measures["f1"])
    for name in ("bcubed_f1", "exact", "expected_calibration_error"):
        yield _value(found.measures.get(name))
    yield noise(found.calibration)
    band = found.measures.get("band_precision")
    calibration = None if band is None else found.calibration
    yield "" if band is None or calibration is None else f"{_spread(band)}, n = {calibration.band.pairs:,}"
    yield "" if calibration is None else f"{calibration.band.mean:.3f}"
    for reviews in (report.reviews_per_thousand, report.reviews_per_thousand_records):
        yield "" if reviews is None else f"{reviews:.1f}"
    for part in ("", "findable_", "kept_"):
        for name in ("direct", "through_cluster"):
            yield _value(found.measures.get(f"blocking_{part}{name}"))
    yield "" if found.blocking is None else f"{found.blocking.per_record:.1f}"
    yield "" if report.seconds is None else f"{report.seconds:.2f}"
    yield "" if report.peak_mebibytes is None else f"{report.peak_mebibytes:.0f}"


def _told(failure: Failure) -> Iterator[str]:
    yield from (failure.name, failure.fields, failure.system)
    yield f"failed: {failure.reason}" + ("" if failure.finding else " (not expected)")
    yield from [""] * (len(_HEAD) - 4)


def _verdicts(rows: Sequence[Row]) -> Iterator[str]:
    """F1 of each of our rows less that of the best other tool on the same set, drawn in pairs."""
    yield _line(("set", "fields", "system", "best other tool", "its F1", "our F1", "difference", "verdict"))
    yield _line(["---"] * 4 + ["---:"] * 3 + ["---"])
    for row in rows:
        peers = [one for one in rows if (one.name, one.fields) == (row.name, row.fields) and not one.ours]
        if not row.ours or not peers:
            continue
        best = max(peers, key=lambda one: one.report.evaluation.measures["f1"].value)
        ours, theirs = (one.report.evaluation.measures["f1"].value for one in (row, best))
        gap = difference(row.report.evaluation, best.report.evaluation, "f1")
        yield _line(
            (
                row.name,
                row.fields,
                row.report.name,
                best.report.name,
                f"{theirs:.3f}",
                f"{ours:.3f}",
                _spread(gap, signed=True),
                _verdict(ours, theirs, gap),
            )
        )


def _reproductions(rows: Sequence[Row]) -> Iterator[str]:
    """For every run of another tool, whether it reaches what is published of it."""
    known = [(row, PUBLISHED.get((row.name, row.fields, row.report.name))) for row in rows if not row.ours]
    if not known:
        return
    yield ""
    yield _line(("set", "fields", "other tool", "published F1", "F1 here", "farthest figure", f"within ± {TOLERANCE}"))
    yield _line(["---"] * 3 + ["---:"] * 2 + ["---"] * 2)
    for row, published in known:
        measures = {name: measure.value for name, measure in row.report.evaluation.measures.items()}
        head = (row.name, row.fields, row.report.name)
        if published is None:
            yield _line((*head, "", f"{measures['f1']:.3f}", "", "not published"))
            continue
        found = reproduced(published, measures)
        farthest = f"{found.measure} by {found.largest:.3f}"
        verdict = "reproduced" if found.within else "NOT reproduced"
        yield _line((*head, f"{published.f1:.3f}", f"{measures['f1']:.3f}", farthest, verdict))


def _verdict(ours: float, theirs: float, gap: Measure) -> str:
    if gap.low > 0:
        return "better"
    if min(ours, theirs) >= _TIE:
        return "tie"
    return "worse" if gap.high < 0 else "no worse"


def _line(cells: Sequence[str] | Iterator[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _value(measure: Measure | None) -> str:
    return "" if measure is None else f"{measure.value:.3f}"


def _spread(measure: Measure, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"{measure.value:{sign}.3f} [{measure.low:{sign}.3f}, {measure.high:{sign}.3f}]"
