"""One contract for both ledgers: whatever is done, the memory twin and PostgreSQL answer alike and hold the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import psycopg
import pytest

from fixtures import content_rows
from fixtures.content import Content
from fixtures.player import Manner, Player, Told
from fixtures.stage import Stage
from fixtures.world import MODELS, World
from goldthread.domain.errors import GoldthreadError
from goldthread.domain.ports import Answer, ResolveResult
from goldthread.domain.steward import OperationResult, StewardRequest
from goldthread.ledger import Ledger, ReviewRow
from goldthread.ledger.fill import FILLED_TABLES
from goldthread.ledger.queries import query
from goldthread.telemetry.metrics import Metrics
from memory import STATEMENTS, ConstraintError, MemoryLedger
from memory.content import content_of

ON_THE_SERVER_ONLY = {
    # What only a server has: connections, sessions and recoveries, and the schema itself.
    *("begin_life", "life_known", "commit_status", "commit_witness", "end_orphan", "relay_lock", "relay_unlock"),
    *("applied_migrations", "create_migration_table", "migration_lock", "migration_unlock", "record_migration"),
    *("claim_keys", "known_keys"),
    *(
        "is_empty",
        "fill_limits",
        "fill_lock",
        "fill_drops",
        "fill_restores",
        "fill_truncate",
        "fill_sequences",
        "fill_analyze",
    ),
    *(f"copy_{table}" for table in FILLED_TABLES),
}


@dataclass
class Pair:
    """The same moves on both."""

    twin: Player
    server: Player
    moves: int = 0

    @property
    def both(self) -> tuple[Player, Player]:
        return self.twin, self.server

    def told(self, name: str, *arguments: Any, **named: Any) -> object:
        """Does a move on both and compares what they say and what they hold."""
        answers = [_plain(getattr(player, name)(*arguments, **named)) for player in self.both]
        assert answers[0] == answers[1], name
        assert self.differing() == {}, name
        self.moves += 1
        return answers[0]

    def operate(self, name: str, *arguments: Any, manner: Manner, **named: Any) -> object:
        """Asks for the same operation on both; the ids of reviews and entries are each ledger's own."""
        requests: list[StewardRequest | None] = [getattr(player, name)(*arguments, **named) for player in self.both]
        assert (requests[0] is None) == (requests[1] is None)
        answers = [
            _plain(player.operate(request, manner))
            for player, request in zip(self.both, requests, strict=True)
            if request is not None
        ]
        assert answers[:1] == answers[1:], name
        assert self.differing() == {}, name
        self.moves += 1
        return answers[0] if answers else None

    def differing(self) -> dict[str, tuple[Any, Any]]:
        twin, server = (player.content.without_versions() for player in self.both)
        return twin.differing(server)

    def answers(self) -> list[list[Answer]]:
        """What both answer for every token, stamps apart."""
        tokens = sorted(self.twin.content.tokens)
        return [
            [replace(answer, version=0, review_id="") for answer in player.stage.ledger.answers(tokens)]
            for player in self.both
        ]


def _plain(said: object) -> object:
    """An answer without what sequences and clocks put in."""
    match said:
        case ResolveResult():
            return replace(said, version=0, ledger_version=0)
        case OperationResult():
            changed = tuple(replace(profile, version=0) for profile in said.changed)
            return replace(said, changed=changed, ledger_version=0)
        case GoldthreadError():
            return said.reason
        case _:
            return said


