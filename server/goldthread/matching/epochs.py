"""Epochs: when a phone changed hands, and what belongs to whom since (docs/matching.md section 6a). Pure functions of event times and name keys."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

__all__ = ["HandOver", "NamedSpan", "epoch_address", "epoch_token", "hand_overs", "opener_at"]


class NamedSpan(NamedTuple):
    """A record with a name that carries a phone: its name key, the times of its first and last event, and its address."""

    name_key: str
    first: datetime
    last: datetime
    address: bytes


class HandOver(NamedTuple):
    """A phone came to somebody else: when, and the address of the record that says so, the lowest of several."""

    at: datetime
    opener: bytes


def hand_overs(spans: Collection[NamedSpan], gap: timedelta) -> tuple[HandOver, ...]:
    """When a phone that is not generic came to somebody else, ascending. O(n log n)."""
    ordered = sorted(spans, key=lambda span: (span.first, span.address))
    later = _parts_from(ordered)
    found: list[HandOver] = []
    families: set[str] = set()
    initials: set[str] = set()
    last: datetime | None = None
    for place, span in enumerate(ordered):
        # Spans of one first time that stand before this one have set `last` to it or later, so there is no gap: the first of them tells for all.
        if last is not None and span.first - last >= gap:
            coming_families, coming_initials = later[place]
            if families.isdisjoint(coming_families) and initials.isdisjoint(coming_initials):
                found.append(HandOver(span.first, span.address))
        family, _, initial = span.name_key.partition("|")
        families.add(family)
        initials.add(initial)
        last = span.last if last is None else max(last, span.last)
    return tuple(found)


def _parts_from(ordered: Sequence[NamedSpan]) -> list[tuple[frozenset[str], frozenset[str]]]:
    """Family parts and initials of each span and all after it."""
    found: list[tuple[frozenset[str], frozenset[str]]] = []
    families: frozenset[str] = frozenset()
    initials: frozenset[str] = frozenset()
    for span in reversed(ordered):
        family, _, initial = span.name_key.partition("|")
        families, initials = families | {family}, initials | {initial}
        found.append((families, initials))
    return found[::-1]


def opener_at(found: Iterable[HandOver], moment: datetime) -> bytes | None:
    """What names the epoch of a moment, by the hand-overs of all phones of a claim: the opener of the last one that has come; None before the first."""
    come = [one for one in found if one.at <= moment]
    if not come:
        return None
    latest = max(one.at for one in come)
    return min(one.opener for one in come if one.at == latest)


def epoch_token(token: bytes, epoch: int) -> bytes:
    """What a record is compared by that carries a phone in one epoch of it: the number of its hand-overs by then."""
    return hashlib.sha256(b"%b\x00%d" % (token, epoch)).digest() if epoch else token


def epoch_address(key: bytes, base: bytes, opener: bytes | None) -> bytes:
    """Address, under the address key, of the record on which the events of one epoch of a claim hang."""
    return base if opener is None else hmac.digest(key, base + b"\x00" + opener, "sha256")
