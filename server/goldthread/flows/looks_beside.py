"""Looks beside intake: while the marks of one batch are looked at, the next batch is read, admitted and taken.

Taking and looking are two transactions, of which neither waits for a lock of the other (ADR 0010), and half of each is the ledger's work, during which
the caller only waits. One after the other they leave a core idle; side by side they do not.

Nothing is lost by it: the marks are durable before the look begins, and a worker that dies with a look under way leaves them to redo, as before. At most one
look is under way or waits, so intake is never more than one batch ahead of what is looked at. Redo has its turn on that thread as well, between two
looks: intake that waited for it each time would have a batch a second taken and looked at one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Protocol, Self

from goldthread.domain.errors import TransientError
from goldthread.flows.looked import Look
from goldthread.telemetry.logs import get_logger

__all__ = ["Looks", "LooksBeside"]

_log = get_logger(__name__)


class Looks(Protocol):
    """Who looks at marks: `flows.Looker`, before `look` returns, or `LooksBeside`."""

    def look(self, mark_ids: Sequence[int]) -> Look:
        """Looks at the records of these marks. Raises only what must end this worker."""
        ...

    def redo(self, limit: int) -> int | None:
        """Works off up to `limit` marks that are due and returns how many, None if that is not known yet. Raises `LedgerUnavailableError`."""
        ...


class LooksBeside:
    """Looks on a thread of its own. For one caller; leaving it waits for the look under way."""

    def __init__(self, looks: Looks) -> None:
        self._looks = looks
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="look")
        self._running: Future[Look] | None = None
        self._redoing: Future[int | None] | None = None

    def look(self, mark_ids: Sequence[int]) -> Look:
        """Begins to look at these marks, once the look before has ended; gives what that one did (nothing if `redo` ended it), and raises what it raised."""
        done = self._ended()
        if mark_ids:
            self._running = self._executor.submit(self._looks.look, mark_ids)
        return done

    def redo(self, limit: int) -> int | None:
        """Works marks off, behind the look under way if there is one, whose marks may be among those that are due.

        In that case nothing is waited for, and None says that it is not known yet: a later call, which begins the next one where there still are
        looks, gives how many there were, or raises what redo raised.
        """
        if self._redoing is not None and not self._redoing.done():
            return None
        redone = self._redone()
        if self._running is not None and not self._running.done():
            self._redoing = self._executor.submit(self._looks.redo, limit)
            return redone
        self._ended()
        return self._looks.redo(limit) if redone is None else redone

    def _ended(self) -> Look:
        running, self._running = self._running, None
        return Look() if running is None else running.result()

    def _redone(self) -> int | None:
        redoing, self._redoing = self._redoing, None
        return None if redoing is None else redoing.result()

    def _leave(self) -> None:
        """Waits for the look under way, and for a redo that has begun. What a redo could not do is left to others, as ever."""
        redoing, self._redoing = self._redoing, None
        begun = redoing is not None and not redoing.cancel()
        try:
            self._ended()
        finally:
            if redoing is not None and begun:
                try:
                    redoing.result()
                except TransientError as error:
                    _log.info("redo_failed", reason=error.reason)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._leave()
        except Exception as own:
            if error is None:
                raise
            # What ends the worker is already on its way, and its exit code with it.
            _log.warning("look_failed", reason=type(own).__name__)
        finally:
            self._executor.shutdown()
