"""Scored pairs as they are shown: named by birth ids, with probability, nearest rival and the part of each comparison."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from goldthread.domain.ports import ContributionBits, PairEvidence
from goldthread.domain.words import Rival
from goldthread.ledger import EntryLink
from goldthread.matching import Matcher

__all__ = ["link_evidence", "pair_evidence"]


def pair_evidence(
    matcher: Matcher, one: UUID, other: UUID, *, score: int, levels: bytes, weights: Sequence[int]
) -> PairEvidence:
    """What a pair that was scored under the matcher's model shows."""
    return PairEvidence(
        record_id=str(one),
        other_record_id=str(other),
        score=score,
        probability=matcher.probabilities([score])[0],
        nearest_rival=matcher.nearest_rival(score, weights),
        contributions=tuple(ContributionBits(*part) for part in matcher.contributions(levels, weights)),
    )


def link_evidence(matcher: Matcher, links: Sequence[EntryLink], model_version: str) -> tuple[PairEvidence, ...]:
    """Pairs of a journal entry; if another model scored them only their bits, since its levels and its probabilities are others."""
    if model_version == matcher.model_version:
        return tuple(
            pair_evidence(matcher, link.one, link.other, score=link.score, levels=link.levels, weights=link.weights)
            for link in links
        )
    return tuple(
        PairEvidence(
            record_id=str(link.one),
            other_record_id=str(link.other),
            score=link.score,
            probability=0.0,
            nearest_rival=Rival.UNSPECIFIED,
            contributions=(),
        )
        for link in links
    )
