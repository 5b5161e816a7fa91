"""Where objects are built, and nowhere else: rooms get their settings, clocks, randomness and each other.

Functions named `open_…` build what must be closed and leave that to the caller's exit stack; `build_…` give plain objects.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import random
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime

from goldthread.app.settings import Settings, key_of
from goldthread.bus import BusSettings, EventConsumer, EventProducer, KafkaChangePublisher, ensure_topics
from goldthread.cache import AsyncCardCache, CacheSettings, RedisCardStore
from goldthread.domain.errors import SettingsError
from goldthread.domain.ids import BirthIds
from goldthread.flows.admission import Admission
from goldthread.flows.ingest import IngestFlow
from goldthread.flows.loader import AnswerLoader
from goldthread.flows.lookup import LookupFlow
from goldthread.flows.relay import RelayFlow
from goldthread.flows.resolve import ResolveFlow
from goldthread.flows.retry import Retry
from goldthread.flows.take import Taker
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.matching import Keys, Matcher
from goldthread.rpc import RpcServer, RpcSettings
from goldthread.telemetry.exposition import start_metrics_server
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import encode_dead_letter
from goldthread.workers.consumer import ConsumerSettings, ConsumerWorker
from goldthread.workers.relay import RelaySettings, RelayWorker

__all__ = [
    "build_ingest",
    "build_matcher",
    "build_resolve",
    "bus_settings",
    "cache_settings",
    "create_topics",
    "ledger_settings",
    "migrate",
    "open_consumer",
    "open_ledger",
    "open_metrics",
    "open_relay",
    "open_server",
    "rpc_settings",
]

_LOOKUP_QUERIES = 4
"""Wide ledger queries of lookups at once, each on a thread and a connection of its own."""


def ledger_settings(settings: Settings) -> LedgerSettings:
    """The ledger's group."""
    return LedgerSettings(
        dsn=settings.need("postgres_dsn"),
        pool_max=settings.postgres_pool_max,
        statement_timeout_ms=settings.statement_timeout_ms,
    )


def cache_settings(settings: Settings) -> CacheSettings:
    """The cache's group."""
    return CacheSettings(
        url=settings.need("redis_url"), timeout_ms=settings.cache_timeout_ms, ttl_seconds=settings.cache_ttl_seconds
    )


def bus_settings(settings: Settings) -> BusSettings:
    """The bus's group."""
    return BusSettings(
        bootstrap=settings.need("kafka_bootstrap"),
        group=settings.consumer_group,
        events_topic=settings.events_topic,
        changes_topic=settings.changes_topic,
        dead_letters_topic=settings.dead_letters_topic,
        accept_gap=settings.accept_gap,
    )


def rpc_settings(settings: Settings) -> RpcSettings:
    """The gRPC door's group."""
    defaults = RpcSettings()
    return RpcSettings(
        host=settings.grpc_host,
        port=settings.grpc_port,
        reflection=settings.grpc_reflection,
        lookup=dataclasses.replace(defaults.lookup, seconds=settings.lookup_timeout_ms / 1000),
        resolve=dataclasses.replace(defaults.resolve, seconds=settings.resolve_timeout_ms / 1000),
        tls_certificate=settings.grpc_tls_certificate,
        tls_key=settings.grpc_tls_key,
    )


def build_matcher(settings: Settings) -> Matcher:
    """The matcher: model, keys and region of the settings."""
    keys = Keys.derive(settings.master_secret(), version=settings.key_version)
    return Matcher(model_text=settings.model_text(), keys=keys, region=settings.region)


def open_metrics(stack: ExitStack, settings: Settings) -> tuple[Metrics, int]:
    """Metrics and the port on which they are served."""
    metrics = Metrics()
    try:
        server = start_metrics_server(metrics, host=settings.metrics_host, port=settings.metrics_port)
    except OSError as error:
        where = f"{settings.metrics_host}:{settings.metrics_port}"
        raise SettingsError(key_of("metrics_port"), f"cannot listen on {where} ({error.strerror})") from None
    return metrics, stack.enter_context(server).port


def open_ledger(stack: ExitStack, settings: Settings, metrics: Metrics) -> Ledger:
    """The ledger, its schema checked. Raises `LedgerUnavailableError`, `SchemaVersionError`."""
    ledger = stack.enter_context(Ledger(ledger_settings(settings), metrics))
    ledger.check_schema()
    return ledger


def build_ingest(ledger: Ledger, matcher: Matcher, metrics: Metrics, *, settings: Settings) -> IngestFlow:
    """The ingest flow."""
    return IngestFlow(
        ledger=ledger,
        matcher=matcher,
        admission=_admission(matcher, metrics, settings),
        taker=_taker(matcher, metrics),
        retry=_retry(metrics),
        entropy=os.urandom,
        actor="consume",
        metrics=metrics,
    )


