from __future__ import annotations

from prometheus_client import generate_latest

from goldthread.telemetry.metrics import LATENCY_BOUNDS, Metrics

PATH = "/goldthread.v1.LookupService/Lookup"


class Counted:
    """Counts of somebody else."""

    def calls(self) -> list[tuple[str, str, list[int], float]]:
        buckets = [0] * (len(LATENCY_BOUNDS) + 1)
        buckets[1], buckets[-1] = 3, 1
        return [(PATH, "OK", buckets, 12.5)]

    def in_flight(self) -> list[tuple[str, int]]:
        return [(PATH, 2)]

    def outcomes(self) -> list[tuple[str, int]]:
        return [("found", 5), ("not_found", 0)]

    def reads(self) -> list[tuple[str, int]]:
        return [("hit", 7)]

    def refusals(self) -> list[tuple[str, int]]:
        return [("misses", 9)]


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_what_others_count_stands_beside_what_python_counts() -> None:
    metrics = Metrics()
    metrics.rpc_seconds.labels("/a/B", "OK").observe(0.3)
    metrics.join(Counted())
    assert value(metrics, "goldthread_rpc_seconds_count", method=PATH, code="OK") == 4
    assert value(metrics, "goldthread_rpc_seconds_sum", method=PATH, code="OK") == 12.5
    assert value(metrics, "goldthread_rpc_seconds_bucket", method=PATH, code="OK", le="0.0005") == 0
    assert value(metrics, "goldthread_rpc_seconds_bucket", method=PATH, code="OK", le="10.0") == 3
    assert value(metrics, "goldthread_rpc_seconds_bucket", method=PATH, code="OK", le="+Inf") == 4
    assert value(metrics, "goldthread_rpc_seconds_count", method="/a/B", code="OK") == 1
    assert value(metrics, "goldthread_rpc_in_flight", method=PATH) == 2
    assert value(metrics, "goldthread_lookups_total", outcome="found") == 5
    assert value(metrics, "goldthread_cache_reads_total", result="hit") == 7
    assert value(metrics, "goldthread_budget_refusals_total", budget="misses") == 9


def test_each_name_is_exposed_once_with_its_type() -> None:
    metrics = Metrics()
    metrics.rpc_in_flight.labels("/a/B").inc()
    metrics.join(Counted())
    lines = generate_latest(metrics.registry).decode().splitlines()
    for name, kind in (("rpc_seconds", "histogram"), ("lookups_total", "counter"), ("rpc_in_flight", "gauge")):
        assert [line for line in lines if line.startswith(f"# TYPE goldthread_{name} ")] == [
            f"# TYPE goldthread_{name} {kind}"
        ]


def test_without_others_python_counts_alone() -> None:
    metrics = Metrics()
    metrics.rpc_seconds.labels("/a/B", "OK").observe(0.3)
    assert value(metrics, "goldthread_rpc_seconds_count", method="/a/B", code="OK") == 1
    assert value(metrics, "goldthread_rpc_seconds_count", method=PATH, code="OK") is None
