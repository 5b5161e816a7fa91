"""Why two things are one person or not: values of `ProfileService.Explain`. Ids are birth ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import TypeAlias
from uuid import UUID

from goldthread.domain.ports import PairEvidence
from goldthread.domain.profiles import HistoryView
from goldthread.domain.words import IncomingIdentifier

__all__ = ["Explanation", "Ground", "NamedProfile", "NamedRecord", "Side", "StatementView", "Verdict"]


class Verdict(IntEnum):
    """What the ledger says of two records; numbers as in `profile_service.proto`."""

    ONE = 1
    APART = 2
    REVIEW = 3
    HOUSEHOLD = 4
    AMBIGUOUS = 5


class Ground(IntEnum):
    """What decided it; numbers as in `profile_service.proto`."""

    PAIR = 1
    CHAIN = 2
    SAID = 3
    WHOLE = 4
    SAME_RECORD = 5


@dataclass(frozen=True, slots=True)
class NamedRecord:
    """A record."""

    birth_id: UUID


@dataclass(frozen=True, slots=True)
class NamedProfile:
    """The records of the profile that an id stands for."""

    birth_id: UUID


Side: TypeAlias = NamedRecord | NamedProfile | IncomingIdentifier
"""One of the two things to explain; an identifier stands for the records that carry it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementView:
    """What somebody said of two records."""

    record_id: UUID
    other_record_id: UUID
    same: bool
    actor: str
    reason: str = field(repr=False)
    said_at: datetime
    operation_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Why; fields as in `ExplainResponse`. For its `text` alone: `review_probability`, what the open review says of the two profiles, if there is one."""

    verdict: Verdict
    ground: Ground
    evidence: PairEvidence | None
    link_probability: float
    chain: tuple[PairEvidence, ...]
    statements: tuple[StatementView, ...]
    came_about: HistoryView | None
    profile_id: UUID
    other_profile_id: UUID
    review_id: int | None
    review_probability: float | None
    text: tuple[str, ...] = ()
