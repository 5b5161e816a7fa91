from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread.matching.evaluation.calibration import CurvePoint, calibrate, precision_recall


def test_hand_computed_bins_and_error() -> None:
    probabilities = [0.01, 0.1, 0.3, 0.5, 0.7, 0.92, 0.96]
    same = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]
    calibration, bins = calibrate(probabilities, same, bins=3, floor=0.05)
    assert calibration.pairs == 6
    assert [(one.pairs, one.low, one.high) for one in calibration.bins] == [
        (2, 0.1, 0.3),
        (2, 0.5, 0.7),
        (2, 0.92, 0.96),
    ]
    assert [one.mean for one in calibration.bins] == pytest.approx([0.2, 0.6, 0.94])
    assert [one.observed for one in calibration.bins] == [0.0, 1.0, 0.5]
    assert calibration.expected_error == pytest.approx((0.2 + 0.4 + 0.44) / 3)
    assert (calibration.band.pairs, calibration.band.observed) == (2, 0.5)
    assert calibration.band.mean == pytest.approx(0.94)
    assert bins == [(1, 0), (2, 0), (3, 1), (4, 1), (5, 2), (6, 2)]


def test_equal_probabilities_stay_in_one_bin() -> None:
    calibration, _ = calibrate([0.2] * 5 + [0.8], [0.0] * 5 + [1.0], bins=3, floor=0.05)
    assert [(one.pairs, one.mean) for one in calibration.bins] == [(5, pytest.approx(0.2)), (1, 0.8)]


def test_after_a_long_tie_bins_have_equal_mass_again() -> None:
    probabilities = [0.5] * 500 + [0.5 + (place + 1) / 2_000 for place in range(500)]
    calibration, _ = calibrate(probabilities, [1.0] * 1_000, bins=15, floor=0.05)
    sizes = [one.pairs for one in calibration.bins]
    assert sizes[0] == 500
    # Half of the seventh bin is in the tie already.
    assert all(66 <= size <= 67 for size in sizes[2:])
    assert len(sizes) == 9


def test_no_pairs_make_no_error() -> None:
    calibration, bins = calibrate([0.01], [1.0], bins=15, floor=0.05)
    assert (calibration.pairs, calibration.bins, calibration.expected_error, bins) == (0, (), 0.0, [])
    assert calibration.band.pairs == 0
    assert (calibration.noise.mean, calibration.noise.high) == (0.0, 0.0)


def test_the_band_includes_its_ends() -> None:
    calibration, _ = calibrate([0.8999, 0.90, 0.98, 0.9801], [1.0, 1.0, 0.0, 1.0], bins=2, floor=0.05)
    assert calibration.band.pairs == 2


def drawn_pairs(pairs: int, *, seed: int, off: float = 0.0) -> tuple[list[float], list[float]]:
    """Pairs of probabilities from 0.05 on, each right as often as it says, or less often by `off`."""
    chance = random.Random(seed)
    probabilities = [0.05 + 0.95 * chance.random() for _ in range(pairs)]
    return probabilities, [float(chance.random() < value - off) for value in probabilities]


def test_few_pairs_are_off_by_chance_as_far_as_the_noise_floor_says() -> None:
    above = 0
    errors = []
    for seed in range(100):
        probabilities, same = drawn_pairs(600, seed=seed)
        found = calibrate(probabilities, same, bins=15, floor=0.05)[0]
        errors.append(found.expected_error)
        above += found.expected_error > found.noise.high
    # Five of a hundred lie above on average; more than twelve would once in a thousand such tests.
    assert 1 <= above <= 12
    assert sum(errors) / 100 == pytest.approx(found.noise.mean, rel=0.05)
    assert found.noise.mean > 0.03


def test_what_is_off_lies_above_the_noise_floor() -> None:
    probabilities, same = drawn_pairs(600, seed=3, off=0.15)
    found = calibrate(probabilities, same, bins=15, floor=0.05)[0]
    assert found.noise.mean < found.noise.high < found.expected_error


