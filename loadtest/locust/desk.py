"""What all callers share: connections, feeds, whom to ask for, and the record of what became of their calls."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any, Protocol

import gevent
from confluent_kafka import Producer
from geventhttpclient import HTTPClient
from locust.env import Environment

from goldthread.v1.event_pb2 import CustomerEvent
from goldthread.wire import CONTENT_TYPE_PROTOBUF
from loadtest.locust.calls import Calls, Sample, write_samples
from loadtest.locust.faces import OLDER, OLDER_NAMES
from loadtest.locust.plan import EVENTS, KINDS, RESOLVES, Feed, Plan, Target
from loadtest.locust.wire import Wire

__all__ = ["Calling", "Desk"]

_AT_ONCE = 5_000
_LAST_SECONDS = 7.0
_POLL_SECONDS = 0.004
_HEADERS: dict[str, str | bytes | None] = {"content-type": CONTENT_TYPE_PROTOBUF}


class Calling(Protocol):
    """A caller."""

    def call(self, due: float) -> None:
        """Makes one call, or starts it, without waiting."""
        ...


class Desk:
    """One per process; `begun` is the moment (`time.perf_counter`) that calls are counted from."""

    def __init__(self, plan: Plan, folder: Path, environment: Environment) -> None:
        self._plan = plan
        self._folder = folder
        self._environment = environment
        self.wire = Wire(plan.address)
        self.http = _http(plan.address)
        self.events, self.resolves = Feed(folder / EVENTS), Feed(folder / RESOLVES)
        self._producer = Producer(
            {"bootstrap.servers": plan.bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 5}
        )
        self._picks = _picks(plan.targets)
        self.reset()

    def reset(self) -> None:
        """Begins a run."""
        self.begun = time.perf_counter()
        self.calls = Calls()
        self.samples: list[Sample] = []
        self._processor = time.process_time()
        self.seeds = itertools.count(self._plan.seed * 1_000_003)
        self._under_way = 0
        self._polling = gevent.spawn(self._poll)

    def start(self, caller: Calling, due: float) -> None:
        """Starts a call. Beyond 5,000 at once it is not made, and counts as failed."""
        if self._under_way >= _AT_ONCE:
            now = time.perf_counter()
            self._keep("-", "not made", due=due, begun=now, ended=now, failure="TOO_MANY_AT_ONCE")
            return
        self._under_way += 1
        caller.call(due)

    def pick(self, draw: Random, face: str) -> tuple[int, Target]:
        """Somebody to ask for, by the shares of the kinds; a watched one in `Plan.sampling` of the cases."""
        kinds, weights, places = self._picks[face == OLDER]
        [kind] = draw.choices(kinds, weights)
        watched, others = places[kind]
        chosen = watched if watched and (not others or draw.random() < self._plan.sampling) else others
        place = draw.choice(chosen)
        return place, self._plan.targets[place]

    def send(self, event: bytes, delivered: Callable[[Any, Any], None]) -> None:
        """Hands an event to Kafka's client; `delivered` is told when the broker has it."""
        found = CustomerEvent.FromString(event)
        key = f"{found.source}/{found.event_id}".encode()
        self._producer.produce(self._plan.topic, value=event, key=key, headers=_HEADERS, on_delivery=delivered)

    def ended(self, kind: str, name: str, *, due: float, begun: float, ended: float, **rest: Any) -> None:  # noqa: ANN401 (as `Calls.add`)
        """Keeps what became of a call that was started, and tells Locust."""
        self._under_way -= 1
        self._keep(kind, name, due=due, begun=begun, ended=ended, **rest)

    def _keep(
        self,
        kind: str,
        name: str,
        *,
        due: float,
        begun: float,
        ended: float,
        source: int = 0,
        target: int = -1,
        failure: str = "",
    ) -> None:
        zero = self.begun
        self.calls.add(
            name,
            due=due - zero,
            begun=begun - zero,
            ended=ended - zero,
            source=source,
            target=target,
            failure=failure,
        )
        self._environment.events.request.fire(  # type: ignore[no-untyped-call]
            request_type=kind,
            name=name,
            response_time=(ended - due) * 1000,
            response_length=0,
            exception=RuntimeError(failure) if failure else None,
            context={},
        )

    def finish(self) -> None:
        """Waits for the calls that are under way and writes everything down."""
        until = time.perf_counter() + _LAST_SECONDS
        while self._under_way and time.perf_counter() < until:
            gevent.sleep(_POLL_SECONDS)
        for _ in range(self._under_way):
            now = time.perf_counter()
            self._keep("-", "without end", due=now, begun=now, ended=now, failure="NO_ANSWER_AT_ALL")
        self._polling.kill()
        self.calls.processor_seconds = time.process_time() - self._processor
        self.calls.write(self._folder)
        write_samples(self._folder, self.samples)

    def _poll(self) -> None:
        """Fetches the calls that ended elsewhere: neither gRPC's thread nor Kafka's client calls back by itself."""
        while True:
            self.wire.fetch()
            self._producer.poll(0)
            gevent.sleep(_POLL_SECONDS)


def _picks(targets: Sequence[Target]) -> list[tuple[list[str], list[float], dict[str, tuple[list[int], list[int]]]]]:
    """Kinds, their shares, and the places of watched and other targets of each: of all, and of those that the older face can be asked for."""
    found = []
    for known in (None, OLDER_NAMES):
        places: dict[str, tuple[list[int], list[int]]] = {}
        for place, target in enumerate(targets):
            if known is None or target.type in known:
                watched, others = places.setdefault(target.kind, ([], []))
                (watched if target.watched else others).append(place)
        kinds = list(places)
        found.append((kinds, [KINDS[kind] for kind in kinds], places))
    return found


def _http(address: str) -> HTTPClient:
    """A client that keeps connections open, many at once."""
    host, _, port = address.rpartition(":")
    return HTTPClient(host, int(port), concurrency=256, connection_timeout=1.0, network_timeout=1.0)
