"""However a history of 200 events is ordered and cut, the memory twin ends with one partition: that of the plain oracle."""

from __future__ import annotations

import pytest

from fixtures.partitions import expected_of
from fixtures.permutations import MODEL, decided, history, play
from fixtures.stateful import Length
from fixtures.story import Story
from goldthread.telemetry.metrics import Metrics
from memory import MemoryLedger
from memory.content import content_of

SHORT = 200


@pytest.mark.timeout(7_200)
def test_every_order_ends_alike(length: Length, capsys: pytest.CaptureFixture[str]) -> None:
    events, metrics, count = history(), Metrics(), length.permutations(SHORT)
    first: dict[str, object] | None = None
    for number in range(count):
        ledger = MemoryLedger()
        play(ledger, metrics, events, seed=length.seed * 1_000_000 + number)
        found = decided(lambda tables=ledger.tables: content_of(tables))  # type: ignore[misc]
        if first is None:
            first = found
        assert found == first, f"order {number} of seed {length.seed}"
    assert first is not None
    expected = expected_of(events, Story.matcher_for(MODEL))
    assert first["partition"] == frozenset(expected.outcome.partition)
    assert {len(cluster) for cluster in expected.outcome.partition} > {1, 2, 3}
    assert sorted(map(len, expected.holdings.hand_overs.values())) == [1, 2]
    assert first["hand-overs"] == expected.holdings.numbered()
    with capsys.disabled():
        print(f"\n{count} orders of {len(events)} events, 1 partition, seed {length.seed}")
