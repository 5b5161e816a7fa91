"""Metrics that are counted outside of Python, shown under the names that `Metrics` declares, beside what Python counts under them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import isinf
from typing import Protocol

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

__all__ = ["OutsideCollector", "OutsideCounts"]


class OutsideCounts(Protocol):
    """What the register data plane counts: `_core.Register`. Everything only grows, but `in_flight`."""

    def calls(self) -> Sequence[tuple[str, str, Sequence[int], float]]:
        """Method, code, calls per bucket (not cumulated, the last one without a bound) and the sum of their seconds."""
        ...

    def in_flight(self) -> Sequence[tuple[str, int]]:
        """Calls being handled by method."""
        ...

    def outcomes(self) -> Sequence[tuple[str, int]]:
        """Lookups by outcome."""
        ...

    def reads(self) -> Sequence[tuple[str, int]]:
        """Reads of the cache by result."""
        ...

    def refusals(self) -> Sequence[tuple[str, int]]:
        """Lookups refused by budget."""
        ...


class OutsideCollector(Collector):
    """Collects five metrics that belong to no registry themselves, and adds to each what `counts` says."""

    def __init__(
        self,
        *,
        calls: Histogram,
        bounds: Sequence[float],
        in_flight: Gauge,
        outcomes: Counter,
        reads: Counter,
        refusals: Counter,
    ) -> None:
        self.counts: OutsideCounts | None = None
        self._bounds = (*bounds, float("inf"))
        self._calls = calls
        self._in_flight = in_flight
        self._outcomes = outcomes
        self._reads = reads
        self._refusals = refusals

    def describe(self) -> Iterable[Metric]:
        """See `Collector`: the names, before anything is counted."""
        for metric in (self._calls, self._in_flight, self._outcomes, self._reads, self._refusals):
            yield from metric.describe()

    def collect(self) -> Iterator[Metric]:
        """See `Collector`."""
        counts = self.counts
        [calls] = self._calls.collect()
        for method, code, buckets, seconds in counts.calls() if counts else ():
            _add_histogram(calls, {"method": method, "code": code}, buckets, seconds, self._bounds)
        yield calls
        [in_flight] = self._in_flight.collect()
        for method, count in counts.in_flight() if counts else ():
            in_flight.add_sample(in_flight.name, {"method": method}, count)
        yield in_flight
        for counter, label, rows in (
            (self._outcomes, "outcome", counts.outcomes() if counts else ()),
            (self._reads, "result", counts.reads() if counts else ()),
            (self._refusals, "budget", counts.refusals() if counts else ()),
        ):
            [family] = counter.collect()
            for value, count in rows:
                family.add_sample(f"{family.name}_total", {label: value}, count)
            yield family


def _add_histogram(
    family: Metric, labels: dict[str, str], buckets: Sequence[int], seconds: float, bounds: Sequence[float]
) -> None:
    for bound, count in zip(bounds, accumulate(buckets), strict=True):
        family.add_sample(f"{family.name}_bucket", {**labels, "le": "+Inf" if isinf(bound) else str(bound)}, count)
    family.add_sample(f"{family.name}_count", labels, sum(buckets))
    family.add_sample(f"{family.name}_sum", labels, seconds)
