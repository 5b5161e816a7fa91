"""The record of calls, its figures, and what is read of others."""

from __future__ import annotations

from pathlib import Path

import pytest
from loadtest.locust.calls import Calls, Sample, percentile, read_samples, write_samples
from loadtest.locust.faces import content, older_path, rest_body, told_by_rest
from loadtest.locust.figures import Outage, figures_of, per_second
from loadtest.locust.outside import Outside, parse_log
from loadtest.locust.plan import Feed, Plan, Rates, Target, write_feed
from loadtest.locust.serverside import parse

from goldthread.v1.event_pb2 import CustomerEvent
from goldthread.v1.lookup_service_pb2 import ANSWER_SOURCE_LEDGER, LOOKUP_OUTCOME_FOUND, LookupResponse
from goldthread.v1.profile_pb2 import Card

METRICS = """
# TYPE goldthread_rpc_seconds histogram
goldthread_rpc_seconds_bucket{code="OK",le="0.048",method="/lookup"} %d
goldthread_rpc_seconds_bucket{code="OK",le="+Inf",method="/lookup"} %d
goldthread_rpc_seconds_count{code="OK",method="/lookup"} %d
goldthread_rpc_seconds_bucket{code="UNAVAILABLE",le="0.048",method="/lookup"} 0
goldthread_rpc_seconds_bucket{code="UNAVAILABLE",le="+Inf",method="/lookup"} %d
goldthread_rpc_seconds_count{code="UNAVAILABLE",method="/lookup"} %d
# TYPE goldthread_stage_seconds histogram
goldthread_stage_seconds_count{stage="look"} %d
goldthread_stage_seconds_sum{stage="look"} %f
# TYPE goldthread_cache_reads counter
goldthread_cache_reads_total{result="hit"} %d
"""


def recorded() -> Calls:
    calls = Calls()
    # Due at 10, begun a second late, answered at once: it took that second.
    calls.add("lookup hit", due=10.0, begun=11.0, ended=11.001, source=1, target=4)
    calls.add("lookup miss, POS", due=10.5, begun=10.5, ended=10.502, source=2, target=5)
    calls.add("lookup hit", due=1.0, begun=1.0, ended=4.0, failure="DEADLINE_EXCEEDED")
    calls.add("event", due=10.2, begun=10.2, ended=10.21)
    return calls


def test_calls_come_back_as_they_were_written(tmp_path: Path) -> None:
    calls = recorded()
    calls.provisional, calls.processor_seconds = 3, 1.5
    calls.write(tmp_path)
    again = Calls.read(tmp_path)
    assert list(again) == list(calls)
    assert (len(again), again.provisional, again.processor_seconds) == (4, 3, 1.5)
    assert again.failures == {"lookup hit: DEADLINE_EXCEEDED": 1}


def test_time_counts_from_when_a_call_was_due() -> None:
    calls = recorded()
    # Due when the callers are sent home: it is not timed, its failure is told.
    calls.add("lookup hit", due=11.0, begun=13.0, ended=16.0, failure="DEADLINE_EXCEEDED")
    found = figures_of(list(calls), timed=(5.0, 11.0), planned=5)
    assert found["lookup.calls"] == 2
    assert found["lookup.longest_ms"] == pytest.approx(1_001)
    assert found["lookup.p50_ms"] == pytest.approx(2)
    assert found["lookup.late_p999_ms"] == pytest.approx(1_000)
    # What failed in the warm-up is an error all the same.
    assert (found["errors"], found["made_share"]) == (2, 1.0)
    assert per_second(recorded(), name="lookup", share=1.0) == [(1.0, 3_000.0), (10.0, pytest.approx(1_001))]


def test_an_outage_has_figures_of_its_own() -> None:
    calls = Calls()
    for place in range(100):
        due, seconds, source = float(place), 0.04 if 30 <= place < 60 else 0.002, 2 if 30 <= place < 70 else 1
        calls.add("lookup hit", due=due, begun=due, ended=due + seconds, source=source, target=place % 5)
    found = figures_of(list(calls), timed=(0.0, 100.0), planned=100, outage=Outage(30.0, 60.0))
    assert found["outage_seconds"] == 30
    assert found["outage.p99_ms"] == pytest.approx(40)
    assert found["recovery.p99_ms"] == pytest.approx(2)
    assert found["asked_per_identifier"] == 2.0


