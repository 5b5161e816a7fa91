"""What the service's processes counted themselves: their histograms and counters of `/metrics`, over a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

__all__ = ["ServerSide", "parse", "read_metrics"]

_Key = TypeVar("_Key")
_SECONDS = 10.0
_BUCKETS, _COUNT = "goldthread_rpc_seconds_bucket", "goldthread_rpc_seconds_count"
_STAGE = "goldthread_stage_seconds"
_LOOKUPS, _READS = "goldthread_lookups_total", "goldthread_cache_reads_total"
_COUNTERS = (
    "goldthread_retries_total",
    "goldthread_looks_total",
    "goldthread_hand_overs_total",
    "goldthread_commits_resolved_total",
    "goldthread_groups_split_total",
    "goldthread_gathered_calls_sum",
    "goldthread_gathered_calls_count",
    "goldthread_gathered_wait_seconds_sum",
)


@dataclass(frozen=True, slots=True)
class ServerSide:
    """Calls by method and upper bound of their time in seconds (cumulative, the last is infinite), by code, and the rest by result."""

    calls: Mapping[str, Mapping[float, float]]
    codes: Mapping[str, float]
    lookups: Mapping[str, float]
    reads: Mapping[str, float]
    stages: Mapping[str, tuple[float, float]]
    """How often each stage of the work was done, and the seconds it took in all."""
    counters: Mapping[str, float]
    """Retries, looks, groups: what tells why calls took long, by `name{labels}`."""

    @property
    def failed(self) -> float:
        """Calls that ended with any other code than OK."""
        return sum(count for code, count in self.codes.items() if code.upper() != "OK")

    def since(self, before: ServerSide) -> ServerSide:
        """What was added since."""
        return ServerSide(
            {method: _added(bounds, before.calls.get(method, {})) for method, bounds in self.calls.items()},
            _added(self.codes, before.codes),
            _added(self.lookups, before.lookups),
            _added(self.reads, before.reads),
            {
                name: (count - before.stages.get(name, (0, 0))[0], seconds - before.stages.get(name, (0, 0))[1])
                for name, (count, seconds) in self.stages.items()
            },
            _added(self.counters, before.counters),
        )


def parse(text: str) -> ServerSide:
    """A page of metrics; codes and whatever else tells calls of a method apart are added up."""
    calls: dict[str, dict[float, float]] = defaultdict(lambda: defaultdict(float))
    codes: dict[str, float] = defaultdict(float)
    lookups: dict[str, float] = defaultdict(float)
    reads: dict[str, float] = defaultdict(float)
    counts: dict[str, float] = defaultdict(float)
    seconds: dict[str, float] = defaultdict(float)
    counters: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == _BUCKETS:
                calls[sample.labels["method"]][float(sample.labels["le"])] += sample.value
            elif sample.name == _COUNT:
                codes[sample.labels["code"]] += sample.value
            elif sample.name == _STAGE + "_count":
                counts[sample.labels["stage"]] += sample.value
            elif sample.name == _STAGE + "_sum":
                seconds[sample.labels["stage"]] += sample.value
            elif sample.name == _LOOKUPS:
                lookups[sample.labels["outcome"]] += sample.value
            elif sample.name == _READS:
                reads[sample.labels["result"]] += sample.value
            elif sample.name in _COUNTERS:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                counters[f"{sample.name.removeprefix('goldthread_')}{{{labels}}}"] = sample.value
    histograms = {method: dict(sorted(bounds.items())) for method, bounds in calls.items()}
    stages = {name: (count, seconds[name]) for name, count in counts.items()}
    return ServerSide(histograms, dict(codes), dict(lookups), dict(reads), stages, counters)


def read_metrics(url: str) -> ServerSide:
    """The page of a process as it is now."""
    with urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 (the address is our own child's)
        return parse(answer.read().decode())


def _added(now: Mapping[_Key, float], before: Mapping[_Key, float]) -> dict[_Key, float]:
    return {key: count - before.get(key, 0.0) for key, count in now.items()}
