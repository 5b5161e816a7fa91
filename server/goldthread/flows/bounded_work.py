"""Work on the ledger for a caller: one transaction, bounded by the caller's time, tried again where the ledger has none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from time import monotonic
from typing import TypeVar

from goldthread.flows.retry import Retry
from goldthread.ledger import Ledger, LedgerTransaction

__all__ = ["BoundedWork"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundedWork:
    """Runs work on the ledger; `operation` is what metrics call its retries. Both ways raise `LedgerUnavailableError` once `seconds` are over."""

    ledger: Ledger
    retry: Retry
    operation: str

    def read(self, work: Callable[[LedgerTransaction], T], seconds: float) -> T:
        """Result of `work` in one snapshot."""
        return self._within(lambda left: self.ledger.look(seconds=left), work, seconds)

    def write(self, work: Callable[[LedgerTransaction], T], seconds: float) -> T:
        """Result of `work` in a transaction that may write; a repeat of it must be harmless."""
        return self._within(lambda left: self.ledger.transaction(seconds=left), work, seconds)

    def _within(
        self,
        begin: Callable[[float], AbstractContextManager[LedgerTransaction]],
        work: Callable[[LedgerTransaction], T],
        seconds: float,
    ) -> T:
        until = monotonic() + seconds

        def attempt() -> T:
            left = until - monotonic()
            with begin(left) as tx:
                tx.limit_statements(left)
                return work(tx)

        return self.retry.call(self.operation, attempt, seconds_left=lambda: until - monotonic())
