"""Where records were: the journal read as a history of records, not of profiles.

The journal has one entry for each change of a profile. A profile bears the id of one of its records, so while it lives it holds that record: the
last entry under an id tells, if it says "live", what the profile of that record is. Otherwise the record stands in another profile, and its way is
followed backwards from where it is now: the entry with which it came there, the entry of the same transaction with which it left somewhere else, the
entry with which it had come there, and so on. Two queries a move, each by an index; only of a withdrawn record it must be found with which entry it left
last, back through all moves since.

All of it is decided by versions: of two entries of one profile the one of the greater version is later. Times only cut: an entry counts at a time if it
was written by then. The entries of one transaction have one time, so every cut holds each record in one profile at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from goldthread.domain.errors import EndedIdError, InvalidArgumentError, UnknownIdError
from goldthread.domain.profiles import AsOf
from goldthread.domain.words import Violation
from goldthread.ledger import LedgerTransaction, ProfileEntry

__all__ = ["Stay", "holder", "moment_of", "profile_of", "stays"]

_AFTER_ALL = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Stay:
    """A record's time in one profile: the entry with which it came, and the version of the one with which it left (None: it is there)."""

    profile_id: UUID
    since: int
    since_at: datetime
    until: int | None
    until_at: datetime | None


def stays(tx: LedgerTransaction, birth_id: UUID) -> Iterator[Stay]:
    """Where a record was, latest first; nothing if it is unknown or was never placed. Two queries a step."""
    place = tx.places_of([birth_id]).get(birth_id)
    if place is None or place.profile_id is None:
        return
    last = tx.profile_entries([place.profile_id], at=None).get(place.profile_id)
    if last is None:
        return
    until: int | None = None
    until_at: datetime | None = None
    home = last.profile_id
    if birth_id not in last.members:
        # Withdrawn: it went home to where it holds nothing, and of that there need not be an entry.
        gone = tx.last_leave(birth_id)
        if gone is None:
            return
        home, until, until_at = gone
    while True:
        came = tx.last_join(home, birth_id, below=_AFTER_ALL if until is None else until)
        if came is None:
            return
        since, since_at = came
        yield Stay(home, since, since_at, until, until_at)
        left = tx.left_with(birth_id, since_at)
        if left is None:
            return
        (home, until), until_at = left, since_at


def holder(tx: LedgerTransaction, birth_id: UUID, *, at: datetime | None) -> ProfileEntry | None:
    """What the profile that held a record at a time, or holds it, was by then; None if none did."""
    own = tx.profile_entries([birth_id], at=at).get(birth_id)
    if own is not None and own.live and birth_id in own.members:
        return own
    for stay in stays(tx, birth_id):
        if at is None or stay.since_at <= at:
            if stay.until_at is not None and (at is None or stay.until_at <= at):
                return None
            return tx.profile_entries([stay.profile_id], at=at).get(stay.profile_id)
    return None


def profile_of(tx: LedgerTransaction, birth_id: UUID, *, at: datetime | None, name: str) -> ProfileEntry:
    """The same; `UnknownIdError` or, of now, `EndedIdError` naming the field that gave the id where no profile held it."""
    found = holder(tx, birth_id, at=at)
    if found is not None:
        return found
    place = tx.places_of([birth_id]).get(birth_id)
    if at is None and place is not None and not place.active:
        raise EndedIdError(name)
    raise UnknownIdError(name)


def moment_of(tx: LedgerTransaction, as_of: AsOf, *, name: str) -> datetime | None:
    """The time that a moment stands for; None: now. `UnknownIdError` for a version of no entry, `InvalidArgumentError` for the future."""
    if as_of.version is not None:
        written_at = tx.entry_time(as_of.version)
        if written_at is None:
            raise UnknownIdError(f"{name}.version")
        return written_at
    if as_of.at is not None and as_of.at > tx.as_of()[1]:
        raise InvalidArgumentError([Violation(f"{name}.at", "must not be in the future of the ledger's clock")])
    return as_of.at
