from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from fixtures.lookup_twin import AnswerSource, LookupTwin
from fixtures.register import House, SlowFills, ask, outcome
from fixtures.twins import found, not_found, token_of
from goldthread.cache import MemoryCardCache
from goldthread.domain.errors import (
    DeadlineExceededError,
    LedgerUnavailableError,
)
from goldthread.domain.ports import CachedAnswer, CardVersion
from goldthread.domain.words import IncomingIdentifier
from goldthread.flows.loader import AnswerLoader
from goldthread.v1 import lookup_service_pb2 as pb
from goldthread.wire import cached_answer, encode_answer


@pytest.fixture
def house() -> Iterator[House]:
    with ThreadPoolExecutor(4) as executor:
        yield House(executor)


def test_callers_of_one_token_share_one_question(house: House) -> None:
    house.ledger.tell(found(token_of("a@b.de"), 7))

    async def story(flow: LookupTwin) -> None:
        answers = await asyncio.gather(*(ask(flow, "a@b.de") for _ in range(100)))
        assert {answer.answer.version for answer in answers} == {7}

    house.run(story)
    assert house.ledger.questions == [(token_of("a@b.de"),)]


def test_misses_gather_while_the_allowed_questions_run(house: House) -> None:
    names = [f"{number}@b.de" for number in range(50)]
    house.batch = 20

    async def story(flow: LookupTwin) -> None:
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

    async def story(flow: LookupTwin) -> None:
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

    async def story(flow: LookupTwin) -> None:
        house.ledger.gate.clear()
        asking = asyncio.create_task(ask(flow, "a@b.de"))
        await asyncio.to_thread(house.ledger.asked.acquire)
        house.put([(token, newer)])
        house.ledger.gate.set()
        await asking

    house.run(story)
    assert house.store.get_many([token]) == [newer]
    outdated = house.metrics.registry.get_sample_value("goldthread_cache_writes_total", {"result": "outdated"})
    assert outdated == 1


def test_one_caller_giving_up_leaves_the_question_to_the_others(house: House) -> None:
    house.ledger.tell(found(token_of("a@b.de"), 7))

    async def story(flow: LookupTwin) -> None:
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
    async def story(flow: LookupTwin) -> None:
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
        generation, _ = await cache.read([token_of("running")])
        house.ledger.tell(found(token_of("running"), 1))
        house.ledger.gate.clear()
        running = asyncio.create_task(loader.load(token_of("running"), min_version=0, generation=generation))
        await asyncio.to_thread(house.ledger.asked.acquire)
        waiting = asyncio.create_task(loader.load(token_of("waiting"), min_version=0, generation=generation))
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


def test_a_token_is_in_flight_until_its_card_is_written(house: House) -> None:
    """Whoever misses the cache between the ledger's answer and the fill takes that answer: one question per token at a time."""
    token = token_of("a@b.de")
    house.ledger.tell(found(token, 7))

    async def story() -> None:
        cache = SlowFills(house.store)
        loader = AnswerLoader(house.ledger, cache, house.metrics, executor=house.executor)
        flow = LookupTwin(house.matcher, cache, loader, house.metrics)
        assert (await ask(flow, "a@b.de")).answer.version == 7
        await cache.filling.wait()
        answers = await asyncio.gather(*(ask(flow, "a@b.de") for _ in range(50)))
        assert {(answer.answer.version, answer.source) for answer in answers} == {(7, AnswerSource.LEDGER)}
        assert len(house.ledger.questions) == 1
        house.ledger.tell(found(token, 8))
        assert (await ask(flow, "a@b.de", min_version=8)).answer.version == 8
        assert len(house.ledger.questions) == 2
        cache.go_on.set()
        await loader.close()
        assert (await ask(flow, "a@b.de")).source is AnswerSource.CACHE

    asyncio.run(story())
    assert house.store.get_many([token]) == [cached_answer(found(token, 8))]


@pytest.mark.parametrize("known", [False, True], ids=["new-customer", "known-customer"])
def test_a_cache_emptied_during_a_fill_does_not_take_it(house: House, known: bool) -> None:
    """The newer answer was written and lost with the rest: without the generation the older one would stay, "not found" included."""
    token = token_of("a@b.de")
    if known:
        house.ledger.tell(found(token, 3))

    async def story() -> None:
        cache = SlowFills(house.store)
        loader = AnswerLoader(house.ledger, cache, house.metrics, executor=house.executor)
        flow = LookupTwin(house.matcher, cache, loader, house.metrics)
        before = await ask(flow, "a@b.de")
        assert before.answer.version == (3 if known else 0)
        await cache.filling.wait()
        house.ledger.tell(found(token, 4))
        house.put([(token, cached_answer(found(token, 4)))])
        house.store.forget()
        cache.go_on.set()
        await loader.close()
        assert house.store.get_many([token]) == [None]
        after = AnswerLoader(house.ledger, cache, house.metrics, executor=house.executor)
        assert (await ask(LookupTwin(house.matcher, cache, after, house.metrics), "a@b.de")).answer.version == 4
        await after.close()

    asyncio.run(story())
    assert house.store.get_many([token]) == [cached_answer(found(token, 4))]


def test_not_found_does_not_satisfy_a_caller_who_wrote_while_it_was_asked(house: House) -> None:
    token = token_of("a@b.de")

    async def story(flow: LookupTwin) -> None:
        house.ledger.gate.clear()
        before = asyncio.create_task(ask(flow, "a@b.de"))
        await asyncio.to_thread(house.ledger.asked.acquire)
        house.ledger.tell(found(token, 4))
        wrote = asyncio.create_task(ask(flow, "a@b.de", min_version=4))
        await asyncio.sleep(0.02)
        house.ledger.gate.set()
        assert outcome(await before) == pb.LOOKUP_OUTCOME_NOT_FOUND
        assert (await wrote).answer.version == 4

    house.run(story)


def test_not_found_is_answered_from_a_fresh_snapshot_for_a_caller_with_a_version(house: House) -> None:
    assert outcome(house.ask("a@b.de")) == pb.LOOKUP_OUTCOME_NOT_FOUND
    answer = house.ask("a@b.de", min_version=9)
    assert (outcome(answer), answer.source) == (pb.LOOKUP_OUTCOME_NOT_FOUND, AnswerSource.LEDGER)
    assert len(house.ledger.questions) == 2
    assert house.ask("a@b.de").source is AnswerSource.CACHE


def test_a_tombstone_says_not_found_and_lets_the_folded_token_speak(house: House) -> None:
    canonical, folded = house.matcher.lookup_keys(
        [IncomingIdentifier(path="", type=1, namespace="", raw="j.m+x@gmail.com")]
    )[0].tokens  # type: ignore[union-attr]
    gone = replace(not_found(canonical), version=9)
    house.put([(canonical, cached_answer(found(canonical, 8))), (canonical, cached_answer(gone))])
    house.ledger.tell(gone, found(folded, 5, "GP-folded"))
    assert house.ask("j.m+x@gmail.com").answer.version == 5
    house.ledger.known.pop(folded)
    house.store.remove_many([CardVersion(folded, 5)])
    answer = house.ask("j.m+x@gmail.com")
    assert (outcome(answer), answer.answer.version, answer.source) == (
        pb.LOOKUP_OUTCOME_NOT_FOUND,
        0,
        AnswerSource.LEDGER,
    )
    house.put([(canonical, cached_answer(found(canonical, 8)))])
    assert house.store.get_many([canonical]) == [cached_answer(gone)], "an older card does not come back"
