"""However a history of 200 events is ordered and cut, PostgreSQL ends with one partition: that of the memory twin."""

from __future__ import annotations

import psycopg
import pytest

from fixtures import content_rows
from fixtures.permutations import decided, history, play
from fixtures.stateful import Length
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from memory import MemoryLedger
from memory.content import content_of

SHORT = 10


@pytest.mark.timeout(7_200)
def test_every_order_ends_as_on_the_twin(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, length: Length, capsys: pytest.CaptureFixture[str]
) -> None:
    events, count, twin = history(), length.permutations(SHORT), MemoryLedger()
    play(twin, metrics, events, seed=length.seed)
    expected = decided(lambda: content_of(twin.tables))
    with psycopg.connect(ledger_dsn, autocommit=True, options="-c timezone=UTC") as connection:
        for number in range(count):
            content_rows.empty(connection)
            play(ledger, metrics, events, seed=length.seed * 1_000_000 + number)
            found = decided(lambda: content_rows.content_of(connection))
            assert found == expected, f"order {number} of seed {length.seed}"
    assert ledger.counts().inbox > 150
    with capsys.disabled():
        print(f"\n{count} orders of {len(events)} events, 1 partition, seed {length.seed}")
