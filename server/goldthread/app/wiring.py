"""Where objects are built, and nowhere else: rooms get their settings, clocks, randomness and each other.

Functions named `open_…` build what must be closed and leave that to the caller's exit stack; `build_…` give plain objects.
"""

from __future__ import annotations

import gc
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime

from goldthread.app.rooms import bus_settings, cache_settings, ledger_settings, rpc_settings
from goldthread.app.settings import Settings, key_of
from goldthread.bus import EventConsumer, EventProducer, KafkaChangePublisher, ensure_topics
from goldthread.cache import CardFiller, RedisCardStore
from goldthread.domain.errors import SettingsError, SurvivorshipFileError
from goldthread.domain.ids import BirthIds
from goldthread.domain.ports import KnownOffset
from goldthread.domain.survivorship import survivorship_of
from goldthread.flows.admission import Admission
from goldthread.flows.answered import AnsweredResolve, Upkeep
from goldthread.flows.dead_letters import DeadLetterFlow
from goldthread.flows.fill import FillFlow
from goldthread.flows.ingest import IngestFlow
from goldthread.flows.load import LoadFlow, LoadPace
from goldthread.flows.loader import AnswerLoader
from goldthread.flows.look import Looker
from goldthread.flows.looks_beside import Looks, LooksBeside
from goldthread.flows.profiles import ProfileFlow
from goldthread.flows.reading import MessageReader
from goldthread.flows.rebuild import RebuildFlow
from goldthread.flows.receive import ReceiveFlow
from goldthread.flows.relay import RelayFlow
from goldthread.flows.remodel import RemodelFlow
from goldthread.flows.resolve import ResolveFlow
from goldthread.flows.retry import Retry
from goldthread.flows.steward import StewardFlow
from goldthread.flows.take import Taker
from goldthread.ledger import Ledger
from goldthread.matching import Keys, Matcher
from goldthread.matching.batch import model_extras
from goldthread.matching.holdings import LoadEngine
from goldthread.rest import RestDoor, RestSettings
from goldthread.rpc import RegisterDoor, RpcServer, RpcSettings
from goldthread.telemetry.exposition import start_metrics_server
from goldthread.telemetry.logs import get_logger
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import encode_dead_letter
from goldthread.workers.consumer import ConsumerSettings, ConsumerWorker
from goldthread.workers.redo import RedoSettings, RedoWorker
from goldthread.workers.relay import RelaySettings, RelayWorker

__all__ = [
    "birth_seed",
    "build_ingest",
    "build_load_engine",
    "build_looker",
    "build_matcher",
    "build_profiles",
    "build_receive",
    "build_remodel",
    "build_resolve",
    "build_steward",
    "bus_settings",
    "cache_settings",
    "create_topics",
    "ledger_settings",
    "migrate",
    "open_consumer",
    "open_dead_letters",
    "open_ledger",
    "open_load",
    "open_metrics",
    "open_rebuild",
    "open_redo",
    "open_relay",
    "open_server",
    "rpc_settings",
]

_LOOK_ATTEMPTS = 8
_LOAD = "load"
_INGEST_THREADS = 1
_SEED_BYTES = 32

_LOOKUP_QUERIES = 4
"""Wide ledger queries of lookups at once, each on a thread of its own; `_need_connections` sees to it that none waits for a connection."""

_log = get_logger(__name__)


def build_matcher(settings: Settings) -> Matcher:
    """The matcher: model, keys and region of the settings. A model that compares what no ledger has is used, and the log says so."""
    text = settings.model_text()
    if extras := sorted(model_extras(text)):
        _log.warning("model_extras_not_compared", extras=extras)
    return Matcher(model_text=text, keys=_keys(settings), region=settings.region)


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


def build_ingest(
    ledger: Ledger,
    matcher: Matcher,
    metrics: Metrics,
    *,
    settings: Settings,
    actor: str = "consume",
    looks: Looks | None = None,
) -> IngestFlow:
    """The ingest flow; `actor` is who stands in the journal, `looks` who looks at what was taken, if not the flow itself."""
    return IngestFlow(
        ledger=ledger,
        matcher=matcher,
        admission=_admission(matcher, metrics, settings),
        taker=_taker(matcher, metrics),
        looker=build_looker(ledger, matcher, metrics) if looks is None else looks,
        retry=_retry(metrics),
        entropy=os.urandom,
        actor=actor,
        metrics=metrics,
    )


def build_reader(matcher: Matcher, metrics: Metrics, *, settings: Settings) -> MessageReader:
    """What reads messages of the events topic."""
    return MessageReader(matcher=matcher, now=_now, currency=settings.currency, metrics=metrics)


def build_resolve(ledger: Ledger, matcher: Matcher, metrics: Metrics, *, settings: Settings) -> ResolveFlow:
    """The resolve flow."""
    return ResolveFlow(
        ledger=ledger,
        matcher=matcher,
        admission=_admission(matcher, metrics, settings),
        taker=_taker(matcher, metrics),
        looker=build_looker(ledger, matcher, metrics),
        retry=_retry(metrics),
        metrics=metrics,
    )


