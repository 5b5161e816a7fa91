"""Any history on the memory twin ends where the plain oracle ends, and breaks nothing on the way."""

from __future__ import annotations

import pytest

from fixtures.machine import Under, play
from fixtures.stateful import Length, told
from memory import MemoryLedger
from memory.content import content_of

SHORT = 8_000


def empty() -> Under:
    ledger = MemoryLedger()
    return Under(ledger, lambda: content_of(ledger.tables))


@pytest.mark.timeout(7_200)
def test_every_history_is_held_against_the_oracle(length: Length, capsys: pytest.CaptureFixture[str]) -> None:
    tally = play(empty, steps=length.steps(SHORT), first_seed=length.seed)
    with capsys.disabled():
        print(told(tally, seed=length.seed))
    assert tally.total >= length.steps(SHORT)
    # Not vacuous: every rule ran, and what is rare was reached.
    assert len(tally.steps) >= 14
    assert tally.reached["held against the oracle"] > tally.total // 10
    rare = ("ambiguous", "reviews", "households", "generic tokens", "crowded blocks", "withdrawn records", "undone")
    assert {name: tally.reached[name] for name in (*rare, "revert: done") if not tally.reached[name]} == {}
