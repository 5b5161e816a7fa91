"""How the load goes over a run: shares of its peak, joined by straight lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType

__all__ = ["SHAPES", "Shape"]


@dataclass(frozen=True, slots=True)
class Shape:
    """Corners as (part of the run, share of the peak), both from 0 to 1, in the order of time; first and last stand at 0 and 1."""

    corners: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        moments = [moment for moment, _ in self.corners]
        if len(moments) < 2 or moments[0] != 0 or moments[-1] != 1 or moments != sorted(set(moments)):
            raise ValueError("corners must rise from 0 to 1")
        if any(not 0 < share <= 1 for _, share in self.corners):
            raise ValueError("shares must be above 0 and at most 1")

    def share(self, part: float) -> float:
        """Share of the peak at a part of the run; what lies outside is taken as its first or last moment."""
        part = min(max(part, 0.0), 1.0)
        for (start, low), (end, high) in pairwise(self.corners):
            if part <= end:
                return low + (high - low) * (part - start) / (end - start)
        raise AssertionError("unreachable: the last corner stands at 1")

    def callers(self, part: float, *, peak: int) -> int:
        """Callers at that moment, at least one."""
        return max(1, round(self.share(part) * peak))

    @property
    def mean(self) -> float:
        """Mean share over the run: how many calls it makes for its peak."""
        return sum((low + high) / 2 * (end - start) for (start, low), (end, high) in pairwise(self.corners))


SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "steady": Shape(((0.0, 1.0), (1.0, 1.0))),
        "ramp": Shape(((0.0, 0.1), (0.8, 1.0), (1.0, 1.0))),
        # The doors open: from a fifth to everything within a fiftieth of the run. A second wave comes after noon.
        "black-friday": Shape(
            ((0.0, 0.2), (0.28, 0.2), (0.3, 1.0), (0.5, 1.0), (0.55, 0.4), (0.68, 0.4), (0.7, 0.8), (0.8, 0.8), (0.85, 0.2), (1.0, 0.2))
        ),
    }
)  # fmt: skip
