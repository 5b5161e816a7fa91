"""Whether a probability means what it says, and what every threshold would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["BAND", "Bin", "Calibration", "CurvePoint", "calibrate", "in_band", "precision_recall"]

BAND = (0.90, 0.98)
"""Probabilities around the threshold of linking, whose observed precision is looked at by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """Pairs of neighbouring probabilities: the least and the greatest, their mean, and the share that is one person.

    A bin without pairs has 0 everywhere.
    """

    pairs: int
    low: float
    high: float
    mean: float
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Bins of equal mass in ascending probability, their expected calibration error, and the band around the link threshold."""

    pairs: int
    floor: float
    bins: tuple[Bin, ...]
    expected_error: float
    band: Bin


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Precision and recall of all pairs with at least this probability, before any clusters are made of them."""

    probability: float
    precision: float
    recall: float


def calibrate(
    probabilities: Sequence[float], same: Sequence[float], *, bins: int, floor: float
) -> tuple[Calibration, list[tuple[int, int]]]:
    """Calibration of pairs whose probability is `floor` or more, and `(pair, bin)` of each of these, in ascending probability.

    `same` is 1 for a pair of one person and 0 for others, or a share in between where a record holds rows of several. Pairs of equal
    probability are never divided between bins, so that the order of the pairs does not matter; there may be fewer bins than asked for. O(n log n).
    """
    ranked = sorted(
        (index for index, value in enumerate(probabilities) if value >= floor), key=probabilities.__getitem__
    )
    groups: list[list[int]] = []
    last = -1
    for place, index in enumerate(ranked):
        # Bin k holds the ranks from k/bins to (k + 1)/bins; what ties with the last of them joins it, however many bins that fills.
        due = place * bins // len(ranked)
        if due > last and (not place or probabilities[index] != probabilities[ranked[place - 1]]):
            groups.append([])
            last = due
        groups[-1].append(index)
    found = tuple(_bin(group, probabilities, same) for group in groups)
    error = sum(one.pairs * abs(one.mean - one.observed) for one in found) / len(ranked) if ranked else 0.0
    calibration = Calibration(
        pairs=len(ranked),
        floor=floor,
        bins=found,
        expected_error=error,
        band=_bin([index for index in ranked if in_band(probabilities[index])], probabilities, same),
    )
    return calibration, [(index, number) for number, group in enumerate(groups) for index in group]


def in_band(probability: float) -> bool:
    """Whether a probability lies in `BAND`, both ends included."""
    return BAND[0] <= probability <= BAND[1]


def precision_recall(
    probabilities: Sequence[float],
    correct: Sequence[int],
    predicted: Sequence[int],
    *,
    given: int,
    given_right: int,
    true_pairs: int,
    points: int = 200,
) -> tuple[CurvePoint, ...]:
    """Precision and recall at every threshold, in descending probability, thinned to about `points`.

    Pair i stands for `predicted[i]` pairs of rows, of which `correct[i]` are right. `given` pairs of rows are found at any threshold because their
    rows are one record; `given_right` of them are right.
    """
    ranked = sorted(range(len(probabilities)), key=probabilities.__getitem__, reverse=True)
    found: list[CurvePoint] = []
    right, total = given_right, given
    for place, index in enumerate(ranked):
        right += correct[index]
        total += predicted[index]
        if place + 1 < len(ranked) and probabilities[ranked[place + 1]] == probabilities[index]:
            continue
        found.append(
            CurvePoint(
                probabilities[index],
                right / total if total else 1.0,
                right / true_pairs if true_pairs else 1.0,
            )
        )
    if len(found) <= points:
        return tuple(found)
    return tuple(found[round(place * (len(found) - 1) / (points - 1))] for place in range(points))


def _bin(pairs: Sequence[int], probabilities: Sequence[float], same: Sequence[float]) -> Bin:
    if not pairs:
        return Bin(pairs=0, low=0.0, high=0.0, mean=0.0, observed=0.0)
    values = [probabilities[index] for index in pairs]
    return Bin(
        pairs=len(pairs),
        low=min(values),
        high=max(values),
        mean=sum(values) / len(pairs),
        observed=sum(same[index] for index in pairs) / len(pairs),
    )
