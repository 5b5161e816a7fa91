"""Taking valid events into the ledger: what ingest and resolve have in common.

In one transaction: inbox, records and their identifiers, evidence, partition of the touched components, profiles, journal, outbox. Whoever calls
this has opened the transaction and holds the writers' lock.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from goldthread.domain.ids import BirthIds
from goldthread.domain.policy import Totals, tier_of
from goldthread.domain.ports import ProfileChange
from goldthread.domain.words import Click, ConsentChange, CustomerChange, Event, Payload, Purchase, profile_public_id
from goldthread.flows.components import Cause, Settlement, alone, place, settle
from goldthread.flows.evidence import Judgement, NewRecord, judge
from goldthread.ledger import (
    InboxRow,
    LedgerTransaction,
    PurchaseRow,
    RecordSighting,
    RecordTokens,
    StoredRecord,
    TokenRow,
)
from goldthread.matching import Matchable, Matcher
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import encode_change

__all__ = ["INLINE_COMPONENT_RECORDS", "Taken", "Taker"]

INLINE_COMPONENT_RECORDS = 20_000
"""Components that together hold more records than this are left to a redo mark."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What one call did.

    `records` gives the record of every event that is in the ledger now, taken or repeated; `conflicts` are
    events whose id was used with another content.
    """

    records: dict[tuple[str, str], int]
    fresh: int
    repeated: set[tuple[str, str]]
    conflicts: list[Event]
    new_records: int
    settlement: Settlement
    judgement: Judgement

    def count(self, metrics: Metrics, *, cause: str) -> None:
        """Adds what was done to the metrics; called once the transaction has committed."""
        metrics.records.inc(self.new_records)
        metrics.pairs.labels("kept").inc(self.judgement.kept)
        metrics.pairs.labels("dropped").inc(self.judgement.dropped)
        for kind, closed in self.judgement.closed_keys.items():
            metrics.keys_closed.labels(kind).inc(closed)
        self.settlement.count(metrics, cause=cause)


class Taker:
    """Takes events with one matcher. Thread-safe."""

    def __init__(
        self,
        *,
        matcher: Matcher,
        birth_ids: BirthIds,
        metrics: Metrics,
        inline_component_records: int = INLINE_COMPONENT_RECORDS,
    ) -> None:
        self._matcher = matcher
        self._inline_component_records = inline_component_records
        self._birth_ids = birth_ids
        self._metrics = metrics

    def take(self, tx: LedgerTransaction, events: Sequence[Event], *, cause: str, actor: str) -> Taken:
        """Takes each event once, whatever was taken before; the first of two with one id in this batch counts."""
        matcher, metrics = self._matcher, self._metrics
        addresses = matcher.addresses([event.claim for event in events])
        fresh, repeated, conflicts, records = self._sift(tx, events, addresses)
        model_id = tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)
        with metrics.stage("records"):
            stored, new = self._keep_records(tx, fresh)
            rows = [(event, digest, stored[address].record_id) for event, address, digest in fresh]
            _keep_events(tx, rows)
        with metrics.stage("evidence"):
            judgement = judge(tx, matcher, new, model_id=model_id, metrics=metrics)
        events_of = {record_id: (event.source, event.event_id) for event, _, record_id in reversed(rows)}
        births = {row.record_id: row.profile_id for row in stored.values() if row.new}
        with metrics.stage("profiles"):
            members = tx.closure(judgement.touched)
            if len(members) > self._inline_component_records:
                tx.insert_dirty_marks(judgement.touched, "large component")
                placement = alone(births)
            else:
                placement = place(tx, matcher, members, metrics=metrics)
            settlement = settle(
                tx,
                placement,
                new=births.keys(),
                resighted={row.profile_id for row in stored.values() if not row.new},
                cause=Cause(cause, actor, events_of),
                model_id=model_id,
            )
        self.publish(tx, settlement, judgement.closed_tokens, cause=cause)
        records.update({(event.source, event.event_id): record_id for event, _, record_id in rows})
        return Taken(records, len(fresh), repeated, conflicts, len(new), settlement, judgement)

    def publish(self, tx: LedgerTransaction, settlement: Settlement, closed_tokens: set[int], *, cause: str) -> None:
        """Queues what changed for the relay."""
        live = [row.profile_id for row in settlement.changed if row.live]
        tokens = tx.tokens_of_profiles(live) if live else {}
        as_of, began = tx.as_of()
        rows: list[tuple[UUID | None, int, bool, bytes, Sequence[int]]] = []
        for row in settlement.changed:
            change = ProfileChange(
                profile_id=profile_public_id(row.profile_id),
                version=row.version,
                live=row.live,
                successor_ids=tuple(profile_public_id(home) for home in settlement.successors.get(row.profile_id, ())),
                record_ids=tuple(str(member) for member in row.members),
                cause=cause,
                tier=tier_of(row.totals, as_of),
                totals=row.totals,
                model_version=self._matcher.model_version,
            )
            rows.append(
                (row.profile_id, row.version, row.live, encode_change(change, began), tokens.get(row.profile_id, ()))
            )
        if closed_tokens:
            [version] = tx.draw_versions(1)
            rows.append((None, version, True, b"", sorted(closed_tokens)))
        tx.write_outbox(rows)

    def _sift(
        self, tx: LedgerTransaction, events: Sequence[Event], addresses: Sequence[bytes]
    ) -> tuple[list[tuple[Event, bytes, bytes]], set[tuple[str, str]], list[Event], dict[tuple[str, str], int]]:
        """Tells fresh events (with address and content digest) from repeated and conflicting ones."""
        seen = {key: (row.payload_digest, row.record_id) for key, row in tx.seen_events(events).items()}
        batch: dict[tuple[str, str], bytes] = {}
        fresh, repeated, conflicts, records = [], set(), [], {}
        for event, address in zip(events, addresses, strict=True):
            key, digest = (event.source, event.event_id), _content_digest(event, address)
            known = seen[key][0] if key in seen else batch.get(key)
            if known is None:
                batch[key] = digest
                fresh.append((event, address, digest))
            elif known == digest:
                repeated.add(key)
                if key in seen:
                    records[key] = seen[key][1]
            else:
                conflicts.append(event)
        return fresh, repeated, conflicts, records

    def _keep_records(
        self, tx: LedgerTransaction, fresh: Sequence[tuple[Event, bytes, bytes]]
    ) -> tuple[dict[bytes, StoredRecord], list[NewRecord]]:
        by_address: dict[bytes, list[Event]] = defaultdict(list)
        for event, address, _ in fresh:
            by_address[address].append(event)
        if not by_address:
            return {}, []
        addresses = sorted(by_address)
        claims = [by_address[address][0].claim for address in addresses]
        tokens = dict(zip(addresses, self._matcher.tokens(claims), strict=True))
        compared = {
            address: Matchable(address, claim.attributes, tokens[address])
            for address, claim in zip(addresses, claims, strict=True)
        }
        name_keys = dict(zip(addresses, self._matcher.name_keys(list(compared.values())), strict=True))
        sightings = [self._sighting(address, by_address[address], name_keys[address]) for address in addresses]
        stored = tx.upsert_records(sightings)
        token_rows = [
            TokenRow(token, kind, namespace, form) for rows in tokens.values() for kind, namespace, form, token in rows
        ]
        known = tx.upsert_tokens(
            token_rows, key_version=self._matcher.key_version, normalizer_version=self._matcher.normalizer_version
        )
        token_ids = {address: tuple(known[row[3]][0] for row in rows) for address, rows in tokens.items()}
        tx.upsert_record_tokens(
            [
                RecordTokens(
                    record_id=stored[row.address].record_id,
                    token_ids=token_ids[row.address],
                    first_seen=row.first_seen,
                    last_seen=row.last_seen,
                    sightings=row.sightings,
                )
                for row in sightings
            ]
        )
        generic = {token_id for token_id, is_generic in known.values() if is_generic}
        new = [
            NewRecord(
                stored[address].record_id,
                compared[address],
                name_keys[address],
                tuple(token_id for token_id in token_ids[address] if token_id not in generic),
            )
            for address in addresses
            if stored[address].new
        ]
        return stored, new

    def _sighting(self, address: bytes, events: Sequence[Event], name_key: str | None) -> RecordSighting:
        times = [event.occurred_at for event in events]
        purchases = [(event.occurred_at, event.payload) for event in events if isinstance(event.payload, Purchase)]
        last_at, last_store = max(((at, purchase.store) for at, purchase in purchases), default=(None, ""))
        return RecordSighting(
            address=address,
            birth_id=self._birth_ids.new(),
            source=events[0].source,
            attributes=events[0].claim.attributes,
            name_key=name_key,
            first_seen=min(times),
            last_seen=max(times),
            sightings=len(events),
            totals=Totals(len(purchases), sum(purchase.amount_minor for _, purchase in purchases), last_at, last_store),
        )


def _keep_events(tx: LedgerTransaction, rows: Sequence[tuple[Event, bytes, int]]) -> None:
    if not rows:
        return
    tx.insert_inbox(
        [
            InboxRow(
                source=event.source,
                event_id=event.event_id,
                payload_digest=digest,
                record_id=record_id,
                kind=_KINDS[type(event.payload)],
                occurred_at=event.occurred_at,
            )
            for event, digest, record_id in rows
        ]
    )
    tx.insert_purchases(
        [
            PurchaseRow(
                source=event.source,
                event_id=event.event_id,
                record_id=record_id,
                occurred_at=event.occurred_at,
                amount_minor=event.payload.amount_minor,
                currency=event.payload.currency,
                store=event.payload.store,
            )
            for event, _, record_id in rows
            if isinstance(event.payload, Purchase)
        ]
    )
    tx.insert_consents(
        [(event, event.payload, record_id) for event, _, record_id in rows if isinstance(event.payload, ConsentChange)]
    )


_KINDS: Mapping[type[Payload], str] = {
    Purchase: "purchase",
    Click: "click",
    CustomerChange: "customer_change",
    ConsentChange: "consent_change",
}


def _content_digest(event: Event, address: bytes) -> bytes:
    """SHA-256 of what the event says, whatever encoding brought it: its claim by address, its time, its payload."""
    payload = event.payload
    match payload:
        case Purchase():
            said = f"{payload.amount_minor}\x1f{payload.currency}\x1f{payload.store}"
        case Click():
            said = payload.page
        case ConsentChange():
            said = f"{payload.purpose}\x1f{payload.granted}"
        case CustomerChange():
            said = ""
    content = f"{event.occurred_at.isoformat()}\x1f{_KINDS[type(payload)]}\x1f{said}"
    return hashlib.sha256(address + content.encode()).digest()
