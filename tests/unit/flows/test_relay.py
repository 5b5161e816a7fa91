from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from fixtures.twins import EPOCH, LedgerTwin, PublisherTwin, dead_letter_row, found, outbox_row, token_of
from goldthread.cache import MemoryCardStore
from goldthread.domain.errors import BusUnavailableError, CacheUnavailableError
from goldthread.domain.ports import CachedAnswer, OutboxRow
from goldthread.flows.relay import RelayFlow
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import encode_answer

A, B, C = (token_of(name) for name in "abc")


class TracedStore(MemoryCardStore):
    """Notes its writes; `down` makes it unavailable."""

    def __init__(self, trace: list[str]) -> None:
        super().__init__()
        self.trace = trace
        self.down = False

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]]) -> int:
        if self.down:
            raise CacheUnavailableError("the cache does not answer")
        self.trace.append("cache")
        return super().put_many(entries)


class House:
    def __init__(self, batch: int = 500) -> None:
        self.trace: list[str] = []
        self.ledger = LedgerTwin(self.trace)
        self.store = TracedStore(self.trace)
        self.publisher = PublisherTwin(self.trace)
        self.metrics = Metrics()
        self.flow = RelayFlow(
            self.ledger,
            self.store,
            self.publisher,
            self.metrics,
            clock=lambda: EPOCH + timedelta(seconds=3),
            batch=batch,
        )

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


def test_cache_first_then_kafka_then_done() -> None:
    house = House()
    house.ledger.tell(found(A, 8), found(B, 9))
    house.ledger.rows = [outbox_row(1, A, B), outbox_row(2, B, C)]
    rows = list(house.ledger.rows)
    assert house.flow.step() == 2
    assert house.trace == ["cache", "publish", "done"]
    assert house.publisher.published == rows
    assert house.ledger.questions == [(A, B, C)]
    assert house.store.get_many([A, B]) == [
        CachedAnswer(8, encode_answer(found(A, 8))),
        CachedAnswer(9, encode_answer(found(B, 9))),
    ]
    assert house.sample("goldthread_outbox_rows_total") == 2
    assert house.sample("goldthread_outbox_lag_seconds") == 3
    assert house.sample("goldthread_cache_writes_total", result="stored") == 3
    assert house.flow.step() == 0
    assert house.sample("goldthread_outbox_lag_seconds") == 0


def test_a_token_without_records_becomes_a_negative_entry() -> None:
    house = House()
    house.ledger.rows = [outbox_row(1, A)]
    assert house.flow.step() == 1
    entry = house.store.get_many([A])[0]
    assert entry is not None
    assert entry.version == 0


def test_rows_without_tokens_are_published_all_the_same() -> None:
    house = House()
    house.ledger.rows = [outbox_row(1)]
    assert house.flow.step() == 1
    assert house.trace == ["publish", "done"]
    assert house.ledger.questions == []


def test_batches_are_bounded_and_keep_their_order() -> None:
    house = House(batch=2)
    house.ledger.rows = [outbox_row(number, A) for number in (5, 3, 9)]
    assert [house.flow.step() for _ in range(3)] == [2, 1, 0]
    assert [row.outbox_id for row in house.publisher.published] == [5, 3, 9]


def test_without_the_lease_nothing_happens() -> None:
    house = House()
    house.ledger.rows = [outbox_row(1, A)]
    house.ledger.letters = [dead_letter_row(1)]
    house.ledger.lease_free = False
    assert house.flow.step() == 0
    assert house.trace == []
    assert len(house.ledger.letters) == 1


def test_cache_down_keeps_the_rows_and_lets_dead_letters_pass() -> None:
    house = House()
    house.ledger.rows = [outbox_row(1, A)]
    house.ledger.letters = [dead_letter_row(4)]
    house.store.down = True
    with pytest.raises(CacheUnavailableError):
        house.flow.step()
    assert house.publisher.published == []
    assert [row.dead_letter_id for row in house.publisher.letters] == [4]
    assert house.ledger.letters == []
    house.store.down = False
    assert house.flow.step() == 1
    assert house.ledger.rows == []


