"""The error that every embedded server raises."""

from __future__ import annotations

from typing import ClassVar

__all__ = ["EmbeddedServerCancelledError", "EmbeddedServerError"]


class EmbeddedServerError(RuntimeError):
    """Says which embedded server could not be started or stopped, why, and what it last logged.

    `part` is ``postgres``, ``redis`` or ``kafka``. `log_tail` holds the last lines of that server's own log, or is
    empty; servers are configured so that their logs carry neither statements nor stored values. Trying again can help
    only after the cause was removed.
    """

    reason: ClassVar[str] = "EMBEDDED_SERVER_FAILED"
    retryable: ClassVar[bool] = False

    def __init__(self, part: str, message: str, *, log_tail: str = "") -> None:
        text = f"{part}: {message}"
        if log_tail:
            text = f"{text}\n--- end of its log ---\n{log_tail}"
        super().__init__(text)
        self.part = part
        self.message = message
        self.log_tail = log_tail

    @property
    def metadata(self) -> dict[str, str]:
        """Gives the variable parts of the message, as every Goldthread error does."""
        return {"part": self.part}


class EmbeddedServerCancelledError(EmbeddedServerError):
    """Says that a start was given up because the caller asked, or because another part had failed."""

    reason: ClassVar[str] = "EMBEDDED_SERVER_CANCELLED"

    def __init__(self, part: str) -> None:
        super().__init__(part, "the start was cancelled")
