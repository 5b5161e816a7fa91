"""What a fill leaves to be published keeps nothing that comes after it waiting."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from fixtures.content_rows import content_of
from fixtures.filling import filled
from fixtures.permutations import MODEL
from fixtures.stage import Stage
from fixtures.story import row_events
from fixtures.twins import PublisherTwin
from goldthread.cache import MemoryCardStore
from goldthread.flows.relay import RelayFlow
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics

_ROWS = 20_000


def people(path: Path, count: int) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["source", "event_id", "occurred_at", "loyalty_card"])
        writer.writerows(["pos", f"e{row}", "2026-01-01T00:00:00Z", f"LC-{100_000 + row}"] for row in range(count))
    return path


@pytest.mark.timeout(1_800)
def test_an_event_after_a_fill_is_published_before_the_rest_of_the_fill(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, tmp_path: Path
) -> None:
    _, counts = filled(ledger, metrics, people(tmp_path / "a.csv", _ROWS), model_text=MODEL)
    assert counts.profiles == _ROWS
    store, publisher = MemoryCardStore(), PublisherTwin()
    with ThreadPoolExecutor(1) as executor, psycopg.connect(ledger_dsn, autocommit=True) as connection:
        relay = RelayFlow(ledger, store, publisher, metrics, clock=lambda: datetime.now(UTC), executor=executor)
        first = relay.step()
        assert 0 < first < _ROWS // 50
        # A sale to one whom the fill made, and somebody new; both come after 20,000 changes that nobody has heard of.
        stage = Stage(ledger, metrics, model_text=MODEL, seed=1)
        sale = {"source": "pos", "occurred_at": "2026-01-02T00:00:00Z", "amount_minor": "500"}
        cards = (f"LC-{100_000 + _ROWS // 2}", "LC-1")
        stage.ingest(row_events([{**sale, "event_id": f"n{card}", "loyalty_card": card} for card in cards]))
        stage.drain()
        waiting = [row.profile_id for row in ledger.outbox(100)]
        assert len(set(waiting)) == 2
        assert ledger.outbox_waiting(100) == len(waiting)
        relay.step()
        assert [row.profile_id for row in publisher.published[first : first + len(waiting)]] == waiting
        while relay.step():
            pass
        assert ledger.counts().outbox == 0
        held = {f"GP-{key}": row.version for key, row in content_of(connection).profiles.items()}
    # Whoever keeps the last message of a profile, as compaction does, has what the ledger has.
    assert {row.profile_id: row.version for row in publisher.published} == held
    versions = [row.version for row in publisher.published if row.profile_id == waiting[0]]
    assert versions == sorted(versions)
    assert len(publisher.published) == _ROWS + 1
    with_cards = [token for _, token in ledger.tokens_after(0, 2 * _ROWS)]
    entries = store.get_many(with_cards)
    assert len(entries) == _ROWS + 1
    assert all(entry is not None and entry.version > 0 for entry in entries)
