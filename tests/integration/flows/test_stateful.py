"""Any history on PostgreSQL ends where the plain oracle ends, and breaks nothing on the way: the same machine as on the memory twin."""

from __future__ import annotations

import psycopg
import pytest

from fixtures import content_rows
from fixtures.machine import Under, play
from fixtures.stateful import Length, told
from goldthread.ledger import Ledger

SHORT = 800


@pytest.mark.timeout(7_200)
def test_every_history_is_held_against_the_oracle(
    ledger: Ledger, ledger_dsn: str, length: Length, capsys: pytest.CaptureFixture[str]
) -> None:
    with psycopg.connect(ledger_dsn, autocommit=True, options="-c timezone=UTC") as connection:

        def empty() -> Under:
            content_rows.empty(connection)
            return Under(ledger, lambda: content_rows.content_of(connection))

        tally = play(empty, steps=length.steps(SHORT), first_seed=length.seed)
    with capsys.disabled():
        print(told(tally, seed=length.seed))
    assert tally.total >= length.steps(SHORT)
    assert len(tally.steps) >= 12
    assert tally.reached["held against the oracle"] > tally.total // 10
