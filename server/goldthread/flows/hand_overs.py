"""Hanging the events of phones anew that changed hands, with retries: by the look that finds it, or before one does (`flows.epochs` says what is done)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from math import inf

from goldthread.domain.errors import LedgerUnavailableError, TransientError
from goldthread.domain.ids import BirthIds
from goldthread.flows.epochs import HungAnew, hand_over, outdated
from goldthread.flows.retry import FATAL, Retry
from goldthread.ledger import Ledger, PhoneState
from goldthread.matching import Matcher
from goldthread.telemetry.logs import get_logger
from goldthread.telemetry.metrics import Metrics

__all__ = ["HandOvers"]

_log = get_logger(__name__)

_LEAST_SECONDS = 1.0  # a caller with less time leaves to redo what keeps all others from the evidence


class HandOvers:
    """Hangs events anew under one matcher. Safe to call from several threads. `grace_seconds`: how long redo leaves the marks to the caller."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        matcher: Matcher,
        birth_ids: BirthIds,
        retry: Retry,
        metrics: Metrics,
        grace_seconds: float,
    ) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._birth_ids = birth_ids
        self._retry = retry
        self._metrics = metrics
        self._grace_seconds = grace_seconds

    def carry_out(
        self, token_ids: Collection[int], *, seconds_left: Callable[[], float] = lambda: inf
    ) -> tuple[int, list[int]]:
        """Hangs the events of these phones anew; gives how many of them changed hands, and the marks left. Raises what the ledger says after retries."""

        def work() -> tuple[HungAnew, list[int]]:
            if (seconds := seconds_left()) < _LEAST_SECONDS:
                raise LedgerUnavailableError("too little time is left to hang events anew")
            return hand_over(
                self._ledger, self._matcher, self._birth_ids, token_ids, seconds=seconds, grace=self._grace_seconds
            )

        done, marks = self._retry.call("hand_over", work, seconds_left=seconds_left)
        self._metrics.hand_overs.inc(done.phones)
        done.keys.count(self._metrics)
        return done.phones, marks

    def carry_out_early(self, phones: Sequence[PhoneState]) -> list[int]:
        """The same for those of the phones that a transaction, which has committed, saw in other hands than the ledger says; gives the marks left.

        A look that found them would end, begin again behind a transaction that waits for everybody who writes evidence, and so hold up intake behind it.
        What cannot be done now is left to that look. Raises only what must end this worker.
        """
        found = outdated(self._matcher, phones)
        if not found:
            return []
        try:
            _, marks = self.carry_out(found.keys())
        except FATAL:
            raise
        except Exception as error:  # noqa: BLE001 (the evidence is in, and the look has the same to do)
            log = _log.info if isinstance(error, TransientError) else _log.warning
            log("hand_over_failed", reason=type(error).__name__, phones=len(found))
            return []
        return marks
