"""Five hundred people, three events each, by sixty-four writers at once: a person's events come close together, by different writers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from fixtures.partitions import of_batch, of_ledger
from fixtures.story import row_events
from goldthread.domain.words import IncomingEvent
from oracle.models import round_weights
from storms.writers import Outcome, deadlocks, drained, open_story, storm, told_metrics

__all__ = ["Round", "people_rows", "run_round"]

_REDELIVERED = 0.1
_NEAR = 24
"""Events are shuffled by about so many places: a person's three meet in the hands of different writers."""


@dataclass(frozen=True)
class Round:
    """How one round ended."""

    profiles: int
    events: int
    lost: int
    effects: int
    deadlocks: int
    as_batch: bool
    redone: int
    outcome: Outcome
    metrics: str

    def told(self) -> str:
        """In words."""
        equal = "equal to" if self.as_batch else "UNLIKE"
        return (
            f"{self.profiles} profiles of {self.events} events, lost {self.lost}, effects {self.effects}, deadlocks {self.deadlocks}, {equal} the batch "
            f"engine's, {self.redone} marks redone; {self.outcome.told()}; {self.metrics}"
        )


def people_rows(people: int, *, seed: int) -> list[dict[str, str]]:
    """Three claims of each person: the register and the web shop share a card, the web shop and the CRM an e-mail."""
    draw = random.Random(seed)
    rows = []
    names: set[str] = set()
    for number in range(people):
        while (family := "".join(draw.choice("bdfgklmnprstv") + draw.choice("aeiou") for _ in range(4))) in names:
            pass
        names.add(family)
        said = {
            "given_name": draw.choice(("Ada", "Bruno", "Clara", "Dario", "Edith", "Felix")),
            "family_name": family.title(),
        }
        card, email = f"9100-{number:04d}-{seed % 10_000:04d}", f"{family}@acme.com"
        when = f"2025-05-{1 + number % 28:02d}T12:00:00Z"
        event = {"occurred_at": when, **said}
        sale = {"kind": "purchase", "amount_minor": "1000", "currency": "USD", "store": f"S{number % 40}"}
        rows += [
            {"source": "pos", "event_id": f"p{number}", "loyalty_card": card, **sale, **event},
            {
                "source": "webshop",
                "event_id": f"w{number}",
                "loyalty_card": card,
                "email": email,
                "kind": "customer_change",
                **event,
            },
            {
                "source": "crm",
                "event_id": f"c{number}",
                "email": email,
                "crm_number": f"C-{number}",
                "kind": "customer_change",
                **event,
            },
        ]
    return rows


def _shares(events: Sequence[IncomingEvent], *, writers: int, draw: random.Random) -> list[list[IncomingEvent]]:
    sent = [*events, *draw.sample(list(events), round(len(events) * _REDELIVERED))]
    place = {id(event): at for at, event in enumerate(events)}
    sent.sort(key=lambda event: place[id(event)] + draw.random() * _NEAR)
    return [sent[writer::writers] for writer in range(writers)]


def run_round(dsn: str, *, people: int, writers: int, seed: int) -> Round:
    """One storm on an empty, migrated database. A tenth of the events are sent by two writers."""
    rows = people_rows(people, seed=seed)
    events = row_events(rows)
    draw = random.Random(seed)
    shares = _shares(events, writers=writers, draw=draw)
    draw.shuffle(shares)
    with open_story(dsn, writers=writers) as story:
        outcome = storm(story, shares, seed=seed)
        redone = drained(story)
        [(sightings, sales)] = story.rows("SELECT sum(sightings)::int, sum(purchase_count)::int FROM record")
        found = of_ledger(story)
        inbox = story.ledger.counts().inbox
        metrics = told_metrics(story.metrics.registry)
    expected = of_batch(rows, round_weights())
    assert len(expected.clusters) == people, "the people themselves are not what they should be"
    return Round(
        profiles=len(found.clusters),
        events=inbox,
        lost=len(events) - inbox,
        # Each event counts once as a sighting, and each of the registers' once as a purchase.
        effects=sightings + sales - len(events) - people,
        deadlocks=deadlocks(dsn),
        as_batch=found == expected,
        redone=redone,
        outcome=outcome,
        metrics=metrics,
    )
