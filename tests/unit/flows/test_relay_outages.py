from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fixtures.relays import House, many, missing
from fixtures.twins import found, outbox_row, place_of, surrogate_of, token_of
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import OUTBOX_START, CachedAnswer, OutboxPlace
from goldthread.wire import encode_answer

A, B, C = (token_of(name) for name in "abc")


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.005)


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
    assert [len(tokens) for tokens in house.ledger.questions] == [1000, 100], "the first batch, then what is new"
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
    late = [
        replace(row, outbox_id=row.outbox_id + 100, token_ids=(surrogate_of(token_of(f"late {row.version}")),))
        for row in late
    ]
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
