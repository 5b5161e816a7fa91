"""Merge storms: profiles that bridges join into one, all at the same time, while relay, redo and registers go on.

Each of the profiles is one nameless record with a device and a cookie; a bridge is a record with the device of one and the cookie of
another. Nothing speaks against anybody, so the whole ring, star or chain is one person in the end.
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from fixtures.story import Story, customer
from goldthread.cache import CacheSettings, RedisCardStore
from goldthread.domain.words import IncomingEvent, LookupOutcome, profile_public_id
from goldthread.v1 import lookup_service_pb2 as pb
from oracle.models import round_weights, small_limits
from storms.bystanders import Bystanders
from storms.writers import Outcome, deadlocks, drained, open_story, storm, told_metrics

__all__ = ["SHAPES", "Merged", "run_merge"]

_GENEROUS = small_limits(base=round_weights(), max_block=100, max_component=1_000, generic=50, limit=1_000).replace(
    "stranger = -20000\n", "stranger = 0\n"
)
"""One person may have as many devices and cookies as there are profiles in a storm, and two records that share none of them are no less one
person for it: the clusters of a long chain have next to nothing in common on the whole."""

_QUIET_SECONDS = 1.0


def _ring(count: int) -> list[tuple[int, int]]:
    return [(at, (at + 1) % count) for at in range(count)]


def _star(count: int) -> list[tuple[int, int]]:
    return [(0, at) for at in range(1, count)]


def _chain(count: int) -> list[tuple[int, int]]:
    return [(at, at + 1) for at in range(count - 1)]


SHAPES = {"ring": _ring, "star": _star, "chain": _chain}


@dataclass(frozen=True)
class Merged:
    """How one storm ended. `circles` counts ids whose successors lead back to themselves, `astray` ids that do not lead to the survivor.

    `dead` counts answers, of cache or ledger, that named another than the survivor after a second without writes.
    """

    survivors: int
    events: int
    lost: int
    deadlocks: int
    ids: int
    circles: int
    astray: int
    dead: int
    cards: int
    trailed: float
    lookups: int
    redone: int
    outcome: Outcome
    metrics: str

    def told(self) -> str:
        """In words."""
        return (
            f"{self.survivors} survivor(s) of {self.events} events, lost {self.lost}, deadlocks {self.deadlocks}; "
            f"{self.ids} ids given out, {self.circles} in circles, {self.astray} astray; "
            f"{self.dead} dead ids in {self.cards} answers after {_QUIET_SECONDS:.0f} s (the last one went after {self.trailed:.2f} s), "
            f"{self.lookups} lookups meanwhile; {self.redone} marks redone at the end; {self.outcome.told()}; {self.metrics}"
        )


def _device(at: int) -> str:
    return f"3f2a9c4e-8b1d-4e6f-a0c2-{at:012x}"


def _cookie(at: int) -> str:
    return f"ga1.2.{987_654_000 + at}.1700000000"


def _event(name: str, device: int, cookie: int) -> IncomingEvent:
    said: dict[str, Any] = {"device": _device(device), "cookie": _cookie(cookie)}
    return customer(name, source="webshop", **said)


def run_merge(
    dsn: str, redis_url: str, *, shape: str, profiles: int, writers: int, seed: int, repeats: int = 2
) -> Merged:
    """One storm on an empty, migrated database and an empty cache. Each bridge is said `repeats` times, by different writers."""
    draw = random.Random(seed)
    nodes = [_event(f"n{at}", at, at) for at in range(profiles)]
    bridges = [
        _event(f"b{said}-{one}-{other}", one, other)
        for one, other in SHAPES[shape](profiles)
        for said in range(repeats)
    ]
    draw.shuffle(bridges)
    with open_story(dsn, writers=writers, model_text=_GENEROUS) as story:
        given = {story.resolve(node).profile_id for node in nodes}
        assert len(given) == profiles, "the profiles are not apart to begin with"
        with (
            RedisCardStore(CacheSettings(url=redis_url)) as cards,
            Bystanders(story, cards, redis_url, events=nodes) as bystanders,
        ):
            outcome = storm(story, [bridges[writer::writers] for writer in range(writers)], seed=seed)
            redone = drained(story)
            still = time.monotonic()
            trailed, dead, answers = _settled(story, cards, since=still)
        lookups = bystanders.lookups
        homes = set(story.ledger.partition().values())
        ids = _ids(story, outcome.returned | given | bystanders.told)
        circles, astray = _wander(story, ids, homes)
        inbox = story.ledger.counts().inbox
        metrics = told_metrics(story.metrics.registry)
    return Merged(
        survivors=len(homes),
        events=inbox,
        lost=len(nodes) + len(bridges) - inbox,
        deadlocks=deadlocks(dsn),
        ids=len(ids),
        circles=circles,
        astray=astray,
        dead=dead,
        cards=answers,
        trailed=trailed,
        lookups=lookups,
        redone=redone,
        outcome=outcome,
        metrics=metrics,
    )


def _settled(story: Story, cards: RedisCardStore, *, since: float) -> tuple[float, int, int]:
    """When the last dead id went, in seconds since the last write; then dead ones and answers after the second is over."""
    trailed = 0.0
    while True:
        dead, answers = _dead(story, cards)
        elapsed = time.monotonic() - since
        if elapsed >= _QUIET_SECONDS:
            return trailed, dead, answers
        if dead:
            trailed = elapsed
        time.sleep(0.02)


def _dead(story: Story, cards: RedisCardStore) -> tuple[int, int]:
    """Answers that name a profile that does not live, or nobody; and how many answers there are, of the cache and of the ledger."""
    live = {profile_public_id(home) for (home,) in story.rows("SELECT profile_id FROM profile WHERE live")}
    tokens = [bytes(token) for (token,) in story.rows("SELECT token FROM token ORDER BY token")]
    cached = [entry for entry in cards.get_many(tokens) if entry is not None]
    shown = [pb.LookupResponse.FromString(entry.encoded).card.profile_id for entry in cached]
    for answer in story.ledger.answers(tokens):
        found = answer.outcome is LookupOutcome.FOUND and answer.card is not None
        shown.append(answer.card.profile_id if found and answer.card is not None else "")
    return sum(name not in live for name in shown), len(shown)


def _ids(story: Story, told: set[str]) -> set[UUID]:
    """Every id that was ever given out: by Resolve and registers, in the journal and in the changes."""
    births = {profile_public_id(birth): birth for (birth,) in story.rows("SELECT birth_id FROM record")}
    journal = {home for (home,) in story.rows("SELECT profile_id FROM journal")}
    followed = {home for (homes,) in story.rows("SELECT successors FROM journal") for home in homes}
    return {births[name] for name in told} | journal | followed


def _wander(story: Story, ids: set[UUID], homes: set[UUID]) -> tuple[int, int]:
    """Follows the successors of each id's last journal entry; ids that come back to one they passed, and ids that do not end at the survivor."""
    last: dict[UUID, tuple[bool, Sequence[UUID]]] = {}
    for home, live, successors in story.rows("SELECT profile_id, live, successors FROM journal ORDER BY version"):
        last[home] = live, successors
    circles = astray = 0
    for birth in ids:
        circles += _circles(birth, last)
        astray += story.ledger.profile_of(birth) not in homes
    return circles, astray


def _circles(birth: UUID, last: Mapping[UUID, tuple[bool, Sequence[UUID]]]) -> bool:
    seen: set[UUID] = set()
    ahead = [birth]
    while ahead:
        at = ahead.pop()
        if at in seen:
            return True
        seen.add(at)
        live, successors = last.get(at, (True, ()))
        if not live:
            ahead += successors
    return False
