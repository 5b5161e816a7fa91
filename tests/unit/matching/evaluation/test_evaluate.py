from __future__ import annotations

from collections.abc import Sequence

import pytest

from goldthread.matching.evaluation import Judged, PairColumns, Resampling, difference, evaluate

TRUTH = ["a", "a", "a", "b", "b", "c", None]
CLUSTERS = ["x", "x", "y", "y", "y", None, "y"]
FEW = Resampling(resamples=200, seed=2)


def test_rows_without_truth_are_left_out_and_rows_without_cluster_stand_alone() -> None:
    found = evaluate(TRUTH, CLUSTERS, resampling=FEW)
    assert found.unlabelled == 1
    assert (found.counts.rows, found.counts.clusters, found.counts.predicted_pairs) == (6, 3, 4)
    assert found.measures["f1"].value == 0.5
    assert found.calibration is None
    assert found.blocking is None
    assert found.curve == ()
    assert "expected_calibration_error" not in found.measures
    assert "blocking_direct" not in found.measures


def test_two_rows_without_cluster_are_two_clusters() -> None:
    assert evaluate(["a", "a"], [None, None], resampling=FEW).counts.clusters == 2


def test_intervals_hold_the_value_and_repeat_under_one_seed() -> None:
    truth = [n // 2 for n in range(120)]
    clusters = [n if n % 11 == 0 else n // 2 for n in range(120)]
    first, second = (evaluate(truth, clusters, resampling=FEW) for _ in range(2))
    assert first.measures == second.measures
    for name in ("recall", "f1", "bcubed_f1", "exact"):
        measure = first.measures[name]
        assert measure.low < measure.value < measure.high, name


def test_no_resamples_give_values_without_width() -> None:
    found = evaluate(TRUTH, CLUSTERS, resampling=Resampling(resamples=0))
    measure = found.measures["bcubed_f1"]
    assert measure.low == measure.value == measure.high


def test_pairs_and_candidates_are_measured_by_records() -> None:
    # Rows 0 and 1 are record 0 of person a, row 2 record 1 of a, row 3 record 2 of b, row 4 is no record, row 5 is unknown.
    truth = ["a", "a", "a", "b", "b", None]
    records = [0, 0, 1, 2, -1, 3]
    pairs = PairColumns(left=[0, 0, 1, 2], right=[1, 2, 2, 3], probabilities=[0.97, 0.5, 0.02, 0.99])
    found = evaluate(truth, [0, 0, 0, 1, 2, 3], row_records=records, scored=pairs, candidates=pairs, resampling=FEW)
    assert found.blocking is not None
    assert (found.blocking.records, found.blocking.candidates, found.blocking.true_pairs) == (4, 4, 4)
    assert found.blocking.per_record == 2.0
    assert found.blocking.direct == found.blocking.through_cluster == 3 / 4
    assert found.calibration is not None
    # The pair with the unknown record and the one below 0.05 are not among them.
    assert found.calibration.pairs == 2
    assert found.calibration.expected_error == pytest.approx((0.03 + 0.5) / 2)
    assert found.measures["band_precision"].value == 1.0
    assert found.measures["expected_calibration_error"].value == pytest.approx((0.03 + 0.5) / 2)
    # Within record 0 one pair is given; the first threshold adds two right pairs of rows, the second two wrong ones.
    assert [(point.probability, point.precision, point.recall) for point in found.curve] == [
        (0.97, 1.0, 3 / 4),
        (0.5, 3 / 5, 3 / 4),
        (0.02, 3 / 6, 3 / 4),
    ]


def test_the_share_of_the_pairs_that_could_be_found_stands_beside_that_of_all() -> None:
    # Records 0 and 1 are found; of the other pairs of the person 1 and 2 would be kept, and 0 and 2 have nothing in common.
    pairs = PairColumns(left=[0], right=[1])

    def judge(left: Sequence[int], right: Sequence[int]) -> Judged:
        kept = [pair != (0, 2) for pair in zip(left, right, strict=True)]
        return Judged(findable=bytes(kept), beyond_names=bytes(len(kept)), kept=bytes(kept))

    found = evaluate(["a"] * 3 + ["b"], [0, 0, 1, 2], candidates=pairs, judge=judge, resampling=FEW)
    assert found.blocking is not None
    assert (found.blocking.true_record_pairs, found.blocking.findable_pairs, found.blocking.kept_pairs) == (3, 2, 2)
    assert found.measures["blocking_direct"].value == pytest.approx(1 / 3)
    for name in ("kept_direct", "kept_through_cluster", "findable_direct", "findable_through_cluster"):
        assert found.measures[f"blocking_{name}"].value == 0.5, name
    without = evaluate(["a"] * 3 + ["b"], [0, 0, 1, 2], candidates=pairs, resampling=FEW)
    assert without.blocking is not None
    assert (found.blocking.judged, without.blocking.judged) == (True, None)
    assert without.blocking.kept_pairs is None
    assert "blocking_kept_direct" not in without.measures


def test_a_record_of_two_persons_is_right_in_part() -> None:
    pairs = PairColumns(left=[0], right=[1], probabilities=[0.5])
    found = evaluate(["a", "b", "a"], [0, 0, 0], row_records=[0, 0, 1], scored=pairs, resampling=FEW)
    assert found.calibration is not None
    assert found.calibration.expected_error == 0.0


def test_rows_of_two_persons_in_one_record_are_predicted_wrongly_at_any_threshold() -> None:
    # Father and son have equal claims and are one record: no threshold parts them, and the curve says so.
    pairs = PairColumns(left=[0], right=[1], probabilities=[0.9])
    found = evaluate(["a", "b", "c", "c"], [0, 0, 1, 1], row_records=[0, 0, 1, 2], scored=pairs, resampling=FEW)
    assert [point.precision for point in found.curve] == [0.0]
    apart = PairColumns(left=[1], right=[2], probabilities=[0.9])
    found = evaluate(["a", "b", "c", "c"], [0, 0, 1, 1], row_records=[0, 0, 1, 2], scored=apart, resampling=FEW)
    assert [(point.precision, point.recall) for point in found.curve] == [(0.5, 1.0)]
    assert found.measures["precision"].value == 0.5


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    truth = [n // 3 for n in range(300)]
    worse = [n if n % 3 == 0 and n % 2 else n // 3 + 1000 for n in range(300)]
    better = list(worse)
    better[3] = better[4]
    first, second = (evaluate(truth, some, resampling=FEW) for some in (better, worse))
    gap = difference(first, second, "f1")
    assert gap.value == pytest.approx(first.measures["f1"].value - second.measures["f1"].value)
    assert 0 <= gap.low <= gap.value <= gap.high
    own = first.measures["f1"]
    assert gap.high - gap.low < (own.high - own.low) / 2


def test_a_difference_with_itself_is_nothing() -> None:
    found = evaluate(TRUTH, CLUSTERS, resampling=FEW)
    assert difference(found, found, "exact").high == 0.0


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="shorter"):
        evaluate(["a"], [], resampling=FEW)