def _answered(ledger: Ledger, matcher: Matcher, metrics: Metrics, settings: Settings) -> AnsweredResolve:
    flow = build_resolve(ledger, matcher, metrics, settings=settings)
    return AnsweredResolve(flow, ledger=ledger, retry=_retry(metrics), key=_keys(settings).address)


def build_receive(ledger: Ledger, matcher: Matcher, metrics: Metrics, *, settings: Settings) -> ReceiveFlow:
    """The flow of events that come by streams."""
    return ReceiveFlow(
        ledger=ledger,
        admission=_admission(matcher, metrics, settings),
        taker=_taker(matcher, metrics),
        looker=build_looker(ledger, matcher, metrics),
        retry=_retry(metrics),
        metrics=metrics,
    )


def build_steward(ledger: Ledger, matcher: Matcher, metrics: Metrics) -> StewardFlow:
    """The stewards' flow."""
    return StewardFlow(
        ledger=ledger,
        matcher=matcher,
        looker=build_looker(ledger, matcher, metrics),
        retry=_retry(metrics),
        metrics=metrics,
        new_id=_birth_ids().new,
    )


def build_profiles(ledger: Ledger, matcher: Matcher, metrics: Metrics) -> ProfileFlow:
    """What tells of profiles."""
    return ProfileFlow(ledger=ledger, matcher=matcher, retry=_retry(metrics))


def open_consumer(stack: ExitStack, settings: Settings, metrics: Metrics) -> ConsumerWorker:
    """The worker that reads customer events."""
    ledger = open_ledger(stack, settings, metrics)
    matcher = build_matcher(settings)
    _bind(ledger, matcher, settings)
    looks = stack.enter_context(LooksBeside(build_looker(ledger, matcher, metrics)))
    flow = build_ingest(ledger, matcher, metrics, settings=settings, looks=looks)
    bus = bus_settings(settings)

    def committed(topic: str, _partitions: Sequence[int]) -> dict[int, KnownOffset]:
        return ledger.known_offsets(group=bus.group, topic=topic)

    worker = ConsumerSettings(group=bus.group, batch_events=settings.batch_events, batch_ms=settings.batch_ms)
    reader = build_reader(matcher, metrics, settings=settings)
    # The worker closes its consumer when it has run.
    return ConsumerWorker(EventConsumer(bus, committed), flow, metrics, worker, read=reader.read)


def open_dead_letters(stack: ExitStack, settings: Settings, metrics: Metrics) -> DeadLetterFlow:
    """Dead letters for somebody who looks after them: the ledger, the key that sealed them, and the rules of events."""
    matcher = build_matcher(settings)
    ledger, admission = open_ledger(stack, settings, metrics), _admission(matcher, metrics, settings)
    return DeadLetterFlow(ledger, matcher=matcher, admission=admission, currency=settings.currency)


def open_load(
    stack: ExitStack, settings: Settings, metrics: Metrics, *, pace: LoadPace | None, sleep: Callable[[float], None]
) -> tuple[LoadFlow, FillFlow]:
    """What loads files into a ledger that others write too, and what fills an empty one.

    Raises `SettingsError`, `ModelFileError` if the ledger was filled under other keys or another model.
    """
    ledger = open_ledger(stack, settings, metrics)
    matcher = build_matcher(settings)
    _bind(ledger, matcher, settings)
    ingest = build_ingest(ledger, matcher, metrics, settings=settings, actor=_LOAD)
    load = LoadFlow(ledger=ledger, ingest=ingest, pace=pace, sleep=sleep)
    fill = FillFlow(
        ledger=ledger,
        matcher=matcher,
        looker=build_looker(ledger, matcher, metrics),
        currency=settings.currency,
        actor=_LOAD,
        executor=stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="fill")),
    )
    return load, fill


def build_load_engine(settings: Settings) -> LoadEngine:
    """The batch engine of fills, under the keys, the model and the region of the settings."""
    return LoadEngine(model_text=settings.model_text(), keys=_keys(settings), region=settings.region)


def birth_seed() -> tuple[int, bytes]:
    """Milliseconds and random bytes of which a fill makes birth ids."""
    return time.time_ns() // 1_000_000, os.urandom(_SEED_BYTES)


def open_relay(stack: ExitStack, settings: Settings, metrics: Metrics) -> RelayWorker:
    """The worker that publishes committed changes."""
    ledger = open_ledger(stack, settings, metrics)
    cards = stack.enter_context(RedisCardStore(cache_settings(settings)))
    bus = bus_settings(settings)
    producer = stack.enter_context(EventProducer(bus))
    publisher = KafkaChangePublisher(producer, bus, encode_dead_letter=encode_dead_letter)
    executor = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="publish"))
    flow = RelayFlow(ledger, cards, publisher, metrics, clock=_now, executor=executor)
    return RelayWorker(flow, metrics, RelaySettings())


def open_rebuild(stack: ExitStack, settings: Settings, metrics: Metrics) -> RebuildFlow:
    """What rebuilds the cache."""
    ledger = open_ledger(stack, settings, metrics)
    cards = stack.enter_context(RedisCardStore(cache_settings(settings)))
    return RebuildFlow(ledger, cards, _retry(metrics), metrics)


