"""Whether a probability means what it says, and what every threshold would give."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import fsum, inf, log, log1p

from goldthread.matching.evaluation.resample import percentiles

__all__ = ["BAND", "Bin", "Calibration", "CurvePoint", "NoiseFloor", "calibrate", "in_band", "precision_recall"]

BAND = (0.90, 0.98)
"""Probabilities around the threshold of linking, whose observed precision is looked at by itself."""
_NOISE_DRAWS = 200
"""Draws of a noise floor: its mean is then good to a few hundredths of itself."""


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
class NoiseFloor:
    """The expected calibration error of a model that is perfectly calibrated, on as many pairs of just these probabilities.

    A binned error is a sum of distances, so chance alone makes some, the more the fewer the pairs. Each draw takes the truth of every pair from its own
    probability and measures the error in the same bins: consistency resampling, Vaicenavicius et al., "Evaluating model calibration in
    classification", AISTATS 2019. Pairs are drawn one by one; those of one person hang together, so chance makes rather more than this.
    """

    mean: float
    high: float
    """95 of 100 draws lie below: an error above it is hardly chance."""
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Bins of equal mass in ascending probability, their expected calibration error beside what chance makes of it, and the band around the link threshold."""

    pairs: int
    floor: float
    bins: tuple[Bin, ...]
    expected_error: float
    noise: NoiseFloor
    band: Bin


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Precision and recall of all pairs with at least this probability, before any clusters are made of them."""

    probability: float
    precision: float
    recall: float


def calibrate(
    probabilities: Sequence[float], same: Sequence[float], *, bins: int, floor: float, seed: int = 1
) -> tuple[Calibration, list[tuple[int, int]]]:
    """Calibration of pairs whose probability is `floor` or more, and `(pair, bin)` of each of these, in ascending probability.

    `same` is 1 for a pair of one person and 0 for others, or a share in between where a record holds rows of several. Pairs of equal
    probability are never divided between bins, so that the order of the pairs does not matter; there may be fewer bins than asked for.
    `seed` is that of the draws of the noise floor. O(n log n), and at most n for each of these draws.
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
        noise=_noise_floor([[probabilities[index] for index in group] for group in groups], seed=seed),
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


def _noise_floor(bins: Sequence[Sequence[float]], *, seed: int) -> NoiseFloor:
    """What the error of these bins is if the truth of each pair is drawn from its probability; 0 without pairs."""
    pairs = sum(map(len, bins))
    chance = random.Random(seed).random  # noqa: S311 (a seeded sample, not a secret)
    drawn = [0.0] * _NOISE_DRAWS
    for values in bins:
        said = fsum(values)
        for draw, right in enumerate(_drawn_right(values, chance)):
            drawn[draw] += abs(said - right) / pairs
    return NoiseFloor(mean=fsum(drawn) / _NOISE_DRAWS, high=percentiles(drawn, 0.90)[1], draws=_NOISE_DRAWS)


def _drawn_right(probabilities: Sequence[float], chance: Callable[[], float]) -> list[int]:
    """How many of these pairs are right in each draw. Costs what the rarer outcome costs: of nearly certain pairs most are never looked at.

    All draws lie behind one another. From each pair that the greatest chance of the rarer outcome would hit, the next is so many further as
    that chance leaves out (geometric gaps); there the pair's own chance decides.
    """
    pairs = len(probabilities)
    certain = 2 * fsum(probabilities) > pairs
    chances = [1.0 - value for value in probabilities] if certain else probabilities
    rare = [0] * _NOISE_DRAWS
    most = max(chances)
    spread = log1p(-most) if most < 1.0 else -inf
    place = -1
    while most:
        gap = log(1.0 - chance()) / spread
        if place + 1 + gap >= pairs * _NOISE_DRAWS:
            break
        place += 1 + int(gap)
        if chance() * most < chances[place % pairs]:
            rare[place // pairs] += 1
    return [pairs - wrong for wrong in rare] if certain else rare


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
