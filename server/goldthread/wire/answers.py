"""Answers of the service as messages: the cached part of a lookup, and the answer of Resolve."""

from __future__ import annotations

from goldthread.domain.ports import Answer, CachedAnswer, CardSnapshot, PairEvidence, ResolveResult
from goldthread.domain.words import LookupOutcome, QuestionKind
from goldthread.v1 import lookup_service_pb2, profile_pb2, resolver_service_pb2
from goldthread.wire.times import timestamp_of

__all__ = ["cached_answer", "encode_answer", "evidence_message", "resolve_response"]

_MAX_EVIDENCE = 20
_MILLIBITS = 1000


def cached_answer(answer: Answer) -> CachedAnswer:
    """What the cache holds for an answer: its version and, unless it is NOT_FOUND, its encoded part."""
    return CachedAnswer(answer.version, b"" if answer.outcome is LookupOutcome.NOT_FOUND else encode_answer(answer))


def encode_answer(answer: Answer) -> bytes:
    """Fields 1 to 3 of `LookupResponse`, deterministic: what every lookup starts from."""
    message = lookup_service_pb2.LookupResponse(outcome=int(answer.outcome))  # type: ignore[arg-type]
    if answer.card is not None:
        message.card.CopyFrom(_card(answer.card))
    if answer.question != QuestionKind.UNSPECIFIED or answer.review_id:
        message.question.kind = int(answer.question)  # type: ignore[assignment]
        message.question.review_id = answer.review_id
    return message.SerializeToString(deterministic=True)


def resolve_response(result: ResolveResult) -> resolver_service_pb2.ResolveResponse:
    """The answer of Resolve; at most 20 pairs of evidence, in the order given."""
    return resolver_service_pb2.ResolveResponse(
        profile_id=result.profile_id,
        decision=int(result.decision),  # type: ignore[arg-type]
        probability=result.probability,
        evidence=[evidence_message(pair) for pair in result.evidence[:_MAX_EVIDENCE]],
        version=result.version,
        provisional=result.provisional,
        duplicate=result.duplicate,
        model_version=result.model_version,
        uncalibrated=not result.calibrated,
        ledger_version=result.ledger_version,
    )


def _card(card: CardSnapshot) -> profile_pb2.Card:
    message = profile_pb2.Card(
        profile_id=card.profile_id,
        masked_name=card.masked_name,
        tier=int(card.tier),  # type: ignore[arg-type]
        tier_as_of=card.tier_as_of.isoformat(),
        last_purchase_store=card.last_purchase_store,
    )
    if card.last_purchase_at is not None:
        message.last_purchase_at.CopyFrom(timestamp_of(card.last_purchase_at))
    return message


def evidence_message(pair: PairEvidence) -> profile_pb2.Evidence:
    """A scored pair with its parts, in bits."""
    return profile_pb2.Evidence(
        record_id=pair.record_id,
        other_record_id=pair.other_record_id,
        bits=pair.score / _MILLIBITS,
        probability=pair.probability,
        nearest_rival=int(pair.nearest_rival),  # type: ignore[arg-type]
        contributions=[
            profile_pb2.Contribution(comparison=part.comparison, level=part.level, bits=part.weight / _MILLIBITS)
            for part in pair.contributions
        ],
    )
