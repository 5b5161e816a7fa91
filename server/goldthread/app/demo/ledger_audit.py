"""What became of the events, as the ledger and the dead-letter topic tell it, and how right the profiles are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from goldthread.app.demo.sets import EventKey, InputSet
from goldthread.bus import BatchLimits, BusSettings, EventConsumer
from goldthread.domain.words import RejectionReason
from goldthread.matching.evaluation import Quality, compare_partitions
from goldthread.v1 import event_pb2

__all__ = ["Accounting", "DeadLetters", "SetQuality", "account", "quality_of", "read_dead_letters"]

_READ_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetters:
    """What stands on the dead-letter topic: how many for which reason, and the `source/event_id` of those that could be read."""

    reasons: Mapping[str, int]
    keys: frozenset[str] = field(repr=False)
    unkeyed: int

    @property
    def count(self) -> int:
        """All of them."""
        return sum(self.reasons.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """Where every distinct event that was produced is now. A message without readable source and event id counts as one of its own.

    `conflicts` are events taken whose id was used again for other content: they stand in the inbox and among the dead letters.
    """

    produced: int
    inbox: int
    dead_letters: int
    conflicts: int
    lost: int
    invented: int

    @property
    def complete(self) -> bool:
        """Distinct events produced = inbox + dead letters, one by one and in number."""
        in_number = self.produced == self.inbox + self.dead_letters - self.conflicts
        return in_number and self.lost == 0 and self.invented == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SetQuality:
    """How right the profiles of one set are. `absent` are its events that the ledger does not hold: they count nowhere else."""

    name: str
    quality: Quality
    absent: int


def read_dead_letters(bus: BusSettings, *, count: int) -> DeadLetters:
    """Reads `count` dead letters from their topic, or as many as arrive within half a minute."""
    reader = replace(
        bus,
        group=f"{bus.group}-demo",
        events_topic=bus.dead_letters_topic,
        dead_letters_topic=bus.events_topic,
    )
    reasons: Counter[str] = Counter()
    keys: set[str] = set()
    unkeyed = 0
    until = time.monotonic() + _READ_SECONDS
    with EventConsumer(reader, lambda _topic, _partitions: {}) as consumer:
        while reasons.total() < count and time.monotonic() < until:
            for message in consumer.poll(BatchLimits()).messages:
                letter = event_pb2.DeadLetter.FromString(message.payload or b"")
                reasons[RejectionReason(letter.reason).name] += 1
                if letter.source and letter.event_id:
                    keys.add(f"{letter.source}/{letter.event_id}")
                else:
                    unkeyed += 1
    return DeadLetters(reasons=dict(sorted(reasons.items())), keys=frozenset(keys), unkeyed=unkeyed)


def account(keys: frozenset[str], *, unkeyed: int, taken: Mapping[EventKey, UUID], dead: DeadLetters) -> Accounting:
    """Compares what was produced (`keys`, and `unkeyed` messages without one) with what the ledger says that it took or refused."""
    inbox = {f"{source}/{event_id}" for source, event_id in taken}
    # Planted messages are sent without a key, though some of them hold an id that can be read.
    planted = dead.keys - keys
    known = inbox | dead.keys
    return Accounting(
        produced=len(keys) + unkeyed,
        inbox=len(inbox),
        dead_letters=len(dead.keys) + dead.unkeyed,
        conflicts=len(inbox & dead.keys),
        lost=len(keys - known) + max(0, unkeyed - len(planted) - dead.unkeyed),
        invented=len(inbox - keys) + max(0, len(planted) + dead.unkeyed - unkeyed),
    )


def quality_of(sets: Sequence[InputSet], taken: Mapping[EventKey, UUID]) -> list[SetQuality]:
    """Quality within each set that has a truth: every event has its person and the profile that it is credited to."""
    found = []
    for one in sets:
        if not one.truth:
            continue
        present = [key for key in one.truth if key in taken]
        quality = compare_partitions([one.truth[key] for key in present], [taken[key] for key in present])
        found.append(SetQuality(name=one.name, quality=quality, absent=len(one.truth) - len(present)))
    return found
