"""The demo's audit of lookups against a server that says where its answers come from."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from goldthread.app.demo.lookups import Expectation, audit_lookups
from goldthread.app.demo.progress import Progress
from goldthread.app.demo.sets import WantedIdentifier
from goldthread.domain.ports import Answer
from goldthread.domain.words import IdentifierType, LookupOutcome, QuestionKind
from goldthread.v1 import lookup_service_pb2, lookup_service_pb2_grpc
from goldthread.wire import encode_answer

CACHE, LEDGER = lookup_service_pb2.ANSWER_SOURCE_CACHE, lookup_service_pb2.ANSWER_SOURCE_LEDGER


def answer(outcome: LookupOutcome) -> Answer:
    version = 0 if outcome is LookupOutcome.NOT_FOUND else 1
    return Answer(
        token=b"", version=version, outcome=outcome, card=None, question=QuestionKind.UNSPECIFIED, review_id=""
    )


ANSWERS = {
    "a": (answer(LookupOutcome.AMBIGUOUS), CACHE),
    "b": (answer(LookupOutcome.AMBIGUOUS), CACHE),
    # Missed at first, and in the cache ever after.
    "c": (answer(LookupOutcome.AMBIGUOUS), LEDGER),
    # Nobody is found: no answer of the relay's could be in the cache.
    "d": (answer(LookupOutcome.NOT_FOUND), LEDGER),
}


class FillingDoor(lookup_service_pb2_grpc.LookupServiceServicer):
    """Answers what `ANSWERS` says; a second lookup of an identifier is answered by the cache."""

    def __init__(self) -> None:
        self.asked: set[str] = set()

    def Lookup(  # noqa: N802  (the method's name in the proto)
        self, request: lookup_service_pb2.LookupRequest, context: grpc.ServicerContext
    ) -> lookup_service_pb2.LookupResponse:
        told, source = ANSWERS[request.identifier.raw]
        response = lookup_service_pb2.LookupResponse.FromString(encode_answer(told))
        response.version = told.version
        response.answer_source = CACHE if request.identifier.raw in self.asked else source
        self.asked.add(request.identifier.raw)
        return response


@pytest.fixture
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    lookup_service_pb2_grpc.add_LookupServiceServicer_to_server(FillingDoor(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


def test_answers_are_counted_by_where_they_came_from(address: str) -> None:
    expected = [
        Expectation(WantedIdentifier(IdentifierType.EMAIL, "", raw), told, usable=True, carried=False)
        for raw, (told, _) in ANSWERS.items()
    ]
    audit = audit_lookups(expected, address=address, callers=2, progress=Progress(io.StringIO()))
    assert (audit.equal, audit.different) == (4, 0)
    assert (audit.found, audit.found_in_cache) == (3, 2)
    assert audit.cached_share == pytest.approx(2 / 3)
    assert audit.alone.count == 4
