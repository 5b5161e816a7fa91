from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID

import pytest

from goldthread.app.demo.checks import checks_of, failing
from goldthread.app.demo.confirmation import Glance, ReviewTold
from goldthread.app.demo.findings import Findings
from goldthread.app.demo.latency import LatencyResult
from goldthread.app.demo.ledger_audit import Accounting, DeadLetters, SetQuality, account, quality_of
from goldthread.app.demo.load import LoadResult
from goldthread.app.demo.lookups import LookupAudit, difference
from goldthread.app.demo.planted import planted_messages
from goldthread.app.demo.report import as_json, as_text
from goldthread.app.demo.sets import InputSet
from goldthread.app.demo.timing import Timing
from goldthread.app.demo.transcript import Transcript
from goldthread.domain.ports import Answer, CardSnapshot
from goldthread.domain.words import LookupOutcome, QuestionKind, Tier
from goldthread.ledger import LedgerCounts
from goldthread.matching.evaluation import compare_partitions
from goldthread.v1.lookup_service_pb2 import LookupResponse
from goldthread.wire import encode_answer

ONE, TWO = UUID(int=1), UUID(int=2)
TIMING = Timing(count=4, p50_ms=1.0, p99_ms=2.0, max_ms=3.0)
PLANTED = tuple(planted_messages())
REASONS = {
    reason: sum(message.reason.name == reason for message in PLANTED) for reason in {m.reason.name for m in PLANTED}
}
KEYS = frozenset({"pos/1", "pos/2", "pos/3"})
ASKED = Glance(
    outcome="needs confirmation",
    question="phone",
    review_id="9",
    profile_id="GP-1",
    name="Ann L.",
    tier="silver",
    store="",
)
ONE_CARD = dataclasses.replace(ASKED, outcome="found", question="", review_id="", tier="gold", store="S1")
OPENED, QUESTION = "a second record opened a review", "the register is told to ask about it"
ANSWER_TAKEN = "the customer's answer through Resolve is evidence, once"
MERGED = "afterwards both identifiers show one card, of both records, and nothing is asked"
AFTER = ("by_email_after", "by_phone_after")
TOLD = ReviewTold(
    decision="review",
    probability=0.917,
    because="given_name exact +6.9",
    by_email=ASKED,
    by_phone=dataclasses.replace(ASKED, profile_id="GP-2"),
    listed=True,
    why_open=("It is open.",),
    confirmed="recorded",
    repeated=True,
    by_email_after=ONE_CARD,
    by_phone_after=ONE_CARD,
    listed_after=False,
    why_one=("These two are one customer.",),
)


def findings() -> Findings:
    return Findings(
        generated=True,
        rows=4,
        load=LoadResult(
            messages=4 + len(PLANTED),
            keys=KEYS,
            unkeyed=len(PLANTED),
            messages_by_set={"retail": 4},
            left_out={"retail": 0},
            values_dropped={"phone placeholder": 1},
            ingest_seconds=2.0,
            relay_seconds=0.5,
        ),
        planted=PLANTED,
        counts=LedgerCounts(
            inbox=3,
            dead_letters=len(PLANTED),
            records=3,
            profiles=2,
            open_reviews=1,
            reviews=1,
            ended_profiles=1,
            dirty_marks=0,
            outbox=0,
            unpublished_dead_letters=0,
        ),
        accounting=Accounting(
            produced=3 + len(PLANTED), inbox=3, dead_letters=len(PLANTED), conflicts=0, lost=0, invented=0
        ),
        dead_letters=DeadLetters(reasons=REASONS, keys=frozenset(), unkeyed=len(PLANTED)),
        quality=(SetQuality(name="retail", quality=compare_partitions("aab", "xxy"), absent=0),),
        mixed_profiles=0,
        lookups=LookupAudit(
            identifiers=5,
            usable=4,
            generic_or_shared=1,
            equal=5,
            different=0,
            unknown=0,
            differences={},
            outcomes={"FOUND": 4, "INVALID": 1},
            found=4,
            found_in_cache=4,
            retries=0,
            callers=16,
            seconds=0.5,
            busy=TIMING,
            alone=TIMING,
        ),
        latency=LatencyResult(
            probes=4, missed=0, probe_rate=10.0, background_rate=20.0, background_events=8, timing=TIMING
        ),
        transcript=Transcript(services=("a.B",), request="q", by_stubs="r", by_reflection="r", same=True),
        review=TOLD,
        memory={"serve": 70},
        model_version="m-0",
        calibrated=False,
        seconds=61.0,
    )


def with_(part: str, **changes: object) -> Findings:
    found = findings()
    return dataclasses.replace(found, **{part: dataclasses.replace(getattr(found, part), **changes)})


