"""Taking valid events into the ledger: the evidence half of ingest and resolve.

One transaction: inbox, records, their identifiers and blocking keys, key states, and a mark on every record that must be looked at because of
it. It touches no pair and no profile; those are what looks make of the evidence afterwards (`flows.look`, ADR 0010). Whoever calls this has
opened the transaction.

An event hangs on the record of its claim, in the epoch in which it occurred (`flows.epochs`).

Of two contents under one event id the one with the lower digest counts, whichever came first. Where that takes evidence back, the transaction
needs the evidence for itself, which it cannot ask for half-way: `EvidenceOwnershipError` says so and the caller starts again with `own=True`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import TypeVar

from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.ids import BirthIds
from goldthread.domain.policy import Totals
from goldthread.domain.words import Click, ConsentChange, CustomerChange, Event, Payload, Purchase
from goldthread.flows.epochs import come_of
from goldthread.flows.keys import KeyChanges, NewRecord, hang_keys, unhang_keys
from goldthread.ledger import (
    InboxRow,
    Later,
    LedgerTransaction,
    NewMark,
    PurchaseRow,
    RecordSighting,
    SeenEvent,
    Step,
)
from goldthread.matching import Matchable, Matcher, opener_at
from goldthread.telemetry.metrics import Metrics

__all__ = ["EvidenceOwnershipError", "Taken", "Taker", "content_digest", "owning_if_needed"]

T = TypeVar("T")


class EvidenceOwnershipError(Exception):
    """The transaction changes evidence that counted: it must be tried again as the only one that writes evidence."""


def owning_if_needed(attempt: Callable[[bool], T]) -> T:
    """What `attempt(own)` gives: beside other writers if it can be, else as the only one."""
    try:
        return attempt(False)
    except EvidenceOwnershipError:
        return attempt(True)


@dataclass(frozen=True, slots=True)
class Taken:
    """What one call did.

    `records` gives the record of every event that counts, taken or repeated, `digests` that of its content. `conflicts` are events whose content
    lost against another under the same id; `replaced` counts contents that lost after they had counted. `marks` gives the marks left, once.
    """

    records: dict[tuple[str, str], int]
    digests: dict[tuple[str, str], bytes]
    fresh: int
    repeated: set[tuple[str, str]]
    conflicts: list[Event]
    replaced: int
    new_records: int
    marks: Later[list[int]]
    keys: KeyChanges

    def count(self, metrics: Metrics) -> None:
        """Adds what was done to the metrics; called once the transaction has committed."""
        metrics.records.inc(self.new_records)
        metrics.event_conflicts.inc(len(self.conflicts) + self.replaced)
        self.keys.count(metrics)


@dataclass(slots=True)
class _Sifted:
    """Events told apart: to take (with base address and digest), repeated, lost, and stored ones that lose against one to take.

    `digests` are those of the contents that count.
    """

    fresh: list[tuple[Event, bytes, bytes]]
    repeated: set[tuple[str, str]]
    conflicts: list[tuple[Event, bytes]]
    replaced: dict[tuple[str, str], int]
    records: dict[tuple[str, str], int]
    digests: dict[tuple[str, str], bytes]


class Taker:
    """Takes events with one matcher. Thread-safe. `grace_seconds`: how long the marks of a batch are left to whoever took it."""

    def __init__(self, *, matcher: Matcher, birth_ids: BirthIds, metrics: Metrics, grace_seconds: float = 5.0) -> None:
        self._matcher = matcher
        self._birth_ids = birth_ids
        self._metrics = metrics
        self._grace_seconds = grace_seconds

    def take(
        self, tx: LedgerTransaction, events: Sequence[Event], *, cause: str, actor: str, own: bool = False
    ) -> Taken:
        """Takes each event once, whatever was taken before. Raises `EvidenceOwnershipError` if it must be tried again with `own`."""
        matcher, metrics = self._matcher, self._metrics
        if own:
            tx.own_evidence()
        else:
            tx.share_evidence()
        in_use = tx.ask_model(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)
        taken_before = tx.ask_seen(events)
        addresses = self._addresses(events)
        in_use()
        sifted = _sift(events, addresses, before=taken_before())
        if sifted.replaced and not own:
            raise EvidenceOwnershipError
        if sifted.replaced:
            tx.unhang_events(sifted.replaced)
        with metrics.stage("records"):
            homes, new = self._keep_records(tx, sifted.fresh)
        with metrics.stage("keys"):
            homes_of_new = tx.ask_profiles_of([record.record_id for record in new]) if new else dict
            changes = hang_keys(tx, matcher, new)
            # A withdrawn record that comes back before its look: no look will find its profile changed, but answers about its identifiers are.
            back = homes_of_new()
            changes.tokens.update(tx.tokens_of_records(back) if back else ())
        with metrics.stage("events"):
            rows = [(event, digest, home) for (event, _, digest), home in zip(sifted.fresh, homes, strict=True)]
            _keep_events(tx, rows)
            tx.insert_conflicts([_inbox_row(event, digest, 0) for event, digest in sifted.conflicts])
        marks = _marks(rows, {record.record_id for record in new})
        if sifted.replaced:
            marks += self._take_back(tx, set(sifted.replaced.values()), changes)
        marks += [NewMark(record_id, Step.JUDGE) for record_id in changes.carriers]
        left = tx.leave_marks(marks, cause=cause, actor=actor, grace=self._grace_seconds)
        changes.publish(tx)
        records = sifted.records
        records.update({(event.source, event.event_id): record_id for event, _, record_id in rows})
        return Taken(
            records=records,
            digests=sifted.digests,
            fresh=len(sifted.fresh),
            repeated=sifted.repeated,
            conflicts=[event for event, _ in sifted.conflicts],
            replaced=len(sifted.replaced),
            new_records=len(new),
            marks=lambda: _heard(left),
            keys=changes,
        )

    def _addresses(self, events: Sequence[Event]) -> list[bytes]:
        """Record addresses of the events' claims at epoch 0; only those are worked out that were not when the events were read."""
        unknown = [event.claim for event in events if not event.address]
        found = iter(self._matcher.addresses(unknown) if unknown else ())
        return [event.address or next(found) for event in events]

    def _take_back(self, tx: LedgerTransaction, bereft: set[int], changes: KeyChanges) -> list[NewMark]:
        """Sums up records that lost an event; those that lost their last one are withdrawn, with their keys."""
        withdrawn = tx.recount_records(bereft)
        changes.add(unhang_keys(tx, self._matcher, bereft, withdrawn))
        for record_id, token_id in tx.renew_epochs(record_ids=bereft):
            changes.carriers.add(record_id)
            changes.tokens.add(token_id)
        return [NewMark(record_id, Step.JUDGE if record_id in withdrawn else Step.SUM) for record_id in bereft]

    def _keep_records(
        self, tx: LedgerTransaction, fresh: Sequence[tuple[Event, bytes, bytes]]
    ) -> tuple[list[int], list[NewRecord]]:
        """Counts the events on the records of their claims and epochs; gives the record of each, and the new ones."""
        if not fresh:
            return [], []
        claims = {base: event.claim for event, base, _ in fresh}
        bases = sorted(claims)
        bare = [Matchable(base, claims[base].attributes, ()) for base in bases]
        name_keys = dict(zip(bases, self._matcher.name_keys(bare), strict=True))
        unnamed = {base: claims[base] for base in bases if name_keys[base] is None}
        come = come_of(tx, self._matcher, unnamed)
        places = [(base, opener_at(come.get(base, ()), event.occurred_at)) for event, base, _ in fresh]
        by_place: dict[tuple[bytes, bytes | None], list[Event]] = defaultdict(list)
        for (event, _, _), place in zip(fresh, places, strict=True):
            by_place[place].append(event)
        addresses = {place: self._matcher.epoch_address(*place) for place in by_place}
        ordered = sorted((address, place) for place, address in addresses.items())
        kept = tx.ask_upsert(
            [self._sighting(address, place, by_place[place], name_keys[place[0]]) for address, place in ordered]
        )
        tx.ask_witness()
        stored = kept()
        new_places = [place for address, place in ordered if stored[address].new]
        tokens = self._matcher.tokens([claims[base] for base, _ in new_places]) if new_places else []
        new = [
            NewRecord(
                record_id=stored[addresses[place]].record_id,
                matchable=Matchable(addresses[place], claims[place[0]].attributes, carried),
                name_key=name_keys[place[0]],
                base_address=place[0] if place[0] in come else None,
            )
            for place, carried in zip(new_places, tokens, strict=True)
        ]
        tx.insert_members([record.record_id for record in new])
        return [stored[addresses[place]].record_id for place in places], new

    def _sighting(
        self, address: bytes, place: tuple[bytes, bytes | None], events: Sequence[Event], name_key: str | None
    ) -> RecordSighting:
        base, opener = place
        times = [event.occurred_at for event in events]
        purchases = [(event.occurred_at, event.payload) for event in events if isinstance(event.payload, Purchase)]
        last_at, last_store = max(((at, purchase.store) for at, purchase in purchases), default=(None, ""))
        return RecordSighting(
            address,
            self._birth_ids.new(),
            events[0].source,
            events[0].claim.attributes,
            name_key,
            min(times),
            max(times),
            len(events),
            Totals(len(purchases), sum(purchase.amount_minor for _, purchase in purchases), last_at, last_store),
            opener,
            None if opener is None else base,
        )


