"""The data plane's own rules over real connections: REST, credentials, budgets, and what it hands on."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fixtures.callers import hammered
from fixtures.credentials import CRM, TILL, bearer, credentials, line
from fixtures.door import CODES, LOOKUP, Door, asked, reason, refused, run, token_of, tokens_of
from fixtures.twins import found
from goldthread.app.embedded import ValkeyServer
from goldthread.domain.errors import SettingsError
from goldthread.domain.words import IdentifierType
from goldthread.rpc import RpcSettings
from goldthread.v1 import lookup_service_pb2 as lookup_pb
from goldthread.v1 import resolver_service_pb2
from goldthread.v1.resolver_service_pb2_grpc import ResolverServiceStub


def email(raw: str) -> dict[str, object]:
    return {"identifier": {"type": "IDENTIFIER_TYPE_EMAIL", "raw": raw}}


def test_rest_says_what_the_rpc_says() -> None:
    async def story(door: Door) -> None:
        door.ledger.tell(found(token_of("a@b.de"), 7))
        status, body, headers = await asked(door, "POST", "/v1/lookup", email("a@b.de"))
        assert (status, headers["cache-control"]) == (200, "no-store")
        assert body["outcome"] == "LOOKUP_OUTCOME_FOUND"
        assert (body["version"], body["answerSource"]) == ("7", "ANSWER_SOURCE_LEDGER")
        card = body["card"]
        assert (card["maskedName"], card["tier"]) == ("Jennifer M.", "TIER_GOLD")
        assert card["lastPurchaseAt"] in {"2026-03-01T12:00:00Z", "2026-03-01T12:00:00+00:00"}
        status, body, _ = await asked(door, "POST", "/v1/lookup", email("x@y.de"))
        assert (status, body["outcome"]) == (200, "LOOKUP_OUTCOME_NOT_FOUND")
        status, body, _ = await asked(door, "POST", "/v1/lookup", {"minVersion": "-1"})
        assert (status, body["status"], body["code"]) == (400, 400, "INVALID_ARGUMENT")
        fields = [item["field"] for item in body["violations"]]
        assert fields == ["min_version", "identifier.type", "identifier"]
        for broken in (b"{", b'{"identifier": 7}', b"[]", b'{"unknown": "jennifer"}'):
            status, body, _ = await asked(door, "POST", "/v1/lookup", broken)
            assert (status, body["metadata"]["detail"]) == (400, "MALFORMED")
            assert "jennifer" not in json.dumps(body)
        status, body, _ = await asked(door, "POST", "/v1/lookup", email("x" * 70_000))
        assert (status, body["metadata"]["detail"]) == (400, "TOO_LARGE")
        door.ledger.down = True
        status, body, headers = await asked(door, "POST", "/v1/lookup", email("down@b.de"), **{"x-request-id": "t-7"})
        assert (status, body["reason"]) == (503, "LEDGER_UNAVAILABLE")
        assert body["requestId"] == "t-7"
        assert (headers["retry-after"], headers["content-type"]) == ("1", "application/problem+json")
        assert door.sample("goldthread_rpc_seconds_count", method="/v1/lookup", code="OK") == 2
        assert door.sample("goldthread_rpc_seconds_count", method="/v1/lookup", code="UNAVAILABLE") == 1

    run(story)


def test_paths_and_verbs_that_there_are_not() -> None:
    async def story(door: Door) -> None:
        status, page, _ = await asked(door, "GET", "/v1/openapi.json")
        assert (status, {"/v1/lookup", "/v1/resolve", "/api/pos/lookup"} - set(page["paths"])) == (200, set())
        status, _, headers = await asked(door, "GET", "/v1/lookup")
        assert (status, headers["allow"]) == (405, "POST")
        status, _, headers = await asked(door, "POST", "/api/pos/lookup", b"")
        assert (status, headers["allow"]) == (405, "GET")
        status, _, _ = await asked(door, "GET", "/etc/passwd")
        assert status == 404

    run(story)


def test_the_older_face_says_404_only_by_the_ledgers_word() -> None:
    async def story(door: Door) -> None:
        [phone] = tokens_of("+1 415 555 2671", IdentifierType.PHONE)
        [card] = tokens_of("L-77", IdentifierType.LOYALTY_CARD)
        door.ledger.tell(found(phone, 7), found(card, 8, "GP-2"))
        status, body, _ = await asked(door, "GET", "/api/pos/lookup?phone=%2B14155552671")
        expected = {"goldenProfileId": "GP-1", "customerName": "Jennifer M.", "clvTier": "GOLD", "nextBestOffers": []}
        assert (status, body["success"], body["data"]) == (200, True, expected)
        assert 0 < body["latency_ms"] < 10_000
        status, body, _ = await asked(door, "GET", "/api/pos/lookup?loyaltyId=L-77")
        assert (status, body["data"]["goldenProfileId"]) == (200, "GP-2")
        status, body, _ = await asked(door, "GET", "/api/pos/lookup?loyaltyId=L-78")
        assert (status, body["success"]) == (404, False)
        status, _, _ = await asked(door, "GET", "/api/pos/lookup?loyaltyId=1&phone=2")
        assert status == 400
        door.ledger.down = True
        status, _, _ = await asked(door, "GET", "/api/pos/lookup?loyaltyId=L-77")
        assert status == 503

    run(story)


def test_without_a_known_credential_nothing_is_answered(tmp_path: Path) -> None:
    file = credentials(tmp_path, line(TILL, "till-3"), line(CRM, "crm all"))

    async def story(door: Door) -> None:
        for metadata in ((), bearer("wrong"), (("authorization", TILL),)):
            code, details, _ = await refused(door.lookup("a@b.de", metadata=metadata))
            assert (code, reason(details)) == (CODES.UNAUTHENTICATED, "UNAUTHENTICATED")
            code, details, _ = await refused(door.resolve(metadata=metadata))
            assert (code, reason(details)) == (CODES.UNAUTHENTICATED, "UNAUTHENTICATED")
        status, _, headers = await asked(door, "POST", "/v1/lookup", email("a@b.de"))
        assert (status, headers["www-authenticate"]) == (401, "Bearer")
        status, _, _ = await asked(door, "GET", "/api/pos/lookup?phone=1")
        assert status == 401
        assert door.ledger.questions == []
        known = await door.lookup("a@b.de", metadata=bearer(TILL))
        assert known.outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND
        status, _, _ = await asked(door, "POST", "/v1/lookup", email("a@b.de"), authorization=f"Bearer {TILL}")
        assert status == 200
        assert door.sample("goldthread_rpc_seconds_count", method=LOOKUP, code="UNAUTHENTICATED") == 3

    run(story, RpcSettings(credentials=file))


def test_a_tills_credential_is_for_lookups_and_health(tmp_path: Path) -> None:
    file = credentials(tmp_path, line(TILL, "till-3"), line(CRM, "crm all"))

    async def story(door: Door) -> None:
        code, details, _ = await refused(door.resolve(metadata=bearer(TILL)))
        assert (code, reason(details)) == (CODES.PERMISSION_DENIED, "PERMISSION_DENIED")
        assert door.resolver.taken == []
        assert (await door.resolve(metadata=bearer(CRM))).version == 12
        health = health_pb2_grpc.HealthStub(door.channel)
        answer: Any = await health.Check(health_pb2.HealthCheckRequest(), metadata=bearer(TILL))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    run(story, RpcSettings(credentials=file))


def enumerated(door: Door, numbers: range, at_once: int) -> Awaitable[dict[str, int]]:
    """What a credential learns by asking for numbers, how many found, unknown and refused."""

    async def ask() -> dict[str, int]:
        learnt = {"found": 0, "unknown": 0, "refused": 0}
        rest = iter(numbers)

        async def caller() -> None:
            for number in rest:
                status, body, _ = await asked(
                    door, "POST", "/v1/lookup", email(f"{number}@b.de"), authorization=f"Bearer {TILL}"
                )
                if status == 429:
                    assert body["reason"] == "BUDGET_EXHAUSTED"
                    learnt["refused"] += 1
                else:
                    assert status == 200
                    learnt["unknown" if body["outcome"].endswith("NOT_FOUND") else "found"] += 1

        await asyncio.gather(*(caller() for _ in range(at_once)))
        return learnt

    return ask()


def test_enumeration_learns_no_more_than_its_budget_and_refusals_tell_nothing(
    tmp_path: Path, card_server: ValkeyServer, card_client: object
) -> None:
    file = credentials(tmp_path, line(TILL, "till-3 misses=20 answers=60"), line(CRM, "crm"))

    async def story(door: Door) -> None:
        door.ledger.tell(*(found(token_of(f"{number}@b.de"), 5, f"GP-{number}") for number in range(0, 600, 2)))
        learnt = await enumerated(door, range(600), at_once=8)
        # A bucket that fills while this runs has one more every three seconds.
        assert 20 <= learnt["unknown"] <= 30
        assert learnt["found"] <= 60 - learnt["unknown"] + 15
        assert sum(learnt.values()) == 600
        # What it knows already it may ask again, and others are not held up by it.
        code, details, _ = await refused(door.lookup("599@b.de", metadata=bearer(TILL)))
        assert (code, reason(details)) == (CODES.RESOURCE_EXHAUSTED, "BUDGET_EXHAUSTED")
        retry = details["RetryInfo"]
        assert isinstance(retry, error_details_pb2.RetryInfo)
        assert 0 < retry.retry_delay.ToMilliseconds() <= 60_000
        assert (await door.lookup("598@b.de", metadata=bearer(CRM))).outcome == lookup_pb.LOOKUP_OUTCOME_FOUND
        assert door.sample("goldthread_budget_refusals_total", budget="misses") == learnt["refused"] + 1

    run(story, RpcSettings(credentials=file), Door(card_server.endpoint))


def test_a_hundred_thousand_sequential_numbers_teach_no_more_than_the_budget(
    tmp_path: Path, card_server: ValkeyServer, card_client: object
) -> None:
    misses, answers, first, count = 30, 300, 16502530000, 100_000
    file = credentials(tmp_path, line(TILL, f"till-3 misses={misses} answers={answers}"))

    async def story(door: Door) -> None:
        known = (tokens_of(f"+{number}", IdentifierType.PHONE)[0] for number in range(first, first + 9_999, 7))
        door.ledger.tell(*(found(token, 5, "GP-7") for token in known))
        begun = time.monotonic()
        learnt = Counter((await asyncio.to_thread(hammered, door.port, range(first, first + count))).values())
        minutes = (time.monotonic() - begun) / 60
        # The older face says of nobody 404, and of a number that cannot be one 400: that anybody knows.
        assert learnt["404"] <= misses * (1 + minutes) + 1
        assert learnt["200"] <= answers * (1 + minutes) + 1
        assert learnt["404"] >= misses
        assert set(learnt) <= {"200", "400", "404", "429"}
        assert learnt["429"] > count / 2
        assert learnt.total() == count

    run(story, RpcSettings(credentials=file), Door(card_server.endpoint))


def test_a_list_of_customers_is_bounded_by_the_answers(tmp_path: Path) -> None:
    file = credentials(tmp_path, line(TILL, "till-3 misses=20 answers=40"))

    async def story(door: Door) -> None:
        door.ledger.tell(*(found(token_of(f"{number}@b.de"), 5) for number in range(200)))
        learnt = await enumerated(door, range(200), at_once=4)
        assert 40 <= learnt["found"] <= 55
        assert learnt["unknown"] == 0
        for _ in range(50):
            again = await door.lookup("10@b.de", metadata=bearer(TILL))
            assert again.outcome == lookup_pb.LOOKUP_OUTCOME_FOUND

    run(story, RpcSettings(credentials=file))


def test_nothing_is_charged_where_neither_cache_nor_ledger_answered(tmp_path: Path) -> None:
    file = credentials(tmp_path, line(TILL, "till-3 misses=3 answers=3"))

    async def story(door: Door) -> None:
        door.ledger.down = True
        for number in range(10):
            code, details, _ = await refused(door.lookup(f"{number}@b.de", metadata=bearer(TILL)))
            assert (code, reason(details)) == (CODES.UNAVAILABLE, "LEDGER_UNAVAILABLE")
            code, _, _ = await refused(door.lookup("broken", metadata=bearer(TILL)))
            assert code is CODES.INVALID_ARGUMENT
        door.ledger.down = False
        assert (await door.lookup("a@b.de", metadata=bearer(TILL))).outcome == lookup_pb.LOOKUP_OUTCOME_NOT_FOUND

    run(story, RpcSettings(credentials=file))


@pytest.mark.parametrize(
    ("text", "words"), [(None, "cannot be read"), ("# nobody\n", "no credential"), ("secret till\n", "line 1")]
)
def test_a_file_that_cannot_be_used_is_a_settings_error(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "credentials"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=words) as caught:
        run(_nothing, RpcSettings(credentials=file))
    assert caught.value.metadata == {"key": "rpc.credentials"}
    assert "secret" not in str(caught.value)


async def _nothing(_: Door) -> None:
    raise AssertionError


def test_whoever_can_be_called_from_elsewhere_checks_callers() -> None:
    with pytest.raises(SettingsError) as caught:
        RpcSettings(host="0.0.0.0")
    assert caught.value.metadata == {"key": "rpc.credentials"}
    for host in ("127.0.0.1", "::1", "localhost", "127.8.8.8"):
        assert RpcSettings(host=host).credentials is None
    assert RpcSettings(host="0.0.0.0", credentials=Path("some")).host == "0.0.0.0"


def test_large_and_many_calls_pass_through_to_the_other_services() -> None:
    async def story(door: Door) -> None:
        calls = [asyncio.create_task(door.resolve()) for _ in range(40)]
        assert {answer.version for answer in await asyncio.gather(*calls)} == {12}
        big = resolver_service_pb2.ResolveRequest()
        big.event.claim.attributes.street = "s" * 900_000
        stub: Callable[..., Awaitable[Any]] = ResolverServiceStub(door.channel).Resolve
        answer = await stub(big)
        assert answer.version == 12
        assert len(door.resolver.taken[-1][0].attributes["street"]) == 900_000

    run(story)
