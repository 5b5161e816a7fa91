"""What must hold for the demo to succeed; everything else in the report is information."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from goldthread.app.demo.confirmation import ReviewTold
from goldthread.app.demo.findings import Findings
from goldthread.app.demo.sets import GENERATED_SET

__all__ = ["Check", "checks_of"]

_CACHED_SHARE = 0.99
"""A single cached read may time out on a busy machine and is answered by the ledger; more than that is a cache that does not do its work."""
_PRECISION = 0.9


@dataclass(frozen=True, slots=True)
class Check:
    """One demand, whether it holds, and the numbers behind it."""

    name: str
    holds: bool
    detail: str


def checks_of(found: Findings) -> list[Check]:
    """Every demand on what was found, in the order of the report."""
    return [
        *_flow(found),
        *_people(found),
        *_lookups(found),
        *_review(found.review),
    ]


def _flow(found: Findings) -> Iterator[Check]:
    load, counts, events = found.load, found.counts, found.accounting
    sent = sum(load.messages_by_set.values())
    yield Check(
        "every usable event went through Kafka",
        sent == found.rows - sum(load.left_out.values()) and sent > 0,
        f"{found.rows:,} rows, {sum(load.left_out.values()):,} without a usable claim, {sent:,} sent",
    )
    yield Check(
        "distinct events produced = inbox + dead letters",
        events.complete and events.inbox == counts.inbox,
        f"{events.produced:,} = {events.inbox:,} + {events.dead_letters:,}"
        + (f" - {events.conflicts:,} in both" if events.conflicts else "")
        + (f"; lost {events.lost:,}, unknown {events.invented:,}" if events.lost or events.invented else ""),
    )
    if found.planted:
        expected = Counter(message.reason.name for message in found.planted)
        right = all(found.dead_letters.reasons.get(reason, 0) >= count for reason, count in expected.items())
        yield Check(
            "every planted bad message is a dead letter with its reason",
            right,
            ", ".join(f"{reason} {count}" for reason, count in found.dead_letters.reasons.items()) or "none",
        )
    yield Check(
        "every dead letter is in the ledger and on its topic",
        found.dead_letters.count == counts.dead_letters,
        f"{counts.dead_letters:,} in the ledger, {found.dead_letters.count:,} on the topic",
    )
    yield Check(
        "nothing is left to do",
        counts.dirty_marks == counts.outbox == counts.unpublished_dead_letters == 0,
        f"{counts.dirty_marks} redo marks, {counts.outbox} unpublished changes",
    )


def _people(found: Findings) -> Iterator[Check]:
    counts = found.counts
    if found.generated:
        yield Check("profiles were merged", counts.ended_profiles > 0, f"{counts.ended_profiles:,} ended in another")
        yield Check("reviews were opened", counts.reviews > 0, f"{counts.reviews:,} opened")
        retail = next((one.quality for one in found.quality if one.name == GENERATED_SET), None)
        yield Check(
            f"precision on the generated customers is at least {_PRECISION}",
            retail is not None and retail.predicted_pairs > 0 and retail.precision >= _PRECISION,
            f"{retail.correct_pairs:,} of {retail.predicted_pairs:,} pairs are right" if retail else "not measured",
        )
    if found.quality:
        absent = sum(one.absent for one in found.quality)
        unsent = sum(found.load.left_out.values()) + found.dead_letters.count
        yield Check(
            "every labelled event that was sent is credited to a profile",
            absent <= unsent,
            f"{sum(one.quality.rows for one in found.quality):,} credited, {absent:,} not in the ledger",
        )


def _lookups(found: Findings) -> Iterator[Check]:
    lookups, latency, transcript = found.lookups, found.latency, found.transcript
    told = ", ".join(f"{what} {count:,}" for what, count in lookups.differences.items())
    if found.generated:
        yield Check("identifiers were looked up", lookups.usable > 0, f"{lookups.usable:,} valid ones")
    yield Check(
        "Lookup answers every identifier as the ledger holds it",
        lookups.different == 0 and lookups.equal == lookups.identifiers,
        f"{lookups.equal:,} equal, {lookups.different:,} different" + (f" ({told})" if told else ""),
    )
    yield Check(
        "every valid identifier of an event taken is known",
        lookups.unknown == 0,
        f"{lookups.usable:,} valid, {lookups.unknown:,} unknown",
    )
    if found.generated or lookups.found:
        yield Check(
            f"at least {_CACHED_SHARE:.0%} of the found answers came from the cache",
            lookups.cached_share >= _CACHED_SHARE,
            f"{lookups.found_in_cache:,} of {lookups.found:,}",
        )
    yield Check(
        "every probe event became visible at the register",
        latency.missed == 0,
        f"{latency.probes - latency.missed:,} of {latency.probes:,}",
    )
    if transcript is not None:
        yield Check(
            "stubs and reflection get the same answer",
            transcript.same,
            f"{len(transcript.services)} services reflected",
        )
    elif lookups.identifiers:
        yield Check("stubs and reflection get the same answer", False, "no identifier was found")


def _review(told: ReviewTold) -> Iterator[Check]:
    one, other, after = told.by_email, told.by_phone, told.by_email_after
    yield Check(
        "a second record opened a review",
        told.decision == "review" and told.listed and one.profile_id != other.profile_id,
        f"decision {told.decision}, {told.probability:.1%}, {'listed' if told.listed else 'not listed'} for the service desk",
    )
    yield Check(
        "the register is told to ask about it",
        all(seen.outcome == "needs confirmation" and seen.question for seen in (one, other))
        and one.review_id == other.review_id != "",
        f"{one.outcome}, ask for the {one.question or 'nothing'}; {other.outcome}, ask for the {other.question or 'nothing'}",
    )
    yield Check(
        "the customer's answer through Resolve is evidence, once",
        told.confirmed == "recorded" and told.repeated,
        f"{told.confirmed or 'no outcome'}, repeat {'changed nothing' if told.repeated else 'changed something'}",
    )
    yield Check(
        "afterwards both identifiers show one card, of both records, and nothing is asked",
        after == told.by_phone_after
        and after.outcome == "found"
        and after.profile_id in {one.profile_id, other.profile_id}
        and not (after.question or after.review_id or told.listed_after)
        and after.tier not in {one.tier, other.tier, ""},
        f"{after.outcome}, {after.name}, {one.tier or 'no tier'} and {other.tier or 'no tier'} make {after.tier or 'no tier'}",
    )


def failing(checks: Sequence[Check]) -> list[Check]:
    """Those that do not hold."""
    return [check for check in checks if not check.holds]
