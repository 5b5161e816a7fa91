"""Request ids of Resolve on PostgreSQL: a repeat hears the first answer, whatever has become of the profile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf
from typing import Any

import psycopg
import pytest

from fixtures.story import Story, customer
from goldthread.domain.errors import EventIdConflictError, LedgerUnavailableError, RequestIdConflictError
from goldthread.domain.ports import ResolveCall, ResolveResult
from goldthread.domain.words import IncomingEvent
from goldthread.flows.answered import AnsweredResolve, Upkeep
from goldthread.flows.retry import Retry


def answering(story: Story, *, flow: Any = None) -> AnsweredResolve:
    retry = Retry(metrics=story.metrics, uniform=lambda: 0.5, sleep=lambda _: None)
    return AnsweredResolve(flow or story.resolving, ledger=story.ledger, retry=retry, key=bytes(32))


def person(number: int, email: str = "") -> IncomingEvent:
    return customer(
        f"e{number}",
        email=email or f"p{number}@acme.com",
        given_name="Ann",
        family_name="Ng",
        postcode=f"7870{number}",
        amount=100,
    )


def call(event: IncomingEvent, request_id: str = "", *, seconds: float = inf) -> ResolveCall:
    return ResolveCall(event, time.monotonic() + seconds, request_id, repr(event).encode())


def told(outcome: ResolveResult | Exception) -> ResolveResult:
    assert isinstance(outcome, ResolveResult), outcome
    return outcome


def test_a_repeat_hears_the_first_answer_and_one_without_an_id_what_is_so_now(story: Story) -> None:
    flow = answering(story)
    [first] = flow.resolve([call(person(1), "r-1")])
    # Somebody with the same address and name comes: the profile changes.
    [other] = flow.resolve([call(person(2, "p1@acme.com"))])
    assert told(other).profile_id == told(first).profile_id
    again, now = flow.resolve([call(person(1), "r-1"), call(person(1))])
    assert again == first
    assert not told(again).duplicate
    assert told(now).duplicate
    assert told(now).version > told(first).version
    assert told(now).evidence
    # What has evidence is stored with it.
    [evident] = flow.resolve([call(person(2, "p1@acme.com"), "r-2")])
    assert flow.resolve([call(person(2, "p1@acme.com"), "r-2")]) == [evident]
    assert told(evident).evidence[0].contributions


def test_an_id_is_for_one_event(story: Story) -> None:
    flow = answering(story)
    flow.resolve([call(person(1), "r-1")])
    before = story.ledger.counts().inbox
    used, within, fine = flow.resolve([call(person(2), "r-1"), call(person(3), "r-2"), call(person(4), "r-3")])
    assert isinstance(used, RequestIdConflictError)
    assert story.ledger.counts().inbox == before + 2
    first, second = flow.resolve([call(person(5), "r-4"), call(person(6), "r-4")])
    assert told(first)
    assert isinstance(second, RequestIdConflictError)
    assert told(within)
    assert told(fine)


def test_refusals_leave_their_id_free(story: Story) -> None:
    flow = answering(story)
    flow.resolve([call(person(1))])
    clash = [replace(person(1), attributes={"family_name": f"Ng{letter}"}) for letter in "abcdefghijklmnopqrst"]
    for event in clash:
        if isinstance(flow.resolve([call(event, "r-9")])[0], EventIdConflictError):
            break
    else:
        pytest.fail("one of twenty contents loses")
    assert told(flow.resolve([call(person(7), "r-9")])[0])


class Provisional:
    """A flow whose answers may still change."""

    def __init__(self, story: Story) -> None:
        self._flow = story.resolving

    def resolve(self, calls: Any) -> Any:
        return [replace(told(outcome), provisional=True) for outcome in self._flow.resolve(calls)]


def test_an_answer_that_may_change_is_not_the_first(story: Story) -> None:
    [early] = answering(story, flow=Provisional(story)).resolve([call(person(1), "r-1")])
    assert told(early).provisional
    [first] = answering(story).resolve([call(person(1), "r-1")])
    assert not told(first).provisional
    assert answering(story).resolve([call(person(1), "r-1")]) == [first]


def test_of_two_at_once_both_hear_the_answer_that_was_first(story: Story) -> None:
    flow = answering(story)
    for number in range(10):
        asked = [call(person(number), f"r-{number}") for _ in range(2)]
        with ThreadPoolExecutor(2) as threads:
            one, other = threads.map(lambda one: flow.resolve([one])[0], asked)
        first = told(flow.resolve([asked[0]])[0])
        # One that looked while the other still did may have been told that its answer can change.
        settled = [answer for answer in (told(one), told(other)) if not answer.provisional]
        assert settled in ([first], [first, first])


def test_a_ledger_that_cannot_say_fails_the_calls_with_an_id_alone(story: Story) -> None:
    flow = answering(story)
    with psycopg.connect(story.dsn) as other:
        other.execute("LOCK TABLE stored_answer IN ACCESS EXCLUSIVE MODE")
        named, plain = flow.resolve([call(person(1), "r-1", seconds=0.4), call(person(2))])
        assert isinstance(named, LedgerUnavailableError)
        assert told(plain)
        other.rollback()
    assert told(flow.resolve([call(person(1), "r-1")])[0])


def test_an_answer_stands_for_a_day_and_is_then_forgotten(story: Story) -> None:
    flow = answering(story)
    flow.resolve([call(person(number), f"r-{number}") for number in range(1, 6)])
    upkeep = Upkeep(story.looker, story.ledger)
    assert upkeep.redo(100) == 0
    with psycopg.connect(story.dsn, autocommit=True) as admin:
        admin.execute(
            "UPDATE stored_answer SET answered_at = now() - interval '25 hours' - right(request_id, 1)::int * interval '1 min' "
            "WHERE request_id <> 'r-5'"
        )
        [again] = flow.resolve([call(person(1), "r-1")])
        assert told(again).duplicate
        assert flow.resolve([call(person(1), "r-1")]) == [again]
        # The first write forgot two of those that were over, and took the place of one.
        assert upkeep.redo(1) == 1
        assert upkeep.redo(100) == 0
        left = admin.execute("SELECT request_id FROM stored_answer ORDER BY request_id").fetchall()
    assert left == [("r-1",), ("r-5",)]


def test_what_is_stored_names_nobody(story: Story) -> None:
    answering(story).resolve([call(person(1), "r-1")])
    with psycopg.connect(story.dsn) as admin:
        [(digest, answer)] = admin.execute("SELECT event_digest, answer FROM stored_answer").fetchall()
    assert len(digest) == 32
    for word in (b"acme", b"Ann", b"Ng"):
        assert word not in answer
