"""Percentiles of measured times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Self

__all__ = ["Timing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long calls took, in milliseconds; all 0 if there were none. A percentile is the smallest sample that so many lie at or below."""

    count: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        """Timing of samples in seconds."""
        ordered = sorted(seconds)

        def at(share: float) -> float:
            return round(ordered[max(0, ceil(share * len(ordered)) - 1)] * 1000, 3) if ordered else 0.0

        return cls(count=len(ordered), p50_ms=at(0.5), p99_ms=at(0.99), max_ms=at(1.0))
