"""Histories in which little else happens than that phones change hands: on the memory twin each ends where the plain oracle ends."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from fixtures.checks import Answers, Expectation, check_answers, check_order, check_step, model_of
from fixtures.player import Player
from fixtures.stage import Stage
from fixtures.stateful import Length
from fixtures.world import HANDING_OVER, MODELS, World
from goldthread.telemetry.metrics import Metrics
from memory import MemoryLedger
from memory.content import content_of

SHORT = 150
_MOVES = ("ingest",) * 4 + ("settle",) * 3 + ("die", "resolve", "remodel", "redo")


def play(seed: int, metrics: Metrics, reached: Counter[str]) -> None:
    """One history, held against the oracle whenever it rests and at its end."""
    draw, ledger = random.Random(seed), MemoryLedger()
    stage = Stage(ledger, metrics, model_text=MODELS[0], seed=seed, inline_records=draw.choice((20_000, 20_000, 3)))
    player = Player(stage, World(draw.choice(HANDING_OVER), claims=8), lambda: content_of(ledger.tables))
    expectation, answers, rested = Expectation(model_of(MODELS[0])), Answers.of(()), player.content

    def told() -> tuple[int, int, int, int]:
        return draw.randrange(30), draw.randrange(8), draw.randrange(7), draw.choice((0, 1, 4, 5, 5, 6))

    for _ in range(draw.randint(3, 14)):
        before = player.content
        match draw.choice(_MOVES):
            case "ingest":
                player.ingest([told() for _ in range(draw.randint(1, 6))])
            case "die":
                player.die([told() for _ in range(draw.randint(1, 4))])
            case "resolve":
                player.resolve(told())
            case "remodel" if before.model is not None and before.model[1]:
                player.remodel(pages=draw.randrange(5), page=draw.choice((1, 50)))
                expectation.model = model_of(MODELS[player.model])
            case "redo":
                player.redo(draw.choice((1, 50)))
            case _:
                player.settle()
        expectation.send(said.event for said in player.sent)
        now = player.content
        check_step(before, now)
        check_order(now)
        told_now = Answers.of(ledger.answers(sorted(now.tokens)))
        check_answers(answers, told_now, now, told_before=len(before.outbox), quiet=player.quiet)
        answers = told_now
        if player.quiet:
            expectation.check(now)
            reached["began"] += bool(now.hand_overs - rested.hand_overs)
            reached["ended"] += bool(rested.hand_overs - now.hand_overs)
            reached["twice"] += any(epoch > 1 for epoch in now.latest.values())
            reached["two phones"] += len(now.latest) > 1
            reached["hung elsewhere"] += any(
                rested.events.get(key, row)[1] != row[1] and rested.events[key][0] == row[0]
                for key, row in now.events.items()
            )
            rested = now
            reached["withdrawn"] += any(not now.records[address].sightings for address in now.bases)
    player.settle()
    assert player.quiet
    expectation.check(player.content)
    expectation.check_pairs(player.content)


@pytest.mark.timeout(7_200)
def test_phones_change_hands_as_the_oracle_says(length: Length, capsys: pytest.CaptureFixture[str]) -> None:
    reached: Counter[str] = Counter()
    count, metrics = length.permutations(SHORT), Metrics()
    for number in range(count):
        seed = length.seed * 1_000_000 + number
        try:
            play(seed, metrics, reached)
        except AssertionError as error:
            error.add_note(f"history {seed}")
            raise
    with capsys.disabled():
        print(f"\n{count} histories, 0 mismatches: " + ", ".join(f"{name} {found}" for name, found in reached.items()))
    wanted = ("began", "ended", "twice", "two phones", "hung elsewhere", "withdrawn")
    assert {name: reached[name] for name in wanted if not reached[name]} == {}
