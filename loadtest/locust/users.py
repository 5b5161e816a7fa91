"""The callers, as Locust users: each calls once a second on average, whatever became of its calls before (`arrivals`).

Lookups go by gRPC, by `POST /v1/lookup` or by the older face; Resolve by gRPC; events into Kafka. How many callers there are is the load:
the plan's shape says it, or whoever moves the number on Locust's page.
"""

from __future__ import annotations

import time
from http.client import HTTPException
from random import Random
from typing import Any, ClassVar

import gevent
from locust import User, task

from goldthread.v1 import event_pb2, resolver_service_pb2
from loadtest.locust.arrivals import arrivals
from loadtest.locust.calls import Sample
from loadtest.locust.desk import Desk
from loadtest.locust.faces import (  # fmt: skip
    GRPC,
    OLDER,
    REST,
    Told,
    content,
    older_path,
    request,
    rest_body,
    told_by_older,
    told_by_rest,
)
from loadtest.locust.plan import Target
from loadtest.locust.wire import Ended

__all__ = ["Caller", "OlderRegister", "Register", "Resolver", "RestRegister", "Source"]

LOOKUP_SECONDS = 1.0
RESOLVE_SECONDS = 5.0
_JSON = {"content-type": "application/json"}


class Caller(User):
    """Starts calls when they are due, and waits for none."""

    abstract = True
    desk: ClassVar[Desk]

    def on_start(self) -> None:
        """Draws this caller's own schedule."""
        self._draw = Random(next(self.desk.seeds))  # noqa: S311 (equal seed, equal schedule)
        self._due = arrivals(rate=1.0, start=time.perf_counter(), draw=self._draw)

    @task
    def wait_and_call(self) -> None:
        """Sleeps until the next call is due and starts it; one that is overdue starts at once, and its time counts from when it was due."""
        due = next(self._due)
        gevent.sleep(max(0.0, due - time.perf_counter()))
        self.desk.start(self, due)

    def call(self, due: float) -> None:
        """Makes one call and tells the desk how it ended. Here and below: Locust has a metaclass of its own, so no class of users can be an ABC."""
        raise NotImplementedError


class _Looking(Caller):
    """A caller that asks who somebody is."""

    abstract = True
    face = GRPC

    def call(self, due: float) -> None:
        """Asks for a customer of some kind."""
        place, target = self.desk.pick(self._draw, self.face)
        self._ask(due, place, target)

    def _ask(self, due: float, place: int, target: Target) -> None:
        raise NotImplementedError

    def _told(
        self, due: float, place: int, target: Target, *, begun: float, ended: float, told: Told | None, failure: str
    ) -> None:
        """Tells the desk how it ended, and keeps the answer of a watched one."""
        if told is not None and target.watched:
            self.desk.samples.append(
                Sample(target=place, at=time.time(), face=self.face, version=told.version, content=told.content)
            )
        name = f"lookup {target.kind}" if self.face == GRPC else f"lookup {target.kind}, {self.face}"
        source = told.source if told else 0
        self.desk.ended(
            self.face, name, due=due, begun=begun, ended=ended, source=source, target=place, failure=failure
        )


class Register(_Looking):
    """A till that asks by gRPC."""

    def _ask(self, due: float, place: int, target: Target) -> None:
        def done(ended: Ended) -> None:
            told = None
            if not ended.failure:
                # What is not compared need not be prepared for it.
                kept = content(ended.answer) if target.watched else b""
                told = Told(kept, ended.answer.version, int(ended.answer.answer_source))
            self._told(due, place, target, begun=ended.begun, ended=ended.ended, told=told, failure=ended.failure)

        self.desk.wire.lookup(request(target), seconds=LOOKUP_SECONDS, done=done)


class _ByHttp(_Looking):
    """A till that asks over HTTP: each call on a greenlet of its own."""

    abstract = True

    def _ask(self, due: float, place: int, target: Target) -> None:
        gevent.spawn(self._get, due, place, target)

    def _get(self, due: float, place: int, target: Target) -> None:
        begun = time.perf_counter()
        told, failure = self._fetched(target)
        ended = time.perf_counter()
        self._told(due, place, target, begun=begun, ended=ended, told=told, failure=failure)

    def _fetched(self, target: Target) -> tuple[Told | None, str]:
        """An answer, or what went wrong in a word."""
        try:
            response = self._response(target)
            status, body = int(response.status_code), bytes(response.read())
        except (OSError, HTTPException) as error:
            return None, type(error).__name__
        try:
            return self._read(status, body), ""
        except (ValueError, KeyError):
            return None, f"HTTP_{status}"

    def _response(self, target: Target) -> Any:  # noqa: ANN401 (geventhttpclient's own)
        raise NotImplementedError

    def _read(self, status: int, body: bytes) -> Told:
        raise NotImplementedError


class RestRegister(_ByHttp):
    """A till that asks `POST /v1/lookup`."""

    face = REST

    def _response(self, target: Target) -> Any:  # noqa: ANN401
        return self.desk.http.post("/v1/lookup", body=rest_body(target), headers=_JSON)

    def _read(self, status: int, body: bytes) -> Told:
        if status != 200:
            raise ValueError("not an answer")
        return told_by_rest(body)


class OlderRegister(_ByHttp):
    """A till that speaks the older face, which knows telephones and loyalty cards."""

    face = OLDER

    def _response(self, target: Target) -> Any:  # noqa: ANN401
        return self.desk.http.get(older_path(target))

    def _read(self, status: int, body: bytes) -> Told:
        return told_by_older(status, body)


class Resolver(Caller):
    """A system that hands an event over and waits for its profile."""

    def call(self, due: float) -> None:
        """Resolves the next event of the feed."""

        def done(ended: Ended) -> None:
            failure = ended.failure
            if not failure:
                self.desk.calls.provisional += ended.answer.provisional
                if not ended.answer.profile_id and not ended.answer.provisional:
                    failure = "NO_PROFILE"
            self.desk.ended(GRPC, "resolve", due=due, begun=ended.begun, ended=ended.ended, failure=failure)

        event = event_pb2.CustomerEvent.FromString(self.desk.resolves.next())
        self.desk.wire.resolve(resolver_service_pb2.ResolveRequest(event=event), seconds=RESOLVE_SECONDS, done=done)


class Source(Caller):
    """A system that sends its events through Kafka; a call ends when the broker has it."""

    def call(self, due: float) -> None:
        """Sends the next event of the feed."""
        event = self.desk.events.next()
        begun = time.perf_counter()

        def delivered(error: Any, _message: Any) -> None:  # noqa: ANN401 (confluent-kafka's own types)
            failure = "" if error is None else str(error.name())
            self.desk.ended("Kafka", "event", due=due, begun=begun, ended=time.perf_counter(), failure=failure)

        self.desk.send(event, delivered)
