"""Every metric of Goldthread, declared once. Built in the wiring and handed down; there is no global registry.

Labels have few values and never hold personal data, event ids or tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from goldthread.telemetry.outside import OutsideCollector, OutsideCounts

__all__ = ["LATENCY_BOUNDS", "Metrics"]

LATENCY_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.048, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The service's metrics on one registry."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry(auto_describe=True)
        self.events = Counter(
            "goldthread_events",
            "Events by how they ended: taken, duplicate, rejected.",
            ["outcome"],
            registry=self.registry,
        )
        self.rejections = Counter(
            "goldthread_rejections", "Events rejected, by reason.", ["reason"], registry=self.registry
        )
        self.identifiers = Counter(
            "goldthread_identifiers",
            "Identifiers seen by the normaliser, by type and status (ok, missing, placeholder, invalid).",
            ["type", "status"],
            registry=self.registry,
        )
        self.stage_seconds = Histogram(
            "goldthread_stage_seconds",
            "Time of one stage of a micro-batch or request.",
            ["stage"],
            buckets=LATENCY_BOUNDS,
            registry=self.registry,
        )
        self.batch_events = Histogram(
            "goldthread_batch_events",
            "Events per committed micro-batch.",
            buckets=(1, 4, 16, 64, 128, 256, 512, 1024, 2048),
            registry=self.registry,
        )
        self.records = Counter("goldthread_records", "Records inserted.", registry=self.registry)
        self.pairs = Counter(
            "goldthread_pairs", "Pairs scored, by fate: kept, dropped.", ["fate"], registry=self.registry
        )
        self.merges = Counter(
            "goldthread_merges", "Profiles that lost all their records to another.", registry=self.registry
        )
        self.profile_changes = Counter(
            "goldthread_profile_changes", "Versions written, by cause.", ["cause"], registry=self.registry
        )
        self.reviews = Counter(
            "goldthread_reviews", "Reviews by what happened: opened, closed.", ["change"], registry=self.registry
        )
        self.keys_closed = Counter(
            "goldthread_keys_closed",
            "Keys that crossed their limit: generic tokens, crowded blocks.",
            ["kind"],
            registry=self.registry,
        )
        self.hand_overs = Counter(
            "goldthread_hand_overs", "Times that a phone's changes of hands became others.", registry=self.registry
        )
        self.event_conflicts = Counter(
            "goldthread_event_conflicts",
            "Contents that lost against another under the same event id.",
            registry=self.registry,
        )
        self.looks = Counter(
            "goldthread_looks",
            "Looks at marked records: done, parted (into halves), deferred to redo, failed in redo, broken (by an error that no retry cures).",
            ["outcome"],
            registry=self.registry,
        )
        self.blast_radius = Histogram(
            "goldthread_blast_radius",
            "Profiles that one look changed though none of their records was marked.",
            buckets=(0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512),
            registry=self.registry,
        )
        self.steward_operations = Counter(
            "goldthread_steward_operations",
            "Stewards' operations by kind and how they ended: done, deferred (durable, profiles follow), repeated, preview, refused, failed.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.dirty_marks = Gauge("goldthread_dirty_marks", "Redo marks pending.", registry=self.registry)
        self.redo_lag_seconds = Gauge(
            "goldthread_redo_lag_seconds", "Age of the oldest mark pending; 0 when none is.", registry=self.registry
        )
        self.retries = Counter(
            "goldthread_retries", "Bounded retries taken, by what was retried.", ["operation"], registry=self.registry
        )
        self.commits_resolved = Counter(
            "goldthread_commits_resolved",
            "Transactions whose COMMIT got no answer, by what was found out: committed, aborted, unknown.",
            ["outcome"],
            registry=self.registry,
        )
        self.offset_gaps = Counter(
            "goldthread_offset_gaps",
            "Gaps accepted and written to the ledger, by what was lost: head, topic (made anew).",
            ["kind"],
            registry=self.registry,
        )
        self.consumer_lag = Gauge(
            "goldthread_consumer_lag",
            "Messages behind the end of the partition.",
            ["partition"],
            registry=self.registry,
        )
        self.outbox_rows = Counter(
            "goldthread_outbox_rows", "Outbox rows published by the relay.", registry=self.registry
        )
        self.outbox_lag_seconds = Gauge(
            "goldthread_outbox_lag_seconds",
            "Age of the oldest row in the relay's last batch; 0 when drained.",
            registry=self.registry,
        )
        self.cache_writes = Counter(
            "goldthread_cache_writes", "Card writes by result: stored, outdated.", ["result"], registry=self.registry
        )
        self.cache_removals = Counter(
            "goldthread_cache_removals",
            "Cards removed by a rebuild, by why: fresh, unknown to the ledger, of a version that it has not reached.",
            ["reason"],
            registry=self.registry,
        )
        self.gathered_waiting = Gauge(
            "goldthread_gathered_waiting",
            "Calls that wait for their group to begin, by kind of call.",
            ["call"],
            registry=self.registry,
        )
        self.gathered_calls = Histogram(
            "goldthread_gathered_calls",
            "Calls that one group answered together, by kind of call.",
            ["call"],
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.gathered_wait_seconds = Histogram(
            "goldthread_gathered_wait_seconds",
            "Time of one call until its group began, by kind of call.",
            ["call"],
            buckets=LATENCY_BOUNDS,
            registry=self.registry,
        )
        self.groups_split = Counter(
            "goldthread_groups_split",
            "Groups of calls that failed together and were tried again in halves, by the step that failed: take, look, answer; receive.",
            ["step"],
            registry=self.registry,
        )
        self.rest_refusals = Counter(
            "goldthread_rest_refusals",
            "REST calls refused before any method was called, by reason: the rest are counted as calls of their methods.",
            ["reason"],
            registry=self.registry,
        )
        # The four that the register data plane counts as well, or alone.
        self.cache_reads = Counter(
            "goldthread_cache_reads", "Card reads by result: hit, miss, stale, error.", ["result"], registry=None
        )
        self.lookups = Counter("goldthread_lookups", "Lookups by outcome.", ["outcome"], registry=None)
        self.budget_refusals = Counter(
            "goldthread_budget_refusals",
            "Lookups refused because their credential had no budget left: misses, answers.",
            ["budget"],
            registry=None,
        )
        self.rpc_seconds = Histogram(
            "goldthread_rpc_seconds",
            "Time of one call, observed after its handler ended, by method and gRPC code.",
            ["method", "code"],
            buckets=LATENCY_BOUNDS,
            registry=None,
        )
        self.rpc_in_flight = Gauge("goldthread_rpc_in_flight", "Calls being handled.", ["method"], registry=None)
        self._outside = OutsideCollector(
            calls=self.rpc_seconds,
            bounds=LATENCY_BOUNDS,
            in_flight=self.rpc_in_flight,
            outcomes=self.lookups,
            reads=self.cache_reads,
            refusals=self.budget_refusals,
        )
        self.registry.register(self._outside)

    def join(self, counts: OutsideCounts) -> None:
        """Shows what is counted outside of Python under the same names; in place of what was joined before."""
        self._outside.counts = counts

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Times a stage, also when it fails."""
        started = perf_counter()
        try:
            yield
        finally:
            self.stage_seconds.labels(name).observe(perf_counter() - started)
