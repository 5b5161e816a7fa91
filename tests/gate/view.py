"""The ledger as it lies in PostgreSQL, read with statements of the gate's own, all from one snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from oracle.partition import Cluster

__all__ = ["Entry", "Profile", "StoredRecord", "View", "read_view"]


class StoredRecord(NamedTuple):
    """A row of `record` with the profile that holds it (None: never looked at)."""

    record_id: int
    address: bytes
    birth_id: UUID
    profile_id: UUID | None
    sightings: int
    first_seen: datetime
    last_seen: datetime
    purchase_count: int
    purchase_total_minor: int
    last_purchase_at: datetime | None
    last_purchase_store: str


class Profile(NamedTuple):
    """A row of `profile`."""

    profile_id: UUID
    version: int
    live: bool
    ambiguous: bool
    name_record: int | None
    address_record: int | None
    birth_date_record: int | None
    purchase_count: int
    purchase_total_minor: int
    last_purchase_at: datetime | None
    last_purchase_store: str


class Entry(NamedTuple):
    """A row of `journal`."""

    entry_id: int
    version: int
    profile_id: UUID
    live: bool
    before_records: list[UUID]
    after_records: list[UUID]


class DeadLetter(NamedTuple):
    """A row of `dead_letter`."""

    partition: int
    offset: int
    reason: int
    source: str
    event_id: str


@dataclass(frozen=True, slots=True)
class View:
    """Everything that the checks ask of the ledger."""

    records: Sequence[StoredRecord]
    profiles: Mapping[UUID, Profile]
    events: Mapping[tuple[str, str], tuple[bytes, int]]
    purchases: Mapping[tuple[str, str], tuple[int, int, str]]
    conflicts: frozenset[tuple[tuple[str, str], bytes]]
    contenders: Sequence[tuple[UUID, UUID]]
    reviews: Sequence[tuple[UUID, UUID, int, int, int]]
    households: Sequence[tuple[UUID, UUID, int, int, int]]
    generic: frozenset[bytes]
    hand_overs: frozenset[tuple[bytes, int, datetime, bytes]]
    journal: Sequence[Entry]
    dead_letters: Sequence[DeadLetter]
    offsets: Mapping[int, int]
    left: Mapping[str, int]

    def standing(self) -> list[StoredRecord]:
        """Records on which an event hangs."""
        return [row for row in self.records if row.sightings > 0]

    def clusters(self) -> dict[UUID, Cluster]:
        """Addresses of the records that each profile holds."""
        held: dict[UUID, set[bytes]] = defaultdict(set)
        for row in self.standing():
            if row.profile_id is not None:
                held[row.profile_id].add(row.address)
        return {profile_id: frozenset(addresses) for profile_id, addresses in held.items()}


def read_view(dsn: str) -> View:
    """Everything at one moment."""
    with psycopg.connect(dsn) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")

        def rows(statement: str) -> list[Any]:
            return connection.execute(statement).fetchall()

        profiles = [Profile(*row) for row in rows(_PROFILES)]
        return View(
            records=[StoredRecord(row[0], bytes(row[1]), *row[2:]) for row in rows(_RECORDS)],
            profiles={row.profile_id: row for row in profiles},
            events={(row[0], row[1]): (bytes(row[2]), row[3]) for row in rows(_INBOX)},
            purchases={(row[0], row[1]): (row[2], row[3], row[4]) for row in rows(_PURCHASES)},
            conflicts=frozenset(((row[0], row[1]), bytes(row[2])) for row in rows(_CONFLICTS)),
            contenders=[(row[0], row[1]) for row in rows("SELECT profile_id, contender_id FROM contender")],
            reviews=[tuple(row) for row in rows(_REVIEWS)],
            households=[tuple(row) for row in rows(_HOUSEHOLDS)],
            generic=frozenset(bytes(row[0]) for row in rows("SELECT token FROM token WHERE generic")),
            hand_overs=frozenset((bytes(row[0]), row[1], row[2], bytes(row[3])) for row in rows(_HAND_OVERS)),
            journal=[Entry(*row) for row in rows(_JOURNAL)],
            dead_letters=[DeadLetter(*row) for row in rows(_DEAD_LETTERS)],
            offsets=dict(rows("SELECT partition, next_offset FROM consumer_offset")),
            left={name: rows(statement)[0][0] for name, statement in _LEFT.items()},
        )


_RECORDS = """
SELECT record_id, address, birth_id, membership.profile_id, sightings, first_seen, last_seen, purchase_count, purchase_total_minor,
    last_purchase_at, last_purchase_store
FROM record LEFT JOIN membership USING (record_id)
"""
_PROFILES = """
SELECT profile_id, version, live, ambiguous, name_record, address_record, birth_date_record, purchase_count, purchase_total_minor,
    last_purchase_at, last_purchase_store
FROM profile
"""
_INBOX = "SELECT source, event_id, payload_digest, record_id FROM inbox"
_PURCHASES = "SELECT source, event_id, record_id, amount_minor, store FROM purchase"
_CONFLICTS = "SELECT source, event_id, payload_digest FROM event_conflict"
_REVIEWS = "SELECT low_profile, high_profile, strength, low_record, high_record FROM review WHERE closed_at IS NULL"
_HOUSEHOLDS = "SELECT low_profile, high_profile, strength, low_record, high_record FROM household"
_HAND_OVERS = """
SELECT token, token_epoch.epoch, began_at, opener FROM token_epoch JOIN token USING (token_id)
WHERE EXISTS (SELECT FROM record_token JOIN record USING (record_id) WHERE record_token.token_id = token.token_id AND sightings > 0)
"""
_JOURNAL = "SELECT entry_id, version, profile_id, live, before_records, after_records FROM journal ORDER BY entry_id"
_DEAD_LETTERS = "SELECT partition, message_offset, reason, source, event_id FROM dead_letter"
_LEFT = {
    "marks": "SELECT count(*) FROM dirty_mark",
    "outbox": "SELECT count(*) FROM outbox",
    "unpublished dead letters": "SELECT count(*) FROM dead_letter WHERE published_at IS NULL",
    "records never looked at": "SELECT count(*) FROM membership WHERE profile_id IS NULL",
}
