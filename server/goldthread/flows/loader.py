"""Asks the ledger for answers that the cache lacks: batched, bounded, one question per token at a time.

Callers that miss in the same turn of the event loop share one query, and while `concurrency` queries run, later misses gather into the next
one: a cold cache under full load costs the ledger a few wide queries, not one per call. A token stays in flight until its answer lies in the
cache, so whoever misses it in between takes that answer instead of asking once more.

A caller may join a query that already runs only if the answer turns out new enough for it: versions are stamps of snapshots, so an answer at
`min_version` or later was read from a snapshot that holds everything the caller has seen committed. Otherwise, and always after NOT_FOUND for
a token that the ledger never saw (version 0, so its snapshot is unknown), the caller takes part in the next query, whose snapshot is taken
after the caller arrived and therefore holds every write the caller can know of. That one is never asked twice for the same reason: every
caller who comes while it waits joins it. A query belongs to all who wait for it: it goes on when one of them gives up.

A fill says under which generation of the cache its query began: the last one that a caller had read before. If the cache is emptied meanwhile
the fill is refused, since a newer answer may have been written and lost: an emptied cache would otherwise take the older one for good.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from typing import Protocol

from goldthread.domain.errors import CacheUnavailableError, LedgerUnavailableError
from goldthread.domain.ports import Answer, CachedAnswer
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import cached_answers

__all__ = ["AnswerLedger", "AnswerLoader", "CardFills"]

_Flights = dict[bytes, asyncio.Future[CachedAnswer]]


class AnswerLedger(Protocol):
    """What a lookup needs of the ledger; blocking."""

    def answers(self, tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        """Answers in the order of the tokens, from one snapshot. Raises `LedgerUnavailableError`."""
        ...


class CardFills(Protocol):
    """What the loader needs of the cache."""

    async def put_many(self, entries: Sequence[tuple[bytes, CachedAnswer]], *, generation: bytes) -> int:
        """Compare-and-set by version; returns how many were written. Raises `CacheUnavailableError`."""
        ...


class AnswerLoader:
    """Loads answers on `executor`, at most `concurrency` queries at once, each of at most `batch` tokens and `seconds`; fills the cache.

    Used from one event loop. `seconds` is a query's own limit, because a query is shared by callers with different deadlines.
    """

    def __init__(
        self,
        ledger: AnswerLedger,
        cache: CardFills,
        metrics: Metrics,
        *,
        executor: Executor,
        concurrency: int = 4,
        batch: int = 256,
        seconds: float = 0.25,
    ) -> None:
        self._ledger = ledger
        self._cache = cache
        self._metrics = metrics
        self._executor = executor
        self._free = concurrency
        self._batch = batch
        self._seconds = seconds
        self._generation = b""
        self._waiting: _Flights = {}
        self._running: _Flights = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def load(self, token: bytes, *, min_version: int, generation: bytes) -> CachedAnswer:
        """The ledger's answer, of a snapshot that contains `min_version` if the caller has seen it committed.

        `generation` is the one under which the caller read the cache, empty if he could not. Raises `LedgerUnavailableError`. Cancelling
        the caller does not cancel the query.
        """
        if generation:
            self._generation = generation
        running = self._running.get(token)
        if running is not None:
            answer = await asyncio.shield(running)
            if answer.version >= min_version:
                return answer
        return await asyncio.shield(self._enqueue(token))

    async def close(self) -> None:
        """Waits for running queries and fills; what still waits is refused."""
        for future in self._waiting.values():
            future.set_exception(LedgerUnavailableError("the service is stopping"))
        self._waiting.clear()
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _enqueue(self, token: bytes) -> asyncio.Future[CachedAnswer]:
        future = self._waiting.get(token)
        if future is None:
            loop = asyncio.get_running_loop()
            future = loop.create_future()
            future.add_done_callback(_retrieve)
            self._waiting[token] = future
            loop.call_soon(self._pump)
        return future

    def _pump(self) -> None:
        while self._free and self._waiting:
            tokens = list(self._waiting)[: self._batch]
            flights = {token: self._waiting.pop(token) for token in tokens}
            self._running.update(flights)
            self._free -= 1
            task = asyncio.get_running_loop().create_task(self._run(flights, self._generation))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _run(self, flights: _Flights, generation: bytes) -> None:
        question = asyncio.get_running_loop().run_in_executor(self._executor, self._ask, list(flights))
        await asyncio.wait([question])
        self._free += 1
        error = LedgerUnavailableError("the service is stopping") if question.cancelled() else question.exception()
        if error is not None:
            self._land(flights)
            for future in flights.values():
                future.set_exception(error)
            self._pump()
            return
        entries = question.result()
        for token, entry in entries:
            flights[token].set_result(entry)
        self._pump()
        try:
            await self._fill(entries, generation)
        finally:
            self._land(flights)

    def _land(self, flights: _Flights) -> None:
        for token, future in flights.items():
            # A caller that needed a newer snapshot may have started the next query for the same token.
            if self._running.get(token) is future:
                del self._running[token]

    def _ask(self, tokens: list[bytes]) -> list[tuple[bytes, CachedAnswer]]:
        """One query, on the executor."""
        with self._metrics.stage("lookup_ledger"):
            answers = self._ledger.answers(tokens, timeout=self._seconds)
        # A question without its answer must fail now: whoever waits for it would wait out his time.
        return [(token, entry) for token, (_, entry) in zip(tokens, cached_answers(answers), strict=True)]

    async def _fill(self, entries: list[tuple[bytes, CachedAnswer]], generation: bytes) -> None:
        """Puts answers back, best effort: the relay and the next miss do the same."""
        try:
            written = await self._cache.put_many(entries, generation=generation)
        except CacheUnavailableError:
            return
        self._metrics.cache_writes.labels("stored").inc(written)
        self._metrics.cache_writes.labels("outdated").inc(len(entries) - written)


def _retrieve(future: asyncio.Future[CachedAnswer]) -> None:
    """Marks a failure as seen, in case everybody who waited has given up."""
    if not future.cancelled():
        future.exception()
