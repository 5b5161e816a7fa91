"""What one writing transaction can do: batch statements only, in the order in which ingest calls them.

Nobody waits in a circle, because everybody takes locks in one order (ADR 0010). Writing evidence: the advisory lock, offsets, records by address,
tokens by token, blocks by depth and key, inbox by key. Looking: membership by record, profiles by id; a look waits for nothing that writers of
evidence hold, and they for nothing of a look's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from math import isfinite
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from goldthread.domain.errors import OffsetFencedError
from goldthread.domain.ports import OffsetMove
from goldthread.domain.words import ConsentChange, Event, Rejection
from goldthread.ledger.bounded import bound_waits
from goldthread.ledger.commit import ask_witness
from goldthread.ledger.dead_letters import DeadLetterStatements
from goldthread.ledger.epochs import EpochStatements
from goldthread.ledger.evidence import EvidenceStatements
from goldthread.ledger.history import HistoryStatements
from goldthread.ledger.profiles import ProfileStatements
from goldthread.ledger.remodel import RemodelStatements
from goldthread.ledger.rework import ReworkStatements
from goldthread.ledger.rows import (
    Brought,
    InboxRow,
    PurchaseRow,
    RecordSighting,
    SeenEvent,
    StoredRecord,
    TokenRow,
    TokenState,
)
from goldthread.ledger.statements import Later, later
from goldthread.ledger.steward import StewardStatements
from goldthread.ledger.stored_answers import StoredAnswerStatements

__all__ = ["LedgerTransaction"]

_EVIDENCE_LOCK = 7_426_381_002
_FEW = 100


class LedgerTransaction(
    DeadLetterStatements,
    EpochStatements,
    EvidenceStatements,
    HistoryStatements,
    ProfileStatements,
    RemodelStatements,
    ReworkStatements,
    StewardStatements,
    StoredAnswerStatements,
):
    """One open transaction; lives no longer than `Ledger.transaction`."""

    def __init__(self, connection: Connection[Any]) -> None:
        super().__init__(connection)

    def limit_statements(self, seconds: float) -> None:
        """Ends every later statement of this transaction, waits for locks included, after `seconds`; infinity keeps the ledger's own limits."""
        if isfinite(seconds):
            milliseconds = max(1, int(seconds * 1000))
            bound_waits(self._connection, seconds)
            self._run("limit_statements", milliseconds=str(milliseconds))

    @contextmanager
    def without_waiting(self) -> Iterator[None]:
        """Fails with `LockNotAvailable` where a lock is not to be had at once: for locks that are taken out of their order (ADR 0010)."""
        [(before,)] = self._rows("lock_timeout")
        self._run("set_lock_timeout", setting="1ms")
        yield
        # After a failure there is nothing to restore: the transaction is lost, and the setting with it.
        self._run("set_lock_timeout", setting=before)

    def ask_witness(self) -> None:
        """Once something was written or locked: has what tells of a lost COMMIT asked for now, so that it need not be waited for at the end."""
        ask_witness(self._connection)

    def share_evidence(self) -> None:
        """Takes part in writing evidence, beside any number of others."""
        self._run("share_evidence", lock=_EVIDENCE_LOCK)

    def own_evidence(self) -> None:
        """Waits until no other transaction writes evidence, and keeps others out until this one ends: for what takes evidence back."""
        self._rows("own_evidence", lock=_EVIDENCE_LOCK)

    def advance_offset(self, group: str, move: OffsetMove) -> None:
        """Moves one partition forward and writes down the gap it leaves behind, if one was accepted.

        `OffsetFencedError` if the ledger is not where, and in the topic in which, the batch was read.
        """
        place: dict[str, object] = {
            "group": group,
            "topic": move.topic,
            "partition": move.partition,
            "start": move.start,
            "topic_id": move.topic_id,
        }
        held = move.gap.former_topic_id if move.gap is not None else move.topic_id
        self._run("insert_offset", **place)
        if not self._rows("advance_offset", end=move.end, held=held, **place):
            raise OffsetFencedError(topic=move.topic, partition=move.partition, expected=move.start)
        if move.gap is not None:
            self._run("insert_gap", first=move.gap.first, held=held, **place)

    def ask_seen(self, events: Sequence[Event]) -> Later[dict[tuple[str, str], SeenEvent]]:
        """Those of the events that were taken before."""
        asked = self._ask("seen_events", sources=[e.source for e in events], event_ids=[e.event_id for e in events])
        return later(
            asked, lambda rows: {(row[0], row[1]): SeenEvent(row[0], row[1], bytes(row[2]), row[3]) for row in rows}
        )

    def insert_inbox(self, rows: Sequence[InboxRow]) -> None:
        """Takes events; the primary key refuses a second taking."""
        rows = sorted(rows, key=lambda row: (row.source, row.event_id))
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

    def ask_upsert(self, sightings: Sequence[RecordSighting]) -> Later[dict[bytes, StoredRecord]]:
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
        proposed = {row.address: row.sightings for row in rows}
        stored = self._ask(
            "upsert_records",
            addresses=[row.address for row in rows],
            birth_ids=[row.birth_id for row in rows],
            sources=[row.source for row in rows],
            openers=[row.opener for row in rows],
            base_addresses=[row.base_address for row in rows],
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
        return later(
            stored,
            lambda rows: {
                bytes(address): StoredRecord(record_id, sightings == proposed[bytes(address)])
                for address, record_id, sightings in rows
            },
        )

    def insert_members(self, record_ids: Sequence[int]) -> None:
        """Gives new records their place, held by no profile yet."""
        if record_ids:
            self._run("insert_members", record_ids=sorted(record_ids))

    def lock_tokens(
        self,
        tokens: Collection[TokenRow],
        *,
        key_version: int,
        normalizer_version: str,
        brought: Mapping[bytes, Brought] | None = None,
    ) -> dict[bytes, TokenState]:
        """One row per identifier, locked until the transaction ends; gives states by token.

        With `brought`, of all of them, rows of new identifiers are written as `add_carriers` would leave them: once instead of twice.
        """
        rows = sorted(set(tokens), key=lambda row: row.token)
        if not rows:
            return {}
        counts = [Brought() if brought is None else brought[row.token] for row in rows]
        inserted = self._ask(
            "insert_tokens",
            tokens=[row.token for row in rows],
            types=[row.type for row in rows],
            namespaces=[row.namespace for row in rows],
            forms=[row.form for row in rows],
            key_version=key_version,
            normalizer_version=normalizer_version,
            records=[count.records for count in counts],
            name_keys=[count.name_keys for count in counts],
            generic=[count.generic for count in counts],
        )
        # Of a few, the known ones are asked about before it is known which they are.
        few = self._ask("lock_tokens", tokens=[row.token for row in rows]) if len(rows) <= _FEW else None
        new = {bytes(token): token_id for token, token_id in inserted()}
        states = {
            row.token: TokenState(new[row.token], row.type, 0, 0, False, 0, brought is not None)
            for row in rows
            if row.token in new
        }
        if known := [row.token for row in rows if row.token not in new]:
            locked = self._rows("lock_tokens", tokens=known) if few is None else few()
            states |= {bytes(token): TokenState(*state) for token, *state in locked if bytes(token) not in new}
        return states

    def insert_record_tokens(self, rows: Collection[tuple[int, int]]) -> None:
        """Hangs identifiers on new records: `(record, token)`."""
        if rows:
            ordered = sorted(rows)
            self._run(
                "insert_record_tokens", record_ids=[row[0] for row in ordered], token_ids=[row[1] for row in ordered]
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

    def is_empty(self) -> bool:
        """Whether nothing was ever taken."""
        return bool(self._rows("is_empty")[0][0])

    def as_of(self) -> tuple[date, datetime]:
        """The published date of the tiers, and when this transaction began."""
        return self.ask_as_of()()

    def ask_as_of(self) -> Later[tuple[date, datetime]]:
        """The same."""
        return later(self._ask("as_of"), lambda rows: (rows[0][0], rows[0][1]))
