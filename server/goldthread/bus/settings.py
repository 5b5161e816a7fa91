"""Settings of the bus."""

from __future__ import annotations

from dataclasses import dataclass

from goldthread.domain.errors import SettingsError

__all__ = ["READABLE_BYTES", "BusSettings"]

READABLE_BYTES = 16 * 1024 * 1024
"""Messages up to this size can be read, so that those above the limit of an event can be rejected instead of blocking a partition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BusSettings:
    """Where Kafka is and what the topics are called; times in milliseconds.

    `group` names both the Kafka consumer group, which only shares out partitions, and the offsets kept in the ledger. `topic_check_ms` is
    how often a consumer makes sure that its topic is still the one that was assigned.
    """

    bootstrap: str
    group: str = "goldthread"
    events_topic: str = "goldthread.customer-events"
    changes_topic: str = "goldthread.profile-changes"
    dead_letters_topic: str = "goldthread.dead-letters"
    accept_gap: bool = False
    topic_check_ms: int = 5_000
    session_timeout_ms: int = 10_000
    max_poll_interval_ms: int = 120_000
    request_timeout_ms: int = 10_000
    delivery_timeout_ms: int = 30_000

    def __post_init__(self) -> None:
        """Raises `SettingsError` naming the first setting that cannot work."""
        for name in ("bootstrap", "group", "events_topic", "changes_topic", "dead_letters_topic"):
            if not getattr(self, name).strip():
                raise SettingsError(name, "must not be blank")
        if len({self.events_topic, self.changes_topic, self.dead_letters_topic}) != 3:
            raise SettingsError("events_topic", "the three topics must differ")
        for name in ("session_timeout_ms", "request_timeout_ms", "delivery_timeout_ms", "topic_check_ms"):
            if getattr(self, name) < 1_000:
                raise SettingsError(name, "at least 1000")
        if self.max_poll_interval_ms < self.session_timeout_ms:
            raise SettingsError("max_poll_interval_ms", "at least session_timeout_ms")
