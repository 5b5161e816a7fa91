"""What must hold outside the ledger once everything has settled: acknowledgements, ids ever given out, the cache, the topics the service writes."""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from uuid import UUID

from google.protobuf.message import DecodeError
from redis import Redis

from gate.checks import Violation, collected, differences
from gate.expectation import Expectation, content_digest, record_of
from gate.journal import Journal, Produced, Resolved, Seen
from gate.plan import Plan, Said
from gate.topics import Message, read_topic
from gate.view import View
from goldthread.app.settings import Settings
from goldthread.app.wiring import ledger_settings
from goldthread.domain.words import LookupOutcome, RejectionReason, profile_public_id
from goldthread.ledger import Ledger
from goldthread.matching import Keys
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import event_pb2, profile_pb2
from goldthread.wire import encode_answer

__all__ = ["Ground", "check_cache", "check_changes", "check_outside"]

_CARDS = b"gt:card:register:"
_VERSION = struct.Struct(">Q")
_PAGE = 500


@dataclass(frozen=True, slots=True)
class Ground:
    """What a run leaves behind."""

    plan: Plan
    journal: Journal
    settings: Settings
    view: View
    expectation: Expectation


def check_outside(ground: Ground) -> list[Violation]:
    """Every check of what is not in the ledger."""
    bootstrap = ground.settings.need("kafka_bootstrap")
    events = read_topic(bootstrap, ground.settings.events_topic)
    return [
        *collected("(i) what was acknowledged is applied", _acknowledged(ground, events)),
        *collected("(ii) dead letters are the poison and what lost", _dead_letters(ground, events)),
        *collected("(iv) every id ever returned leads to a live profile", _ids(ground)),
        *collected("(iv) a phone that changed hands leads to who has it now", _recycled(ground)),
        *check_cache(ground.settings),
        *check_changes(ground.settings, ground.view),
    ]


def check_cache(settings: Settings) -> list[Violation]:
    """Every card in the cache against what the ledger answers now."""
    return collected("(v) the cache holds what the ledger answers", _cache(settings))


def check_changes(settings: Settings, view: View) -> list[Violation]:
    """The changes topic against the journal and the profiles."""
    changes = read_topic(settings.need("kafka_bootstrap"), settings.changes_topic)
    return collected("(v) every change was published", _changes(view, changes))


def _acknowledged(ground: Ground, events: Sequence[Message]) -> Iterator[str]:
    held = {(message.partition, message.offset): message.value for message in events}
    for entry in ground.journal.read():
        match entry:
            case Produced(partition, offset, source, event_id):
                if (partition, offset) not in held:
                    yield f"Kafka acknowledged {partition}/{offset} and does not hold it"
                elif offset >= ground.view.offsets.get(partition, 0):
                    yield f"{partition}/{offset} was acknowledged and never read"
                if event_id and (source, event_id) not in ground.view.events:
                    yield f"event {event_id} was acknowledged by Kafka and is not in the ledger"
            case Resolved(source, event_id, _, _):
                if (source, event_id) not in ground.view.events:
                    yield f"event {event_id} was acknowledged by Resolve and is not in the ledger"
    ends: dict[int, int] = {}
    for partition, offset in held:
        ends[partition] = max(ends.get(partition, 0), offset + 1)
    for partition, offset in ground.view.offsets.items():
        if offset > ends.get(partition, 0):
            yield f"partition {partition}: the ledger is beyond the end of the topic"


def _dead_letters(ground: Ground, events: Sequence[Message]) -> Iterator[str]:
    poison = {one.poison.value: one.poison.reason for one in ground.plan.deliveries if one.poison is not None}
    wanted = {
        (message.partition, message.offset, poison[message.value].name)
        for message in events
        if message.value is not None and message.value in poison
    }
    conflict = int(RejectionReason.EVENT_ID_CONFLICT)
    found = {
        (row.partition, row.offset, RejectionReason(row.reason).name)
        for row in ground.view.dead_letters
        if row.reason != conflict
    }
    yield from differences("dead letter", wanted, found)
    losing = _losing(ground, events)
    for row in ground.view.dead_letters:
        if row.reason == conflict and (row.partition, row.offset) not in losing:
            yield f"{row.partition}/{row.offset} is a dead letter, but its payload is the one that counts"
    letters = [
        event_pb2.DeadLetter.FromString(message.value or b"")
        for message in read_topic(ground.settings.need("kafka_bootstrap"), ground.settings.dead_letters_topic)
    ]
    yield from differences(
        "published dead letter",
        {(row.partition, row.offset) for row in ground.view.dead_letters},
        {(letter.partition, letter.offset) for letter in letters},
    )


def _losing(ground: Ground, events: Sequence[Message]) -> set[tuple[int, int]]:
    """Where the topic holds payloads that lost against another of the same event id; which one a message is, its time tells."""
    keys = Keys.derive(ground.settings.master_secret())
    contested: dict[tuple[str, str], list[Said]] = defaultdict(list)
    for said in ground.plan.said:
        contested[said.key].append(said)
    lost = {
        (said.key, said.occurred_at)
        for ones in contested.values()
        if len(ones) > 1
        for said in ones
        if content_digest(said, record_of(said.claim, keys).address) != ground.expectation.events[said.key][0]
    }
    ids = {event_id for (_, event_id), _ in lost}
    found = set()
    for message in events:
        try:
            event = event_pb2.CustomerEvent.FromString(message.value or b"")
        except DecodeError:
            continue
        if event.event_id in ids and ((event.source, event.event_id), event.occurred_at.ToDatetime(tzinfo=UTC)) in lost:
            found.add((message.partition, message.offset))
    return found