def test_a_good_run_passes_every_check_and_reports_it() -> None:
    found = findings()
    checks = checks_of(found)
    assert failing(checks) == []
    text = as_text(found, checks)
    assert "FAIL" not in text
    assert text.count("  ok   ") == len(checks) == 19
    assert "LookupResponse, by reflection of a.B" in text
    report = json.loads(as_json(found, checks))
    assert report["ok"] is True
    assert report["events"]["duplicates"] == 1
    assert report["events"]["per_second"] == (4 + len(PLANTED)) / 2
    assert report["quality"]["retail"]["f1"] == 1.0
    assert report["lookups"]["per_second"] == 10.0
    assert report["lookups"]["cached_share"] == 1.0
    assert "100.00% of 4 found answers" in text
    assert "needs confirmation: Ann L., silver, last in the web shop, GP-2; ask for the phone (review 9)" in text
    assert "found: Ann L., gold, last in S1, GP-1\n" in text
    assert "    These two are one customer." in text
    assert report["review"]["by_email"]["review_id"] == "9"


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (with_("load", messages_by_set={"retail": 3}), "every usable event went through Kafka"),
        (with_("accounting", lost=1), "distinct events produced = inbox + dead letters"),
        (with_("accounting", inbox=2), "distinct events produced = inbox + dead letters"),
        (with_("counts", inbox=4), "distinct events produced = inbox + dead letters"),
        (
            with_("dead_letters", reasons={**REASONS, "MALFORMED": 0, "NOT_UTF8": 3}),
            "every planted bad message is a dead letter with its reason",
        ),
        (with_("counts", dead_letters=99), "every dead letter is in the ledger and on its topic"),
        (with_("counts", outbox=1), "nothing is left to do"),
        (with_("counts", dirty_marks=1), "nothing is left to do"),
        (with_("counts", ended_profiles=0), "profiles were merged"),
        (with_("counts", reviews=0), "reviews were opened"),
        (
            dataclasses.replace(
                findings(), quality=(SetQuality(name="retail", quality=compare_partitions("aa", "xx"), absent=100),)
            ),
            "every labelled event that was sent is credited to a profile",
        ),
        (
            dataclasses.replace(
                findings(), quality=(SetQuality(name="retail", quality=compare_partitions("abc", "xxy"), absent=0),)
            ),
            "precision on the generated customers is at least 0.9",
        ),
        (
            dataclasses.replace(
                findings(), quality=(SetQuality(name="retail", quality=compare_partitions("aab", "xyz"), absent=0),)
            ),
            "precision on the generated customers is at least 0.9",
        ),
        (dataclasses.replace(findings(), quality=()), "precision on the generated customers is at least 0.9"),
        (with_("lookups", usable=0), "identifiers were looked up"),
        (
            with_("lookups", found=1_000, found_in_cache=989),
            "at least 99% of the found answers came from the cache",
        ),
        (with_("lookups", found=0, found_in_cache=0), "at least 99% of the found answers came from the cache"),
        (with_("lookups", different=1, equal=4), "Lookup answers every identifier as the ledger holds it"),
        (with_("lookups", unknown=1), "every valid identifier of an event taken is known"),
        (with_("latency", missed=1), "every probe event became visible at the register"),
        (with_("transcript", same=False), "stubs and reflection get the same answer"),
        (dataclasses.replace(findings(), transcript=None), "stubs and reflection get the same answer"),
        (with_("review", decision="separate"), OPENED),
        (with_("review", listed=False), OPENED),
        (with_("review", by_email=dataclasses.replace(ASKED, outcome="found")), QUESTION),
        (with_("review", by_phone=dataclasses.replace(TOLD.by_phone, question="")), QUESTION),
        (with_("review", by_phone=dataclasses.replace(TOLD.by_phone, review_id="8")), QUESTION),
        (with_("review", confirmed="settled"), ANSWER_TAKEN),
        (with_("review", repeated=False), ANSWER_TAKEN),
        (with_("review", listed_after=True), MERGED),
        (with_("review", by_phone_after=TOLD.by_phone), MERGED),
        (with_("review", **dict.fromkeys(AFTER, dataclasses.replace(ONE_CARD, tier="silver"))), MERGED),
        (with_("review", **dict.fromkeys(AFTER, dataclasses.replace(ONE_CARD, profile_id="GP-3"))), MERGED),
        (with_("review", **dict.fromkeys(AFTER, dataclasses.replace(ONE_CARD, question="phone"))), MERGED),
    ],
)
def test_each_demand_fails_alone(broken: Findings, name: str) -> None:
    checks = checks_of(broken)
    assert [check.name for check in failing(checks)] == [name]
    assert f"  FAIL {name}: " in as_text(broken, checks)
    assert json.loads(as_json(broken, checks))["ok"] is False