def open_redo(stack: ExitStack, settings: Settings, metrics: Metrics) -> RedoWorker:
    """The worker that looks at what servers left, and forgets answers whose day is over."""
    ledger = open_ledger(stack, settings, metrics)
    matcher = build_matcher(settings)
    _bind(ledger, matcher, settings)
    return RedoWorker(Upkeep(build_looker(ledger, matcher, metrics), ledger), metrics, RedoSettings())


@asynccontextmanager
async def open_server(stack: ExitStack, settings: Settings, metrics: Metrics) -> AsyncIterator[RpcServer]:
    """The gRPC server, not yet started; on leaving it is drained, then what it used is closed, the ledger by `stack`."""
    rpc = rpc_settings(settings)
    _need_connections(settings, rpc)
    ledger = open_ledger(stack, settings, metrics)
    matcher = build_matcher(settings)
    _bind(ledger, matcher, settings)
    executor = stack.enter_context(ThreadPoolExecutor(_LOOKUP_QUERIES, thread_name_prefix="lookup"))
    cards = cache_settings(settings)
    filler = CardFiller(cards)
    loader = AnswerLoader(
        ledger,
        filler,
        metrics,
        executor=executor,
        concurrency=_LOOKUP_QUERIES,
        seconds=settings.lookup_timeout_ms / 1000,
    )
    register = RegisterDoor(
        rpc, cards, token_key=_keys(settings).token, region=settings.region, answers=loader, metrics=metrics
    )
    server = RpcServer(
        rpc,
        register=register,
        resolve=_answered(ledger, matcher, metrics, settings),
        receive=build_receive(ledger, matcher, metrics, settings=settings),
        steward=build_steward(ledger, matcher, metrics),
        profiles=build_profiles(ledger, matcher, metrics),
        metrics=metrics,
        rest=RestDoor(RestSettings(max_body_bytes=rpc.max_message_bytes), metrics=metrics),
    )
    try:
        yield server
    finally:
        await server.stop()
        await loader.close()
        await filler.close()


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


def _keys(settings: Settings) -> Keys:
    return Keys.derive(settings.master_secret(), version=settings.key_version)


def _bind(ledger: Ledger, matcher: Matcher, settings: Settings) -> None:
    """Binds an empty ledger to keys, model and survivorship policy; refuses one that is under others.

    Raises `SettingsError`, `ModelFileError`, `SurvivorshipFileError`.
    """
    text = settings.survivorship_text() if settings.survivorship_file is not None else None
    ledger.claim_keys(fingerprint=matcher.key_fingerprint, key_version=matcher.key_version)
    with ledger.transaction() as tx:
        tx.own_evidence()
        tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)
        if text is not None and tx.survivorship() != survivorship_of(text):
            if not tx.is_empty():
                raise SurvivorshipFileError("version", "is not in force; `goldthread remodel` puts it in force")
            tx.set_survivorship(text)


def _need_connections(settings: Settings, rpc: RpcSettings) -> None:
    """Refuses a pool in which lookups would wait for connections that slow resolves, stewards and reads of profiles hold.

    One more finds out lost COMMITs.
    """
    slow = rpc.resolve_threads + rpc.preview_threads + rpc.steward_threads + rpc.profile_threads + _INGEST_THREADS
    needed = _LOOKUP_QUERIES + slow + 1
    if settings.postgres_pool_max < needed:
        raise SettingsError(key_of("postgres_pool_max"), f"a server needs at least {needed}")


def _admission(matcher: Matcher, metrics: Metrics, settings: Settings) -> Admission:
    return Admission(matcher=matcher, now=_now, currency=settings.currency, metrics=metrics)


def _taker(matcher: Matcher, metrics: Metrics) -> Taker:
    return Taker(matcher=matcher, birth_ids=_birth_ids(), metrics=metrics)


def _birth_ids() -> BirthIds:
    return BirthIds(milliseconds=lambda: time.time_ns() // 1_000_000, entropy=os.urandom)


def build_looker(ledger: Ledger, matcher: Matcher, metrics: Metrics) -> Looker:
    """What looks at marked records. Many writers may want one component, so a look is tried more often than other work."""
    retry = Retry(metrics=metrics, uniform=random.random, sleep=time.sleep, attempts=_LOOK_ATTEMPTS, base_seconds=0.005)
    return Looker(
        ledger=ledger, matcher=matcher, birth_ids=_birth_ids(), retry=retry, metrics=metrics, uniform=random.random
    )


def build_remodel(ledger: Ledger, matcher: Matcher, metrics: Metrics) -> RemodelFlow:
    """What switches the ledger to the matcher's model. Raises `SettingsError` if the ledger was filled with other keys."""
    ledger.claim_keys(fingerprint=matcher.key_fingerprint, key_version=matcher.key_version)
    return RemodelFlow(ledger=ledger, matcher=matcher, retry=_retry(metrics), actor="remodel")


def _retry(metrics: Metrics) -> Retry:
    return Retry(metrics=metrics, uniform=random.random, sleep=time.sleep)


def _now() -> datetime:
    return datetime.now(UTC)
