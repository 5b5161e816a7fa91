"""Answers of the service as messages: the cached part of a lookup, and the answer of Resolve."""

from __future__ import annotations

from collections.abc import Sequence

from goldthread.domain.ports import Answer, CachedAnswer, CardSnapshot, ContributionBits, PairEvidence, ResolveResult
from goldthread.domain.steward import ConfirmationOutcome
from goldthread.domain.words import Decision, LookupOutcome, QuestionKind, Rival
from goldthread.v1 import lookup_service_pb2, profile_pb2, resolver_service_pb2
from goldthread.wire.times import timestamp_of

__all__ = [
    "cached_answer",
    "cached_answers",
    "card_message",
    "encode_answer",
    "encode_result",
    "evidence_message",
    "resolve_response",
    "result_from_bytes",
]

_MAX_EVIDENCE = 20
_MILLIBITS = 1000


def cached_answer(answer: Answer) -> CachedAnswer:
    """What the cache holds for an answer: its version and, unless it is NOT_FOUND, its encoded part."""
    return CachedAnswer(answer.version, b"" if answer.outcome is LookupOutcome.NOT_FOUND else encode_answer(answer))


def cached_answers(answers: Sequence[Answer]) -> list[tuple[bytes, CachedAnswer]]:
    """What the cache holds for each answer, by its token.

    The identifiers of one profile mostly have one answer, which is encoded once: answers that show one card show one object (`Ledger.answers`).
    """
    encoded: dict[tuple[int, int, int, str], CachedAnswer] = {}
    entries: list[tuple[bytes, CachedAnswer]] = []
    for answer in answers:
        if answer.card is None:
            entries.append((answer.token, cached_answer(answer)))
            continue
        # The sequence keeps its cards alive, so no other takes the place of one meanwhile.
        same = (id(answer.card), answer.version, answer.question, answer.review_id)
        if (entry := encoded.get(same)) is None:
            entry = encoded[same] = cached_answer(answer)
        entries.append((answer.token, entry))
    return entries


def encode_answer(answer: Answer) -> bytes:
    """Fields 1 to 3 of `LookupResponse`, deterministic: what every lookup starts from."""
    message = lookup_service_pb2.LookupResponse(outcome=int(answer.outcome))  # type: ignore[arg-type]
    if answer.card is not None:
        message.card.CopyFrom(card_message(answer.card))
    if answer.question != QuestionKind.UNSPECIFIED or answer.review_id:
        message.question.kind = int(answer.question)  # type: ignore[assignment]
        message.question.review_id = answer.review_id
    return message.SerializeToString(deterministic=True)


def resolve_response(
    result: ResolveResult, confirmed: ConfirmationOutcome | None = None
) -> resolver_service_pb2.ResolveResponse:
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
        confirmation_outcome=int(confirmed or 0),  # type: ignore[arg-type]
    )


def encode_result(result: ResolveResult) -> bytes:
    """The answer of Resolve as it is stored."""
    return resolve_response(result).SerializeToString(deterministic=True)


def result_from_bytes(encoded: bytes) -> ResolveResult:
    """The stored answer."""
    message = resolver_service_pb2.ResolveResponse.FromString(encoded)
    return ResolveResult(
        profile_id=message.profile_id,
        decision=Decision(int(message.decision)),
        probability=message.probability,
        evidence=tuple(_evidence(pair) for pair in message.evidence),
        version=message.version,
        provisional=message.provisional,
        duplicate=message.duplicate,
        model_version=message.model_version,
        calibrated=not message.uncalibrated,
        ledger_version=message.ledger_version,
    )


def _evidence(message: profile_pb2.Evidence) -> PairEvidence:
    return PairEvidence(
        record_id=message.record_id,
        other_record_id=message.other_record_id,
        score=round(message.bits * _MILLIBITS),
        probability=message.probability,
        nearest_rival=Rival(int(message.nearest_rival)),
        contributions=tuple(
            ContributionBits(part.comparison, part.level, round(part.bits * _MILLIBITS))
            for part in message.contributions
        ),
    )


def card_message(card: CardSnapshot) -> profile_pb2.Card:
    """What a register shows of a profile."""
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