def test_a_users_file_need_not_merge_anything() -> None:
    found = dataclasses.replace(with_("counts", ended_profiles=0, reviews=0), generated=False, quality=())
    assert failing(checks_of(found)) == []


def test_a_users_file_need_not_hold_identifiers() -> None:
    nothing = with_("lookups", identifiers=0, usable=0, equal=0, found=0, found_in_cache=0)
    found = dataclasses.replace(nothing, generated=False, transcript=None)
    assert failing(checks_of(found)) == []
    unread = dataclasses.replace(with_("lookups", found_in_cache=3), generated=False)
    assert [check.name for check in failing(checks_of(unread))] == [
        "at least 99% of the found answers came from the cache"
    ]


@pytest.mark.parametrize(
    ("taken", "dead", "unkeyed", "complete"),
    [
        ({("pos", "1"), ("pos", "2"), ("pos", "3")}, DeadLetters(reasons={}, keys=frozenset(), unkeyed=0), 0, True),
        ({("pos", "1"), ("pos", "2")}, DeadLetters(reasons={"A": 1}, keys=frozenset({"pos/3"}), unkeyed=0), 0, True),
        # The same id with other content is taken once and refused once.
        (
            {("pos", "1"), ("pos", "2"), ("pos", "3")},
            DeadLetters(reasons={"A": 1}, keys=frozenset({"pos/3"}), unkeyed=0),
            0,
            True,
        ),
        # A planted message whose id can be read, and one whose id cannot.
        (
            {("pos", "1"), ("pos", "2"), ("pos", "3")},
            DeadLetters(reasons={"A": 2}, keys=frozenset({"planted/x"}), unkeyed=1),
            2,
            True,
        ),
        ({("pos", "1"), ("pos", "2")}, DeadLetters(reasons={}, keys=frozenset(), unkeyed=0), 0, False),
        (
            {("pos", "1"), ("pos", "2"), ("pos", "3"), ("pos", "4")},
            DeadLetters(reasons={}, keys=frozenset(), unkeyed=0),
            0,
            False,
        ),
        (
            {("pos", "1"), ("pos", "2"), ("pos", "3")},
            DeadLetters(reasons={}, keys=frozenset(), unkeyed=0),
            1,
            False,
        ),
    ],
)
def test_every_event_is_accounted_for(
    taken: set[tuple[str, str]], dead: DeadLetters, unkeyed: int, complete: bool
) -> None:
    found = account(KEYS, unkeyed=unkeyed, taken=dict.fromkeys(taken, ONE), dead=dead)
    assert found.complete is complete
    assert found.produced == 3 + unkeyed


def test_quality_is_measured_within_each_set() -> None:
    sets = [InputSet(name=name, path=Path(), rows=2, truth={(name, "1"): "a", (name, "2"): "a"}) for name in ("x", "y")]
    taken = {("x", "1"): ONE, ("x", "2"): ONE, ("y", "1"): ONE}
    first, second = quality_of(sets, taken)
    assert (first.name, first.quality.f1, first.absent) == ("x", 1.0, 0)
    assert (second.name, second.quality.rows, second.absent) == ("y", 1, 1)


ANSWER = Answer(
    token=b"t",
    version=7,
    outcome=LookupOutcome.NEEDS_CONFIRMATION,
    card=CardSnapshot(
        profile_id="GP-1",
        masked_name="Ann L.",
        tier=Tier.SILVER,
        tier_as_of=date(2026, 1, 1),
        last_purchase_at=datetime(2025, 5, 1, tzinfo=UTC),
        last_purchase_store="s1",
    ),
    question=QuestionKind.PHONE,
    review_id="9",
)


def response() -> LookupResponse:
    told = LookupResponse.FromString(encode_answer(ANSWER))
    told.version = 7
    told.answer_source = 1
    return told


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda told: None, None),
        (lambda told: setattr(told, "answer_source", 2), None),
        (lambda told: setattr(told, "outcome", 1), "outcome"),
        (lambda told: setattr(told.card, "profile_id", "GP-2"), "profile"),
        (lambda told: setattr(told.card, "masked_name", "Ann M."), "masked name"),
        (lambda told: setattr(told, "version", 6), None),
        (lambda told: setattr(told, "version", 0), "version"),
        (lambda told: setattr(told.question, "kind", 2), "question"),
        (lambda told: setattr(told.question, "review_id", "8"), "review"),
        (lambda told: setattr(told.card, "tier", 4), "card"),
        (lambda told: told.card.last_purchase_at.Clear(), "card"),
    ],
)
def test_every_part_of_an_answer_is_compared(change: Callable[[LookupResponse], None], part: str | None) -> None:
    told = response()
    change(told)
    assert difference(ANSWER, told) == part


def test_a_refused_identifier_must_be_invalid() -> None:
    assert difference(None, None) is None
    assert difference(ANSWER, None) == difference(None, response()) == "validity"