def build_resolve(ledger: Ledger, matcher: Matcher, metrics: Metrics, *, settings: Settings) -> ResolveFlow:
    """The resolve flow."""
    return ResolveFlow(
        ledger=ledger,
        matcher=matcher,
        admission=_admission(matcher, metrics, settings),
        taker=_taker(matcher, metrics),
        retry=_retry(metrics),
        metrics=metrics,
    )


def open_consumer(stack: ExitStack, settings: Settings, metrics: Metrics) -> ConsumerWorker:
    """The worker that reads customer events."""
    ledger = open_ledger(stack, settings, metrics)
    matcher = build_matcher(settings)
    _bind(ledger, matcher)
    flow = build_ingest(ledger, matcher, metrics, settings=settings)
    bus = bus_settings(settings)

    def committed(topic: str, partitions: Sequence[int]) -> dict[int, int]:
        found = ledger.offsets(group=bus.group, topic=topic)
        return {partition: found[partition] for partition in partitions if partition in found}

    worker = ConsumerSettings(
        group=bus.group,
        currency=settings.currency,
        batch_events=settings.batch_events,
        batch_ms=settings.batch_ms,
    )
    # The worker closes its consumer when it has run.
    return ConsumerWorker(EventConsumer(bus, committed), flow, metrics, worker)


def open_relay(stack: ExitStack, settings: Settings, metrics: Metrics) -> RelayWorker:
    """The worker that publishes committed changes."""
    ledger = open_ledger(stack, settings, metrics)
    cards = stack.enter_context(RedisCardStore(cache_settings(settings)))
    bus = bus_settings(settings)
    producer = stack.enter_context(EventProducer(bus))
    publisher = KafkaChangePublisher(producer, bus, encode_dead_letter=encode_dead_letter)
    return RelayWorker(RelayFlow(ledger, cards, publisher, metrics, clock=_now), metrics, RelaySettings())


@asynccontextmanager
async def open_server(stack: ExitStack, settings: Settings, metrics: Metrics) -> AsyncIterator[RpcServer]:
    """The gRPC server, not yet started; on leaving it is drained, then what it used is closed, the ledger by `stack`."""
    ledger = open_ledger(stack, settings, metrics)
    matcher = build_matcher(settings)
    _bind(ledger, matcher)
    executor = stack.enter_context(ThreadPoolExecutor(_LOOKUP_QUERIES, thread_name_prefix="lookup"))
    cache = AsyncCardCache(cache_settings(settings))
    loader = AnswerLoader(
        ledger,
        cache,
        metrics,
        executor=executor,
        concurrency=_LOOKUP_QUERIES,
        seconds=settings.lookup_timeout_ms / 1000,
    )
    server = RpcServer(
        rpc_settings(settings),
        lookup=LookupFlow(matcher, cache, loader, metrics),
        resolve=build_resolve(ledger, matcher, metrics, settings=settings),
        metrics=metrics,
    )
    try:
        yield server
    finally:
        await server.stop()
        await loader.close()
        await cache.close()


def migrate(settings: Settings) -> list[str]:
    """Applies missing migrations and returns their names."""
    with Ledger(ledger_settings(settings), Metrics()) as ledger:
        return ledger.migrate()


def create_topics(settings: Settings) -> list[str]:
    """Creates missing topics and returns their names; checks those that exist."""
    created = ensure_topics(bus_settings(settings))
    # A Kafka client that described topics lies in a reference cycle, threads and connections included, until it is collected.
    gc.collect()
    return created


def _bind(ledger: Ledger, matcher: Matcher) -> None:
    """Binds an empty ledger to keys and model; refuses one that was filled under others. Raises `SettingsError`, `ModelFileError`."""
    ledger.claim_keys(fingerprint=matcher.key_fingerprint, key_version=matcher.key_version)
    with ledger.transaction() as tx:
        tx.lock_writers()
        tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)


def _admission(matcher: Matcher, metrics: Metrics, settings: Settings) -> Admission:
    return Admission(matcher=matcher, now=_now, currency=settings.currency, metrics=metrics)


def _taker(matcher: Matcher, metrics: Metrics) -> Taker:
    birth_ids = BirthIds(milliseconds=lambda: time.time_ns() // 1_000_000, entropy=os.urandom)
    return Taker(matcher=matcher, birth_ids=birth_ids, metrics=metrics)


def _retry(metrics: Metrics) -> Retry:
    return Retry(metrics=metrics, uniform=random.random, sleep=time.sleep)


def _now() -> datetime:
    return datetime.now(UTC)
