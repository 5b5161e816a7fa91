"""Intervals by drawing true persons again.

Each draw takes as many persons as there are, with replacement, each with all its rows and its share of every pair; a measure is computed from
the sums of what was drawn, and the interval is that of the middle percentiles of all draws. Above `Resampling.units` persons they are
first dealt at random into so many groups, which are drawn instead: a draw then costs the same for a thousand persons and for a million.

The draws depend on the seed and the number of persons alone, so two systems measured on the same rows are drawn alike and can be compared draw by draw.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter

__all__ = ["Resampling", "percentiles", "resampled_sums"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Resampling:
    """How intervals are made: number of draws, their seed, the confidence of the interval, and the most units to draw from."""

    resamples: int = 1_000
    seed: int = 1
    confidence: float = 0.95
    units: int = 2_000


def resampled_sums(columns: Mapping[str, Sequence[float]], plan: Resampling) -> Iterator[dict[str, float]]:
    """Sums of each column over the persons of each draw; columns have one value per person. O(units) a draw and column."""
    persons = len(next(iter(columns.values()), ()))
    if not persons:
        return
    chance = random.Random(plan.seed)  # noqa: S311 (a seeded sample, not a secret)
    units = min(persons, plan.units)
    grouped = _grouped(columns, persons=persons, units=units, chance=chance)
    for _ in range(plan.resamples):
        # One unit drawn as a bare item, not a tuple of one, would not be summable: the first is drawn twice and taken off once.
        drawn = chance.choices(range(units), k=units)
        pick = itemgetter(*drawn, drawn[0])
        yield {name: math.fsum(pick(values)[:-1]) for name, values in grouped.items()}


def percentiles(values: Sequence[float], confidence: float) -> tuple[float, float]:
    """The middle `confidence` of the values: its lower and upper end, interpolated between neighbours. Raises `ValueError` for no values."""
    if not values:
        raise ValueError("no values")
    ranked = sorted(values)
    tail = (1 - confidence) / 2
    return _quantile(ranked, tail), _quantile(ranked, 1 - tail)


def _quantile(ranked: Sequence[float], share: float) -> float:
    place = share * (len(ranked) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (place - below)


def _grouped(
    columns: Mapping[str, Sequence[float]], *, persons: int, units: int, chance: random.Random
) -> dict[str, list[float]]:
    if units == persons:
        return {name: list(values) for name, values in columns.items()}
    order = list(range(persons))
    chance.shuffle(order)
    grouped = {name: [0.0] * units for name in columns}
    for name, values in columns.items():
        sums = grouped[name]
        for place, person in enumerate(order):
            sums[place % units] += values[person]
    return grouped
