"""The report of the demo: as text for people, as JSON for programs. Holds no identifier value."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from goldthread.app.demo.checks import Check
from goldthread.app.demo.confirmation import Glance, ReviewTold
from goldthread.app.demo.findings import Findings
from goldthread.app.demo.ledger_audit import SetQuality
from goldthread.app.demo.timing import Timing

__all__ = ["as_json", "as_text"]

_QUALITY_HEAD = f"  {'':8}{'events':>8}{'persons':>9}{'profiles':>10}{'precision':>11}{'recall':>8}{'F1':>8}{'B3 P':>8}{'B3 R':>8}{'B3 F1':>8}{'exact':>8}"


def as_text(found: Findings, checks: Sequence[Check]) -> str:
    """The report as plain text."""
    return "\n".join(
        [
            *_events(found),
            *_profiles(found),
            *_speed(found),
            *_memory(found.memory),
            *_transcript(found),
            *_review(found.review),
            *_checks(checks),
            f"took {found.seconds:.0f} s",
        ]
    )


def as_json(found: Findings, checks: Sequence[Check]) -> str:
    """The same as JSON; shares are from 0 to 1, times as their names say."""
    load = found.load
    content = {
        "ok": all(check.holds for check in checks),
        "seconds": round(found.seconds, 1),
        "checks": [asdict(check) for check in checks],
        "events": {
            "rows": found.rows,
            "messages": load.messages,
            "messages_by_set": dict(load.messages_by_set),
            "left_out": dict(load.left_out),
            "values_dropped": dict(load.values_dropped),
            "distinct": found.accounting.produced,
            "inbox": found.accounting.inbox,
            "duplicates": _duplicates(found),
            "dead_letters": dict(found.dead_letters.reasons),
            "per_second": round(_rate(found), 1),
        },
        "ledger": asdict(found.counts),
        "model": {"version": found.model_version, "calibrated": found.calibrated},
        "quality": {one.name: _quality_values(one) for one in found.quality},
        "mixed_profiles": found.mixed_profiles,
        "event_to_card": asdict(found.latency),
        "lookups": {
            **asdict(found.lookups),
            "per_second": round(found.lookups.per_second, 1),
            "cached_share": round(found.lookups.cached_share, 4),
        },
        "memory_mib": dict(found.memory),
        "transcript": asdict(found.transcript) if found.transcript is not None else None,
        "review": asdict(found.review),
    }
    return json.dumps(content, indent=2) + "\n"


def _events(found: Findings) -> Iterator[str]:
    load = found.load
    yield "Events"
    sets = ", ".join(f"{name} {count:,}" for name, count in load.messages_by_set.items())
    bad = f", bad on purpose {len(found.planted)}" if found.planted else ""
    yield f"  through Kafka      {load.messages:>10,}   {sets}{bad}"
    if left_out := sum(load.left_out.values()):
        yield f"  left out           {left_out:>10,}   rows without a usable claim, not sent"
    if load.values_dropped:
        dropped = ", ".join(f"{what} {count:,}" for what, count in sorted(load.values_dropped.items()))
        yield f"  values dropped     {sum(load.values_dropped.values()):>10,}   {dropped}"
    yield f"  distinct           {found.accounting.produced:>10,}   by source and event id"
    yield f"  taken              {found.accounting.inbox:>10,}   in the inbox"
    yield f"  duplicates         {_duplicates(found):>10,}   taken once only"
    reasons = ", ".join(f"{reason} {count}" for reason, count in found.dead_letters.reasons.items())
    yield f"  dead letters       {found.dead_letters.count:>10,}   {reasons}"
    yield (
        f"  ingest             {_rate(found):>10,.0f}   events/s from file to ledger, {load.ingest_seconds:.1f} s; "
        f"relayed {load.relay_seconds:.1f} s later"
    )


def _profiles(found: Findings) -> Iterator[str]:
    counts = found.counts
    yield "Profiles"
    yield f"  records            {counts.records:>10,}   distinct claims"
    yield f"  profiles           {counts.profiles:>10,}"
    yield f"  merges             {counts.ended_profiles:>10,}   profiles that ended in another"
    yield f"  reviews            {counts.reviews:>10,}   opened, {counts.open_reviews:,} still open"
    calibration = "calibrated" if found.calibrated else "uncalibrated: its probabilities are judgement"
    yield f"Quality against the truth, by {found.model_version} ({calibration})"
    if not found.quality:
        yield "  no truth was given"
        return
    yield _QUALITY_HEAD
    for one in found.quality:
        q = one.quality
        shares = (q.precision, q.recall, q.f1, q.bcubed_precision, q.bcubed_recall, q.bcubed_f1, q.exact)
        numbers = f"{q.rows:>8,}{q.true_persons:>9,}{q.clusters:>10,}"
        yield f"  {one.name:8}{numbers}{shares[0]:>11.4f}" + "".join(f"{share:>8.4f}" for share in shares[1:])
    if len(found.quality) > 1:
        yield f"  profiles with events of more than one set: {found.mixed_profiles:,}"


def _speed(found: Findings) -> Iterator[str]:
    latency, lookups = found.latency, found.lookups
    yield "Event to card: from the send to Kafka to the first lookup that finds it"
    yield (
        f"  {_times(latency.timing)}   {latency.probes:,} probes at {latency.probe_rate:g}/s beside "
        f"{latency.background_events:,} other events at {latency.background_rate:.0f}/s"
    )
    yield "Lookups: every distinct identifier of the input, over gRPC, compared with the ledger"
    outcomes = ", ".join(f"{outcome} {count:,}" for outcome, count in lookups.outcomes.items())
    yield f"  identifiers        {lookups.identifiers:>10,}   {outcomes}"
    yield f"  equal              {lookups.equal:>10,}   different {lookups.different:,}"
    yield f"  from the cache     {lookups.found_in_cache:>10,}   {lookups.cached_share:.2%} of {lookups.found:,} found answers"
    yield f"  lookups/s          {lookups.per_second:>10,.0f}   {lookups.callers} callers: {_times(lookups.busy)}"
    yield f"  one caller                      {_times(lookups.alone)}"
    if lookups.retries:
        yield f"  tried again        {lookups.retries:>10,}"


def _memory(memory: Mapping[str, int]) -> Iterator[str]:
    yield "Resident memory in MiB, children included"
    yield "  " + ", ".join(f"{name} {size:,}" for name, size in memory.items())


def _transcript(found: Findings) -> Iterator[str]:
    transcript = found.transcript
    if transcript is None:
        return
    yield "One register lookup"
    yield from _block("LookupRequest", transcript.request)
    yield from _block("LookupResponse, by the Python stubs", transcript.by_stubs)
    yield from _block(f"LookupResponse, by reflection of {', '.join(transcript.services)}", transcript.by_reflection)


def _review(told: ReviewTold) -> Iterator[str]:
    yield "One review, at the register"
    yield f"  a second record    {told.decision}, {told.probability:.1%}: {told.because}"
    yield f"  lookup by e-mail   {_glance(told.by_email)}"
    yield f"  lookup by phone    {_glance(told.by_phone)}"
    yield from _block("why it is open", "\n".join(told.why_open))
    yield f"  the answer: same   {told.confirmed}"
    yield f"  lookup by e-mail   {_glance(told.by_email_after)}"
    yield f"  lookup by phone    {_glance(told.by_phone_after)}"
    yield from _block("why they are one", "\n".join(told.why_one))


def _glance(seen: Glance) -> str:
    store = f", last in {seen.store or 'the web shop'}" if seen.tier else ""
    question = f"; ask for the {seen.question} (review {seen.review_id})" if seen.question else ""
    return f"{seen.outcome}: {seen.name or 'a customer'}, {seen.tier or 'no tier'}{store}, {seen.profile_id}{question}"


def _block(title: str, text: str) -> Iterator[str]:
    yield f"  {title}"
    yield from (f"    {line}" for line in text.splitlines())


def _checks(checks: Sequence[Check]) -> Iterator[str]:
    yield "Checks"
    for check in checks:
        yield f"  {'ok  ' if check.holds else 'FAIL'} {check.name}: {check.detail}"


def _times(timing: Timing) -> str:
    return f"p50 {timing.p50_ms:.1f} ms, p99 {timing.p99_ms:.1f} ms, max {timing.max_ms:.1f} ms"


def _duplicates(found: Findings) -> int:
    return sum(found.load.messages_by_set.values()) - len(found.load.keys)


def _rate(found: Findings) -> float:
    return found.load.messages / found.load.ingest_seconds if found.load.ingest_seconds else 0.0


def _quality_values(one: SetQuality) -> dict[str, float]:
    q = one.quality
    return {
        "rows": q.rows,
        "absent": one.absent,
        "true_persons": q.true_persons,
        "clusters": q.clusters,
        "precision": q.precision,
        "recall": q.recall,
        "f1": q.f1,
        "bcubed_precision": q.bcubed_precision,
        "bcubed_recall": q.bcubed_recall,
        "bcubed_f1": q.bcubed_f1,
        "exact": q.exact,
    }
