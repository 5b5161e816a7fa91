"""How a lost COMMIT is looked into; pool and server are twins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.errors import InvalidParameterValue, SerializationFailure
from psycopg_pool import PoolClosed, PoolTimeout

from goldthread.domain.errors import LedgerUnavailableError
from goldthread.ledger.commit import Commits
from goldthread.ledger.queries import query
from goldthread.telemetry.metrics import Metrics

Answer = tuple[str | None, str] | Exception


class Server:
    """A pool of one connection. Every transaction has number 7 in life "a"; COMMIT ends in `failure`, then `answers` say what became of it."""

    timeout = 5.0

    def __init__(
        self, *answers: Answer, failure: Exception | None = None, written: bool = True, breaks: bool = True
    ) -> None:
        self.answers = list(answers)
        self.failure = failure
        self.written = written
        self.breaks = breaks
        self.closed = False
        self.lent = 0
        self.asked = 0
        self.ended = 0
        self.waits: list[float] = []
        self.now = 0.0
        self.metrics = Metrics()
        self.commits = Commits(self, self.metrics, clock=lambda: self.now, sleep=self.sleep, uniform=lambda: 1.0)  # type: ignore[arg-type]

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    @contextmanager
    def connection(self, timeout: float | None = None) -> Iterator[Server]:
        assert self.lent == 0, "the broken connection was kept"
        self.lent += 1
        try:
            yield self
        finally:
            self.lent -= 1

    @contextmanager
    def transaction(self, *, force_rollback: bool) -> Iterator[None]:
        yield
        if self.failure is not None and not force_rollback:
            self.closed = self.breaks
            raise self.failure

    def execute(self, text: str, parameters: object = None, *, binary: bool = False) -> Server:
        if text == query("commit_witness"):
            self.row: Sequence[Any] = ("7" if self.written else None, "a", True)
        elif text == query("end_orphan"):
            self.ended += 1
        else:
            assert text == query("commit_status")
            assert parameters == {"xid": "7"}
            self.asked += 1
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, Exception):
                raise answer
            self.row = answer
        return self

    def fetchall(self) -> list[Sequence[Any]]:
        return [self.row]

    @contextmanager
    def pipeline(self) -> Iterator[Server]:
        yield self

    @property
    def result_queue(self) -> tuple[()]:
        return ()

    def sync(self) -> None:
        """Nothing is left unheard here."""

    def resolved(self) -> dict[str, float]:
        return {
            sample.labels["outcome"]: sample.value
            for metric in self.metrics.commits_resolved.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }

    def run(self, **options: Any) -> None:
        with self.commits.transaction(**options):
            pass


LOST = psycopg.OperationalError("gone")


def test_nothing_is_asked_while_commits_are_answered() -> None:
    server = Server()
    server.run()
    assert (server.asked, server.resolved()) == (0, {})


@pytest.mark.parametrize(
    "answers",
    [
        [("committed", "a")],
        [("in progress", "a"), ("committed", "a")],
        [PoolTimeout("starting"), psycopg.OperationalError("starting"), ("in progress", "a"), ("committed", "a")],
    ],
)
def test_a_commit_that_took_effect_raises_nothing(answers: list[Answer]) -> None:
    server = Server(*answers, failure=LOST)
    server.run()
    assert server.asked == len(answers)
    assert server.resolved() == {"committed": 1}


@pytest.mark.parametrize(
    ("answers", "outcome"),
    [
        ([("aborted", "a")], "aborted"),
        ([("aborted", "b")], "aborted"),
        ([InvalidParameterValue("in the future")], "aborted"),
        ([("committed", "b")], "unknown"),
        ([("in progress", "b")], "unknown"),
        ([(None, "a")], "unknown"),
        ([PoolClosed("shutting down")], "unknown"),
        ([PoolTimeout("away")], "unknown"),
    ],
    ids=[
        "rolled back", "rolled back before a crash", "number never durable", "number of another after a crash",
        "number taken by another after a crash", "too long ago", "shut down", "server away",
    ],
)  # fmt: skip
def test_what_did_not_take_effect_or_cannot_be_told_is_raised(answers: list[Answer], outcome: str) -> None:
    server = Server(*answers, failure=LOST)
    with pytest.raises(LedgerUnavailableError) as caught:
        server.run()
    assert caught.value.metadata["outcome"] == outcome
    assert server.resolved() == {outcome: 1}


def test_asking_ends_with_the_bound_and_pauses_grow_to_their_limit() -> None:
    server = Server(PoolTimeout("away"), failure=LOST)
    with pytest.raises(LedgerUnavailableError):
        server.run(bound_seconds=3.0)
    assert server.now == pytest.approx(3.0)
    assert server.waits[:4] == [0.01, 0.02, 0.04, 0.08]
    assert max(server.waits) == 0.5


@pytest.mark.parametrize(("asks", "ended"), [(7, 0), (8, 1)])
def test_a_session_that_stays_open_for_a_second_is_ended(asks: int, ended: int) -> None:
    server = Server(*[("in progress", "a")] * asks, ("aborted", "a"), failure=LOST)
    with pytest.raises(LedgerUnavailableError):
        server.run()
    assert (server.asked, server.ended) == (asks + 1, ended)


def test_an_answer_of_the_server_is_not_doubted() -> None:
    server = Server(failure=SerializationFailure("lost the race"), breaks=False)
    with pytest.raises(SerializationFailure):
        server.run()
    assert (server.asked, server.resolved()) == (0, {})


@pytest.mark.parametrize("options", [{}, {"preview": True}])
def test_a_transaction_that_wrote_nothing_has_no_effect_to_look_for(options: dict[str, bool]) -> None:
    server = Server(failure=LOST, written=False)
    if options:
        server.run(**options)
    else:
        with pytest.raises(psycopg.OperationalError, match="gone"):
            server.run()
    assert server.asked == 0


def test_a_failure_inside_the_block_is_no_lost_commit() -> None:
    server = Server(failure=LOST)

    def fail() -> None:
        with server.commits.transaction():
            server.closed = True
            raise psycopg.OperationalError("midway")

    with pytest.raises(psycopg.OperationalError, match="midway"):
        fail()
    assert server.asked == 0
