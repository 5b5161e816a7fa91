"""`BatchLookup` over real connections: each key is answered, charged and refused by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path

from google.rpc import code_pb2

from fixtures.credentials import TILL, bearer, credentials, line
from fixtures.door import CODES, Door, lookup_request, reason, refused, run, token_of, until
from fixtures.twins import found
from goldthread.rpc import CallLimits, RpcSettings
from goldthread.v1 import lookup_service_pb2 as pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub

BATCH = "/goldthread.v1.LookupService/BatchLookup"


async def batch(door: Door, *raws: str, **options: object) -> pb.BatchLookupResponse:
    request = pb.BatchLookupRequest(requests=[lookup_request(raw) for raw in raws])
    answer: pb.BatchLookupResponse = await LookupServiceStub(door.channel).BatchLookup(request, **options)  # type: ignore[arg-type, misc]
    return answer


def told(answer: pb.BatchLookupResponse) -> list[str]:
    """Outcome or reason of each key."""
    return [
        pb.LookupOutcome.Name(one.response.outcome).removeprefix("LOOKUP_OUTCOME_")
        if one.HasField("response")
        else one.failure.reason
        for one in answer.results
    ]


def test_each_key_has_its_own_answer_in_the_order_of_the_requests() -> None:
    async def story(door: Door) -> None:
        door.ledger.tell(*(found(token_of(f"{number}@b.de"), number, f"GP-{number}") for number in range(1, 60)))
        answer = await batch(door, *(f"{number}@b.de" for number in range(59, 0, -1)))
        assert [one.response.card.profile_id for one in answer.results] == [f"GP-{n}" for n in range(59, 0, -1)]
        assert [one.response.version for one in answer.results] == list(range(59, 0, -1))
        mixed = await batch(door, "broken", "7@b.de", "x@y.de", "7@b.de", "n/a")
        assert told(mixed) == ["INVALID_ARGUMENT", "FOUND", "NOT_FOUND", "FOUND", "NOT_FOUND"]
        failure = mixed.results[0].failure
        assert failure.code == code_pb2.INVALID_ARGUMENT
        assert [one.field for one in failure.violations] == ["identifier.raw"]
        assert failure.metadata["detail"] == "INVALID_FIELD"
        assert not failure.HasField("retry_delay")
        assert door.sample("goldthread_rpc_seconds_count", method=BATCH, code="OK") == 2
        assert door.sample("goldthread_lookups_total", outcome="found") == 61

    run(story)


def test_a_batch_of_none_or_too_many_is_refused_as_a_whole() -> None:
    async def story(door: Door) -> None:
        for raws in ((), tuple(f"{number}@b.de" for number in range(101))):
            code, details, _ = await refused(batch(door, *raws))
            assert (code, reason(details)) == (CODES.INVALID_ARGUMENT, "INVALID_ARGUMENT")
        assert door.ledger.questions == []
        assert len((await batch(door, *(f"{number}@b.de" for number in range(100)))).results) == 100

    run(story)


def test_keys_fail_alone_when_the_ledger_does_not_answer() -> None:
    async def story(door: Door) -> None:
        door.ledger.down = True
        answer = await batch(door, "a@b.de", "n/a", "b@b.de")
        assert told(answer) == ["LEDGER_UNAVAILABLE", "NOT_FOUND", "LEDGER_UNAVAILABLE"]
        failure = answer.results[0].failure
        assert (failure.code, failure.retry_delay.ToMilliseconds()) == (code_pb2.UNAVAILABLE, 100)

    run(story)


def test_what_was_answered_in_time_is_told_when_the_time_is_over() -> None:
    async def story(door: Door) -> None:
        door.ledger.gate.clear()
        answer = await batch(door, "a@b.de", "n/a")
        assert told(answer) == ["DEADLINE_EXCEEDED", "NOT_FOUND"]
        door.ledger.gate.set()

    run(story, RpcSettings(lookup=CallLimits(in_flight=8, seconds=0.2, request_bytes=10_000)))


def test_every_key_counts_among_the_calls_at_once() -> None:
    async def story(door: Door) -> None:
        code, details, _ = await refused(batch(door, *(f"{number}@b.de" for number in range(9))))
        assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "OVERLOADED")
        assert door.ledger.questions == []
        door.ledger.gate.clear()
        waiting = asyncio.create_task(batch(door, *(f"{number}@b.de" for number in range(8))))
        await until(lambda: len(door.ledger.questions) > 0)
        code, details, _ = await refused(door.lookup("z@b.de"))
        assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "OVERLOADED")
        door.ledger.gate.set()
        assert len((await waiting).results) == 8
        assert told(await batch(door, *(f"{number}@c.de" for number in range(8)))) == ["NOT_FOUND"] * 8

    run(story, RpcSettings(lookup=CallLimits(in_flight=8, seconds=5, request_bytes=10_000)))


def test_a_batch_learns_no_more_than_the_budget_and_known_customers_cost_no_misses(tmp_path: Path) -> None:
    file = credentials(tmp_path, line(TILL, "till-3 misses=5 answers=60"))

    async def story(door: Door) -> None:
        door.ledger.tell(*(found(token_of(f"{number}@b.de"), 5) for number in range(40)))
        # Forty customers with room for five misses at once: none of them is one.
        known = told(await batch(door, *(f"{number}@b.de" for number in range(40)), metadata=bearer(TILL)))
        assert known == ["FOUND"] * 40
        unknown = told(await batch(door, *(f"{number}@c.de" for number in range(50)), metadata=bearer(TILL)))
        assert unknown[:5] == ["NOT_FOUND"] * 5
        # One more every twelve seconds.
        assert unknown.count("NOT_FOUND") <= 7
        assert set(unknown[7:]) == {"BUDGET_EXHAUSTED"}
        refusals = door.sample("goldthread_budget_refusals_total", budget="misses")
        assert refusals == unknown.count("BUDGET_EXHAUSTED")
        again = await batch(door, "39@b.de", "39@d.de", metadata=bearer(TILL))
        assert told(again) == ["FOUND", "BUDGET_EXHAUSTED"]
        wait = again.results[1].failure
        assert wait.metadata["budget"] == "misses"
        assert 0 < wait.retry_delay.ToMilliseconds() <= 60_000

    run(story, RpcSettings(credentials=file))
