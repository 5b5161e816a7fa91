from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest

from fixtures.twins import EPOCH, LedgerTwin, PublisherTwin, dead_letter_row, found, outbox_row, place_of, token_of
from goldthread.cache import MemoryCardStore
from goldthread.domain.errors import BusUnavailableError, CacheUnavailableError
from goldthread.domain.ports import OUTBOX_START, Answer, CachedAnswer, OutboxPlace, OutboxRow
from goldthread.flows.relay import RelayFlow
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import cached_answer, encode_answer

A, B, C = (token_of(name) for name in "abc")


class TracedStore(MemoryCardStore):
    """Notes its writes; `down` makes it unavailable."""

    def __init__(self, trace: list[str]) -> None:
        super().__init__()
        self.trace = trace
        self.down = False

    def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        if self.down:
            raise CacheUnavailableError("the cache does not answer")
        self.trace.append("cache")
        return super().put_many(entries, generation=generation)


class SlowPublisher(PublisherTwin):
    """While `slow`, publishing hangs until `go_on` is set, as it does until the delivery times out."""

    def __init__(self, trace: list[str]) -> None:
        super().__init__(trace)
        self.slow = False
        self.go_on = threading.Event()

    def publish(self, rows: Sequence[OutboxRow]) -> None:
        if self.slow:
            assert self.go_on.wait(10)
        super().publish(rows)


class House:
    def __init__(self, executor: Executor, batch: int, ahead: int) -> None:
        self.trace: list[str] = []
        self.ledger = LedgerTwin(self.trace)
        self.store = TracedStore(self.trace)
        self.publisher = SlowPublisher(self.trace)
        self.seconds = self.tick = 0.0
        self.metrics = Metrics()
        self.flow = RelayFlow(
            self.ledger,
            self.store,
            self.publisher,
            self.metrics,
            clock=lambda: EPOCH + timedelta(seconds=3),
            executor=executor,
            seconds=self.later,
            batch=batch,
            ahead=ahead,
        )

    def later(self) -> float:
        """The time, which passes by `tick` at every look."""
        self.seconds += self.tick
        return self.seconds

    def fail(self) -> None:
        self.seconds += 1
        with pytest.raises(BusUnavailableError):
            self.flow.step()

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def build() -> Iterator[Callable[..., House]]:
    """Makes houses that share a thread for publishing."""
    with ThreadPoolExecutor(1) as executor:
        yield lambda batch=500, ahead=200_000: House(executor, batch, ahead)


def test_cache_first_then_kafka_then_done(build: Callable[..., House]) -> None:
    house = build()
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


def test_a_token_without_records_becomes_a_negative_entry(build: Callable[..., House]) -> None:
    house = build()
    house.ledger.rows = [outbox_row(1, A)]
    assert house.flow.step() == 1
    entry = house.store.get_many([A])[0]
    assert entry is not None
    assert entry.version == 0


def test_rows_without_tokens_are_published_all_the_same(build: Callable[..., House]) -> None:
    house = build()
    house.ledger.rows = [outbox_row(1)]
    assert house.flow.step() == 1
    assert house.trace == ["publish", "done"]
    assert house.ledger.questions == []


def test_batches_are_bounded_and_keep_their_order(build: Callable[..., House]) -> None:
    house = build(batch=2)
    house.ledger.rows = [outbox_row(number, A) for number in (5, 3, 9)]
    assert [house.flow.step() for _ in range(3)] == [2, 1, 0]
    assert [row.outbox_id for row in house.publisher.published] == [3, 5, 9]


def test_full_reads_widen_the_batch_and_a_short_one_narrows_it_again(build: Callable[..., House]) -> None:
    house = build(batch=2)
    rows = many(*range(40))
    house.ledger.rows = list(rows)
    assert [house.flow.step() for _ in range(6)] == [2, 4, 8, 16, 10, 0]
    assert max(map(len, house.ledger.questions)) == 2, "cards are written in batches of the plain size"
    assert house.publisher.published == rows
    house.ledger.rows = many(*range(40, 43))
    assert [house.flow.step() for _ in range(2)] == [2, 1]


