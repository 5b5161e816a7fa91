"""What a ledger holds of the events of a load, made at once and in memory: evidence, and the pairs and profiles that follow from it.

All of it comes as rows laid out as PostgreSQL's `COPY … (FORMAT binary)` has them, table by table and piece by piece; records, identifiers and profiles
are numbered from 1 in the order in which they first came, by identity, and by ascending id. Phones that change hands are the one thing that
the core does not know: records that are held back have evidence only.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from itertools import pairwise
from threading import Event
from typing import NamedTuple
from uuid import UUID

from goldthread import _core
from goldthread.domain.policy import Totals
from goldthread.domain.words import IdentifierType
from goldthread.matching.batch import ClaimColumns, read_claims
from goldthread.matching.epochs import NamedSpan, hand_overs
from goldthread.matching.keys import Keys
from goldthread.matching.watch import Watch, watched

__all__ = [
    "EPOCH",
    "EventColumns",
    "EventKind",
    "HeldEvidence",
    "HeldProfiles",
    "LoadEngine",
    "ProfileFact",
    "ReadCounts",
    "Writing",
]

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
"""Times of events are microseconds since then."""

_PIECE = 50_000
_LINKED_PIECE = 20_000


class EventKind(IntEnum):
    """What happened, as the core numbers it."""

    PURCHASE = 0
    CLICK = 1
    CUSTOMER_CHANGE = 2
    CONSENT_WITHDRAWN = 3
    CONSENT_GIVEN = 4
    NONE = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class EventColumns:
    """What a chunk of rows says beside its claims, row by row; rows of kind `NONE` are no events. Personal data.

    `kinds` are one byte each, `occurred` (microseconds since `EPOCH`) and `amounts` (minor units) signed 64-bit numbers in the order of the machine. `details`
    is the store of a purchase and the purpose of a consent, `contents` what is digested beside the address of the claim.
    """

    sources: Sequence[str]
    ids: Sequence[str] = field(repr=False)
    kinds: bytes
    occurred: bytes
    amounts: bytes
    details: Sequence[str] = field(repr=False)
    contents: Sequence[str] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCounts:
    """What became of a chunk: rows without a usable claim; and by column how many values were invalid, or stood for "none"."""

    unusable: list[int]
    invalid: dict[str, int]
    placeholders: dict[str, int]


class LoadEngine:
    """Collects the rows of a load. Not thread-safe; the work uses all cores and frees the interpreter lock."""

    def __init__(self, *, model_text: str, keys: Keys, region: str) -> None:
        self._model = _core.Model.parse(model_text)
        self._keys = keys
        self._region = region
        self._claims: list[_core.Claims] = []
        self._events: list[_core.EventChunk] = []

    def add(self, claims: ClaimColumns, events: EventColumns) -> ReadCounts:
        """Takes a chunk of rows. Some 50,000 are a good size."""
        read = read_claims(claims, keys=self._keys, region=self._region)
        chunk = _core.EventChunk.read(
            read,
            events.sources,
            events.ids,
            events.kinds,
            events.occurred,
            events.amounts,
            events.details,
            events.contents,
        )
        self._claims.append(read)
        self._events.append(chunk)
        return ReadCounts(unusable=chunk.unusable, invalid=read.invalid(), placeholders=read.placeholders())

    def evidence(self, *, milliseconds: int, seed: bytes) -> HeldEvidence:
        """What all rows say; the chunks are let go, so this is the end of them.

        Birth ids carry the milliseconds (since 1970) and bits drawn from the seed: 32 random bytes.
        """
        held = _core.Evidence.of(self._claims, self._events, self._model, milliseconds, seed)
        self._claims.clear()
        self._events.clear()
        return HeldEvidence(held, self._model, self._keys)


class HeldEvidence:
    """Events, records, identifiers and blocking keys of a load."""

    def __init__(self, held: _core.Evidence, model: _core.Model, keys: Keys) -> None:
        self._held = held
        self._model = model
        self._keys = keys

    @property
    def records(self) -> int:
        """Number of records; they are numbered from 1."""
        return self._held.records

    @property
    def tokens(self) -> int:
        """Number of identifiers; they are numbered from 1."""
        return self._held.tokens

    @property
    def repeated(self) -> int:
        """Rows that repeat another one."""
        return self._held.repeated

    @property
    def lost(self) -> int:
        """Contents that lost against another one under the same event id."""
        return len(self._held.lost)

    def changing_hands(self, gap: timedelta) -> list[int]:
        """Records (from 0) that carry a phone that changed hands, by the names and times of those that carry it."""
        phones = [
            token
            for token, carriers in self._held.contested(IdentifierType.PHONE)
            if hand_overs(
                [NamedSpan(name, moment_of(first), moment_of(last), at) for name, first, last, at in carriers], gap
            )
        ]
        return self._held.carriers_of(phones) if phones else []

    def first_event(self, record: int) -> tuple[str, str]:
        """Source and id of the first event of a record (from 0)."""
        return self._held.first_event(record)

    def table(self, table: str, *, normalizer_version: str = "", currency: str = "") -> Iterator[bytes]:
        """Rows of a table that evidence is written to."""
        total = {
            "event_conflict": 1,
            "record": self._held.records,
            "record_token": self._held.records,
            "token": self._held.tokens,
            "token_name": self._held.tokens,
        }.get(table, self._held.rows)
        for start, stop in _pieces(total, _PIECE):
            yield self._held.copied(
                table,
                start,
                stop,
                key_version=self._keys.version,
                normalizer=normalizer_version,
                currency=currency,
            )

    def blocks(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """For every blocking rule the rows of `block`, and those of `record_block` in pieces."""
        for rule in range(self._model.blocking_rules):
            yield self._held.copied_blocks(self._keys.blocking, self._model, rule)

    def profiles(self, held_back: Collection[int], *, watch: Watch, stopping: Event) -> HeldProfiles:
        """Pairs and profiles of all records but those that hang together with one that is held back (from 0).

        Takes long; raises the core's `InputError` soon after `stopping` is set.
        """
        with watched(watch, stopping) as progress:
            held = _core.HeldProfiles.of(self._held, self._model, list(held_back), progress=progress)
        return HeldProfiles(held, self._held, self._model)


class ProfileFact(NamedTuple):
    """What a change tells of a profile: its id, those of its records, and what it bought; the store is left out."""

    profile_id: UUID
    members: tuple[UUID, ...]
    totals: Totals


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """Who writes, why, and under which model; versions follow the first one."""

    cause: str
    actor: str
    model_id: int
    first_version: int


class HeldProfiles:
    """Pairs and profiles of a load."""

    def __init__(self, held: _core.HeldProfiles, evidence: _core.Evidence, model: _core.Model) -> None:
        self._held = held
        self._evidence = evidence
        self._model = model

    def __len__(self) -> int:
        return len(self._held)

    @property
    def reviews(self) -> int:
        """Number of reviews."""
        return self._held.reviews

    @property
    def pairs(self) -> int:
        """Number of kept pairs."""
        return self._held.pairs

    @property
    def held_back(self) -> list[int]:
        """Records (from 0) that have evidence only."""
        return self._held.held_back

    def table(self, table: str, writing: Writing) -> Iterator[bytes]:
        """Rows of a table that profiles are written to, `outbox` left out."""
        totals = {"membership": self._evidence.records, "pair": self._held.pairs, "journal_link": self._held.links}
        once = table in {"review", "household", "contender"}
        for start, stop in _pieces(1 if once else totals.get(table, len(self._held)), _PIECE):
            yield self._held.copied(
                table,
                self._evidence,
                self._model,
                start,
                stop,
                first_version=writing.first_version,
                model_id=writing.model_id,
                cause=writing.cause,
                actor=writing.actor,
            )

    def facts(self) -> Iterator[tuple[int, list[ProfileFact]]]:
        """All profiles by ascending id, in pieces, each with the number (from 0) of its first one."""
        for start, stop in _pieces(len(self._held), _LINKED_PIECE):
            rows = self._held.facts(self._evidence, start, stop)
            yield (
                start,
                [
                    ProfileFact(
                        UUID(bytes=profile_id),
                        tuple(UUID(bytes=member) for member in members),
                        Totals(purchases, total, None if last is None else moment_of(last)),
                    )
                    for profile_id, members, purchases, total, last in rows
                ],
            )

    def outbox(self, start: int, changes: Sequence[bytes], *, first_version: int) -> bytes:
        """Rows of `outbox` for the encoded changes of the profiles from this number on."""
        return self._held.copied_outbox(self._evidence, start, first_version, changes)


def moment_of(microseconds: int) -> datetime:
    """The time that the core has as a number."""
    return EPOCH + timedelta(microseconds=microseconds)


def _pieces(total: int, size: int) -> Iterator[tuple[int, int]]:
    return pairwise([*range(0, total, size), total]) if total else iter(())
