"""The commands that people type, against a whole service: who is this, what could not be decided, what could not be taken."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from click.testing import CliRunner, Result

from goldthread.app.cli import cli
from goldthread.app.up import Up
from goldthread.bus import BusSettings, EventProducer
from goldthread.ledger import Ledger
from goldthread.v1 import event_pb2, identity_pb2

PHONE = "+1 415 265 4321"
Run = Callable[..., Result]


@pytest.fixture
def run(service: Up) -> Run:
    environ = {**service.settings.environment(), "GOLDTHREAD_TARGET": service.endpoints.grpc}

    def typed(*arguments: str, code: int = 0, **options: Any) -> Result:
        done = CliRunner().invoke(cli, list(arguments), env=environ, **options)
        assert done.exit_code == code, done.output + repr(done.exception)
        return done

    return typed


def facts(done: Result) -> dict[str, str]:
    """What a list of facts says, by name."""
    return {
        line[: line.index("  ")]: line[line.index("  ") :].strip() for line in done.stdout.splitlines() if "  " in line
    }


def test_somebody_is_looked_up_resolved_and_reviewed(run: Run) -> None:
    assert facts(run("lookup", "phone", PHONE))["outcome"] == "not found"
    jane = ("--given-name", "Jennifer", "--family-name", "Miller", "--city", "Austin", "--postcode", "78701")
    preview = run("resolve", "--preview", "--phone", PHONE, *jane)
    assert facts(preview)["profile"] == "a new one"
    first = json.loads(run("resolve", "--json", "--phone", PHONE, "--street", "12 Oak St", *jane).stdout)
    version = first["ledgerVersion"]
    shown = facts(run("lookup", "phone", "--min-version", version, input=f"{PHONE}\n"))
    assert (shown["outcome"], shown["name"], shown["profile"]) == ("found", "Jennifer M.", first["profileId"])
    assert json.loads(run("lookup", "phone", PHONE, "--json").stdout)["card"]["maskedName"] == "Jennifer M."

    # The same name and town, and nothing else in common: nobody can say, so somebody is asked.
    second = json.loads(run("resolve", "--json", "--source", "crm", *jane).stdout)
    assert second["decision"] == "DECISION_REVIEW"
    listed = json.loads(run("reviews", "list", "--json").stdout)
    review = listed[0]["reviewId"]
    profile = facts(run("profile", first["profileId"]))
    assert (profile["records"], profile["phone"], profile["reviews"]) == ("1", "1", review)
    assert "jennifer" in run("profile", first["profileId"], "--full").stdout
    assert "console" in run("profile", first["profileId"], "--records").stdout
    assert "0 → 1" in run("profile", first["profileId"], "--history").stdout
    told = run("explain", f"phone:{PHONE}", second["profileId"]).stdout
    assert "given_name" in told
    assert "probability" in told
    run("explain", "shoe", second["profileId"], code=2)
    assert "claimed until" in run("reviews", "claim", review, "--actor", "bob").stdout
    assert "bob" in run("reviews", "list", "--by-value").stdout
    assert json.loads(run("reviews", "list", "--for", "ann", "--json").stdout) == []
    run("reviews", "decide", review, "same", "--reason", "asked her", "--actor", "ann", code=1)
    run("reviews", "release", review, "--actor", "bob")
    assert review in run("reviews", "list").stdout
    assert "family_name" in run("reviews", "show", review).stdout
    assert (
        facts(run("reviews", "decide", review, "same", "--reason", "asked her", "--preview"))["operation"] == "preview"
    )
    decided = run("reviews", "decide", review, "same", "--reason", "asked her", "--actor", "ann")
    assert facts(decided)["reviews closed"] == "1"
    assert json.loads(run("reviews", "list", "--json").stdout) == []
    run("reviews", "decide", review, "same", "--reason", "again", code=1)


def test_what_a_customer_answers_settles_the_review(run: Run) -> None:
    jane = ("--given-name", "Jennifer", "--family-name", "Miller", "--city", "Austin", "--postcode", "78701")
    first = json.loads(run("resolve", "--json", "--phone", PHONE, "--street", "12 Oak St", *jane).stdout)
    second = json.loads(run("resolve", "--json", "--source", "crm", *jane).stdout)
    assert second["decision"] == "DECISION_REVIEW"
    review = facts(run("lookup", "phone", PHONE, "--min-version", second["ledgerVersion"]))["review"]
    run("resolve", "--phone", PHONE, "--review", review, code=2)
    run("resolve", "--phone", PHONE, "--review", review, "--answer", "same", "--preview", code=1)
    answered = run("resolve", "--phone", PHONE, "--review", review, "--answer", "same", "--actor", "till 3", *jane)
    assert facts(answered)["review"] == "recorded"
    assert "till 3" in run("profile", first["profileId"], "--history").stdout
    again = run("resolve", "--phone", PHONE, "--review", review, "--answer", "different", *jane)
    assert facts(again)["review"] == "settled"
    assert facts(run("profile", first["profileId"]))["records"] == "3"


def test_what_is_refused_is_said_by_field_and_never_by_value(run: Run) -> None:
    from goldthread.app.cli import main

    refused = run("resolve", "--birth-date", "born in May", code=1)
    assert refused.exception is not None
    assert "birth_date" in str(refused.exception)
    assert "born" not in str(refused.exception)
    assert main(["lookup", "phone", PHONE, "--target", "127.0.0.1:1"]) == 1


def test_a_dead_letter_is_listed_repaired_and_sent_again(run: Run, ledger: Ledger, bus: BusSettings) -> None:
    event = event_pb2.CustomerEvent(source="crm", event_id="late-1")
    event.occurred_at.FromDatetime(datetime(1995, 1, 10, tzinfo=UTC))
    event.customer_change.SetInParent()
    event.claim.identifiers.add(type=identity_pb2.IDENTIFIER_TYPE_PHONE, raw=PHONE)
    with EventProducer(bus) as producer:
        producer.send(bus.events_topic, key=None, value=event.SerializeToString(), headers={})
        producer.flush()
    until(lambda: ledger.counts().dead_letters == 1)

    [letter] = json.loads(run("dead-letters", "list", "--json").stdout)
    assert (letter["reason"], letter["eventId"], letter["taken"]) == ("TIME_OUT_OF_BOUNDS", "late-1", False)
    table = run("dead-letters", "list", "--reason", "time_out_of_bounds").stdout
    assert "crm/late-1" in table
    assert PHONE not in table
    assert run("dead-letters", "list", "--reason", "malformed").stdout.count("\n") == 1
    number = str(letter["id"])
    assert PHONE not in run("dead-letters", "show", number).stdout
    shown = run("dead-letters", "show", number, "--payload").stdout
    assert PHONE in shown

    run("dead-letters", "replay", number, code=1)
    mended = json.loads(json.loads(run("dead-letters", "show", number, "--payload", "--json").stdout)["payload"])
    mended["occurredAt"] = "2026-01-10T00:00:00Z"
    run("dead-letters", "edit", number, "--with", "-", input=json.dumps(mended))
    # Taken is not looked at yet: only then the lookup knows.
    until(lambda: (counts := ledger.counts()).inbox == 1 and counts.dirty_marks == 0)
    [after] = json.loads(run("dead-letters", "list", "--json").stdout)
    assert after["taken"] is True
    assert facts(run("lookup", "phone", PHONE))["outcome"] == "found"


def until(wanted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.1)
