"""Everything that the service holds and says of its customers at a quiet moment, and in what two such moments differ.

Differences name rows, never what somebody said: ids, kinds of identifiers, names of fields.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from redis import Redis

from gate.topics import read_topic
from goldthread.app.demo.client import Register
from goldthread.app.demo.sets import EventKey, WantedIdentifier
from goldthread.app.settings import Settings
from goldthread.domain.words import profile_public_id
from goldthread.v1 import lookup_service_pb2, profile_pb2
from goldthread.v1.steward_service_pb2 import Review
from storms.desk import Desk

__all__ = ["AFTER_UNDOING", "Golden", "Snapshot", "Told", "differences", "take"]

_CARDS = b"gt:card:register:"
_VERSION_BYTES = 8
_CALLERS = 16
_PAGE = 1_000

AFTER_UNDOING = ("versions", "published", "journal")
"""What an operation and its undoing leave behind: versions, entries and messages."""


class Held(NamedTuple):
    """A record: where it is, and what hangs on it."""

    profile: str
    sightings: int
    first_seen: datetime
    last_seen: datetime
    purchases: int
    total_minor: int


class Golden(NamedTuple):
    """A live profile's attributes, the records they come from, and its totals."""

    ambiguous: bool
    purchases: int
    total_minor: int
    last_purchase_at: datetime | None
    last_purchase_store: str
    name_record: UUID | None
    name: tuple[str | None, ...]
    address_record: UUID | None
    address: tuple[str | None, ...]
    birth_record: UUID | None
    birth_date: str | None


class Told(NamedTuple):
    """What the changes topic says last of a profile, version, cause and time apart."""

    live: bool
    successors: tuple[str, ...]
    records: tuple[str, ...]
    tier: int
    purchases: int
    total_minor: int
    model_version: str


