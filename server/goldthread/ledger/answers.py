"""What the rows of the query `answers` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from goldthread.domain.policy import Totals, masked_name, question_for, tier_of
from goldthread.domain.ports import Answer, CardSnapshot
from goldthread.domain.words import IdentifierType, LookupOutcome, QuestionKind, profile_public_id
from goldthread.ledger.life import known_stamp

__all__ = ["answers_of", "known_answers"]


def answers_of(tokens: Sequence[bytes], rows: Sequence[Sequence[Any]]) -> list[Answer]:
    """The answer to each token, in their order; those that show one profile share its card, as one object."""
    found = {answer.token: answer for answer in known_answers(rows)}
    return [found.get(token) or _unknown(token) for token in tokens]


def known_answers(rows: Sequence[Sequence[Any]]) -> list[Answer]:
    """The answers that the rows hold, in no order; likewise."""
    shown = {row[5]: _Shown(*row[6:]) for row in rows if row[0] is None}
    cards: dict[UUID, CardSnapshot] = {}
    return [_answer(row[:5], shown, cards) for row in rows if row[0] is not None]


class _Shown(NamedTuple):
    """What a card shows of a live profile, and the open review in which it stands."""

    ambiguous: bool
    given: str | None
    family: str | None
    purchases: int
    total: int
    last_at: datetime | None
    last_store: str
    review: int | None
    as_of: date


def _unknown(token: bytes) -> Answer:
    return Answer(
        token=token,
        version=0,
        outcome=LookupOutcome.NOT_FOUND,
        card=None,
        question=QuestionKind.UNSPECIFIED,
        review_id="",
    )


def _answer(row: Sequence[Any], shown: Mapping[UUID, _Shown], cards: dict[UUID, CardSnapshot]) -> Answer:
    token, type_, generic, stamped, profile_ids = bytes(row[0]), *row[1:]
    stamp = known_stamp(stamped)
    holders = {profile_id for profile_id in profile_ids if profile_id in shown}
    if not generic and not holders:
        # Unlike the answer for a token that the ledger never saw, this one replaces cards of records that are gone.
        return replace(_unknown(token), version=stamp)
    decided = [profile_id for profile_id in holders if not shown[profile_id].ambiguous]
    if generic or len(decided) != 1:
        return Answer(
            token=token,
            version=stamp,
            outcome=LookupOutcome.AMBIGUOUS,
            card=None,
            question=question_for(IdentifierType(type_)),
            review_id="",
        )
    [profile_id] = decided
    profile = shown[profile_id]
    if (card := cards.get(profile_id)) is None:
        card = cards[profile_id] = CardSnapshot(
            profile_id=profile_public_id(profile_id),
            masked_name=masked_name(profile.given, profile.family),
            tier=tier_of(Totals(profile.purchases, profile.total, profile.last_at, profile.last_store), profile.as_of),
            tier_as_of=profile.as_of,
            last_purchase_at=profile.last_at,
            last_purchase_store=profile.last_store,
        )
    reviewed = profile.review is not None
    return Answer(
        token=token,
        version=stamp,
        outcome=LookupOutcome.NEEDS_CONFIRMATION if reviewed else LookupOutcome.FOUND,
        card=card,
        question=question_for(IdentifierType(type_)) if reviewed else QuestionKind.UNSPECIFIED,
        review_id=str(profile.review) if reviewed else "",
    )