def test_kafka_down_shows_cards_and_keeps_the_rows() -> None:
    house = House()
    house.ledger.tell(found(A, 8))
    house.ledger.rows = [outbox_row(1, A)]
    house.ledger.letters = [dead_letter_row(4)]
    house.publisher.down = True
    with pytest.raises(BusUnavailableError):
        house.flow.step()
    assert house.store.get_many([A])[0] is not None
    assert (len(house.ledger.rows), len(house.ledger.letters)) == (1, 1)
    house.publisher.down = False
    assert house.flow.step() == 2
    assert (house.ledger.rows, house.ledger.letters) == ([], [])


def many(*numbers: int) -> list[OutboxRow]:
    return [outbox_row(number, token_of(str(number)), profile_id=f"GP-{number}") for number in numbers]


def missing(house: House, rows: Sequence[OutboxRow]) -> list[int]:
    """Rows whose card is not in the cache."""
    cached = house.store.get_many([row.tokens[0] for row in rows])
    return [row.outbox_id for row, entry in zip(rows, cached, strict=True) if entry is None]


def test_cards_keep_flowing_while_kafka_is_down_and_every_row_is_published_in_order_afterwards() -> None:
    house = House()
    rows = many(*range(1200, 0, -1))
    house.ledger.rows = list(rows)
    house.publisher.down = True
    with pytest.raises(BusUnavailableError):
        house.flow.step()
    assert missing(house, rows) == []
    assert house.ledger.rows == rows
    late = many(*range(1201, 1301))
    house.ledger.rows += late
    house.ledger.questions.clear()
    with pytest.raises(BusUnavailableError):
        house.flow.step()
    assert missing(house, late) == []
    assert [len(tokens) for tokens in house.ledger.questions] == [500, 100], "the first batch, then what is new"
    house.publisher.down = False
    assert [house.flow.step() for _ in range(4)] == [500, 500, 300, 0]
    assert house.publisher.published == rows + late
    assert house.ledger.rows == []


def test_after_an_outage_cards_are_written_in_step_with_publication_again() -> None:
    house = House(batch=2)
    house.ledger.rows = many(1, 2, 3)
    house.publisher.down = True
    with pytest.raises(BusUnavailableError):
        house.flow.step()
    house.publisher.down = False
    house.flow.step()
    house.trace.clear()
    house.ledger.rows += many(4, 5)
    assert house.flow.step() == 2
    assert house.trace == ["cache", "publish", "done"]
    assert missing(house, many(3, 4, 5)) == [5]


def test_cards_are_written_ahead_for_a_bounded_number_of_rows() -> None:
    house = House()
    house.ledger.rows = many(*range(20_010))
    house.publisher.down = True
    for _ in range(2):
        with pytest.raises(BusUnavailableError):
            house.flow.step()
        assert missing(house, house.ledger.rows) == list(range(20_000, 20_010))


def test_a_cache_that_goes_away_while_kafka_is_down_loses_no_row() -> None:
    house = House(batch=2)
    rows = many(1, 2, 3, 4)
    house.ledger.rows = list(rows)
    house.publisher.down = True
    with pytest.raises(BusUnavailableError):
        house.flow.step()
    house.store.down = True
    with pytest.raises(CacheUnavailableError):
        house.flow.step()
    house.store.down = house.publisher.down = False
    assert [house.flow.step() for _ in range(3)] == [2, 2, 0]
    assert house.publisher.published == rows


def test_a_repeated_or_late_step_never_covers_a_newer_card() -> None:
    house = House()
    newer = CachedAnswer(12, encode_answer(found(A, 12)))
    house.store.put_many([(A, newer)])
    house.ledger.tell(found(A, 8))
    house.ledger.rows = [outbox_row(1, A)]
    house.flow.step()
    assert house.store.get_many([A]) == [newer]
    assert house.sample("goldthread_cache_writes_total", result="outdated") == 1
