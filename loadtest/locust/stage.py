"""The stage: the whole service on embedded servers, with customers that it knows, a plan for the callers, and a witness of the ledger."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPException
from itertools import islice
from math import inf
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from goldthread.app import wiring
from goldthread.app.demo.load import settle
from goldthread.app.demo.progress import Progress
from goldthread.app.settings import Settings
from goldthread.app.up import Up, UpOptions
from goldthread.bus import EventProducer
from goldthread.domain.words import IncomingEvent
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import CONTENT_TYPE_PROTOBUF, encode_event
from loadtest.locust.logs import keep_logs
from loadtest.locust.people import Customers, Watched, choose_targets
from loadtest.locust.plan import EVENTS, RESOLVES, Plan, Rates, write_feed
from loadtest.locust.scenarios import Scenario
from loadtest.locust.shapes import SHAPES

__all__ = ["Run", "Stage", "stage"]

_HEADERS = {"content-type": CONTENT_TYPE_PROTOBUF}
_SPARE = 1.1
_WATCHED = 64
_MAY_BE_MISSING = (404, 405, 501)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What is to be run and for how long; `known` events are in the ledger before it begins."""

    name: str
    scenario: Scenario
    seconds: float
    warm_up: float
    known: int
    seed: int
    free: bool = False

    @property
    def timed(self) -> tuple[float, float]:
        """The seconds of the run whose calls are timed: from the warm-up to the end, which a free run has only once it is left."""
        return self.warm_up, inf if self.free else self.seconds


@dataclass(frozen=True)
class Stage:
    """A service that knows its customers and is idle."""

    up: Up
    ledger: Ledger
    settings: Settings
    watched: Watched
    plan: Plan
    rest: bool
    """Whether the service has a REST face; if not, all lookups go by gRPC."""
    sent: int


@contextmanager
def stage(run: Run, *, folder: Path, progress: Progress) -> Iterator[Stage]:
    """Starts everything, loads the customers, writes plan and feeds to `folder`; stops and removes everything at the end but the logs."""
    data = Path(tempfile.mkdtemp(prefix="goldthread-load-"))
    # PostgreSQL may run under another account, which has to pass through.
    data.chmod(0o711)
    try:
        progress.say("starting PostgreSQL, Valkey, Kafka and the service")
        with Up(UpOptions(data_dir=data), settings=Settings(grpc_port=0, metrics_port=0), log=progress.say) as up:
            yield from _staged(run, up=up, folder=folder, progress=progress)
    finally:
        try:
            keep_logs(data, folder / "logs")
        finally:
            shutil.rmtree(data, ignore_errors=True)


def _staged(run: Run, *, up: Up, folder: Path, progress: Progress) -> Iterator[Stage]:
    settings = up.settings
    later = round(run.seconds * SHAPES[run.scenario.shape].mean * _SPARE) + 10
    rates = run.scenario.rates
    customers = Customers(run.known + later * (rates.events + rates.resolves), run.seed, settings)
    with ExitStack() as stack:
        ledger = wiring.open_ledger(stack, settings, Metrics())
        with EventProducer(wiring.bus_settings(settings)) as producer:
            progress.say(f"{run.known:,} events of customers that are known before")
            for event in customers.before(run.known):
                producer.send(settings.events_topic, key=_key(event), value=encode_event(event), headers=_HEADERS)
            producer.flush()
        settle(ledger, settings, messages=run.known, progress=progress)
        watched = choose_targets(
            sorted(customers.identifiers),
            matcher=wiring.build_matcher(settings),
            ledger=ledger,
            dsn=settings.need("postgres_dsn"),
            seed=run.seed,
            watched=_WATCHED,
        )
        progress.say(f"{len(watched.targets):,} identifiers to ask for; writing the events of the run")
        during = customers.during()
        write_feed(folder / RESOLVES, (encode_event(one) for one in islice(during, later * rates.resolves)))
        write_feed(folder / EVENTS, (encode_event(one) for one in during))
        rest = has_rest(up.endpoints.grpc)
        plan = Plan(
            address=up.endpoints.grpc,
            bootstrap=settings.need("kafka_bootstrap"),
            topic=settings.events_topic,
            rates=by_faces(rates, share=run.scenario.by_rest if rest else 0.0),
            shape=run.scenario.shape,
            seconds=run.seconds,
            warm_up=run.warm_up,
            seed=run.seed,
            targets=watched.targets,
            free=run.free,
        )
        plan.write(folder)
        yield Stage(up, ledger, settings, watched, plan, rest, run.known)


def by_faces(rates: Rates, *, share: float) -> Rates:
    """Gives that share of the lookups to the two REST faces, half each."""
    rest = round(rates.lookups * share / 2)
    return replace(rates, lookups=rates.lookups - 2 * rest, rest=rest, older=rest)


def has_rest(address: str) -> bool:
    """Whether the service describes a REST face at its address."""
    try:
        with urlopen(f"http://{address}/v1/openapi.json", timeout=5.0) as answer:
            return int(answer.status) == 200
    except HTTPError as error:
        if error.code in _MAY_BE_MISSING:
            return False
        raise
    except (URLError, HTTPException, OSError):
        # A server of gRPC alone drops a connection that does not speak HTTP/2.
        return False


def _key(event: IncomingEvent) -> bytes:
    return f"{event.source}/{event.event_id}".encode()
