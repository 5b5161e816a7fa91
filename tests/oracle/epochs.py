"""Phones that change hands: section 6a of docs/matching.md, as plainly as it can be said."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from oracle.records import IDENTIFIER_TYPES, Record

__all__ = ["HandOvers", "Named", "carried_at", "epoch_address", "epoch_at", "epoch_token", "hand_overs", "phones_of"]

_PHONE = IDENTIFIER_TYPES.index("phone") + 1

HandOvers = Mapping[bytes, Sequence[datetime]]
"""Moments at which phones changed hands, ascending, by token; phones that never did are left out."""


class Named(NamedTuple):
    """A named base record that carries a phone: its name key, first and last time."""

    name_key: str
    first: datetime
    last: datetime


def hand_overs(carriers: Collection[Named], *, gap_days: int) -> tuple[datetime, ...]:
    """Moments at which a phone that is not generic changed hands, ascending."""
    return tuple(
        moment
        for moment in sorted({one.first for one in carriers})
        if _changes_hands(
            [one for one in carriers if one.first < moment], [one for one in carriers if one.first >= moment], gap_days
        )
    )


def _changes_hands(before: Sequence[Named], since: Sequence[Named], gap_days: int) -> bool:
    """Whether those who came later may be somebody else, after a silence that is long enough."""
    if not before or not since:
        return False
    silence = min(one.first for one in since) - max(one.last for one in before)
    return silence >= timedelta(days=gap_days) and not any(_alike(one, other) for one in before for other in since)


def _alike(one: Named, other: Named) -> bool:
    """A family part or an initial in common."""
    family, initial = one.name_key.split("|")
    other_family, other_initial = other.name_key.split("|")
    return family == other_family or initial == other_initial


def phones_of(record: Record) -> set[bytes]:
    """Phone tokens of a claim, of whatever form."""
    return {one.token for one in record.identifiers if one.type == _PHONE}


def epoch_at(moment: datetime, phones: Iterable[bytes], known: HandOvers) -> int:
    """Hand-overs of these phones up to a moment, itself included."""
    return sum(at <= moment for phone in phones for at in known.get(phone, ()))


def epoch_address(key: bytes, base: bytes, epoch: int) -> bytes:
    """Address, under the address key, of the record on which the events of one epoch of a claim hang."""
    return hmac.new(key, _with_epoch(base, epoch), hashlib.sha256).digest() if epoch else base


def epoch_token(token: bytes, epoch: int) -> bytes:
    """What a record carries that had a phone in one epoch of it."""
    return hashlib.sha256(_with_epoch(token, epoch)).digest() if epoch else token


def _with_epoch(digest: bytes, epoch: int) -> bytes:
    return digest + b"\0" + str(epoch).encode()


def carried_at(record: Record, address: bytes, moment: datetime, known: HandOvers) -> Record:
    """A claim as the record of this address has it whose first event was at this moment."""
    return Record(
        address=address,
        attributes=record.attributes,
        identifiers=tuple(
            replace(one, token=epoch_token(one.token, epoch_at(moment, [one.token], known)))
            if one.type == _PHONE
            else one
            for one in record.identifiers
        ),
    )