def _sift(
    events: Sequence[Event], addresses: Sequence[bytes], *, before: Mapping[tuple[str, str], SeenEvent]
) -> _Sifted:
    seen = {key: (row.payload_digest, row.record_id) for key, row in before.items()}
    best: dict[tuple[str, str], tuple[bytes, Event, bytes]] = {}
    digests = [event.digest or content_digest(event, address) for event, address in zip(events, addresses, strict=True)]
    for event, address, digest in zip(events, addresses, digests, strict=True):
        key = (event.source, event.event_id)
        if key not in best or digest < best[key][0]:
            best[key] = (digest, event, address)
    sifted = _Sifted([], set(), [], {}, {}, {})
    for key, (digest, event, address) in best.items():
        if key in seen and seen[key][0] <= digest:
            sifted.digests[key], sifted.records[key] = seen[key]
            continue
        sifted.digests[key] = digest
        sifted.fresh.append((event, address, digest))
        if key in seen:
            sifted.replaced[key] = seen[key][1]
    for event, digest in zip(events, digests, strict=True):
        key = (event.source, event.event_id)
        counts = min(digest, best[key][0], seen[key][0]) if key in seen else best[key][0]
        if digest != counts:
            sifted.conflicts.append((event, digest))
        elif event is not best[key][1] or (key in seen and seen[key][0] == digest):
            sifted.repeated.add(key)
    return sifted