def test_the_noise_floor_falls_with_the_root_of_the_pairs_and_depends_on_the_seed_alone() -> None:
    few, many = (calibrate(*drawn_pairs(pairs, seed=5), bins=15, floor=0.05)[0].noise for pairs in (600, 9_600))
    assert few.mean / many.mean == pytest.approx(4, rel=0.1)
    probabilities, same = drawn_pairs(600, seed=5)
    turned = calibrate(probabilities[::-1], [1.0 - value for value in same], bins=15, floor=0.05)[0].noise
    assert turned == few
    assert calibrate(probabilities, same, bins=15, floor=0.05, seed=2)[0].noise != few


def test_certain_pairs_have_no_noise() -> None:
    noise = calibrate([1.0] * 20, [1.0] * 20, bins=15, floor=0.05)[0].noise
    assert (noise.mean, noise.high) == (0.0, 0.0)


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.02, 0.06, 0.2, 0.5, 0.9, 0.95, 1.0]), st.booleans()), max_size=60),
    st.integers(1, 8),
)
def test_bins_hold_every_pair_once_and_nearly_equal_mass(pairs: list[tuple[float, bool]], bins: int) -> None:
    probabilities, same = [p for p, _ in pairs], [float(y) for _, y in pairs]
    calibration, placed = calibrate(probabilities, same, bins=bins, floor=0.05)
    wanted = [index for index, value in enumerate(probabilities) if value >= 0.05]
    assert sorted(index for index, _ in placed) == wanted
    assert calibration.pairs == sum(one.pairs for one in calibration.bins) == len(wanted)
    assert len(calibration.bins) <= bins
    for before, after in zip(calibration.bins, calibration.bins[1:], strict=False):
        assert before.high < after.low
    largest_tie = max((probabilities.count(value) for value in probabilities if value >= 0.05), default=0)
    for one in calibration.bins:
        assert one.pairs <= len(wanted) / bins + largest_tie


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=40), st.integers(0, 1000))
def test_order_of_pairs_does_not_matter(pairs: list[tuple[float, bool]], seed: int) -> None:
    shuffled = list(pairs)
    random.Random(seed).shuffle(shuffled)
    first, second = (
        calibrate([p for p, _ in some], [float(y) for _, y in some], bins=4, floor=0.05)[0]
        for some in (pairs, shuffled)
    )
    assert [one.pairs for one in first.bins] == [one.pairs for one in second.bins]
    assert first.expected_error == pytest.approx(second.expected_error)


def brute_curve(
    probabilities: Sequence[float],
    correct: Sequence[int],
    predicted: Sequence[int],
    given: tuple[int, int],
    true_pairs: int,
) -> list[CurvePoint]:
    points = []
    for threshold in sorted(set(probabilities), reverse=True):
        kept = [index for index, value in enumerate(probabilities) if value >= threshold]
        right, total = given[0] + sum(correct[i] for i in kept), given[1] + sum(predicted[i] for i in kept)
        points.append(CurvePoint(threshold, right / total, right / true_pairs if true_pairs else 1.0))
    return points


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.5, 0.9]), st.integers(1, 3), st.booleans()), max_size=30),
    st.integers(0, 4),
    st.integers(0, 3),
)
def test_curve_agrees_with_every_threshold(pairs: list[tuple[float, int, bool]], within: int, wrong: int) -> None:
    probabilities = [p for p, _, _ in pairs]
    predicted = [size for _, size, _ in pairs]
    correct = [size if right else 0 for _, size, right in pairs]
    true_pairs = within + sum(correct) + 2
    curve = precision_recall(
        probabilities, correct, predicted, given=within + wrong, given_right=within, true_pairs=true_pairs
    )
    assert list(curve) == brute_curve(probabilities, correct, predicted, (within, within + wrong), true_pairs)


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    probabilities = [index / 1000 for index in range(1000)]
    whole = precision_recall(
        probabilities, [1] * 1000, [1] * 1000, given=0, given_right=0, true_pairs=1000, points=2000
    )
    thin = precision_recall(probabilities, [1] * 1000, [1] * 1000, given=0, given_right=0, true_pairs=1000, points=50)
    assert len(whole) == 1000
    assert len(thin) == 50
    assert (thin[0], thin[-1]) == (whole[0], whole[-1])
    assert set(thin) <= set(whole)
