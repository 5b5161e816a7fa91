"""Epochs: when a phone changed hands, and what belongs to whom since (docs/matching.md section 6a). Pure functions of event times and name keys."""

from __future__ import annotations

import hashlib
import hmac
from bisect import bisect_right
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

__all__ = ["NamedSpan", "epoch_address", "epoch_at", "epoch_token", "hand_overs"]


class NamedSpan(NamedTuple):
    """A record with a name that carries a phone: its name key, and the times of its first and last event."""

    name_key: str
    first: datetime
    last: datetime


def hand_overs(spans: Collection[NamedSpan], gap: timedelta) -> tuple[datetime, ...]:
    """Moments at which a phone that is not generic came to somebody else, ascending. O(n log n)."""
    ordered = sorted(spans, key=lambda span: span.first)
    later = _parts_from(ordered)
    found: list[datetime] = []
    families: set[str] = set()
    initials: set[str] = set()
    last: datetime | None = None
    for place, span in enumerate(ordered):
        # Spans of one first time that stand before this one have set `last` to it or later, so there is no gap: the first of them tells for all.
        if last is not None and span.first - last >= gap:
            coming_families, coming_initials = later[place]
            if families.isdisjoint(coming_families) and initials.isdisjoint(coming_initials):
                found.append(span.first)
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


def epoch_at(began: Sequence[datetime], moment: datetime) -> int:
    """How many of the moments, ascending, have come by this one."""
    return bisect_right(began, moment)


def epoch_token(token: bytes, epoch: int) -> bytes:
    """What a record is compared by that carries a phone in one epoch of it."""
    return hashlib.sha256(_with_epoch(token, epoch)).digest() if epoch else token


def epoch_address(key: bytes, base: bytes, epoch: int) -> bytes:
    """Address, under the address key, of the record on which the events of one epoch of a claim hang."""
    return hmac.digest(key, _with_epoch(base, epoch), "sha256") if epoch else base


def _with_epoch(digest: bytes, epoch: int) -> bytes:
    return b"%b\x00%d" % (digest, epoch)
