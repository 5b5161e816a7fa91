"""How large a run is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["GateOptions", "short", "whole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GateOptions:
    """One run of the gate. Everything drawn at random follows from `seed`; what the scheduler makes of it does not.

    `events` are distinct event ids that must be taken; duplicates, conflicting payloads, poison and previews come on top. `kills` are SIGKILLs;
    pauses and SIGTERMs come on top. Times are seconds: `settle` bounds the wait after the last event, `limit` the whole stream.
    """

    seed: int
    events: int
    kills: int
    consumers: int = 4
    servers: int = 2
    relays: int = 2
    partitions: int = 8
    resolve_share: float = 0.2
    lookups_per_second: int = 40
    oracle_processes: int = 2
    settle: float = 300.0
    limit: float = 2_100.0
    folder: Path | None = None
    keep: bool = False

    def __post_init__(self) -> None:
        """Raises `ValueError` for a run that could not end."""
        if min(self.events, self.consumers, self.servers, self.relays) < 1 or self.kills < 0 or self.partitions < 8:
            raise ValueError("at least one event, consumer, server and relay, no negative kills, and eight partitions")


def whole(seed: int) -> GateOptions:
    """The full form."""
    return GateOptions(seed=seed, events=200_000, kills=60)


def short(seed: int) -> GateOptions:
    """The form that is part of `make test`."""
    return GateOptions(
        seed=seed,
        events=6_000,
        kills=6,
        consumers=2,
        servers=2,
        relays=2,
        lookups_per_second=20,
        settle=120.0,
        limit=150.0,
    )
