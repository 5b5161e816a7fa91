"""What the demo is to do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["DemoOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Sizes and rates; rates are per second.

    With `input`, that file goes through the line instead of the generated events and the Febrl sets; `mapping` names its columns and `truth`
    the one that tells who is who. `data_dir` must be new or hold no events yet; None takes a temporary one, removed at the end unless `keep`.
    `callers` lookups run at once while every identifier is looked up.
    """

    events: int = 60_000
    people: int = 15_000
    seed: int = 1
    febrl: bool = True
    data_dir: Path | None = None
    keep: bool = False
    input: Path | None = None
    mapping: Path | None = None
    truth: str | None = None
    probes: int = 200
    probe_rate: float = 10.0
    callers: int = 16