def _ids(ground: Ground) -> Iterator[str]:
    """A profile's id is a record's birth id; one on which no event hangs any more leads to nobody, as it should.

    Its events turned out to count for another payload, or to hang on the record of another epoch: the oracle does not know it either,
    which `gate.checks` finds out.
    """
    shown: set[str] = set()
    for entry in ground.journal.read():
        if isinstance(entry, (Resolved, Seen)) and entry.profile_id:
            shown.add(entry.profile_id)
    withdrawn = {row.birth_id for row in ground.view.records if row.sightings == 0}
    profiles = ground.view.profiles
    with Ledger(ledger_settings(ground.settings), Metrics()) as ledger:
        for public in sorted(shown):
            birth_id = UUID(public.removeprefix("GP-"))
            if birth_id in withdrawn:
                continue
            home = ledger.profile_of(birth_id)
            if home is None:
                yield f"{public} was given out and is not known any more"
            elif home not in profiles or not profiles[home].live:
                yield f"{public} leads to {profile_public_id(home)}, which is not live"


def _recycled(ground: Ground) -> Iterator[str]:
    """Answers to phones that changed hands, against those records only that the oracle says carry them now."""
    homes = {row.address: row.profile_id for row in ground.view.standing() if row.profile_id is not None}
    sure = {one for one, row in ground.view.profiles.items() if row.live and not row.ambiguous}
    phones = sorted(ground.expectation.owners)
    with Ledger(ledger_settings(ground.settings), Metrics()) as ledger:
        for start in range(0, len(phones), _PAGE):
            for answer in ledger.answers(phones[start : start + _PAGE]):
                owners = {homes[one] for one in ground.expectation.owners[answer.token] if one in homes} & sure
                wanted = profile_public_id(owners.pop()) if len(owners) == 1 else ""
                shown = "" if answer.card is None else answer.card.profile_id
                if answer.outcome is LookupOutcome.NOT_FOUND or shown != wanted:
                    yield (
                        f"phone {answer.token.hex()[:16]} leads to {shown or answer.outcome.name}, "
                        f"not to {wanted or 'several'}"
                    )


def _cache(settings: Settings) -> Iterator[str]:
    with Redis.from_url(settings.need("redis_url")) as client, Ledger(ledger_settings(settings), Metrics()) as ledger:
        keys = list(client.scan_iter(match=_CARDS + b"*", count=1_000))
        for start in range(0, len(keys), _PAGE):
            part = keys[start : start + _PAGE]
            values = client.mget(part)
            answers = ledger.answers([bytes.fromhex(key.removeprefix(_CARDS).decode()) for key in part])
            for key, value, answer in zip(part, values, answers, strict=True):
                if value is None:
                    continue  # its time to live ended between the two reads
                name = key.removeprefix(_CARDS).decode()[:16]
                version, card = int(_VERSION.unpack_from(value)[0]), value[_VERSION.size :]
                wanted = b"" if answer.outcome is LookupOutcome.NOT_FOUND else encode_answer(answer)
                if card != wanted:
                    yield f"card {name} at version {version} is not what the ledger answers at {answer.version}"
                elif version > answer.version and answer.version:
                    yield f"card {name} has version {version}, which the ledger (at {answer.version}) has not reached"


def _changes(view: View, changes: Iterable[Message]) -> Iterator[str]:
    latest: dict[UUID, profile_pb2.ProfileChange] = {}
    published: dict[UUID, set[int]] = defaultdict(set)
    for message in changes:
        if message.value is None:
            continue
        change = profile_pb2.ProfileChange.FromString(message.value)
        profile_id = UUID(change.profile_id.removeprefix("GP-"))
        published[profile_id].add(change.version)
        if profile_id not in latest or latest[profile_id].version < change.version:
            latest[profile_id] = change
    for entry in view.journal:
        # The topic is compacted: what an earlier version said may be gone, never what a later one says.
        if (
            entry.version not in published[entry.profile_id]
            and max(published[entry.profile_id], default=0) < entry.version
        ):
            yield f"profile {entry.profile_id}: version {entry.version} was never published"
    births = _births(view)
    for profile_id, row in view.profiles.items():
        last = latest.get(profile_id)
        if last is None:
            if row.live:
                yield f"profile {profile_id} was never published"
        elif (last.version, last.live) != (row.version, row.live):
            yield f"profile {profile_id} is at version {row.version}, the topic at {last.version}"
        elif row.live and sorted(last.record_ids) != sorted(births.get(profile_id, ())):
            yield f"profile {profile_id} was published with other records than it holds"


def _births(view: View) -> Mapping[UUID, list[str]]:
    held: dict[UUID, list[str]] = defaultdict(list)
    for row in view.standing():
        if row.profile_id is not None:
            held[row.profile_id].append(str(row.birth_id))
    return held
