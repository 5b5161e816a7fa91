"""What one writing transaction can do: batch statements only, in the order in which ingest calls them.

Rows are locked in sorted order everywhere (tokens by token, blocks by key, profiles by id), so that two writers never wait for each other
in a circle even once the writers' lock is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from math import isfinite
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from goldthread.domain.errors import ModelFileError, OffsetFencedError
from goldthread.domain.ports import OffsetMove
from goldthread.domain.words import ConsentChange, Event, Rejection
from goldthread.ledger.evidence import EvidenceStatements
from goldthread.ledger.profiles import ProfileStatements
from goldthread.ledger.rows import (
    InboxRow,
    PurchaseRow,
    RecordSighting,
    RecordTokens,
    SeenEvent,
    StoredRecord,
    TokenRow,
)

__all__ = ["LedgerTransaction"]

_WRITER_LOCK = 7_426_381_002


class LedgerTransaction(EvidenceStatements, ProfileStatements):
    """One open transaction; lives no longer than `Ledger.transaction`."""

    def __init__(self, connection: Connection[Any]) -> None:
        super().__init__(connection)

    def limit_statements(self, seconds: float) -> None:
        """Ends every later statement of this transaction, waits for locks included, after `seconds`; infinity keeps the ledger's own limits."""
        if isfinite(seconds):
            milliseconds = max(1, int(seconds * 1000))
            self._run("limit_statements", milliseconds=str(milliseconds))

    def lock_writers(self) -> None:
        """Waits until no other writer is in its transaction, and keeps others out until this one ends."""
        self._run("lock_writers", lock=_WRITER_LOCK)

    def advance_offset(self, group: str, move: OffsetMove) -> None:
        """Moves one partition forward; `OffsetFencedError` if it is not where the batch was read from."""
        self._run("insert_offset", group=group, topic=move.topic, partition=move.partition, start=move.start)
        row = self._rows(
            "advance_offset", group=group, topic=move.topic, partition=move.partition, start=move.start, end=move.end
        )
        if not row:
            raise OffsetFencedError(topic=move.topic, partition=move.partition, expected=move.start)

    def seen_events(self, events: Sequence[Event]) -> dict[tuple[str, str], SeenEvent]:
        """Those of the events that were taken before."""
        rows = self._rows("seen_events", sources=[e.source for e in events], event_ids=[e.event_id for e in events])
        return {(row[0], row[1]): SeenEvent(row[0], row[1], bytes(row[2]), row[3]) for row in rows}

    def insert_inbox(self, rows: Sequence[InboxRow]) -> None:
        """Takes events; the primary key refuses a second taking."""
        self._run(
            "insert_inbox",
            sources=[row.source for row in rows],
            event_ids=[row.event_id for row in rows],
            digests=[row.payload_digest for row in rows],
            record_ids=[row.record_id for row in rows],
            kinds=[row.kind for row in rows],
            occurred=[row.occurred_at for row in rows],
        )

    def insert_dead_letters(
        self, rejections: Sequence[Rejection], sealed: Sequence[bytes], *, key_version: int
    ) -> None:
        """Keeps rejected events that came from Kafka; `sealed` is parallel."""
        rows = [(r, r.position, s) for r, s in zip(rejections, sealed, strict=True) if r.position is not None]
        if not rows:
            return
        self._run(
            "insert_dead_letters",
            topics=[p.topic for _, p, _ in rows],
            partitions=[p.partition for _, p, _ in rows],
            offsets=[p.offset for _, p, _ in rows],
            reasons=[int(r.reason) for r, _, _ in rows],
            violations=[
                Jsonb([{"field": v.field, "description": v.description} for v in r.violations]) for r, _, _ in rows
            ],
            sources=[r.source for r, _, _ in rows],
            event_ids=[r.event_id for r, _, _ in rows],
            digests=[r.payload_sha256 for r, _, _ in rows],
            sizes=[r.payload_size for r, _, _ in rows],
            sealed=[s for _, _, s in rows],
            key_version=key_version,
        )

    def upsert_records(self, sightings: Sequence[RecordSighting]) -> dict[bytes, StoredRecord]:
        """Inserts new claims and counts repeated ones; by address. Each address once per call."""
        rows = sorted(sightings, key=lambda row: row.address)
        names = (
            "given_names",
            "middle_names",
            "family_names",
            "name_suffixes",
            "birth_dates",
            "streets",
            "cities",
            "postcodes",
        )
        columns = {name: [row.attributes[place] for row in rows] for place, name in enumerate(names)}
        proposed = {row.address: row.birth_id for row in rows}
        stored = self._rows(
            "upsert_records",
            addresses=[row.address for row in rows],
            birth_ids=[row.birth_id for row in rows],
            sources=[row.source for row in rows],
            name_keys=[row.name_key for row in rows],
            first_seen=[row.first_seen for row in rows],
            last_seen=[row.last_seen for row in rows],
            sightings=[row.sightings for row in rows],
            purchase_counts=[row.totals.purchase_count for row in rows],
            purchase_totals=[row.totals.purchase_total_minor for row in rows],
            last_purchases=[row.totals.last_purchase_at for row in rows],
            last_stores=[row.totals.last_purchase_store for row in rows],
            **columns,
        )
        return {
            bytes(address): StoredRecord(record_id, profile_id, birth_id == proposed[bytes(address)])
            for address, record_id, profile_id, birth_id in stored
        }

    def upsert_tokens(
        self, tokens: Sequence[TokenRow], *, key_version: int, normalizer_version: str
    ) -> dict[bytes, tuple[int, bool]]:
        """One row per identifier; gives its surrogate and whether it is generic, by token."""
        rows = sorted(set(tokens), key=lambda row: row.token)
        self._run(
            "insert_tokens",
            tokens=[row.token for row in rows],
            types=[row.type for row in rows],
            namespaces=[row.namespace for row in rows],
            forms=[row.form for row in rows],
            key_version=key_version,
            normalizer_version=normalizer_version,
        )
        found = self._rows("find_tokens", tokens=[row.token for row in rows])
        return {bytes(token): (token_id, generic) for token, token_id, generic in found}

    def upsert_record_tokens(self, rows: Sequence[RecordTokens]) -> None:
        """Hangs identifiers on records and widens the times in which they were seen there."""
        flat = sorted(
            (row.record_id, token_id, row.first_seen, row.last_seen, row.sightings)
            for row in rows
            for token_id in row.token_ids
        )
        if flat:
            record_ids, token_ids, first_seen, last_seen, sightings = map(list, zip(*flat, strict=True))
            self._run(
                "upsert_record_tokens",
                record_ids=record_ids,
                token_ids=token_ids,
                first_seen=first_seen,
                last_seen=last_seen,
                sightings=sightings,
            )

    def insert_purchases(self, rows: Sequence[PurchaseRow]) -> None:
        """Keeps sales."""
        if rows:
            self._run(
                "insert_purchases",
                sources=[row.source for row in rows],
                event_ids=[row.event_id for row in rows],
                record_ids=[row.record_id for row in rows],
                occurred=[row.occurred_at for row in rows],
                amounts=[row.amount_minor for row in rows],
                currencies=[row.currency for row in rows],
                stores=[row.store for row in rows],
            )

    def insert_consents(self, rows: Sequence[tuple[Event, ConsentChange, int]]) -> None:
        """Keeps consents: event, consent, record."""
        if rows:
            self._run(
                "insert_consents",
                sources=[event.source for event, _, _ in rows],
                event_ids=[event.event_id for event, _, _ in rows],
                record_ids=[record_id for _, _, record_id in rows],
                occurred=[event.occurred_at for event, _, _ in rows],
                purposes=[consent.purpose for _, consent, _ in rows],
                granted=[consent.granted for _, consent, _ in rows],
            )

    def model_id(self, *, version: str, sha256: bytes, body: str) -> int:
        """Surrogate of the match model, registering it; `ModelFileError` if the version was used with another content."""
        found = self._rows("find_model", version=version)
        if not found:
            if self._rows("any_model"):
                raise ModelFileError(
                    "the ledger was scored by another match model, and scores of two do not mix",
                    metadata={"version": version},
                )
            # Only then: an insert that finds a conflict still draws from the identity's sequence, in every transaction for ever.
            self._run("register_model", version=version, sha256=sha256, body=body)
            found = self._rows("find_model", version=version)
        [(model_id, stored)] = found
        if bytes(stored) != sha256:
            raise ModelFileError(
                "the ledger knows this model version with another content", metadata={"version": version}
            )
        return int(model_id)

    def as_of(self) -> tuple[date, datetime]:
        """The published date of the tiers, and when this transaction began."""
        [(as_of, began)] = self._rows("as_of")
        return as_of, began
