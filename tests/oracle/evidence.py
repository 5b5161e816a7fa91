"""What the ledger must hold, from plain events: which of them count, which records exist, and what each golden profile shows.

A second opinion on taking, counting and survivorship, in no order and with no database. Four rules carry it:

- Of two payloads under one event id the lower payload digest counts, in byte order; every other one is quarantined.
- A record exists if at least one counting event hangs on it. What a payload that does not count says leaves no trace.
- A payload hangs on the record of its claim and of the epoch that the claim's phones had at its time (section 6a of docs/matching.md).
- Counts, times, totals and survivors are functions of the counting events; nothing depends on when one of them arrived.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from itertools import chain
from typing import NamedTuple

from oracle.engine import generic_tokens, match
from oracle.epochs import HandOvers, Named, carried_at, epoch_address, epoch_at, hand_overs, opener_at, phones_of
from oracle.forms import prepare
from oracle.model import Model
from oracle.partition import Cluster, Outcome
from oracle.records import Record

__all__ = [
    "Event",
    "EventId",
    "Expected",
    "Golden",
    "HeldRecord",
    "Holdings",
    "Purchase",
    "Totals",
    "Use",
    "closed_by_use",
    "counting",
    "expected",
    "golden",
    "holdings",
    "use_by_day",
]

EventId = tuple[str, str]
"""Source and event id."""


@dataclass(frozen=True, kw_only=True)
class Purchase:
    """A sale; the store code is empty for the web shop."""

    amount_minor: int
    store: str = ""


@dataclass(frozen=True, kw_only=True)
class Event:
    """One payload as it was sent: `record` is its claim under its base address, `digest` the payload digest that orders payloads of one id."""

    source: str
    event_id: str
    digest: bytes
    record: Record
    occurred_at: datetime
    purchase: Purchase | None = None

    def __post_init__(self) -> None:
        """Raises `ValueError` for a time without zone: its UTC day would be a guess."""
        if self.occurred_at.tzinfo is None:
            raise ValueError(f"event {self.event_id} has a time without zone")

    @property
    def key(self) -> EventId:
        """What the inbox knows it by."""
        return self.source, self.event_id


@dataclass(frozen=True, kw_only=True)
class Totals:
    """Number and sum of purchases, and the last one: latest in time, of two at one moment the greater store code."""

    purchase_count: int = 0
    purchase_total_minor: int = 0
    last_purchase_at: datetime | None = None
    last_purchase_store: str = ""

    @staticmethod
    def of(events: Iterable[Event]) -> Totals:
        """Totals of counting events."""
        bought = [(event.occurred_at, event.purchase) for event in events if event.purchase is not None]
        if not bought:
            return Totals()
        last_at, last_store = max((at, purchase.store) for at, purchase in bought)
        return Totals(
            purchase_count=len(bought),
            purchase_total_minor=sum(purchase.amount_minor for _, purchase in bought),
            last_purchase_at=last_at,
            last_purchase_store=last_store,
        )


@dataclass(frozen=True)
class HeldRecord:
    """A record that exists, and the counting events that hang on it: at least one, in order of their keys."""

    record: Record
    events: tuple[Event, ...]

    @property
    def sightings(self) -> int:
        """Counting events."""
        return len(self.events)

    @cached_property
    def first_seen(self) -> datetime:
        """Earliest event time."""
        return min(event.occurred_at for event in self.events)

    @cached_property
    def last_seen(self) -> datetime:
        """Latest event time."""
        return max(event.occurred_at for event in self.events)

    @cached_property
    def totals(self) -> Totals:
        """What was bought under this claim."""
        return Totals.of(self.events)

    def holds(self, *attributes: str) -> int:
        """How many of these attributes the claim has."""
        return sum(self.record.get(name) is not None for name in attributes)


class Use(NamedTuple):
    """What the records of one token did on one day: purchases, and distinct stores, the web shop not counted."""

    purchases: int
    stores: int


@dataclass(frozen=True)
class Holdings:
    """Evidence in the ledger: counting events and the record on which each hangs, payloads put aside, records by address, use of tokens.

    `closed` are the tokens closed by their use, `generic` all generic ones; of tokens as claims have them, like `hand_overs`.
    `bases` are base address and opener of the records whose address is not their base address.
    """

    events: Mapping[EventId, Event]
    homes: Mapping[EventId, bytes]
    quarantined: frozenset[tuple[EventId, bytes]]
    records: Mapping[bytes, HeldRecord]
    bases: Mapping[bytes, tuple[bytes, bytes]]
    use: Mapping[tuple[bytes, date], Use]
    closed: frozenset[bytes]
    generic: frozenset[bytes]
    hand_overs: HandOvers

    def numbered(self) -> frozenset[tuple[bytes, int, datetime, bytes]]:
        """Every hand-over: phone, the epoch that begins, when, and its opener."""
        return frozenset(
            (phone, epoch, *one) for phone, found in self.hand_overs.items() for epoch, one in enumerate(found, start=1)
        )

    def phone_epochs(self) -> frozenset[tuple[bytes, bytes, int]]:
        """Phone, record that carries it, and the epoch in which it does; those of the first epoch left out."""
        return frozenset(
            (phone, address, epoch)
            for address, held in self.records.items()
            for phone in phones_of(held.events[0].record)
            if (epoch := epoch_at(held.first_seen, [phone], self.hand_overs))
        )

    def owners(self, phone: bytes) -> frozenset[bytes]:
        """Records that carry a phone in its latest epoch: of whom a lookup of it speaks."""
        latest = len(self.hand_overs.get(phone, ()))
        return frozenset(
            address
            for address, held in self.records.items()
            if phone in phones_of(held.events[0].record)
            and epoch_at(held.first_seen, [phone], self.hand_overs) == latest
        )


@dataclass(frozen=True, kw_only=True)
class Golden:
    """One profile: its records, the ones whose name, address and birth date survive (none: nothing survives), totals."""

    members: Cluster
    name_record: bytes | None
    address_record: bytes | None
    birth_date_record: bytes | None
    totals: Totals


@dataclass(frozen=True)
class Expected:
    """The whole ledger: evidence, the partition and a profile per cluster, ambiguous ones included."""

    holdings: Holdings
    outcome: Outcome
    profiles: Mapping[Cluster, Golden]

    @property
    def generic(self) -> frozenset[bytes]:
        """Every generic token."""
        return self.holdings.generic


def counting(events: Iterable[Event]) -> dict[EventId, Event]:
    """The payload that counts of each event id.

    Raises `ValueError` if two payloads of one id and digest say different things: a digest that digests less than the
    whole payload orders nothing.
    """
    chosen: dict[EventId, Event] = {}
    said: dict[tuple[EventId, bytes], tuple[object, ...]] = {}
    for event in events:
        content = event.record.address, event.occurred_at, event.purchase
        if said.setdefault((event.key, event.digest), content) != content:
            raise ValueError(f"event {event.event_id} has one digest and two contents")
        known = chosen.get(event.key)
        if known is None or event.digest < known.digest:
            chosen[event.key] = event
    return chosen


def use_by_day(events: Iterable[Event]) -> dict[tuple[bytes, date], Use]:
    """Purchases and stores of each token per UTC day, over all records that carry it; days without a purchase left out.

    Takes counting events only. A token counts in every form alike, and once per record however often the claim names it.
    """
    purchases: Counter[tuple[bytes, date]] = Counter()
    stores: dict[tuple[bytes, date], set[str]] = defaultdict(set)
    for event in events:
        if event.purchase is None:
            continue
        day = event.occurred_at.astimezone(UTC).date()
        for token in {one.token for one in event.record.identifiers}:
            purchases[token, day] += 1
            if event.purchase.store:
                stores[token, day].add(event.purchase.store)
    return {at: Use(count, len(stores.get(at, ()))) for at, count in purchases.items()}


def closed_by_use(use: Mapping[tuple[bytes, date], Use], model: Model) -> frozenset[bytes]:
    """Tokens whose records bought more, or in more stores, on some day than the model lets one person."""
    return frozenset(
        token
        for (token, _), one in use.items()
        if one.purchases > model.purchases_per_day or one.stores > model.stores_per_day
    )


def holdings(events: Iterable[Event], model: Model, *, address_key: bytes) -> Holdings:
    """What the ledger must hold of these payloads, sent in any order and any number of times.

    Raises `ValueError` if one address stands for two claims, or as `counting` does.
    """
    sent = list(events)
    chosen = counting(sent)
    hanging: dict[bytes, list[Event]] = defaultdict(list)
    for event in chosen.values():
        hanging[event.record.address].append(event)
    undivided = [HeldRecord(_claim(ones), tuple(sorted(ones, key=lambda one: one.key))) for ones in hanging.values()]
    use = use_by_day(chosen.values())
    closed = closed_by_use(use, model)
    generic = frozenset(generic_tokens([one.record for one in undivided], model) | closed)
    handed = _hand_overs(undivided, generic, model)
    records: dict[bytes, HeldRecord] = {}
    bases: dict[bytes, tuple[bytes, bytes]] = {}
    for base in undivided:
        for opener, ones in _by_epoch(base, handed).items():
            address = epoch_address(address_key, base.record.address, opener)
            first = min(one.occurred_at for one in ones)
            records[address] = HeldRecord(carried_at(base.record, address, first, handed), tuple(ones))
            if opener is not None:
                bases[address] = base.record.address, opener
    return Holdings(
        events=chosen,
        homes={event.key: address for address, held in records.items() for event in held.events},
        quarantined=frozenset((event.key, event.digest) for event in sent if event.digest != chosen[event.key].digest),
        records=records,
        bases=bases,
        use=use,
        closed=closed,
        generic=generic,
        hand_overs=handed,
    )


def _hand_overs(undivided: Iterable[HeldRecord], generic: frozenset[bytes], model: Model) -> HandOvers:
    """When each phone that is not generic changed hands."""
    carriers: dict[bytes, list[Named]] = defaultdict(list)
    for base in undivided:
        name_key = prepare(base.record).name_key
        for phone in phones_of(base.record) - generic if name_key is not None else ():
            carriers[phone].append(Named(base.record.address, str(name_key), base.first_seen, base.last_seen))
    found = {phone: hand_overs(ones, gap_days=model.phone_gap_days) for phone, ones in carriers.items()}
    return {phone: moments for phone, moments in found.items() if moments}


def _by_epoch(base: HeldRecord, handed: HandOvers) -> dict[bytes | None, list[Event]]:
    """The events of a base record by who opened their epoch: all in the first if it has a name, else by what its phones were at their time."""
    if prepare(base.record).name_key is not None:
        return {None: list(base.events)}
    found: dict[bytes | None, list[Event]] = defaultdict(list)
    for event in base.events:
        found[opener_at(event.occurred_at, phones_of(base.record), handed)].append(event)
    return found


def _claim(events: Iterable[Event]) -> Record:
    """The one claim of events that share an address."""
    first, *others = (event.record for event in events)
    for other in others:
        if other.attributes != first.attributes or set(other.identifiers) != set(first.identifiers):
            raise ValueError(f"address {first.address.hex()} stands for two claims")
    return first


def golden(records: Iterable[HeldRecord]) -> Golden:
    """The profile of one cluster.

    A name survives from the record with most name parts, then the latest event, then the greatest address; an address
    likewise by street and postcode, where a city alone is an address too; a birth date from the latest record that has one.
    """
    members = list(records)

    def survivor(has: Callable[[HeldRecord], int], parts: Callable[[HeldRecord], int]) -> bytes | None:
        fitting = ((parts(one), one.last_seen, one.record.address) for one in members if has(one))
        best = max(fitting, default=None)
        return None if best is None else best[2]

    def named(one: HeldRecord) -> int:
        return one.holds("given_name", "family_name")

    return Golden(
        members=frozenset(one.record.address for one in members),
        name_record=survivor(named, named),
        address_record=survivor(
            lambda one: one.holds("street", "city", "postcode"), lambda one: one.holds("street", "postcode")
        ),
        birth_date_record=survivor(lambda one: one.holds("birth_date"), lambda _: 0),
        totals=Totals.of(chain.from_iterable(one.events for one in members)),
    )


def expected(
    events: Iterable[Event],
    model: Model,
    *,
    address_key: bytes,
    same: Iterable[tuple[bytes, bytes]] = (),
    different: Iterable[tuple[bytes, bytes]] = (),
) -> Expected:
    """The whole ledger once nothing is left to do: `holdings`, then `match` with the tokens that are generic, then profiles.

    Assertions as for `match`, those that stand only; one about a record on which no event counts any more says nothing.
    """
    held = holdings(events, model, address_key=address_key)
    records = [one.record for one in held.records.values()]
    outcome = match(records, model, same=same, different=different, generic=held.generic)
    return Expected(
        holdings=held,
        outcome=outcome,
        profiles={cluster: golden(held.records[address] for address in cluster) for cluster in outcome.partition},
    )
