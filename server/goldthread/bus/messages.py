"""What the bus hands up: messages as read, and batches with the progress they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from goldthread.domain.ports import OffsetMove
from goldthread.domain.words import Position

__all__ = ["BatchLimits", "Message", "PolledBatch"]


@dataclass(frozen=True, slots=True)
class Message:
    """A message of the events topic; `payload` is None for a tombstone, `content_type` None without the header."""

    position: Position
    payload: bytes | None = field(repr=False)
    content_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """Bounds of one batch: whichever is met first ends it. `wait_ms` is how long a batch that has begun waits to become fuller.

    `max_bytes` may be passed by what the client library has already fetched, which is bounded too.
    """

    max_messages: int = 500
    wait_ms: int = 50
    max_bytes: int = 8 * 1024 * 1024
    idle_ms: int = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PolledBatch:
    """Messages in reading order, the offset moves that go with their effect, and messages still unread by partition."""

    messages: tuple[Message, ...] = ()
    offsets: tuple[OffsetMove, ...] = ()
    lag: Mapping[int, int] = field(default_factory=dict)
