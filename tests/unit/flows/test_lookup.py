from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.twins import LedgerTwin, MatcherTwin, found, token_of
from goldthread.cache import MemoryCardCache, MemoryCardStore
from goldthread.domain.errors import (
    CacheUnavailableError,
    DeadlineExceededError,
    InvalidArgumentError,
    LedgerUnavailableError,
)
from goldthread.domain.ports import CachedAnswer
from goldthread.domain.words import IdentifierType, IncomingIdentifier
from goldthread.flows.loader import AnswerLoader
from goldthread.flows.lookup import AnswerSource, FoundAnswer, LookupFlow
from goldthread.telemetry.metrics import Metrics
from goldthread.v1 import lookup_service_pb2 as pb
from goldthread.wire import encode_answer


class BrokenCache:
    """A cache that never answers."""

    async def get_many(self, tokens: Sequence[bytes]) -> list[CachedAnswer | None]:
        raise CacheUnavailableError("the cache does not answer")

    async def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]]) -> int:
        raise CacheUnavailableError("the cache does not answer")


class House:
    """A lookup flow over twins."""

    def __init__(self, executor: ThreadPoolExecutor) -> None:
        self.executor = executor
        self.ledger = LedgerTwin()
        self.store = MemoryCardStore()
        self.matcher = MatcherTwin()
        self.metrics = Metrics()
        self.broken_cache = False
        self.concurrency = 2
        self.batch = 256

    def run(self, story: Callable[[LookupFlow], Awaitable[object]]) -> None:
        async def tell() -> None:
            cache = BrokenCache() if self.broken_cache else MemoryCardCache(self.store)
            loader = AnswerLoader(
                self.ledger,
                cache,
                self.metrics,
                executor=self.executor,
                concurrency=self.concurrency,
                batch=self.batch,
            )
            async with asyncio.timeout(20):
                await story(LookupFlow(self.matcher, cache, loader, self.metrics))
                await loader.close()

        asyncio.run(tell())

    def ask(self, raw: str, *, min_version: int = 0) -> FoundAnswer:
        answers: list[FoundAnswer] = []

        async def story(flow: LookupFlow) -> None:
            answers.append(await ask(flow, raw, min_version=min_version))

        self.run(story)
        return answers[0]

    def reads(self, result: str) -> float:
        value = self.metrics.registry.get_sample_value("goldthread_cache_reads_total", {"result": result})
        assert value is not None
        return value


async def ask(flow: LookupFlow, raw: str, *, min_version: int = 0, seconds: float = 5) -> FoundAnswer:
    identifier = IncomingIdentifier(path="identifier", type=IdentifierType.EMAIL, namespace="", raw=raw)
    return await flow.lookup(identifier, min_version=min_version, seconds=seconds)


def outcome(answer: FoundAnswer) -> int:
    return pb.LookupResponse.FromString(answer.answer.encoded).outcome


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
    house.store.put_many([(token, CachedAnswer(1, encode_answer(found(token, 1))))])
    assert outcome(house.ask("a@b.de")) == pb.LOOKUP_OUTCOME_FOUND


def test_stale_for_the_caller_goes_to_the_ledger_whatever_it_says(house: House) -> None:
    token = token_of("a@b.de")
    house.store.put_many([(token, CachedAnswer(7, encode_answer(found(token, 7, "GP-old"))))])
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
    house.store.put_many([(folded, CachedAnswer(5, encode_answer(found(folded, 5))))])
    assert house.ask("j.m+x@gmail.com").answer.version == 6


def test_a_cached_canonical_answer_asks_nothing_about_the_folded_one(house: House) -> None:
    token = token_of("j.m@gmail.com")
    house.store.put_many([(token, CachedAnswer(5, encode_answer(found(token, 5))))])
    assert house.ask("j.m@gmail.com").source is AnswerSource.CACHE
    assert house.ledger.questions == []


def test_callers_of_one_token_share_one_question(house: House) -> None:
    house.ledger.tell(found(token_of("a@b.de"), 7))

    async def story(flow: LookupFlow) -> None:
        answers = await asyncio.gather(*(ask(flow, "a@b.de") for _ in range(100)))
        assert {answer.answer.version for answer in answers} == {7}

    house.run(story)
    assert house.ledger.questions == [(token_of("a@b.de"),)]


