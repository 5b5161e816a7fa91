"""Phones that change hands: section 6a of docs/matching.md, as plainly as it can be said."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import NamedTuple

from oracle.records import IDENTIFIER_TYPES, Record

__all__ = [
    "HandOver",
    "HandOvers",
    "Named",
    "carried_at",
    "epoch_address",
    "epoch_at",
    "epoch_token",
    "hand_overs",
    "opener_at",
    "phones_of",
]

_PHONE = IDENTIFIER_TYPES.index("phone") + 1


class HandOver(NamedTuple):
    """A moment at which a phone changed hands, and the address of the named record that opened an epoch then."""

    at: datetime
    opener: bytes


HandOvers = Mapping[bytes, Sequence[HandOver]]
"""When phones changed hands, ascending, by token; phones that never did are left out."""


class Named(NamedTuple):
    """A named base record that carries a phone: its address, name key, first and last time."""

    address: bytes
    name_key: str
    first: datetime
    last: datetime


def hand_overs(carriers: Collection[Named], *, gap_days: int) -> tuple[HandOver, ...]:
    """When a phone that is not generic changed hands, ascending."""
    return tuple(
        HandOver(moment, min(one.address for one in carriers if one.first == moment))
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
    """How many hand-overs of these phones there were up to a moment, itself included."""
    return sum(one.at <= moment for phone in phones for one in known.get(phone, ()))


def opener_at(moment: datetime, phones: Iterable[bytes], known: HandOvers) -> bytes | None:
    """Who opened the epoch that a claim with these phones is in: of the latest hand-over by then; None in the first one."""
    so_far = [one for phone in phones for one in known.get(phone, ()) if one.at <= moment]
    latest = max((one.at for one in so_far), default=None)
    return min((one.opener for one in so_far if one.at == latest), default=None)


def epoch_address(key: bytes, base: bytes, opener: bytes | None) -> bytes:
    """Address, under the address key, of the record on which the events of one epoch of a claim hang."""
    return base if opener is None else hmac.new(key, base + b"\0" + opener, hashlib.sha256).digest()


def epoch_token(token: bytes, epoch: int) -> bytes:
    """What a record carries that had a phone in one epoch of it."""
    return hashlib.sha256(token + b"\0" + str(epoch).encode()).digest() if epoch else token


def carried_at(record: Record, address: bytes, moment: datetime, known: HandOvers) -> Record:
    """A claim as the record of this address has it whose first event was at this moment."""
    return replace(
        record,
        address=address,
        identifiers=tuple(
            replace(one, token=epoch_token(one.token, epoch_at(moment, [one.token], known)))
            if one.type == _PHONE
            else one
            for one in record.identifiers
        ),
    )
