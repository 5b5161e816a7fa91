"""What a credential learns when its calls do not end as calls should: budgets count what could be learnt, not what was answered."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from grpc import aio

from fixtures.callers import hammered
from fixtures.credentials import CRM, TILL, bearer, credentials, line
from fixtures.door import CODES, Door, lookup_request, reason, refused, run, token_of, tokens_of, until
from fixtures.twins import found
from goldthread.app.embedded import ValkeyServer
from goldthread.domain.words import IdentifierType
from goldthread.rpc import CallLimits, RpcSettings
from goldthread.v1 import lookup_service_pb2 as lookup_pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub

PATIENT = CallLimits(in_flight=4096, seconds=5, request_bytes=64 * 1024)
NEVER = 1 << 62
"""A version that no ledger reaches."""


def absent(door: Door) -> int:
    """Times that the cache has said it has no card."""
    return int(door.sample("goldthread_cache_reads_total", result="miss") or 0)


def test_a_deadline_too_short_for_the_ledger_does_not_make_enumeration_free(
    tmp_path: Path, card_server: ValkeyServer, card_client: object
) -> None:
    misses, first, count = 30, 16502530000, 600
    file = credentials(
        tmp_path, line(TILL, f"till-3 misses={misses} answers=300"), line(CRM, "crm misses=9000 answers=9000")
    )
    known = range(first, first + count, 10)

    async def story(door: Door) -> None:
        door.ledger.tell(*(found(tokens_of(f"+{number}", IdentifierType.PHONE)[0], 5, "GP-7") for number in known))
        numbers = range(first, first + count)
        warm = await asyncio.to_thread(hammered, door.port, known, token=CRM)
        assert set(warm.values()) == {"200"}
        before = absent(door)
        door.ledger.gate.clear()
        begun = time.monotonic()
        try:
            learnt = await asyncio.to_thread(hammered, door.port, numbers, headers="grpc-timeout: 20m\r\n")
        finally:
            door.ledger.gate.set()
        minutes = (time.monotonic() - begun) / 60
        # Whoever is not shown though the cache was asked is unknown: that must cost a miss, also when the call ends by its deadline.
        assert misses <= absent(door) - before <= misses * (1 + minutes) + 1
        unknown = Counter(status for number, status in learnt.items() if number not in known)
        assert unknown["429"] > count / 2
        assert set(unknown) <= {"400", "429", "503", "504"}

    run(story, RpcSettings(credentials=file, lookup=PATIENT), Door(card_server.endpoint))


async def _ledger_down(door: Door, raw: str) -> None:
    door.ledger.down = True
    code, details, _ = await refused(door.lookup(raw, metadata=bearer(TILL)))
    assert (code, reason(details)) == (CODES.UNAVAILABLE, "LEDGER_UNAVAILABLE")


async def _cancelled(door: Door, raw: str) -> None:
    before = absent(door)
    stub: Callable[..., Any] = LookupServiceStub(door.channel).Lookup
    call = stub(lookup_request(raw), metadata=bearer(TILL))
    work = asyncio.ensure_future(call)
    await until(lambda: absent(door) > before)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work


async def _deadline(door: Door, raw: str) -> None:
    before = absent(door)
    code, _, _ = await refused(door.lookup(raw, metadata=bearer(TILL), timeout=1))
    assert code is CODES.DEADLINE_EXCEEDED
    assert absent(door) == before + 1


async def _overloaded(door: Door, raw: str) -> None:
    if not door.ledger.questions:
        # The one question that may be open, by somebody else.
        stub: Callable[..., Any] = LookupServiceStub(door.channel).Lookup
        stub(lookup_request("other@b.de"), metadata=bearer(CRM))
        await until(lambda: len(door.ledger.questions) == 1)
    code, details, _ = await refused(door.lookup(raw, metadata=bearer(TILL)))
    assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "OVERLOADED")


async def insisted(door: Door, raw: str) -> lookup_pb.LookupResponse:
    """The answer, once questions of calls that have ended are no longer open."""
    for _ in range(500):
        try:
            return await door.lookup(raw, metadata=bearer(TILL))
        except aio.AioRpcError as error:
            if error.code() is not CODES.RESOURCE_EXHAUSTED:
                raise
            await asyncio.sleep(0.01)
    raise AssertionError


@pytest.mark.parametrize("end", [_ledger_down, _cancelled, _deadline, _overloaded])
def test_what_the_cache_told_is_paid_for_however_a_call_ends(
    tmp_path: Path, card_server: ValkeyServer, card_client: object, end: Callable[[Door, str], Awaitable[None]]
) -> None:
    file = credentials(tmp_path, line(TILL, "till-3 misses=3 answers=100"), line(CRM, "crm"))

    async def story(door: Door) -> None:
        door.ledger.gate.clear()
        try:
            for number in range(3):
                await end(door, f"{number}@b.de")
            code, details, _ = await refused(door.lookup("3@b.de", metadata=bearer(TILL)))
            assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "BUDGET_EXHAUSTED")
        finally:
            door.ledger.gate.set()
        door.ledger.down = False
        # Asking again for the same is free, so a till that lost an answer gets it.
        for number in range(3):
            again = await insisted(door, f"{number}@b.de")
            assert again.outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND

    limits = RpcSettings(credentials=file, lookup=PATIENT, lookup_misses=1 if end is _overloaded else 512)
    run(story, limits, Door(card_server.endpoint))


def test_the_ledgers_word_that_somebody_is_known_gives_the_miss_back(
    tmp_path: Path, card_server: ValkeyServer, card_client: object
) -> None:
    file = credentials(tmp_path, line(TILL, "till-3 misses=1 answers=100"))

    async def story(door: Door) -> None:
        door.ledger.tell(*(found(token_of(f"{number}@b.de"), 5) for number in range(20)))
        for number in range(20):
            shown = await door.lookup(f"{number}@b.de", metadata=bearer(TILL))
            assert shown.outcome == lookup_pb.LOOKUP_OUTCOME_FOUND
        assert absent(door) == 20

    run(story, RpcSettings(credentials=file, lookup=PATIENT), Door(card_server.endpoint))


def test_a_minimum_that_nothing_satisfies_does_not_lead_past_the_budget(
    tmp_path: Path, card_server: ValkeyServer, card_client: object
) -> None:
    answers = 20
    file = credentials(tmp_path, line(TILL, f"till-3 misses=20 answers={answers}"))

    async def story(door: Door) -> None:
        door.ledger.tell(found(token_of("a@b.de"), 5))
        await door.lookup("a@b.de", metadata=bearer(TILL))
        before = len(door.ledger.questions)
        stub: Callable[..., Awaitable[lookup_pb.LookupResponse]] = LookupServiceStub(door.channel).Lookup
        ends: Counter[str] = Counter()
        for _ in range(3 * answers):
            try:
                await stub(lookup_request("a@b.de", NEVER), metadata=bearer(TILL))
                ends["answered"] += 1
            except aio.AioRpcError as error:
                ends[error.code().name] += 1
        # The budget grows by one in three seconds.
        assert answers - 1 <= ends["answered"] < 2 * answers
        assert ends["RESOURCE_EXHAUSTED"] == 3 * answers - ends["answered"]
        assert len(door.ledger.questions) - before <= ends["answered"]
        # What it may show without a minimum is free as before.
        assert (await door.lookup("a@b.de", metadata=bearer(TILL))).version == 5

    run(story, RpcSettings(credentials=file, lookup=PATIENT), Door(card_server.endpoint))
