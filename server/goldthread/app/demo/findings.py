"""Everything that one run of the demo found out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from goldthread.app.demo.confirmation import ReviewTold
from goldthread.app.demo.latency import LatencyResult
from goldthread.app.demo.ledger_audit import Accounting, DeadLetters, SetQuality
from goldthread.app.demo.load import LoadResult
from goldthread.app.demo.lookups import LookupAudit
from goldthread.app.demo.planted import PlantedMessage
from goldthread.app.demo.transcript import Transcript
from goldthread.ledger import LedgerCounts

__all__ = ["Findings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Counts and qualities are those after the load and before the probes; memory is in MiB, at the end."""

    generated: bool
    """Whether the input was made for the demo; a user's file need not hold anything to merge or review."""
    rows: int
    load: LoadResult
    planted: tuple[PlantedMessage, ...]
    counts: LedgerCounts
    accounting: Accounting
    dead_letters: DeadLetters
    quality: tuple[SetQuality, ...]
    mixed_profiles: int
    """Profiles that hold events of more than one set."""
    lookups: LookupAudit
    latency: LatencyResult
    transcript: Transcript | None
    review: ReviewTold
    memory: Mapping[str, int]
    model_version: str
    calibrated: bool
    seconds: float
