"""What the ledger must hold once everything has settled: the plain oracle's word on everything that was said, some towns at a time.

The oracle compares all pairs of a block and is meant for at most 5,000 records at once. Towns share neither identifiers nor blocking keys, save
where a slip of the pen makes two alike; such towns are given to the oracle together, so the union of its answers is its answer to the whole. That
nothing else is shared is not assumed but found out, from the oracle's own keys.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from multiprocessing import get_context
from typing import Any

from gate.plan import Said
from gate.towns import Claim
from goldthread.matching import Keys
from oracle.engine import keys_of
from oracle.epochs import HandOver
from oracle.evidence import Event, EventId, Golden, Purchase, expected
from oracle.forms import prepare
from oracle.identity import Digest, address_of, token_of
from oracle.model import Model
from oracle.normalizer import normalize_attributes, normalize_identifier
from oracle.partition import Cluster, Household, Review
from oracle.records import Identifier, Record

__all__ = ["Expectation", "ExpectedRecord", "content_digest", "expect", "record_of"]

_MOST_RECORDS = 5_000
_CHUNK_RECORDS = 1_000
_REGION = "US"
_CUSTOMER = 8
_GMAIL = 2


@dataclass(frozen=True, slots=True)
class ExpectedRecord:
    """A record by what its counting events add up to."""

    sightings: int
    first_seen: datetime
    last_seen: datetime
    purchase_count: int
    purchase_total_minor: int
    last_purchase_at: datetime | None
    last_purchase_store: str


@dataclass(slots=True)
class Expectation:
    """The whole ledger by addresses: events that count (with payload digest and record), payloads put aside, records, partition.

    `hand_overs` are when phones changed hands and who opened what began then, and `owners` the records of those who have them now.
    """

    events: dict[EventId, tuple[bytes, bytes]] = field(default_factory=dict)
    purchases: dict[EventId, tuple[bytes, int, str]] = field(default_factory=dict)
    quarantined: set[tuple[EventId, bytes]] = field(default_factory=set)
    records: dict[bytes, ExpectedRecord] = field(default_factory=dict)
    tokens: set[bytes] = field(default_factory=set)
    generic: set[bytes] = field(default_factory=set)
    hand_overs: dict[bytes, tuple[HandOver, ...]] = field(default_factory=dict)
    owners: dict[bytes, frozenset[bytes]] = field(default_factory=dict)
    rehung: set[bytes] = field(default_factory=set)
    clusters: dict[Cluster, Golden] = field(default_factory=dict)
    ambiguous: dict[Cluster, frozenset[Cluster]] = field(default_factory=dict)
    reviews: set[Review] = field(default_factory=set)
    households: set[Household] = field(default_factory=set)

    def add(self, other: Expectation) -> None:
        """Takes over what is expected of other towns. Raises `ValueError` if both speak of one record."""
        if self.records.keys() & other.records.keys():
            raise ValueError("two towns share a record")
        for name in ("events", "purchases", "records", "hand_overs", "owners", "clusters", "ambiguous"):
            getattr(self, name).update(getattr(other, name))
        for name in ("quarantined", "tokens", "generic", "rehung", "reviews", "households"):
            getattr(self, name).update(getattr(other, name))


def expect(said: Sequence[Said], *, master_key: bytes, model_text: str, processes: int) -> Expectation:
    """What the ledger must hold of all this, in whatever order and however often it was sent. One process is this one."""
    by_town: dict[int, list[Said]] = defaultdict(list)
    for one in said:
        by_town[one.town].append(one)
    keys_in = partial(_keys_in, master_key=master_key, model_text=model_text)
    work = partial(_expected_of, master_key=master_key, model_text=model_text)
    found = Expectation()
    with ExitStack() as stack:
        every: Callable[..., Iterable[Any]] = map
        if processes > 1:
            every = stack.enter_context(ProcessPoolExecutor(processes, mp_context=get_context("spawn"))).map
        groups = _joined(dict(zip(by_town, every(keys_in, by_town.values()), strict=True)))
        for part in every(work, _packed([[one for town in group for one in by_town[town]] for group in groups])):
            found.add(part)
    return found


def record_of(claim: Claim, keys: Keys) -> Record:
    """The record that a claim makes, by the oracle's own normaliser."""
    attributes, broken = normalize_attributes(dict(claim.attributes), _REGION)
    if broken:
        raise ValueError(f"the generator made an invalid {broken}")
    digests: set[Digest] = set()
    for kind, value in claim.identifiers:
        namespace = claim.source if kind == _CUSTOMER else ""
        found = normalize_identifier(kind, value, _REGION)
        if found.digest is None:
            raise ValueError(f"the generator made an unusable identifier of type {kind}")
        digests.add(Digest(kind, namespace, 1, found.digest))
        if found.folded_digest is not None:
            digests.add(Digest(kind, namespace, _GMAIL, found.folded_digest))
    return Record(
        address=address_of(keys.address, claim.source, digests, attributes, 0),
        attributes=attributes,
        identifiers=tuple(
            Identifier(type=one.type, namespace=one.namespace, form=one.form, token=token_of(keys.token, one))
            for one in sorted(digests)
        ),
    )


