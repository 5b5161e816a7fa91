"""The Python client against a server that fails on purpose: errors by what to do about them, retries, deadlines, credentials, in threads and in asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass, field

import grpc
import pytest
from grpc_status import rpc_status

import goldthread_client as client_package
from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.words import Violation
from goldthread.rpc.status import CODES, status_of
from goldthread.v1 import (
    lookup_service_pb2,
    lookup_service_pb2_grpc,
    resolver_service_pb2_grpc,
    steward_service_pb2_grpc,
)
from goldthread_client import AsyncClient, Client, Connection, GoldthreadError, email, identifier, phone
from goldthread_client.v1.event_pb2 import CustomerEvent
from goldthread_client.v1.steward_service_pb2 import ListReviewsRequest

Asked = lookup_service_pb2.LookupRequest
Answer = lookup_service_pb2.LookupResponse
Behaviour = Callable[[grpc.ServicerContext], None]
FOUND = lookup_service_pb2.LOOKUP_OUTCOME_FOUND
PATIENT = 60.0
"""Seconds, where a deadline is not what a test is about."""


@dataclass
class Service(lookup_service_pb2_grpc.LookupServiceServicer, steward_service_pb2_grpc.StewardServiceServicer):
    """Does with each call what is next in `behaviours`, and then answers."""

    behaviours: list[Behaviour] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)

    def BatchLookup(  # noqa: N802
        self, request: lookup_service_pb2.BatchLookupRequest, context: grpc.ServicerContext
    ) -> lookup_service_pb2.BatchLookupResponse:
        refused_one = lookup_service_pb2.BatchLookupResult()
        refused_one.failure.reason = "INVALID_ARGUMENT"
        answered = lookup_service_pb2.BatchLookupResult(response=Answer(outcome=FOUND))
        return lookup_service_pb2.BatchLookupResponse(
            results=[answered if one.identifier.raw else refused_one for one in request.requests]
        )

    def Lookup(self, request: Asked, context: grpc.ServicerContext) -> Answer:  # noqa: N802
        self.metadata.append(dict(context.invocation_metadata()))
        if self.behaviours:
            self.behaviours.pop(0)(context)
        return Answer(outcome=FOUND, version=7)


@dataclass
class Stage:
    service: Service
    target: str


@pytest.fixture
def stage() -> Iterator[Stage]:
    service = Service()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    lookup_service_pb2_grpc.add_LookupServiceServicer_to_server(service, server)
    steward_service_pb2_grpc.add_StewardServiceServicer_to_server(service, server)
    resolver_service_pb2_grpc.add_ResolverServiceServicer_to_server(
        resolver_service_pb2_grpc.ResolverServiceServicer(), server
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield Stage(service, f"127.0.0.1:{port}")
    server.stop(None).wait()


def refused(code: grpc.StatusCode) -> Behaviour:
    return lambda context: context.abort(code, "no")


def asked_in_threads(connection: Connection) -> Answer | GoldthreadError:
    with Client(connection) as client:
        try:
            return client.lookup(phone("+1 415 265 4321"), min_version=3)  # type: ignore[return-value]
        except GoldthreadError as error:
            return error


def asked_in_asyncio(connection: Connection) -> Answer | GoldthreadError:
    async def ask() -> Answer | GoldthreadError:
        async with AsyncClient(connection) as client:
            try:
                return await client.lookup(phone("+1 415 265 4321"), min_version=3)  # type: ignore[return-value]
            except GoldthreadError as error:
                return error

    return asyncio.run(ask())


Ask = Callable[[Connection], "Answer | GoldthreadError"]
both = pytest.mark.parametrize("ask", [asked_in_threads, asked_in_asyncio])


@both
def test_an_answer_and_its_credential(stage: Stage, ask: Ask) -> None:
    answer = ask(Connection(target=stage.target, token="secret", lookup_seconds=PATIENT))
    assert not isinstance(answer, GoldthreadError)
    assert (answer.outcome, answer.version) == (FOUND, 7)
    assert stage.service.metadata[0]["authorization"] == "Bearer secret"
    assert "secret" not in repr(Connection(target=stage.target, token="secret"))


@both
def test_unavailable_is_tried_again_and_nothing_else_is(stage: Stage, ask: Ask) -> None:
    stage.service.behaviours = [refused(grpc.StatusCode.UNAVAILABLE)] * 3
    assert not isinstance(ask(Connection(target=stage.target, lookup_seconds=PATIENT)), GoldthreadError)
    assert len(stage.service.metadata) == 4
    stage.service.behaviours = [refused(grpc.StatusCode.RESOURCE_EXHAUSTED)]
    error = ask(Connection(target=stage.target, lookup_seconds=PATIENT))
    assert isinstance(error, client_package.BusyError)
    assert len(stage.service.metadata) == 5


@both
def test_a_slow_service_is_not_waited_for_beyond_the_deadline(stage: Stage, ask: Ask) -> None:
    stage.service.behaviours = [lambda _: time.sleep(1.0)]
    error = ask(Connection(target=stage.target, lookup_seconds=0.2))
    assert isinstance(error, client_package.DeadlineError)
    assert error.reason == ""


@both
def test_nobody_there_is_unavailable(ask: Ask) -> None:
    error = ask(Connection(target="127.0.0.1:1", lookup_seconds=PATIENT))
    assert isinstance(error, client_package.UnavailableError)


@both
def test_a_refusal_tells_its_reason_and_every_broken_field(stage: Stage, ask: Ask) -> None:
    broken = InvalidArgumentError([Violation("identifier.raw", "too long"), Violation("min_version", "negative")])
    stage.service.behaviours = [
        lambda context: context.abort_with_status(rpc_status.to_status(status_of(broken, request_id="r-1")))
    ]
    error = ask(Connection(target=stage.target, lookup_seconds=PATIENT))
    assert isinstance(error, client_package.InvalidRequestError)
    assert error.reason == broken.reason
    assert [(one.field, one.description) for one in error.violations] == [
        ("identifier.raw", "too long"),
        ("min_version", "negative"),
    ]
    assert error.request_id == "r-1"
    assert error.retry_after is None


def test_every_code_that_the_service_has_is_an_error_of_its_own_kind(stage: Stage) -> None:
    kinds = set()
    for code in sorted(set(CODES.values()), key=lambda one: int(one.value[0])):
        stage.service.behaviours = [refused(code)] * 4
        error = asked_in_threads(Connection(target=stage.target, lookup_seconds=PATIENT))
        assert isinstance(error, GoldthreadError)
        assert error.code is code
        kinds.add(type(error))
        stage.service.behaviours = []
    assert GoldthreadError not in kinds
    assert len(kinds) >= 7


def test_other_calls_go_through_their_stubs(stage: Stage) -> None:
    with Client(Connection(target=stage.target, call_seconds=PATIENT)) as client:
        with pytest.raises(client_package.ServerError) as reviews:
            client.call(client.steward.ListReviews, ListReviewsRequest())
        assert reviews.value.code is grpc.StatusCode.UNIMPLEMENTED
        with pytest.raises(client_package.ServerError):
            client.resolve(CustomerEvent())


def test_many_are_looked_up_in_one_call_each_with_its_own_end(stage: Stage) -> None:
    async def ask() -> list[str]:
        async with AsyncClient(Connection(target=stage.target, call_seconds=PATIENT)) as client:
            return [one.failure.reason for one in await client.lookup_many([phone("1"), phone("")])]

    with Client(Connection(target=stage.target, call_seconds=PATIENT)) as client:
        found = client.lookup_many([phone("1"), phone(""), email("a@x.org")])
    assert [one.WhichOneof("result") for one in found] == ["response", "failure", "response"]
    assert asyncio.run(ask()) == ["", "INVALID_ARGUMENT"]


def test_a_kind_that_there_is_not_is_said_before_any_call() -> None:
    with pytest.raises(ValueError, match="email, phone"):
        identifier("shoe", "43")
