from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from fixtures.twins import LedgerTwin, found, token_of
from goldthread.cache import MemoryCardStore
from goldthread.domain.errors import CacheUnavailableError, LedgerUnavailableError
from goldthread.domain.ports import Answer, CachedAnswer
from goldthread.flows.rebuild import RebuildFlow, RebuildReport
from goldthread.flows.retry import Retry
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import cached_answer

A, B, C = (token_of(name) for name in "abc")


class House:
    def __init__(self) -> None:
        self.ledger = LedgerTwin()
        self.store = MemoryCardStore()
        self.metrics = Metrics()
        self.shown: list[tuple[str, int, int | None]] = []

    def put(self, *entries: tuple[bytes, CachedAnswer]) -> None:
        self.store.put_many(entries, generation=self.store.generation())

    def run(self, *, fresh: bool = False, batch: int = 2) -> RebuildReport:
        retry = Retry(metrics=self.metrics, uniform=lambda: 0.5, sleep=lambda _: None)
        flow = RebuildFlow(self.ledger, self.store, retry, self.metrics, batch=batch)
        return flow.run(fresh=fresh, progress=lambda *seen: self.shown.append(seen))

    def sample(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def house() -> House:
    return House()


def test_an_empty_cache_is_filled_in_pages(house: House) -> None:
    names = [token_of(str(number)) for number in range(5)]
    house.ledger.tell(*(found(token, 9) for token in names))
    assert house.run() == RebuildReport(tokens=5, stored=5)
    assert house.store.get_many(names) == [cached_answer(found(token, 9)) for token in names]
    assert [len(question) for question in house.ledger.questions] == [2, 2, 1]
    assert house.shown == [("fill", 2, 5), ("fill", 4, 5), ("fill", 5, 5)]
    assert house.sample("goldthread_cache_writes_total", result="stored") == 5


def test_older_cards_are_replaced_and_newer_ones_left(house: House) -> None:
    house.ledger.tell(found(A, 9), found(B, 9))
    house.ledger.now = 20
    house.put((A, cached_answer(found(A, 8, "GP-old"))), (B, cached_answer(found(B, 15, "GP-new"))))
    assert house.run() == RebuildReport(tokens=2, stored=1, outdated=1)
    assert house.store.get_many([A, B]) == [cached_answer(found(A, 9)), cached_answer(found(B, 15, "GP-new"))]


def test_cards_of_unknown_tokens_and_of_another_life_go(house: House) -> None:
    house.ledger.tell(found(A, 9))
    house.put((A, cached_answer(found(A, 100))), (B, cached_answer(found(B, 5))), (C, CachedAnswer(0, b"")))
    assert house.run() == RebuildReport(tokens=1, stored=1, unknown=1, unreached=1)
    assert house.store.get_many([A, B, C]) == [cached_answer(found(A, 9)), None, CachedAnswer(0, b"")]
    assert house.sample("goldthread_cache_removals_total", reason="unknown") == 1
    assert house.sample("goldthread_cache_removals_total", reason="unreached") == 1


def test_fresh_drops_everything_first_and_refuses_writes_from_before(house: House) -> None:
    house.ledger.tell(found(A, 9))
    before = house.store.generation()
    house.put((A, cached_answer(found(A, 9, "GP-gone"))), (B, cached_answer(found(B, 5))), (C, CachedAnswer(0, b"")))
    assert house.run(fresh=True) == RebuildReport(tokens=1, stored=1, dropped=3)
    assert house.store.get_many([A, B, C]) == [cached_answer(found(A, 9)), None, None]
    with pytest.raises(CacheUnavailableError):
        house.store.put_many([(B, cached_answer(found(B, 50)))], generation=before)


def test_a_card_renewed_while_the_sweep_looks_at_it_stays(house: House) -> None:
    """The token is unknown when asked for, and known, with a card, before the old one is removed."""
    house.put((A, cached_answer(found(A, 5))))
    known = house.ledger.known_tokens

    def meanwhile(tokens: Sequence[bytes]) -> set[bytes]:
        told = known(tokens)
        house.ledger.tell(found(A, 9))
        house.put((A, cached_answer(found(A, 9))))
        return told

    house.ledger.known_tokens = meanwhile  # type: ignore[method-assign]
    assert house.run() == RebuildReport(tokens=1, stored=1)
    assert house.store.get_many([A]) == [cached_answer(found(A, 9))]


def test_what_the_relay_writes_between_answer_and_card_stays(house: House) -> None:
    house.ledger.tell(found(A, 9))
    answers = house.ledger.answers

    def meanwhile(tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        read = answers(tokens, timeout=timeout)
        house.put((A, cached_answer(found(A, 10, "GP-new"))))
        return read

    house.ledger.answers = meanwhile  # type: ignore[method-assign]
    assert house.run() == RebuildReport(tokens=1, outdated=1)
    assert house.store.get_many([A]) == [cached_answer(found(A, 10, "GP-new"))]


def test_a_page_is_tried_again_and_a_ledger_that_stays_away_ends_it(house: House) -> None:
    house.ledger.tell(found(A, 9))
    answers = house.ledger.answers
    troubles: list[Exception] = [LedgerUnavailableError("away"), CacheUnavailableError("away")]

    def troubled(tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        if troubles:
            raise troubles.pop()
        return answers(tokens, timeout=timeout)

    house.ledger.answers = troubled  # type: ignore[method-assign]
    assert house.run() == RebuildReport(tokens=1, stored=1)
    assert house.sample("goldthread_retries_total", operation="rebuild") == 2
    troubles[:] = [LedgerUnavailableError("away")] * 20
    with pytest.raises(LedgerUnavailableError):
        house.run()


def test_a_hiccup_at_any_step_but_the_walk_is_retried(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.ledger.tell(found(A, 9))
    house.put((B, cached_answer(found(B, 8))))
    tried: list[str] = []

    def stumbling(name: str, work: Callable[[], object]) -> Callable[[], object]:
        def once() -> object:
            tried.append(name)
            if tried.count(name) == 1:
                raise LedgerUnavailableError("hiccup")
            return work()

        return once

    monkeypatch.setattr(house.store, "begin_generation", stumbling("begin", house.store.begin_generation))
    monkeypatch.setattr(house.ledger, "count_tokens", stumbling("count", house.ledger.count_tokens))
    assert house.run(fresh=True) == RebuildReport(dropped=1, tokens=1, stored=1)
    assert tried == ["begin", "begin", "count", "count"]