def _heard(left: Later[list[int]]) -> list[int]:
    """The marks, or none where their ids were lost with the answer to a COMMIT that took effect all the same: redo has them."""
    try:
        return left()
    except LedgerUnavailableError:
        return []


def _marks(rows: Sequence[tuple[Event, bytes, int]], new: set[int]) -> list[NewMark]:
    """One mark for every record, and one more for each further day on which it bought something."""
    marks: dict[tuple[int, date | None], NewMark] = {}
    marked: set[int] = set()
    for event, _, record_id in rows:
        day = event.occurred_at.astimezone(UTC).date() if isinstance(event.payload, Purchase) else None
        if (record_id, day) in marks or (day is None and record_id in marked):
            continue
        step = Step.JUDGE if record_id in new and record_id not in marked else Step.SUM
        marked.add(record_id)
        marks[record_id, day] = NewMark(record_id, step, day, event.source, event.event_id)
    return list(marks.values())


def _inbox_row(event: Event, digest: bytes, record_id: int) -> InboxRow:
    return InboxRow(event.source, event.event_id, digest, record_id, _KINDS[type(event.payload)], event.occurred_at)


def _keep_events(tx: LedgerTransaction, rows: Sequence[tuple[Event, bytes, int]]) -> None:
    if not rows:
        return
    tx.insert_inbox([_inbox_row(event, digest, record_id) for event, digest, record_id in rows])
    tx.insert_purchases(
        [
            PurchaseRow(
                event.source, event.event_id, record_id, event.occurred_at, sale.amount_minor, sale.currency, sale.store
            )
            for event, _, record_id in rows
            if isinstance(sale := event.payload, Purchase)
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


def content_digest(event: Event, address: bytes) -> bytes:
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
