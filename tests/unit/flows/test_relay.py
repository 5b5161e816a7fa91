from __future__ import annotations

from collections.abc import Callable, Collection

import pytest

from fixtures.relays import House, many, missing
from fixtures.twins import dead_letter_row, found, outbox_row, token_of
from goldthread.domain.errors import BusUnavailableError, CacheUnavailableError
from goldthread.domain.ports import Answer, CachedAnswer
from goldthread.wire import cached_answer, encode_answer

A, B, C = (token_of(name) for name in "abc")


def test_where_nothing_waits_no_lease_is_asked_for(build: Callable[..., House]) -> None:
    house = build()
    assert (house.flow.step(), house.ledger.leases) == (0, 0)
    house.ledger.rows = [outbox_row(1, A)]
    house.ledger.tell(found(A, 8))
    assert (house.flow.step(), house.ledger.leases) == (1, 1)


def test_cache_first_then_kafka_then_done(build: Callable[..., House]) -> None:
    house = build()
    house.ledger.tell(found(A, 8), found(B, 9))
    house.ledger.rows = [outbox_row(1, A, B), outbox_row(2, B, C)]
    rows = list(house.ledger.rows)
    assert house.flow.step() == 2
    assert house.trace == ["cache", "publish", "done"]
    assert house.publisher.published == rows
    assert house.ledger.questions == [tuple(sorted((A, B, C)))]
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


def test_an_identifier_that_many_rows_of_a_step_name_is_asked_about_once(build: Callable[..., House]) -> None:
    house = build(batch=2)
    house.ledger.rows = [outbox_row(number, A, B) for number in range(14)]
    assert [house.flow.step() for _ in range(3)] == [2, 4, 8]
    assert [sorted(asked) for asked in house.ledger.questions] == [sorted((A, B))] * 3


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
    assert max(map(len, house.ledger.questions)) == 8, "cards are written in batches of a size that does not widen"
    assert house.publisher.published == rows
    house.ledger.rows = many(*range(40, 43))
    assert [house.flow.step() for _ in range(2)] == [2, 1]


def test_what_may_wait_goes_in_small_parts_behind_whatever_the_outbox_has(build: Callable[..., House]) -> None:
    house = build(batch=2)
    house.ledger.later = many(*range(450))
    house.ledger.rows = many(*range(1000, 1005))
    # Reads of the outbox that come back full leave no time for it.
    steps = [house.flow.step() for _ in range(2)]
    assert (steps, [row.outbox_id for row in house.publisher.published[:5]]) == ([2, 203], list(range(1000, 1005)))
    house.ledger.rows = many(1005)
    assert [house.flow.step() for _ in range(3)] == [201, 50, 0]
    assert [row.outbox_id for row in house.publisher.published[205:207]] == [1005, 200]
    assert house.ledger.later == []
    assert missing(house, many(*range(450))) == []


def test_nobody_is_told_how_a_profile_began_behind_what_became_of_it(build: Callable[..., House]) -> None:
    house = build()
    house.ledger.later = many(*range(300))
    newer = [outbox_row(number, A, profile_id=f"GP-{number % 300}") for number in (307, 590)]
    house.ledger.rows = list(newer)
    while house.flow.step():
        pass
    told = [(row.profile_id, row.version) for row in house.publisher.published]
    assert told[:2] == [("GP-7", 307), ("GP-290", 590)]
    assert sorted(version for _, version in told) == sorted({*range(300), 307, 590} - {7, 290})


def test_what_may_wait_stays_while_kafka_is_down_and_cards_of_changes_go_on(build: Callable[..., House]) -> None:
    house = build()
    house.ledger.later = many(1)
    house.publisher.down = True
    house.fail()
    house.ledger.rows = many(2)
    house.fail()
    assert (house.publisher.published, len(house.ledger.later), missing(house, many(2))) == ([], 1, [])
    house.publisher.down = False
    assert house.flow.step() == 2
    assert [row.outbox_id for row in house.publisher.published] == [2, 1]


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
    answers = house.ledger.answers_about

    def emptied(token_ids: Collection[int]) -> list[Answer]:
        read = answers(token_ids)
        house.store.forget()
        return read

    house.ledger.answers_about = emptied  # type: ignore[method-assign]
    with pytest.raises(CacheUnavailableError):
        house.flow.step()
    assert (house.publisher.published, len(house.ledger.rows)) == ([], 1)
    house.ledger.answers_about = answers  # type: ignore[method-assign]
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
