"""Finds what a register may show for an identifier.

Why an answer is never wrong, only older than the ledger by at most the relay's lag (a caller that wrote asks with `min_version`):

- A cached answer carries the stamp of the ledger's snapshot it was read from (ADR 0011) and is written by compare-and-set, so a slow fill
  never covers a newer answer, nor fills a cache that was emptied meanwhile.
- "Not found" is said only by the ledger, or by an entry that the ledger's word made less than a minute or so ago and that any newer answer
  overwrites. A cache that is empty, flushed or down means one more question to the ledger, never an unknown customer.
- If the ledger cannot be asked, the caller gets an error.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from goldthread.domain.errors import CacheUnavailableError, DeadlineExceededError, InvalidArgumentError
from goldthread.domain.ports import Answer, CachedAnswer
from goldthread.domain.words import IncomingIdentifier, LookupOutcome, QuestionKind, Violation
from goldthread.flows.loader import AnswerLoader, CardCache
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import encode_answer

__all__ = ["AnswerSource", "FoundAnswer", "KeyMaker", "LookupFlow", "TokenKeys"]


class AnswerSource(IntEnum):
    """Where an answer came from; numbers as in `lookup_service.proto`. NOWHERE: nothing was asked."""

    NOWHERE = 0
    CACHE = 1
    LEDGER = 2


@dataclass(frozen=True, slots=True)
class FoundAnswer:
    """An encoded answer with its version, and where it came from."""

    answer: CachedAnswer
    source: AnswerSource


class TokenKeys(Protocol):
    """Tokens of one identifier in order of priority."""

    @property
    def tokens(self) -> tuple[bytes, ...]:
        """Canonical first, then folded forms."""
        ...


class KeyMaker(Protocol):
    """What the flow needs of `goldthread.matching.Matcher`."""

    def lookup_keys(self, identifiers: Sequence[IncomingIdentifier]) -> Sequence[TokenKeys | Violation | None]:
        """Keys per identifier; None for a blank or placeholder."""
        ...


class LookupFlow:
    """Cache first, ledger for what the cache lacks. Used from one event loop; `loader` is closed by whoever built it."""

    def __init__(self, keys: KeyMaker, cache: CardCache, loader: AnswerLoader, metrics: Metrics) -> None:
        self._keys = keys
        self._cache = cache
        self._loader = loader
        self._reads = {name: metrics.cache_reads.labels(name) for name in ("hit", "miss", "stale", "error")}
        blank = Answer(
            token=b"",
            version=0,
            outcome=LookupOutcome.NOT_FOUND,
            card=None,
            question=QuestionKind.UNSPECIFIED,
            review_id="",
        )
        self._blank = FoundAnswer(CachedAnswer(0, encode_answer(blank)), AnswerSource.NOWHERE)

    async def lookup(self, identifier: IncomingIdentifier, *, min_version: int, seconds: float) -> FoundAnswer:
        """The answer for one identifier, within `seconds`.

        From the cache only at `min_version` or later; otherwise the ledger's, from a snapshot taken after the call. A blank or placeholder identifier is
        NOT_FOUND and touches nothing. Raises `InvalidArgumentError`, `LedgerUnavailableError`, `DeadlineExceededError`.
        """
        found = self._keys.lookup_keys([identifier])[0]
        if found is None:
            return self._blank
        if isinstance(found, Violation):
            raise InvalidArgumentError([found])
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(found.tokens, min_version)
        except TimeoutError:
            raise DeadlineExceededError("neither cache nor ledger answered in time") from None

    async def _answer(self, tokens: tuple[bytes, ...], min_version: int) -> FoundAnswer:
        """The first answer that is not NOT_FOUND, by priority of the tokens; the last one if all are."""
        cached = await self._cached(tokens, min_version)
        wanted: list[bytes] = []
        for token, entry in zip(tokens, cached, strict=True):
            if entry is None:
                wanted.append(token)
            elif not entry.negative:
                break
        answers = await asyncio.gather(*(self._loader.load(token, min_version=min_version) for token in wanted))
        loaded = dict(zip(wanted, answers, strict=True))
        source = AnswerSource.LEDGER if loaded else AnswerSource.CACHE
        for token, entry in zip(tokens, cached, strict=True):
            if entry is None and not loaded[token].negative:
                return FoundAnswer(loaded[token], AnswerSource.LEDGER)
            if entry is not None and not entry.negative:
                return FoundAnswer(entry, AnswerSource.CACHE)
        return FoundAnswer(self._blank.answer, source)

    async def _cached(self, tokens: tuple[bytes, ...], min_version: int) -> list[CachedAnswer | None]:
        """Usable cached entries in the order of the tokens; all None if the cache does not answer."""
        try:
            entries = await self._cache.get_many(tokens)
        except CacheUnavailableError:
            self._reads["error"].inc(len(tokens))
            return [None] * len(tokens)
        return [self._usable(entry, min_version) for entry in entries]

    def _usable(self, entry: CachedAnswer | None, min_version: int) -> CachedAnswer | None:
        if entry is None:
            self._reads["miss"].inc()
            return None
        if entry.version < min_version:
            self._reads["stale"].inc()
            return None
        self._reads["hit"].inc()
        return entry
