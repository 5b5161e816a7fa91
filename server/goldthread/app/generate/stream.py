"""The stream of events: draws the sorts of rows by the plan and lets people live between their records.

Memory is bounded by ``GenerateOptions.window``, not by the number of people or events: people, records, bridges to
come and rows to be delivered twice are each kept in a pool of fixed size whose members are replaced at random.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar

from goldthread.app.generate.atlas import atlas_of
from goldthread.app.generate.claims import Clerk, bridge_between
from goldthread.app.generate.contacts import Contacts
from goldthread.app.generate.draw import Dice
from goldthread.app.generate.options import GenerateOptions, Phase, Plan, plan_of
from goldthread.app.generate.people import Identifier, Person, Population, Record
from goldthread.app.generate.rows import EventSort, GeneratedEvent, GenerateSummary

__all__ = ["EventStream", "generate_events"]

T = TypeVar("T")

DAY = 86_400
LATE_SHARE = 0.03
LATEST = 14 * DAY
JITTER = 1_800
RECENT_ROWS = 512
PAIRING_ATTEMPTS = 16

CURRENCY = {"US": "USD", "GB": "GBP"}

KINDS: dict[str, tuple[tuple[float, str], ...]] = {
    "pos": ((0.975, "purchase"), (0.99, "customer_change"), (1.0, "consent")),
    "webshop": ((0.66, "purchase"), (0.88, "customer_change"), (0.985, "click"), (1.0, "consent")),
    "crm": ((0.97, "customer_change"), (1.0, "consent")),
    "loyalty": ((0.72, "customer_change"), (0.98, "purchase"), (1.0, "consent")),
}
"""Kinds of events of a source, each with the upper end of its share."""

Bridge = tuple[Person, Identifier, Identifier]


def generate_events(options: GenerateOptions) -> EventStream:
    """Returns the events that the options describe, made one at a time as they are asked for."""
    return EventStream(options)


class EventStream(Iterator[GeneratedEvent]):
    """Events in order of delivery. Can be read once; ``summary`` may be asked at any time."""

    def __init__(self, options: GenerateOptions) -> None:
        plan = plan_of(options)
        self._dice = Dice(options.seed)
        self._contacts = Contacts(self._dice, plan.people)
        self._population = Population(self._dice, self._contacts, options, plan.people)
        self._clerk = Clerk(self._dice, self._contacts, options, plan.people)
        self._window = options.window
        self._end = int(datetime.combine(options.as_of, datetime.min.time(), UTC).timestamp())
        self._start = self._end - options.days * DAY
        self._step = (self._end - self._start) / options.events
        self._currency = CURRENCY[options.region]
        self._people: list[Person] = []
        self._records: list[Record] = []
        self._bridges: list[Bridge] = []
        self._dates: dict[int, str] = {}
        self._new_left = plan.new
        self._people_left = plan.people
        extra = plan.new - plan.people
        # Every bridge uses up one record that had no identifier in common with the others.
        self._apart_left = min(extra, max(plan.bridges + plan.bridges // 16 + 4, extra // 2))
        self._counts = dict.fromkeys(GenerateSummary.__dataclass_fields__, 0)
        self._rows = self._deliver(plan)

    def __next__(self) -> GeneratedEvent:
        return next(self._rows)

    def summary(self) -> GenerateSummary:
        """Returns the counts of what has been given so far. Households are those founded, some yet to appear."""
        counts = dict(self._counts)
        counts["households"] = self._population.households
        counts["recycled_phones"] = self._contacts.recycled
        counts["changed_emails"] = self._contacts.changed["email"]
        counts["changed_phones"] = self._contacts.changed["phone"]
        counts["events"] = sum(counts[name] for name in ("new_claims", "repeats", "bridges", "duplicates"))
        counts["records"] = counts["new_claims"] + counts["bridges"]
        return GenerateSummary(**counts)

    def _deliver(self, plan: Plan) -> Iterator[GeneratedEvent]:
        dice, counts = self._dice, self._counts
        recent: deque[tuple[GeneratedEvent, Record]] = deque(maxlen=RECENT_ROWS)
        number = 0
        for phase in plan.phases:
            for sort in self._sorts(phase):
                number += 1
                if sort is EventSort.DUPLICATE:
                    event, record = dice.pick(recent)
                    event = event._replace(sort=sort)
                else:
                    record = self._record(sort)
                    event = self._event(sort, number, record)
                    recent.append((event, record))
                counts[sort.value] += 1
                counts["placeholders"] += record.placeholders
                counts["store_phone_uses"] += record.store_phone
                counts["cashier_card_uses"] += record.cashier_card
                yield event

    def _sorts(self, phase: Phase) -> Iterator[EventSort]:
        """Yields the phase's sorts evenly mixed, each as often as it says, putting off what is not possible yet.

        Only a bridge that never becomes possible is replaced, by a repeat.
        """
        sorts = (EventSort.REPEAT, EventSort.NEW, EventSort.BRIDGE, EventSort.DUPLICATE)
        left = [phase.repeats, phase.new, phase.bridges, phase.duplicates]
        for total in range(sum(left), 0, -1):
            draw = self._dice.below(total)
            at = 0
            while draw >= left[at]:
                draw -= left[at]
                at += 1
            if not self._possible(sorts[at]):
                possible = (other for other in (1, 0, 3) if left[other] and self._possible(sorts[other]))
                instead = next(possible, None)
                left[at if instead is None else instead] -= 1
                yield EventSort.REPEAT if instead is None else sorts[instead]
                continue
            left[at] -= 1
            yield sorts[at]

    def _possible(self, sort: EventSort) -> bool:
        if sort is EventSort.BRIDGE:
            return bool(self._bridges)
        return sort is EventSort.NEW or bool(self._records)

    def _record(self, sort: EventSort) -> Record:
        dice = self._dice
        if sort is EventSort.REPEAT:
            # The longest-known customers come most often, up to about three times as often as the average one.
            draw = dice.roll()
            return self._records[int(draw * (0.3 + 0.7 * draw) * len(self._records))]
        if sort is EventSort.BRIDGE:
            at = dice.below(len(self._bridges))
            self._bridges[at], self._bridges[-1] = self._bridges[-1], self._bridges[at]
            person, one, other = self._bridges.pop()
            record = self._clerk.bridge(person, one, other)
        else:
            person, record = self._new_record()
        person.remember(record, dice)
        self._keep(self._records, record, 2 * self._window)
        if record.claim.source == "pos":
            self._counts["register_records"] += 1
            self._counts["register_records_without_email"] += all(i.kind != "email" for i in record.identifiers)
        return record

    def _new_record(self) -> tuple[Person, Record]:
        dice = self._dice
        first = not self._people or dice.below(self._new_left) < self._people_left
        extra_left = self._new_left - self._people_left
        self._new_left -= 1
        if first:
            self._people_left -= 1
            self._counts["people"] += 1
            person = self._population.appear()
            self._keep(self._people, person, self._window)
            return person, self._clerk.record(person, apart=False)
        if dice.below(extra_left) < self._apart_left:
            self._apart_left -= 1
            return self._record_apart()
        person = dice.pick(self._people)
        self._live_on(person)
        return person, self._clerk.record(person, apart=False)

    def _record_apart(self) -> tuple[Person, Record]:
        """Writes a record that shares no identifier with the person's others, and notes the bridge it allows."""
        dice = self._dice
        for _ in range(PAIRING_ATTEMPTS):
            person = dice.pick(self._people)
            record = self._clerk.record(person, apart=True)
            pair = bridge_between(dice.pick(person.records), record)
            if pair is not None:
                self._keep(self._bridges, (person, *pair), self._window)
                break
        return person, record

    def _live_on(self, person: Person) -> None:
        """Lets something happen in a person's life now and then: a wedding, a move, a new e-mail or phone."""
        dice, counts = self._dice, self._counts
        mail = atlas_of(person.home.city.region).mail
        if person.married_name and dice.chance(0.35):
            person.family, person.married_name = person.married_name, ""
            counts["marriages"] += 1
        if dice.chance(0.12):
            self._population.move(person)
            counts["moves"] += 1
        if "email" in person.owned and dice.chance(0.10):
            person.renew("email", self._contacts, mail)
        if "phone" in person.owned and dice.chance(0.08):
            person.renew("phone", self._contacts, mail)

    def _event(self, sort: EventSort, number: int, record: Record) -> GeneratedEvent:
        dice, claim = self._dice, record.claim
        source = claim.source
        draw = dice.roll()
        kind = ""
        for share, kind in KINDS[source]:  # noqa: B007 -- the last kind tried is the one
            if draw < share:
                break
        moment = self._start + int(self._step * number) - dice.below(JITTER)
        if dice.chance(LATE_SHARE):
            moment -= dice.between(3_600, LATEST)
            self._counts["late"] += 1
        amount = ""
        if kind == "purchase":
            draw = dice.roll()
            amount = str(199 + int(24_000 * draw * draw * draw))
        return GeneratedEvent(
            sort,
            f"{source[0]}{number:010d}",
            self._text(max(self._start, moment)),
            kind,
            claim,
            record.store,
            amount,
            self._currency if amount else "",
            record.truth,
        )

    def _text(self, moment: int) -> str:
        """Returns the moment, in seconds since 1970, as RFC 3339 in UTC."""
        day, second = divmod(moment, DAY)
        text = self._dates.get(day)
        if text is None:
            text = self._dates[day] = (date(1970, 1, 1) + timedelta(days=day)).isoformat()
        return f"{text}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"

    def _keep(self, pool: list[T], item: T, size: int) -> None:
        if len(pool) < size:
            pool.append(item)
        else:
            pool[self._dice.below(size)] = item