@pytest.fixture
def rows(ledger_dsn: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(ledger_dsn, autocommit=True, options="-c timezone=UTC") as connection:
        yield connection


def both(ledger: Ledger, rows: psycopg.Connection[Any], metrics: Metrics, *, seed: int, inline_records: int) -> Pair:
    world, memory = World(seed), MemoryLedger()

    def stage(below: Ledger) -> Stage:
        return Stage(below, metrics, model_text=MODELS[0], seed=seed, inline_records=inline_records)

    def read_rows() -> Content:
        return content_rows.content_of(rows)

    return Pair(
        Player(stage(memory), world, lambda: content_of(memory.tables)), Player(stage(ledger), world, read_rows)
    )


def told(draw: random.Random) -> Told:
    return draw.randrange(20), draw.randrange(12), draw.randrange(5), draw.randrange(7)


def batch(draw: random.Random) -> list[Told]:
    return [told(draw) for _ in range(draw.randint(1, 5))]


def move(pair: Pair, draw: random.Random) -> None:
    """One move, drawn."""
    manner = Manner(draw.choice((10, 10, 50)), draw.random() < 0.2, draw.random() < 0.3)
    places = [draw.randrange(100) for _ in range(3)]
    match draw.choice((*("ingest",) * 4, "resolve", "preview", "die", "redo", "remodel", "replay", *("steward",) * 6)):
        case "ingest":
            pair.told("ingest", batch(draw))
        case "resolve":
            pair.told("resolve", told(draw))
        case "preview":
            pair.told("resolve", told(draw), preview=True)
        case "die":
            pair.told("die", batch(draw))
        case "redo":
            pair.told("redo", draw.choice((1, 3, 50)))
        case "remodel" if pair.twin.content.model is not None:
            if pair.twin.content.model[1] and draw.random() < 0.5:
                pair.told("remodel", pages=draw.randrange(4), page=draw.choice((1, 3)))
            else:
                pair.told("go_on", pages=draw.randrange(6), page=draw.choice((1, 3)))
        case "replay" if pair.twin.sent:
            pair.told("replay", places)
        case "steward" if pair.twin.content.journal:
            steward(pair, draw, manner, places)
        case _:
            pair.told("ingest", batch(draw))


def steward(pair: Pair, draw: random.Random, manner: Manner, places: list[int]) -> None:
    match draw.choice(("merge", "split", "say", "decide", "revert", "revert")):
        case "merge":
            pair.operate("merge", places[: draw.randint(2, 3)], manner=manner)
        case "split":
            pair.operate("split", *places[:2], manner=manner)
        case "say":
            pair.operate("say", *places[:2], manner=manner, same=draw.random() < 0.5)
        case "decide":
            pair.operate("decide", places[0], manner=manner, same=draw.random() < 0.5)
        case "revert":
            pair.operate("revert", draw.choice((0, 1, 2, places[0])), manner=manner)


@pytest.mark.parametrize("seed", range(12))
def test_the_twin_and_postgresql_hold_the_same_after_every_move(
    ledger: Ledger, rows: psycopg.Connection[Any], metrics: Metrics, seed: int
) -> None:
    draw = random.Random(seed)
    pair = both(ledger, rows, metrics, seed=seed, inline_records=draw.choice((0, 2, 4, 20_000)))
    for _ in range(30):
        move(pair, draw)
    answers = pair.answers()
    assert answers[0] == answers[1]
    assert answers[0]
    for player in pair.both:
        player.settle()
    assert pair.twin.quiet
    assert pair.differing() == {}
    assert pair.moves == 30


def test_every_query_has_a_twin_and_every_twin_a_query() -> None:
    names = {name for name in _names() if name not in ON_THE_SERVER_ONLY}
    assert names == set(STATEMENTS)
    assert all(query(name) for name in STATEMENTS)


def _names() -> set[str]:
    from goldthread.ledger import queries

    return set(queries._queries())


def test_what_fails_or_is_a_preview_leaves_the_twin_as_it_was() -> None:
    memory = MemoryLedger()
    player = Player(Stage(memory, Metrics(), model_text=MODELS[0]), World(1), lambda: content_of(memory.tables))
    player.ingest([(number, number, number, number) for number in range(12)])
    before, stamp = player.content, memory.stamp()
    [one, other, *_] = sorted(before.profiles)
    with memory.transaction(preview=True) as tx:
        tx.delete_pairs([(low, high) for low, high in memory.tables.pair])
        tx.move_records(dict.fromkeys(memory.tables.membership, one))
        assert memory.tables.pair == {}
        assert memory.tables.members[one].keys() == memory.tables.membership.keys()
    with pytest.raises(ConstraintError, match="membership_profile_fkey"), memory.transaction() as tx:
        tx.move_records(dict.fromkeys(memory.tables.membership, UUID(int=7)))
    with pytest.raises(ConstraintError, match="review_open_key"), memory.transaction() as tx:
        tx.open_reviews([ReviewRow(0, one, other, 1, 2, 0)] * 2, model_id=1)
    player.look()
    assert before.pairs
    assert player.content == before
    assert memory.stamp() == stamp