def content_digest(said: Said, address: bytes) -> bytes:
    """Digest by which payloads of one event id are ordered: SHA-256 over the claim's address, time, kind and what was said."""
    match said.kind:
        case "purchase":
            words = f"{said.amount}\x1fUSD\x1f{said.store}"
        case "consent_change":
            words = f"{said.word}\x1fTrue"
        case _:
            words = said.word
    content = f"{said.occurred_at.isoformat()}\x1f{said.kind}\x1f{words}"
    return hashlib.sha256(address + content.encode()).digest()


def _events(said: Iterable[Said], keys: Keys) -> list[Event]:
    records: dict[Claim, Record] = {}
    events = []
    for one in said:
        record = records.get(one.claim)
        if record is None:
            record = records[one.claim] = record_of(one.claim, keys)
        events.append(
            Event(
                source=one.claim.source,
                event_id=one.event_id,
                digest=content_digest(one, record.address),
                record=record,
                occurred_at=one.occurred_at,
                purchase=Purchase(amount_minor=one.amount, store=one.store) if one.kind == "purchase" else None,
            )
        )
    return events


def _keys_in(said: Sequence[Said], *, master_key: bytes, model_text: str) -> frozenset[int]:
    """Everything by which a record of this town could become a candidate of one elsewhere, hashed; of every depth, crowded or not."""
    keys, model = Keys.derive(master_key), Model.parse(model_text)
    found: set[int] = set()
    for claim in {one.claim for one in said}:
        record = record_of(claim, keys)
        found.update(int.from_bytes(one.token[:8], "big") for one in record.identifiers)
        forms = prepare(record)
        for rule in model.rules:
            for key in keys_of(forms, rule):
                found.add(int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "big"))
    return frozenset(found)


def _joined(keys: Mapping[int, frozenset[int]]) -> list[list[int]]:
    """Towns in groups that share nothing with each other."""
    head = {town: town for town in keys}

    def root(town: int) -> int:
        while head[town] != town:
            head[town] = head[head[town]]
            town = head[town]
        return town

    owner: dict[int, int] = {}
    for town, held in keys.items():
        for key in held:
            other = owner.setdefault(key, town)
            if other != town:
                head[root(town)] = root(other)
    groups: dict[int, list[int]] = defaultdict(list)
    for town in keys:
        groups[root(town)].append(town)
    return list(groups.values())


def _packed(groups: Iterable[list[Said]]) -> list[list[Said]]:
    """Groups put together until they are worth a call."""
    parts: list[list[Said]] = []
    room = 0
    for group in groups:
        records = len({one.claim for one in group})
        if records > _MOST_RECORDS:
            raise ValueError(f"{records} records hang together: too many for the plain oracle")
        if not parts or records > room:
            parts.append([])
            room = _CHUNK_RECORDS
        parts[-1] += group
        room -= records
    return parts


def _expected_of(said: Sequence[Said], *, master_key: bytes, model_text: str) -> Expectation:
    keys = Keys.derive(master_key)
    found = expected(_events(said, keys), Model.parse(model_text), address_key=keys.address)
    held = found.holdings
    return Expectation(
        events={key: (event.digest, held.homes[key]) for key, event in held.events.items()},
        purchases={
            key: (held.homes[key], event.purchase.amount_minor, event.purchase.store)
            for key, event in held.events.items()
            if event.purchase is not None
        },
        quarantined=set(held.quarantined),
        records={
            address: ExpectedRecord(
                one.sightings,
                one.first_seen,
                one.last_seen,
                one.totals.purchase_count,
                one.totals.purchase_total_minor,
                one.totals.last_purchase_at,
                one.totals.last_purchase_store,
            )
            for address, one in held.records.items()
        },
        tokens={one.token for event in held.events.values() for one in event.record.identifiers},
        generic=set(found.generic),
        hand_overs={phone: tuple(found) for phone, found in held.hand_overs.items()},
        owners={phone: held.owners(phone) for phone in held.hand_overs},
        rehung=set(held.bases),
        clusters=dict(found.profiles),
        ambiguous=dict(found.outcome.ambiguous),
        reviews=set(found.outcome.reviews),
        households=set(found.outcome.households),
    )
