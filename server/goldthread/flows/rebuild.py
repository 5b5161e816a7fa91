"""Writes every card anew from the ledger, in pages, while everything else runs.

Two passes. The first goes through the cache and removes what the ledger would never overwrite: cards of tokens it does not know, and cards of
versions it has not reached, which come from a ledger that is gone. The second goes through the ledger's tokens and writes their answers by
compare-and-set. Each removes or writes only what it has seen: a card that somebody else renewed meanwhile has another version and stays, and
an answer older than the card that is there is not written. So registers, relay and fills may go on, and any number of rebuilds may run.

Whether a version is reached is asked after the card was seen: stamps only grow, so a card that this ledger wrote never looks unreached.
Tokens that the ledger learns of during the second pass are behind its end only if their surrogate was drawn before and committed after;
their cards are the relay's, as always.

`fresh` begins a new generation of the cache, which makes writes fail whose answers were read before, and drops every card first. It is for a
ledger that was restored from a dump: its stamps go back, and a card of the ledger that is gone may carry a version that this one reaches
later, with other content. Until the second pass has come by, lookups of dropped cards are answered by the ledger.

Memory: one page of tokens and answers at a time, whatever the size of ledger and cache. Every step is retried, except the walk through the
cache, which cannot be taken up where it broke. Repeating is harmless: after a failure there, or one that outlasts the retries, start again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from goldthread.domain.ports import Answer, CardShelf, CardVersion
from goldthread.flows.retry import Retry
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import cached_answers

__all__ = ["Progress", "RebuildFlow", "RebuildLedger", "RebuildReport"]

Progress = Callable[[str, int, int | None], None]
"""Told the stage, how many cards it has dealt with, and of how many (None: unknown)."""


class RebuildLedger(Protocol):
    """What a rebuild needs of the ledger; blocking. Every method raises `LedgerUnavailableError`."""

    def stamp(self) -> int:
        """The stamp of a snapshot taken now."""
        ...

    def count_tokens(self) -> int:
        """How many tokens there are."""
        ...

    def tokens_after(self, token_id: int, limit: int) -> Sequence[tuple[int, bytes]]:
        """A page of tokens by surrogate."""
        ...

    def known_tokens(self, tokens: Sequence[bytes]) -> set[bytes]:
        """Those that the ledger knows."""
        ...

    def answers(self, tokens: Sequence[bytes], *, timeout: float | None = None) -> list[Answer]:
        """Answers in the order of the tokens, from one snapshot."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildReport:
    """What a rebuild did. `outdated`: cards left alone because they were newer than what was read for them."""

    tokens: int = 0
    stored: int = 0
    outdated: int = 0
    dropped: int = 0
    unknown: int = 0
    unreached: int = 0


class RebuildFlow:
    """Rebuilds the cache; `batch` tokens at a time."""

    def __init__(
        self, ledger: RebuildLedger, cards: CardShelf, retry: Retry, metrics: Metrics, *, batch: int = 1_000
    ) -> None:
        self._ledger = ledger
        self._cards = cards
        self._retry = retry
        self._metrics = metrics
        self._batch = batch

    def run(self, *, fresh: bool, progress: Progress) -> RebuildReport:
        """Rebuilds and returns what was done. Raises `LedgerUnavailableError`, `CacheUnavailableError`; starting again is harmless."""
        report = self._drop(progress) if fresh else self._sweep(progress)
        return self._fill(report, progress)

    def _drop(self, progress: Progress) -> RebuildReport:
        self._retry.call("rebuild", self._cards.begin_generation)
        dropped = 0
        for page in self._cards.cards():
            dropped += self._remove("fresh", page)
            progress("drop", dropped, None)
        return RebuildReport(dropped=dropped)

    def _sweep(self, progress: Progress) -> RebuildReport:
        seen = unknown = unreached = 0
        for page in self._cards.cards():
            seen += len(page)
            # Version 0 is the ledger's word that it does not know the token, and gone in a minute.
            cards = [card for card in page if card.version]
            if cards:
                known, stamp = self._retry.call("rebuild", partial(self._standing, cards))
                unreached += self._remove("unreached", [card for card in cards if card.version > stamp])
                unknown += self._remove(
                    "unknown", [card for card in cards if card.version <= stamp and card.token not in known]
                )
            progress("sweep", seen, None)
        return RebuildReport(unknown=unknown, unreached=unreached)

    def _standing(self, cards: Sequence[CardVersion]) -> tuple[set[bytes], int]:
        return self._ledger.known_tokens([card.token for card in cards]), self._ledger.stamp()

    def _fill(self, report: RebuildReport, progress: Progress) -> RebuildReport:
        total = self._retry.call("rebuild", self._ledger.count_tokens)
        tokens = stored = last = 0
        while page := self._retry.call("rebuild", partial(self._ledger.tokens_after, last, self._batch)):
            last = page[-1][0]
            stored += self._retry.call("rebuild", partial(self._write, [token for _, token in page]))
            tokens += len(page)
            progress("fill", tokens, max(total, tokens))
        return replace(report, tokens=tokens, stored=stored, outdated=tokens - stored)

    def _write(self, tokens: Sequence[bytes]) -> int:
        with self._metrics.stage("rebuild_page"):
            generation = self._cards.generation()
            entries = cached_answers(self._ledger.answers(tokens))
            written = self._cards.put_many(entries, generation=generation)
        self._metrics.cache_writes.labels("stored").inc(written)
        self._metrics.cache_writes.labels("outdated").inc(len(entries) - written)
        return written

    def _remove(self, reason: str, cards: Sequence[CardVersion]) -> int:
        if not cards:
            return 0
        removed = self._retry.call("rebuild", partial(self._cards.remove_many, cards))
        self._metrics.cache_removals.labels(reason).inc(removed)
        return removed