class Asked(NamedTuple):
    """What stewards are shown of an open review, its own id, versions and time apart."""

    low_records: tuple[str, ...]
    high_records: tuple[str, ...]
    bits: float
    probability: float
    evidence: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A quiet moment. Profiles go by public id, records by birth id, cards by identifier, the cache by key."""

    records: Mapping[UUID, Held]
    profiles: Mapping[str, Golden]
    ended: Mapping[str, bool]
    events: Mapping[EventKey, tuple[UUID, bytes]]
    pairs: Mapping[tuple[UUID, UUID], int]
    households: Mapping[tuple[str, str], tuple[UUID, UUID, int]]
    contenders: Mapping[tuple[str, str], bool]
    generic: Mapping[str, bool]
    reviews: Mapping[tuple[str, str], Asked]
    cards: Mapping[WantedIdentifier, bytes]
    cache: Mapping[str, bytes]
    topic: Mapping[str, Told | None]
    versions: Mapping[str, int]
    published: Mapping[int, int]
    journal: Mapping[str, int]

    def members(self) -> dict[str, frozenset[UUID]]:
        """Records by the profile that holds them; those on which no event hangs any more belong to none."""
        held: dict[str, set[UUID]] = defaultdict(set)
        for birth_id, record in self.records.items():
            if record.sightings:
                held[record.profile].add(birth_id)
        return {profile: frozenset(births) for profile, births in held.items()}

    def home(self, event: EventKey) -> str:
        """The profile that an event is credited to."""
        return self.records[self.events[event][0]].profile

    def card(self, wanted: WantedIdentifier) -> lookup_service_pb2.LookupResponse:
        """What a register was told."""
        return lookup_service_pb2.LookupResponse.FromString(self.cards[wanted])


def take(settings: Settings, desk: Desk, *, address: str, wanted: Sequence[WantedIdentifier]) -> Snapshot:
    """Reads the ledger, the cache and the changes topic, and asks for open reviews and for the card of each wanted identifier."""
    reviews = desk.reviews()
    names = {review.review_id: f"{review.low_profile_id} {review.high_profile_id}" for review in reviews}
    # First, so that the cache holds whatever these calls may fill in.
    cards = asyncio.run(_cards(address, wanted, names))
    topic, published = _topic(settings)
    return Snapshot(
        **_ledger(settings.need("postgres_dsn")),
        reviews={(review.low_profile_id, review.high_profile_id): _asked(review) for review in reviews},
        cards=cards,
        cache=_cache(settings.need("redis_url"), names),
        topic=topic,
        published=published,
    )


def differences(
    before: Snapshot, after: Snapshot, *, apart: Collection[str] = (), born: Collection[str] = ()
) -> Iterator[str]:
    """Where two moments differ. Parts named in `apart` are not compared; ids in `born` may have been given out meanwhile, if they ended again."""
    for spec in fields(Snapshot):
        if spec.name in apart:
            continue
        old, new = getattr(before, spec.name), getattr(after, spec.name)
        for key in sorted(old.keys() | new.keys(), key=repr):
            if key not in old and key in born and _ended(spec.name, new[key]):
                continue
            if spec.name == "cache" and not (old.get(key) or new.get(key)):
                continue  # "unknown" is kept for a minute only
            if key not in new or key not in old:
                yield f"{spec.name}: {_shown(key)} is {'gone' if key in old else 'new'}"
            elif old[key] != new[key]:
                yield f"{spec.name}: {_shown(key)} differs{_in(old[key], new[key])}"


def _ended(part: str, value: object) -> bool:
    return part == "ended" or (part == "topic" and value is None)


def _shown(key: object) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)


def _in(old: object, new: object) -> str:
    """Fields that differ, by name."""
    if isinstance(old, Held) and isinstance(new, Held) and old.profile != new.profile:
        return f": in {new.profile} instead of {old.profile}"
    if isinstance(old, tuple) and hasattr(old, "_fields") and isinstance(new, tuple):
        names = [name for name, one, other in zip(old._fields, old, new, strict=True) if one != other]
        return f": {', '.join(names)}"
    if isinstance(old, bytes) and isinstance(new, bytes):
        return f": {_outcome(new)} instead of {_outcome(old)}"
    return ""


def _outcome(encoded: bytes) -> str:
    try:
        response = lookup_service_pb2.LookupResponse.FromString(encoded)
    except ValueError:
        return f"{len(encoded)} bytes"
    name = lookup_service_pb2.LookupOutcome.Name(response.outcome).removeprefix("LOOKUP_OUTCOME_")
    asked = (
        f", question {int(response.question.kind)} ({response.question.review_id})"
        if response.HasField("question")
        else ""
    )
    return f"{name} {response.card.profile_id}{asked}"


def _asked(review: Review) -> Asked:
    return Asked(
        tuple(review.low_record_ids),
        tuple(review.high_record_ids),
        review.bits,
        review.probability,
        review.evidence.SerializeToString(deterministic=True),
    )


def _content(response: lookup_service_pb2.LookupResponse, names: Mapping[str, str]) -> bytes:
    """An answer without version, source and as-of date; a review is named by its two profiles, since one that opens again gets a new number."""
    kept = lookup_service_pb2.LookupResponse()
    kept.CopyFrom(response)
    kept.ClearField("version")
    kept.ClearField("answer_source")
    if kept.HasField("card"):
        kept.card.ClearField("tier_as_of")
    if kept.question.review_id:
        kept.question.review_id = names.get(kept.question.review_id, "a review that is not open")
    return kept.SerializeToString(deterministic=True)


async def _cards(
    address: str, wanted: Sequence[WantedIdentifier], names: Mapping[str, str]
) -> dict[WantedIdentifier, bytes]:
    found: dict[WantedIdentifier, bytes] = {}
    remaining = iter(wanted)

    async def ask() -> None:
        for one in remaining:
            response = await register.lookup(one)
            # One that the service refuses as invalid is told nothing, before and after.
            found[one] = b"" if response is None else _content(response, names)

    async with Register(address) as register:
        await asyncio.gather(*(ask() for _ in range(_CALLERS)))
    return found


def _cache(url: str, names: Mapping[str, str]) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    with Redis.from_url(url) as client:
        keys = list(client.scan_iter(match=_CARDS + b"*", count=_PAGE))
        for start in range(0, len(keys), _PAGE):
            part = keys[start : start + _PAGE]
            for key, value in zip(part, client.mget(part), strict=True):
                if value is not None:
                    held = value[_VERSION_BYTES:]
                    told = lookup_service_pb2.LookupResponse.FromString(held)
                    found[key.removeprefix(_CARDS).decode()] = _content(told, names) if held else b""
    return found


def _topic(settings: Settings) -> tuple[dict[str, Told | None], dict[int, int]]:
    """The last word on each profile, None for a tombstone, and how many messages each partition has had."""
    last: dict[str, Told | None] = {}
    published: dict[int, int] = defaultdict(int)
    for message in read_topic(settings.need("kafka_bootstrap"), settings.changes_topic):
        published[message.partition] = max(published[message.partition], message.offset + 1)
        assert message.key is not None
        if message.value is None:
            last[message.key.decode()] = None
            continue
        change = profile_pb2.ProfileChange.FromString(message.value)
        last[message.key.decode()] = Told(
            change.live,
            tuple(change.successor_ids),
            tuple(change.record_ids),
            int(change.tier),
            change.purchase_count,
            change.purchase_total_minor,
            change.model_version,
        )
    return last, dict(published)


def _ledger(dsn: str) -> dict[str, Any]:
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

        def rows(statement: str) -> list[Any]:
            return connection.execute(statement).fetchall()

        public = profile_public_id
        return {
            "records": {row[0]: Held("" if row[1] is None else public(row[1]), *row[2:]) for row in rows(_RECORDS)},
            "profiles": {
                public(row[0]): Golden._make((*row[1:7], tuple(row[7:11]), row[11], tuple(row[12:15]), *row[15:]))
                for row in rows(_PROFILES)
            },
            "ended": {public(row[0]): True for row in rows("SELECT profile_id FROM profile WHERE NOT live")},
            "events": {(row[0], row[1]): (row[2], bytes(row[3])) for row in rows(_EVENTS)},
            "pairs": {(row[0], row[1]): row[2] for row in rows(_PAIRS)},
            "households": {(public(row[0]), public(row[1])): tuple(row[2:]) for row in rows(_HOUSEHOLDS)},
            "contenders": {
                (public(row[0]), public(row[1])): True for row in rows("SELECT profile_id, contender_id FROM contender")
            },
            "generic": {bytes(row[0]).hex(): True for row in rows("SELECT token FROM token WHERE generic")},
            "versions": {public(row[0]): row[1] for row in rows("SELECT profile_id, version FROM profile")},
            "journal": {"entries": rows("SELECT count(*) FROM journal")[0][0]},
        }


_RECORDS = """
SELECT birth_id, membership.profile_id, sightings, first_seen, last_seen, purchase_count, purchase_total_minor
FROM record LEFT JOIN membership USING (record_id)
"""
_PROFILES = """
SELECT profile_id, ambiguous, profile.purchase_count, profile.purchase_total_minor, profile.last_purchase_at, profile.last_purchase_store,
    named.birth_id, named.given_name, named.middle_name, named.family_name, named.name_suffix,
    housed.birth_id, housed.street, housed.city, housed.postcode,
    born.birth_id, born.birth_date
FROM profile
LEFT JOIN record AS named ON named.record_id = name_record
LEFT JOIN record AS housed ON housed.record_id = address_record
LEFT JOIN record AS born ON born.record_id = birth_date_record
WHERE live
"""
_EVENTS = "SELECT inbox.source, event_id, birth_id, payload_digest FROM inbox JOIN record USING (record_id)"
_PAIRS = """
SELECT one.birth_id, other.birth_id, score FROM pair JOIN record AS one ON one.record_id = low JOIN record AS other ON other.record_id = high
"""
_HOUSEHOLDS = """
SELECT low_profile, high_profile, one.birth_id, other.birth_id, strength
FROM household JOIN record AS one ON one.record_id = low_record JOIN record AS other ON other.record_id = high_record
"""