def test_a_row_committed_late_below_published_versions_is_relayed_next(build: Callable[..., House]) -> None:
    house = build()
    house.ledger.rows = many(5, 6)
    assert house.flow.step() == 2
    house.ledger.rows = many(2, 7)
    assert house.flow.step() == 2
    assert [row.version for row in house.publisher.published] == [5, 6, 2, 7]
    assert missing(house, many(2, 5, 6, 7)) == []


def test_a_cache_emptied_between_answer_and_card_keeps_the_row(build: Callable[..., House]) -> None:
    house = build()
    house.ledger.tell(found(A, 8))
    house.ledger.rows = [outbox_row(1, A)]
    answers = house.ledger.answers

    def emptied(tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        read = answers(tokens, timeout=timeout)
        house.store.forget()
        return read

    house.ledger.answers = emptied  # type: ignore[method-assign]
    with pytest.raises(CacheUnavailableError):
        house.flow.step()
    assert (house.publisher.published, len(house.ledger.rows)) == ([], 1)
    house.ledger.answers = answers  # type: ignore[method-assign]
    assert house.flow.step() == 1
    assert house.store.get_many([A]) == [cached_answer(found(A, 8))]


def test_without_the_lease_nothing_happens(build: Callable[..., House]) -> None:
    house = build()
    house.ledger.rows = [outbox_row(1, A)]
    house.ledger.letters = [dead_letter_row(1)]
    house.ledger.lease_free = False
    assert house.flow.step() == 0
    assert house.trace == []
    assert len(house.ledger.letters) == 1


def test_cache_down_keeps_the_rows_and_lets_dead_letters_pass(build: Callable[..., House]) -> None:
    house = build()
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


def test_kafka_down_shows_cards_and_keeps_the_rows(build: Callable[..., House]) -> None:
    house = build()
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


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def missing(house: House, rows: Sequence[OutboxRow]) -> list[int]:
    """Rows whose card is not in the cache."""
    cached = house.store.get_many([row.tokens[0] for row in rows])
    return [row.outbox_id for row, entry in zip(rows, cached, strict=True) if entry is None]


def test_cards_keep_flowing_while_kafka_is_down_and_every_row_is_published_in_order_afterwards(
    build: Callable[..., House],
) -> None:
    house = build()
    rows = many(*range(1200, 0, -1))
    house.ledger.rows = list(rows)
    house.publisher.down = True
    house.fail()
    assert missing(house, rows) == []
    assert len(house.ledger.rows) == 1200
    late = many(*range(1201, 1301))
    house.ledger.rows += late
    house.ledger.questions.clear()
    house.fail()
    assert missing(house, late) == []
    assert [len(tokens) for tokens in house.ledger.questions] == [500, 500, 100], "the first batch, then what is new"
    house.publisher.down = False
    while house.flow.step():
        pass
    assert house.publisher.published == sorted(rows, key=place_of) + late
    assert house.ledger.rows == []


def test_a_row_committed_late_among_those_written_ahead_has_its_card_in_the_next_pass(
    build: Callable[..., House],
) -> None:
    house = build(batch=2)
    house.ledger.rows = many(*range(10, 40))
    house.publisher.down = True
    house.fail()
    house.ledger.rows += (late := many(25, 12))
    late = [replace(row, outbox_id=row.outbox_id + 100, tokens=(token_of(f"late {row.version}"),)) for row in late]
    house.ledger.rows[-2:] = late
    house.fail()
    assert missing(house, late) == []
    house.publisher.down = False
    while house.flow.step():
        pass
    assert [row.version for row in house.publisher.published] == sorted([*range(10, 40), 12, 25])


def test_cards_flow_while_an_attempt_to_publish_hangs(build: Callable[..., House]) -> None:
    house = build(batch=2)
    house.ledger.rows = many(1, 2, 3, 4)
    house.publisher.slow = True
    house.tick = 0.1
    with ThreadPoolExecutor(1) as relay:
        step = relay.submit(house.flow.step)
        try:
            wait_until(lambda: missing(house, many(1, 2, 3, 4)) == [])
            house.ledger.rows += many(5)
            wait_until(lambda: missing(house, many(5)) == [])
            assert not step.done()
            assert house.publisher.published == []
        finally:
            house.publisher.go_on.set()
        assert step.result(10) == 2
    while house.flow.step():
        pass
    assert house.publisher.published == many(1, 2, 3, 4, 5)


def test_a_cache_lost_while_publishing_hangs_does_not_fail_the_step(build: Callable[..., House]) -> None:
    house = build(batch=2)
    house.ledger.rows = many(1, 2, 3)
    house.publisher.slow = True
    house.tick = 0.1
    with ThreadPoolExecutor(1) as relay:
        step = relay.submit(house.flow.step)
        try:
            wait_until(lambda: missing(house, many(1, 2)) == [])
            house.store.down = True
            house.ledger.rows += many(4)
            before = house.seconds
            wait_until(lambda: house.seconds > before)
        finally:
            house.publisher.go_on.set()
        assert step.result(10) == 2
    assert [row.version for row in house.ledger.rows] == [3, 4]


def test_new_cards_do_not_wait_until_the_rows_of_an_outage_are_published(build: Callable[..., House]) -> None:
    house = build(batch=2)
    house.ledger.rows = many(*range(1, 21))
    house.publisher.down = True
    house.fail()
    house.publisher.down = False
    house.ledger.rows += (late := many(21, 22))
    house.seconds += 1
    assert house.flow.step() == 4
    assert missing(house, late) == []
    assert len(house.ledger.rows) == 18


def test_passes_leave_most_of_the_time_to_publishing(build: Callable[..., House]) -> None:
    house = build(batch=2)
    house.ledger.rows = many(*range(1, 21))
    house.publisher.down = True
    house.fail()
    house.seconds += 1
    reads = 0
    places = house.ledger.outbox_places

    def counted(limit: int, *, after: OutboxPlace = OUTBOX_START) -> list[OutboxPlace]:
        nonlocal reads
        reads += 1
        house.seconds += 5  # each fail takes 1 second, each pass 5 more
        return places(limit, after=after)

    house.ledger.outbox_places = counted  # type: ignore[method-assign]
    for _ in range(30):
        house.fail()
    assert reads == 2


def test_after_an_outage_cards_are_written_in_step_with_publication_again(build: Callable[..., House]) -> None:
    house = build(batch=2)
    house.ledger.rows = many(1, 2, 3)
    house.publisher.down = True
    house.fail()
    house.publisher.down = False
    while house.flow.step():
        pass
    house.trace.clear()
    house.ledger.rows += many(4, 5, 6)
    assert house.flow.step() == 2
    assert house.trace == ["cache", "publish", "done"]
    assert missing(house, many(4, 5, 6)) == [6]


def test_cards_are_written_ahead_for_a_bounded_number_of_rows(build: Callable[..., House]) -> None:
    house = build(batch=100, ahead=1_000)
    house.ledger.rows = many(*range(1_010))
    house.publisher.down = True
    for _ in range(6):
        house.fail()
    assert missing(house, house.ledger.rows) == list(range(1_000, 1_010))


def test_a_cache_that_goes_away_while_kafka_is_down_loses_no_row(build: Callable[..., House]) -> None:
    house = build(batch=2)
    rows = many(1, 2, 3, 4)
    house.ledger.rows = list(rows)
    house.publisher.down = True
    house.fail()
    house.store.down = True
    with pytest.raises(CacheUnavailableError):
        house.flow.step()
    house.store.down = house.publisher.down = False
    assert [house.flow.step() for _ in range(2)] == [4, 0]
    assert house.publisher.published == rows


def test_a_repeated_or_late_step_never_covers_a_newer_card(build: Callable[..., House]) -> None:
    house = build()
    newer = CachedAnswer(12, encode_answer(found(A, 12)))
    house.store.put_many([(A, newer)], generation=house.store.generation())
    house.ledger.tell(found(A, 8))
    house.ledger.rows = [outbox_row(1, A)]
    house.flow.step()
    assert house.store.get_many([A]) == [newer]
    assert house.sample("goldthread_cache_writes_total", result="outdated") == 1