def test_misses_gather_while_the_allowed_questions_run(house: House) -> None:
    names = [f"{number}@b.de" for number in range(50)]
    house.batch = 20

    async def story(flow: LookupFlow) -> None:
        house.ledger.gate.clear()
        early = []
        for name in names[:2]:
            early.append(asyncio.create_task(ask(flow, name)))
            await asyncio.to_thread(house.ledger.asked.acquire)
        late = [asyncio.create_task(ask(flow, name)) for name in names[2:]]
        await asyncio.sleep(0.05)
        assert len(house.ledger.questions) == 2
        house.ledger.gate.set()
        await asyncio.gather(*early, *late)

    house.run(story)
    assert [len(question) for question in house.ledger.questions[:2]] == [1, 1]
    assert sorted(len(question) for question in house.ledger.questions[2:]) == [8, 20, 20]


def test_a_caller_who_wrote_does_not_take_the_answer_of_an_older_question(house: House) -> None:
    token = token_of("a@b.de")
    house.ledger.tell(found(token, 3))

    async def story(flow: LookupFlow) -> None:
        house.ledger.gate.clear()
        before = asyncio.create_task(ask(flow, "a@b.de"))
        await asyncio.to_thread(house.ledger.asked.acquire)
        house.ledger.tell(found(token, 4))
        any_version = asyncio.create_task(ask(flow, "a@b.de"))
        wrote = [asyncio.create_task(ask(flow, "a@b.de", min_version=4)) for _ in range(3)]
        await asyncio.sleep(0.02)
        house.ledger.gate.set()
        assert (await before).answer.version == 3
        assert (await any_version).answer.version == 3
        assert [answer.answer.version for answer in await asyncio.gather(*wrote)] == [4, 4, 4]

    house.run(story)
    assert len(house.ledger.questions) == 2


def test_a_slow_fill_does_not_cover_what_the_relay_wrote(house: House) -> None:
    token = token_of("a@b.de")
    newer = CachedAnswer(4, encode_answer(found(token, 4)))
    house.ledger.tell(found(token, 3))

    async def story(flow: LookupFlow) -> None:
        house.ledger.gate.clear()
        asking = asyncio.create_task(ask(flow, "a@b.de"))
        await asyncio.to_thread(house.ledger.asked.acquire)
        house.store.put_many([(token, newer)])
        house.ledger.gate.set()
        await asking

    house.run(story)
    assert house.store.get_many([token]) == [newer]
    outdated = house.metrics.registry.get_sample_value("goldthread_cache_writes_total", {"result": "outdated"})
    assert outdated == 1


def test_one_caller_giving_up_leaves_the_question_to_the_others(house: House) -> None:
    house.ledger.tell(found(token_of("a@b.de"), 7))

    async def story(flow: LookupFlow) -> None:
        house.ledger.gate.clear()
        hasty = asyncio.create_task(ask(flow, "a@b.de", seconds=0.05))
        patient = asyncio.create_task(ask(flow, "a@b.de"))
        with pytest.raises(DeadlineExceededError):
            await hasty
        cancelled = asyncio.create_task(ask(flow, "a@b.de"))
        await asyncio.sleep(0)
        cancelled.cancel()
        house.ledger.gate.set()
        assert (await patient).answer.version == 7
        with pytest.raises(asyncio.CancelledError):
            await cancelled

    house.run(story)
    assert len(house.ledger.questions) == 1


def test_failures_reach_every_waiting_caller_and_the_next_one_asks_again(house: House) -> None:
    async def story(flow: LookupFlow) -> None:
        house.ledger.down = True
        results = await asyncio.gather(*(ask(flow, "a@b.de") for _ in range(5)), return_exceptions=True)
        assert [type(result) for result in results] == [LedgerUnavailableError] * 5
        house.ledger.down = False
        house.ledger.tell(found(token_of("a@b.de"), 7))
        assert (await ask(flow, "a@b.de")).answer.version == 7

    house.run(story)
    assert len(house.ledger.questions) == 2


def test_closing_waits_for_running_questions_and_refuses_waiting_ones(house: House) -> None:
    async def story() -> None:
        cache = MemoryCardCache(house.store)
        loader = AnswerLoader(house.ledger, cache, house.metrics, executor=house.executor, concurrency=1)
        house.ledger.tell(found(token_of("running"), 1))
        house.ledger.gate.clear()
        running = asyncio.create_task(loader.load(token_of("running"), min_version=0))
        await asyncio.to_thread(house.ledger.asked.acquire)
        waiting = asyncio.create_task(loader.load(token_of("waiting"), min_version=0))
        await asyncio.sleep(0)
        closing = asyncio.create_task(loader.close())
        with pytest.raises(LedgerUnavailableError):
            await waiting
        assert not closing.done()
        house.ledger.gate.set()
        await closing
        assert (await running).version == 1

    asyncio.run(story())
    assert house.store.get_many([token_of("running")])[0] is not None
