"""Settings of the REST door."""

from __future__ import annotations

from dataclasses import dataclass

from goldthread.domain.errors import SettingsError

__all__ = ["RestSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestSettings:
    """What the door reads: a body of at most `max_body_bytes`, which has `body_seconds` to arrive; at most `in_flight` calls at once."""

    max_body_bytes: int = 4 * 1024 * 1024
    body_seconds: float = 10.0
    in_flight: int = 256

    def __post_init__(self) -> None:
        if self.max_body_bytes < 1 or self.body_seconds <= 0 or self.in_flight < 1:
            raise SettingsError("rest.limits", "every limit must be above 0")
