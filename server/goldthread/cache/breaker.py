"""Leaves a failing server alone for a while, so that callers do not each wait for its timeout."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Breaker"]


class Breaker:
    """Opens after `failures` failures in a row; then lets one probe through every `seconds` until one succeeds. For one event loop."""

    def __init__(self, *, failures: int, seconds: float, clock: Callable[[], float]) -> None:
        self._limit = failures
        self._seconds = seconds
        self._clock = clock
        self._failures = 0
        self._probe_at = 0.0

    def allows(self) -> bool:
        """True if the caller should try now; it then reports how that went."""
        if self._failures < self._limit:
            return True
        now = self._clock()
        if now < self._probe_at:
            return False
        self._probe_at = now + self._seconds
        return True

    def succeeded(self) -> None:
        """Closes the breaker."""
        self._failures = 0

    def failed(self) -> None:
        """Counts a failure in a row."""
        self._failures += 1
        if self._failures >= self._limit:
            self._probe_at = self._clock() + self._seconds
