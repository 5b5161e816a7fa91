"""The whole evaluation of one system on one table."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from goldthread.matching.evaluation.blocking import (
    FINDABLE,
    MOST_JUDGED,
    Blocking,
    FoundPairs,
    Judge,
    RecordPersons,
    tally_blocking,
    tally_findable,
)
from goldthread.matching.evaluation.calibration import (
    Calibration,
    CurvePoint,
    calibrate,
    in_band,
    precision_recall,
)
from goldthread.matching.evaluation.clusters import ClusterCounts, cluster_ratios, count_clusters, ratio, tally_clusters
from goldthread.matching.evaluation.resample import Resampling, percentiles, resampled_sums

__all__ = ["Evaluation", "Measure", "PairColumns", "difference", "evaluate"]

CALIBRATION_BINS = 15
CALIBRATION_FLOOR = 0.05


@dataclass(frozen=True, slots=True)
class Measure:
    """A value and the ends of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PairColumns:
    """Pairs of records, each once, as parallel columns."""

    left: Sequence[int] = field(repr=False)
    right: Sequence[int] = field(repr=False)
    probabilities: Sequence[float] = field(default=(), repr=False)
    """Empty for candidates that are only counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """How good one system is. `calibration` and `curve` need scored pairs, `blocking` candidates; without them they are None and empty.

    `measures` has, by name: precision, recall, f1, bcubed_precision, bcubed_recall, bcubed_f1, exact; with scored pairs expected_calibration_error and
    band_precision (0.90 to 0.98, where any pair lies there); with candidates blocking_direct and blocking_through_cluster; with a judge of pairs the
    same two of the pairs of each kind that could be found (blocking_findable_direct …), where there are any.
    """

    counts: ClusterCounts
    unlabelled: int
    """Rows without a truth, which were left out."""
    measures: Mapping[str, Measure]
    calibration: Calibration | None = None
    curve: tuple[CurvePoint, ...] = ()
    blocking: Blocking | None = None
    draws: Mapping[str, Sequence[float]] = field(default_factory=dict, repr=False)
    """Each measure in each draw, for `difference`."""


def evaluate(
    truth: Sequence[Hashable | None],
    clusters: Sequence[Hashable | None],
    *,
    row_records: Sequence[int | None] | None = None,
    scored: PairColumns | None = None,
    candidates: PairColumns | None = None,
    judge: Judge | None = None,
    resampling: Resampling | None = None,
) -> Evaluation:
    """Measures the clusters of rows, and the pairs behind them where they are given.

    A row without a truth is left out; one without a cluster is a cluster of its own. `row_records` names the record that a row is (a number; None
    for a row that is no record, -1 likewise), pairs are pairs of records; without it every row is a record, numbered from 0. `candidates` may be the same
    object as `scored`; `judge` says which true pairs they could have found. Cost grows with rows, pairs and draws. Raises `ValueError` if lengths differ.
    """
    plan = resampling or Resampling()
    records: Sequence[int | None] = range(len(truth)) if row_records is None else row_records
    known = [
        (person, ("alone", row) if cluster is None else ("cluster", cluster), None if record == -1 else record)
        for row, (person, cluster, record) in enumerate(zip(truth, clusters, records, strict=True))
        if person is not None
    ]
    people = [person for person, _, _ in known]
    labels = [label for _, label, _ in known]
    counts = count_clusters(people, labels)
    columns = tally_clusters(people, labels)
    persons = RecordPersons([record for _, _, record in known], people)
    calibration: Calibration | None = None
    curve: tuple[CurvePoint, ...] = ()
    binned = 0
    if scored is not None:
        pairs = _labelled(persons, scored)
        calibration, bins = calibrate(
            pairs.probabilities, pairs.same, bins=CALIBRATION_BINS, floor=CALIBRATION_FLOOR, seed=plan.seed
        )
        binned = len(calibration.bins)
        columns |= _tally_bins(pairs, bins, count=binned, persons=len(persons.place))
        curve = precision_recall(
            pairs.probabilities,
            pairs.correct,
            pairs.predicted,
            given=persons.joined(),
            given_right=sum(persons.within()),
            true_pairs=counts.true_pairs,
        )
    blocking = None
    if candidates is not None:
        pair_count = persons.pair_count()
        judged = None if judge is None else pair_count <= MOST_JUDGED
        own = FoundPairs(persons, candidates.left, candidates.right, remembered=bool(judged))
        found = tally_blocking(persons, own)
        findable = tally_findable(persons, own, judge) if judge is not None and judged else {}
        columns |= found | findable
        sizes = {name: int(sum(column)) for name, column in findable.items()}
        blocking = Blocking(
            records=len({record for record in records if record is not None and record != -1}),
            candidates=len(candidates.left),
            true_pairs=counts.true_pairs,
            direct=ratio(sum(found["direct"]), counts.true_pairs),
            through_cluster=ratio(sum(found["through_cluster"]), counts.true_pairs),
            true_record_pairs=pair_count,
            judged=judged,
            findable_pairs=sizes.get("findable"),
            beyond_names_pairs=sizes.get("beyond_names"),
            kept_pairs=sizes.get("kept"),
        )
    values = _measures({name: sum(column) for name, column in columns.items()}, bins=binned)
    draws: dict[str, list[float]] = {name: [] for name in values}
    for sums in resampled_sums(columns, plan):
        for name, value in _measures(sums, bins=binned, names=values).items():
            draws[name].append(value)
    return Evaluation(
        counts=counts,
        unlabelled=len(truth) - len(known),
        measures={name: _measure(value, draws[name], plan) for name, value in values.items()},
        calibration=calibration,
        curve=curve,
        blocking=blocking,
        draws=draws,
    )


def difference(first: Evaluation, second: Evaluation, name: str, *, confidence: float = 0.95) -> Measure:
    """How much more of a measure the first has than the second, drawn in pairs. Both must be of the same truth under the same resampling.

    The interval is that of the difference in the same draws, much narrower than the two intervals suggest. Raises `ValueError` if the
    draws differ in number.
    """
    value = first.measures[name].value - second.measures[name].value
    drawn = [a - b for a, b in zip(first.draws[name], second.draws[name], strict=True)]
    return Measure(value, *(percentiles(drawn, confidence) if drawn else (value, value)))


@dataclass(frozen=True, slots=True)
class _Labelled:
    """Scored pairs between labelled records: owners are the persons for whom a pair counts half each."""

    probabilities: list[float]
    same: list[float]
    correct: list[int]
    predicted: list[int]
    owners: list[tuple[int, int]]


def _labelled(persons: RecordPersons, scored: PairColumns) -> _Labelled:
    labelled = _Labelled([], [], [], [], [])
    for left, right, probability in zip(scored.left, scored.right, scored.probabilities, strict=True):
        held, others = persons.of(left), persons.of(right)
        if not held or not others:
            continue
        correct = sum(pairs for _, pairs in persons.shared(left, right))
        predicted = persons.rows(left) * persons.rows(right)
        labelled.probabilities.append(probability)
        labelled.same.append(correct / predicted)
        labelled.correct.append(correct)
        labelled.predicted.append(predicted)
        labelled.owners.append((held[0][0], others[0][0]))
    return labelled


def _tally_bins(
    pairs: _Labelled, bins: Sequence[tuple[int, int]], *, count: int, persons: int
) -> dict[str, list[float]]:
    columns = {f"{part}.{number}": [0.0] * persons for number in (*range(count), "band") for part in _PARTS}
    for index, number in bins:
        probability, same = pairs.probabilities[index], pairs.same[index]
        for bin_name in (str(number), "band")[: 1 + in_band(probability)]:
            for person in pairs.owners[index]:
                for part, value in zip(_PARTS, (1.0, probability, same), strict=True):
                    columns[f"{part}.{bin_name}"][person] += value / 2
    return columns


_PARTS = ("pairs", "mean", "same")


def _measures(sums: Mapping[str, float], *, bins: int, names: Mapping[str, float] | None = None) -> dict[str, float]:
    """All measures that the sums allow; those in `names` whose denominator a draw lacks are left out of that draw."""
    values = dict(cluster_ratios(sums)) | dict(_pair_measures(sums, bins=bins))
    for name in ("direct", "through_cluster"):
        if name in sums:
            values[f"blocking_{name}"] = ratio(sums[name], sums["true"])
        for kind in FINDABLE:
            if sums.get(kind):
                values[f"blocking_{kind}_{name}"] = sums[f"{kind}.{name}"] / sums[kind]
    return values if names is None else {name: value for name, value in values.items() if name in names}


def _pair_measures(sums: Mapping[str, float], *, bins: int) -> Iterator[tuple[str, float]]:
    total = sum(sums[f"pairs.{number}"] for number in range(bins))
    if total:
        error = sum(abs(sums[f"mean.{number}"] - sums[f"same.{number}"]) for number in range(bins))
        yield "expected_calibration_error", error / total
    if sums.get("pairs.band"):
        yield "band_precision", sums["same.band"] / sums["pairs.band"]


def _measure(value: float, drawn: Sequence[float], plan: Resampling) -> Measure:
    return Measure(value, *(percentiles(drawn, plan.confidence) if drawn else (value, value)))
