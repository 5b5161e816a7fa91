from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.lookup_twin import AnswerSource, FoundAnswer
from fixtures.register import House, outcome
from fixtures.twins import found, token_of
from goldthread.domain.errors import (
    InvalidArgumentError,
    LedgerUnavailableError,
)
from goldthread.domain.ports import CachedAnswer
from goldthread.domain.words import IncomingIdentifier
from goldthread.v1 import lookup_service_pb2 as pb
from goldthread.wire import encode_answer


@pytest.fixture
def house() -> Iterator[House]:
    with ThreadPoolExecutor(4) as executor:
        yield House(executor)


def test_blank_is_not_found_and_touches_nothing(house: House) -> None:
    house.broken_cache = house.ledger.down = True
    answer = house.ask("n/a")
    assert (outcome(answer), answer.answer.version, answer.source) == (
        pb.LOOKUP_OUTCOME_NOT_FOUND,
        0,
        AnswerSource.NOWHERE,
    )
    assert house.ledger.questions == []


def test_invalid_is_refused_with_its_field(house: House) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        house.ask("broken")
    assert [violation.field for violation in caught.value.violations] == ["identifier"]


def test_miss_asks_the_ledger_and_fills_the_cache(house: House) -> None:
    known = found(token_of("a@b.de"), 7)
    house.ledger.tell(known)
    first, second = house.ask("a@b.de"), house.ask("a@b.de")
    assert first == FoundAnswer(CachedAnswer(7, encode_answer(known)), AnswerSource.LEDGER)
    assert second == FoundAnswer(first.answer, AnswerSource.CACHE)
    assert len(house.ledger.questions) == 1
    assert (house.reads("miss"), house.reads("hit")) == (1, 1)


def test_not_found_is_the_ledgers_word_and_kept_as_version_0(house: House) -> None:
    token = token_of("a@b.de")
    assert house.ask("a@b.de").source is AnswerSource.LEDGER
    entry = house.store.get_many([token])[0]
    assert entry is not None
    assert entry.version == 0
    assert house.ask("a@b.de").source is AnswerSource.CACHE
    house.put([(token, CachedAnswer(1, encode_answer(found(token, 1))))])
    assert outcome(house.ask("a@b.de")) == pb.LOOKUP_OUTCOME_FOUND


def test_stale_for_the_caller_goes_to_the_ledger_whatever_it_says(house: House) -> None:
    token = token_of("a@b.de")
    house.put([(token, CachedAnswer(7, encode_answer(found(token, 7, "GP-old"))))])
    house.ledger.tell(found(token, 9, "GP-new"))
    assert house.ask("a@b.de", min_version=7).answer.version == 7
    assert house.ask("a@b.de", min_version=8).answer.version == 9
    assert house.ask("a@b.de", min_version=100) == FoundAnswer(
        CachedAnswer(9, encode_answer(found(token, 9, "GP-new"))), AnswerSource.LEDGER
    )
    assert house.reads("stale") == 2


def test_a_negative_entry_does_not_answer_a_caller_who_wrote(house: House) -> None:
    token = token_of("a@b.de")
    assert house.ask("a@b.de").answer.version == 0
    house.ledger.tell(found(token, 4))
    assert house.ask("a@b.de", min_version=4).answer.version == 4


def test_cache_down_means_the_ledger_answers(house: House) -> None:
    house.broken_cache = True
    house.ledger.tell(found(token_of("a@b.de"), 7))
    answer = house.ask("a@b.de")
    assert (answer.answer.version, answer.source) == (7, AnswerSource.LEDGER)
    assert house.reads("error") == 1


@pytest.mark.parametrize("broken_cache", [False, True])
def test_ledger_down_is_an_error_and_never_unknown(house: House, broken_cache: bool) -> None:
    house.broken_cache = broken_cache
    house.ledger.down = True
    with pytest.raises(LedgerUnavailableError):
        house.ask("a@b.de")
    assert house.store.get_many([token_of("a@b.de")]) == [None]


def test_a_bug_in_the_ledger_reaches_the_caller_as_what_it_is(house: House) -> None:
    def broken(tokens: Sequence[bytes], *, timeout: float | None = None) -> list[object]:
        return []

    house.ledger.answers = broken  # type: ignore[assignment, method-assign]
    with pytest.raises(ValueError, match="zip"):
        house.ask("a@b.de")


def test_folded_token_counts_if_the_canonical_one_is_unknown(house: House) -> None:
    canonical, folded = house.matcher.lookup_keys(
        [IncomingIdentifier(path="", type=1, namespace="", raw="j.m+x@gmail.com")]
    )[0].tokens  # type: ignore[union-attr]
    house.ledger.tell(found(folded, 5, "GP-folded"))
    answer = house.ask("j.m+x@gmail.com")
    assert (answer.answer.version, answer.source) == (5, AnswerSource.LEDGER)
    assert house.ledger.questions == [(canonical, folded)]
    house.ledger.tell(found(canonical, 6, "GP-exact"))
    house.store.forget()
    assert house.ask("j.m+x@gmail.com").answer.version == 6
    house.store.forget()
    house.put([(folded, CachedAnswer(5, encode_answer(found(folded, 5))))])
    assert house.ask("j.m+x@gmail.com").answer.version == 6


def test_a_cached_canonical_answer_asks_nothing_about_the_folded_one(house: House) -> None:
    token = token_of("j.m@gmail.com")
    house.put([(token, CachedAnswer(5, encode_answer(found(token, 5))))])
    assert house.ask("j.m@gmail.com").source is AnswerSource.CACHE
    assert house.ledger.questions == []
