"""The stream of one run, drawn from its seed: what is said, how often, through which door, and in which order it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random

from gate.options import GateOptions
from gate.poison import Poison, poison
from gate.towns import MOST_TOWNS, Claim, Town

__all__ = ["Delivery", "Door", "Plan", "Said", "draw_plan"]

_NEW, _BRIDGES = 0.20, 0.05
_EVENTS_PER_TOWN = 400
_DUPLICATED, _CONFLICTING, _POISONED, _PREVIEWED = 0.06, 0.01, 0.01, 0.01
_CASHIER_TOWNS = 7  # every so many towns has a cashier who swipes their own card
_FIRST = datetime(2024, 1, 1, tzinfo=UTC)
_SECONDS = 2 * 365 * 86_400
_PHONE_GAP_DAYS = 60  # more than the gate's model has; so long a phone is silent before another has it
_EVENTS_PER_RECYCLED_PHONE = 150
_WINDOW = 0.08  # the part of the run in which a town is busy, if there are many
_BUSY_TOWNS = 4  # at least so many are at any time


class Door(Enum):
    """How something is sent."""

    KAFKA = "kafka"
    RESOLVE = "resolve"
    PREVIEW = "preview"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One payload of one event id. `kind` is the payload's field in `CustomerEvent`; `amount` and `store` are a purchase's, `word` what else it says."""

    town: int
    event_id: str
    claim: Claim
    occurred_at: datetime
    kind: str
    amount: int = 0
    store: str = ""
    word: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What the inbox knows it by."""
        return self.claim.source, self.event_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One sending; `at` is its place in the run, from 0 to 1. Exactly one of `said` and `poison` is set."""

    at: float
    door: Door
    partition: int
    said: Said | None = None
    poison: Poison | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is said, once each, and every sending in the order in which they start; phones that more than one has in turn."""

    said: Sequence[Said]
    deliveries: Sequence[Delivery]
    identifiers: Sequence[tuple[int, str]]
    towns: int
    recycled: frozenset[str] = frozenset()

    @property
    def poisoned(self) -> int:
        """Sendings that must end as dead letters for what they are."""
        return sum(one.poison is not None for one in self.deliveries)


def draw_plan(options: GateOptions) -> Plan:
    """The stream of a run."""
    count = max(1, min(MOST_TOWNS, options.events // _EVENTS_PER_TOWN))
    window = max(_WINDOW, min(1.0, _BUSY_TOWNS / count))
    said: list[Said] = []
    deliveries: list[Delivery] = []
    identifiers: list[tuple[int, str]] = []
    recycled: set[str] = set()
    for number in range(count):
        events = options.events * (number + 1) // count - options.events * number // count
        drawn = _TownStream(number, events, options, opens=(1 - window) * number / count, window=window)
        said += drawn.said
        deliveries += drawn.deliveries
        identifiers += drawn.town.identifiers()
        recycled.update(one.phone for one in drawn.town.recycled)
    random = Random(f"{options.seed} order")
    deliveries += _poisoned(options, random)
    deliveries.sort(key=lambda one: one.at)
    random.shuffle(identifiers)
    return Plan(said, deliveries, identifiers, count, frozenset(recycled))


def _poisoned(options: GateOptions, random: Random) -> Iterator[Delivery]:
    for number in range(int(options.events * _POISONED)):
        bad = poison(number, random)
        for _ in range(2 if random.random() < _DUPLICATED else 1):
            partition = random.randrange(options.partitions)
            yield Delivery(at=random.random(), door=Door.KAFKA, partition=partition, poison=bad)


@dataclass(frozen=True, slots=True)
class _First:
    """A claim, when it is first sent, and the days in which it was said (from, before), if not in all of them."""

    claim: Claim
    at: float
    days: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Story:
    """What becomes of a phone: how many have it, whether they are related, whether the first of them still says something in between."""

    owners: int = 2
    related: bool = False
    seldom_silent: bool = False
    contested: bool = False


_STORIES = (
    _Story(),
    _Story(owners=3),
    _Story(seldom_silent=True),
    _Story(),
    _Story(seldom_silent=True, contested=True),
    _Story(related=True),
)


class _TownStream:
    """What one town says, and when it is sent."""

    def __init__(self, number: int, events: int, options: GateOptions, *, opens: float, window: float) -> None:
        self.said: list[Said] = []
        self.deliveries: list[Delivery] = []
        self._options = options
        self._opens, self._window = opens, window
        self._random = random = Random(f"{options.seed} town {number}")
        self._number = number
        fresh, bridges = max(1, int(events * _NEW)), int(events * _BRIDGES)
        self.town = Town(number, people=max(2, fresh // 3), seed=f"{options.seed} people {number}")
        first: list[_First] = []
        for place in range(max(1, events // _EVENTS_PER_RECYCLED_PHONE)):
            first += self._recycled(_STORIES[(number + place) % len(_STORIES)])
        first += [_First(self.town.new_claim(), self._moment()) for _ in range(max(1, fresh - len(first)))]
        first += [_First(self.town.bridge(), self._moment()) for _ in range(bridges)]
        if number % _CASHIER_TOWNS == 0:
            first += self._swipes(day=_FIRST + timedelta(days=random.randrange(700)))
        events = max(events, len(first))
        for one in first:
            self._event(one.claim, one.at, one.days)
        for _ in range(events - len(first)):
            one = random.choice(first)
            # A little before its first sending at times: what is sent second often arrives first.
            self._event(one.claim, max(0.0, min(1.0, one.at + window * (random.random() ** 2 - 0.05))), one.days)
        for _ in range(int(events * _PREVIEWED)):
            claim = random.choice(first).claim if random.random() < 0.5 else self.town.new_claim()
            imagined = self._draw(claim, f"v{number}-{len(self.deliveries)}")
            self._send(imagined, self._moment(), Door.PREVIEW)

    def _recycled(self, story: _Story) -> list[_First]:
        """What is said under a phone that people have in turn: each in days of their own, and what names nobody at any time."""
        random = self._random
        drawn = self.town.recycle(story.owners, related=story.related)
        told: list[_First] = []
        day = random.randrange(60)
        for owner in drawn.owners:
            until = day + random.randrange(20, 150)
            told += [_First(claim, self._moment(), (day, until)) for claim in owner]
            if story.seldom_silent and owner is drawn.owners[0]:
                # Sent once, and late at times: until it comes the phone seems to change hands.
                between = (until + _PHONE_GAP_DAYS // 3, until + _PHONE_GAP_DAYS // 2)
                self._event(owner[-1], self._moment(), between, contested=story.contested)
            day = until + _PHONE_GAP_DAYS + random.randrange(20)
        return told + [_First(claim, self._moment()) for claim in drawn.unnamed for _ in range(2)]

    def _swipes(self, *, day: datetime) -> list[_First]:
        """One day of a cashier's card: more purchases in more stores than one person makes."""
        places = [(self.town.swipe(), self._moment()) for _ in range(9)]
        for place, (claim, at) in enumerate(places):
            said = self._draw(claim, f"c{self._number}-{place}")
            at_till = day + timedelta(hours=9, minutes=20 * place)
            swiped = Said(
                town=said.town, event_id=said.event_id, claim=claim, occurred_at=at_till, kind="purchase",
                amount=100 + place, store=f"S{place % 7}",
            )  # fmt: skip
            self.said.append(swiped)
            self._send(swiped, at, Door.KAFKA)
        return []

    def _moment(self) -> float:
        return self._opens + self._window * self._random.random()

    def _event(self, claim: Claim, at: float, days: tuple[int, int] | None = None, *, contested: bool = False) -> None:
        random, options = self._random, self._options
        one = self._draw(claim, f"e{self._number}-{len(self.said)}", days)
        self.said.append(one)
        if contested or random.random() < _CONFLICTING:
            other = self._conflicting(one)
            self.said.append(other)
            for said in (one, other, *random.choices((one, other), k=random.randrange(2))):
                self._send(said, min(1.0, at + 0.02 * random.random()), Door.KAFKA)
            return
        for _ in range(2 if random.random() < _DUPLICATED else 1):
            door = Door.RESOLVE if random.random() < options.resolve_share else Door.KAFKA
            self._send(one, at, door)
            at = min(1.0, at + (random.random() ** 3) * (1 - at))

    def _send(self, said: Said, at: float, door: Door) -> None:
        partition = self._random.randrange(self._options.partitions)
        self.deliveries.append(Delivery(at=at, door=door, partition=partition, said=said))

    def _draw(self, claim: Claim, event_id: str, days: tuple[int, int] | None = None) -> Said:
        random = self._random
        seconds = random.randrange(_SECONDS) if days is None else random.randrange(days[0] * 86_400, days[1] * 86_400)
        occurred_at = _FIRST + timedelta(seconds=seconds, microseconds=1_000 * random.randrange(1_000))
        kind = random.choices(("purchase", "click", "customer_change", "consent_change"), weights=(65, 15, 15, 5))[0]
        return Said(
            town=self._number,
            event_id=event_id,
            claim=claim,
            occurred_at=occurred_at,
            kind=kind,
            amount=random.randrange(100, 20_000) if kind == "purchase" else 0,
            store=f"S{random.randrange(7)}" if kind == "purchase" and claim.source == "pos" else "",
            word={"click": f"page-{random.randrange(9)}", "consent_change": "marketing"}.get(kind, ""),
        )

    def _conflicting(self, one: Said) -> Said:
        """Another payload under the same event id: of the same claim, of another of the same source, or of one that nobody else makes."""
        others = [said.claim for said in self.said if said.claim.source == one.claim.source]
        fresh = self.town.new_claim()
        choices = [one.claim, self._random.choice(others), replace(fresh, source=one.claim.source)]
        return self._draw(self._random.choice(choices), one.event_id)