def test_percentiles_are_samples() -> None:
    ordered = [float(value) for value in range(1, 1_001)]
    assert [percentile(ordered, share) for share in (0.5, 0.99, 0.999, 1.0)] == [500, 990, 999, 1_000]
    assert percentile([], 0.5) == 0.0


def test_samples_come_back_as_they_were_written(tmp_path: Path) -> None:
    samples = [
        Sample(target=3, at=1.5, face="gRPC", version=2**44 + 5, content=b"\x08\x01"),
        Sample(target=4, at=2.5, face="POS", version=None, content=b""),
    ]
    write_samples(tmp_path, samples)
    assert list(read_samples(tmp_path)) == samples


def test_a_feed_begins_again_under_new_ids(tmp_path: Path) -> None:
    path = tmp_path / "events.bin"
    events = [CustomerEvent(source="web", event_id=f"e{place}") for place in range(2)]
    assert write_feed(path, [event.SerializeToString() for event in events]) == 2
    feed = Feed(path)
    found = [CustomerEvent.FromString(feed.next()) for _ in range(5)]
    assert [event.event_id for event in found] == ["e0", "e1", "e0-again-1", "e1-again-1", "e0-again-2"]
    assert {event.source for event in found} == {"web"}
    write_feed(path, ())
    with pytest.raises(LookupError):
        Feed(path).next()


def test_a_plan_comes_back_as_it_was_written(tmp_path: Path) -> None:
    targets = (Target(kind="hit", type=2, namespace="", value="+14155552671", watched=True),)
    plan = Plan(
        address="a:1",
        bootstrap="b:2",
        topic="t",
        rates=Rates(lookups=3, resolves=1),
        shape="ramp",
        seconds=9.0,
        warm_up=1.0,
        seed=4,
        targets=targets,
    )
    plan.write(tmp_path)
    assert Plan.read(tmp_path) == plan
    assert plan.rates.total == 4
    assert "+1415" not in repr(plan)


def test_rest_says_what_grpc_says() -> None:
    response = LookupResponse(
        outcome=LOOKUP_OUTCOME_FOUND, card=Card(profile_id="GP-1"), version=2**44, answer_source=ANSWER_SOURCE_LEDGER
    )
    body = b'{"outcome": "LOOKUP_OUTCOME_FOUND", "card": {"profileId": "GP-1"}, "version": "17592186044416", "answerSource": "ANSWER_SOURCE_LEDGER"}'
    told = told_by_rest(body)
    assert (told.content, told.version, told.source) == (content(response), 2**44, 2)
    with pytest.raises(ValueError):
        told_by_rest(b"<html>")
    phone = Target(kind="hit", type=2, namespace="", value="+1 415")
    assert b"IDENTIFIER_TYPE_PHONE" in rest_body(phone)
    assert older_path(phone) == "/api/pos/lookup?phone=%2B1%20415"


def test_the_servers_page_is_read_as_differences() -> None:
    before = parse(METRICS % (10, 12, 12, 1, 1, 4, 0.5, 100))
    after = parse(METRICS % (110, 115, 115, 3, 3, 10, 2.0, 150))
    added = after.since(before)
    assert added.calls == {"/lookup": {0.048: 100, float("inf"): 105}}
    assert added.reads == {"hit": 50}
    assert added.failed == 2
    assert added.stages == {"look": (6, 1.5)}


def test_h2loads_log_is_read() -> None:
    assert parse_log("1700000000000000\t200\t1500\n1700000000000100\t-1\t2500\n") == [(200, 1.5), (-1, 2.5)]
    found = Outside([1.5, 2.5], 1).figures(planned=4)
    assert (found["h2.errors"], found["h2.made_share"], found["h2.longest_ms"]) == (1, 0.5, 2.5)
