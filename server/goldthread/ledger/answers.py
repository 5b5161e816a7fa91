"""What the rows of the query `answers` say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from goldthread.domain.policy import Totals, masked_name, question_for, tier_of
from goldthread.domain.ports import Answer, CardSnapshot
from goldthread.domain.words import IdentifierType, LookupOutcome, QuestionKind, profile_public_id
from goldthread.ledger.life import known_stamp

__all__ = ["answers_of", "known_answers"]

_QUESTIONS = {int(kind): question_for(kind) for kind in IdentifierType}
"""What to ask, by the stored type of the identifier."""


def answers_of(tokens: Sequence[bytes], rows: Sequence[Sequence[Any]]) -> list[Answer]:
    """The answer to each token, in their order; those that show one profile share its card, as one object."""
    found = {answer.token: answer for answer in known_answers(rows)}
    return [found.get(token) or _not_found(token, 0) for token in tokens]


def known_answers(rows: Sequence[Sequence[Any]]) -> list[Answer]:
    """The answers that the rows hold, in no order; likewise."""
    shown = {row[5]: _shown(row[5:]) for row in rows if row[0] is None}
    return [_answer(row[:5], shown) for row in rows if row[0] is not None]


class _Shown(NamedTuple):
    """A live profile: its card, None if it is credited to nobody, and the open review in which it stands, "" if there is none."""

    card: CardSnapshot | None
    review_id: str


def _shown(row: Sequence[Any]) -> _Shown:
    profile_id, ambiguous, given, family, purchases, total, last_at, last_store, review, as_of = row
    if ambiguous:
        return _Shown(None, "")
    card = CardSnapshot(
        profile_id=profile_public_id(profile_id),
        masked_name=masked_name(given, family),
        tier=tier_of(Totals(purchases, total, last_at, last_store), as_of),
        tier_as_of=as_of,
        last_purchase_at=last_at,
        last_purchase_store=last_store,
    )
    return _Shown(card, "" if review is None else str(review))


def _answer(row: Sequence[Any], shown: Mapping[UUID, _Shown]) -> Answer:
    token, type_, generic, stamped, profile_ids = row
    stamp = known_stamp(stamped)
    holders = [shown[profile_id] for profile_id in profile_ids if profile_id in shown]
    if not generic and not holders:
        # Unlike the answer for a token that the ledger never saw, this one replaces cards of records that are gone.
        return _not_found(token, stamp)
    decided = [one for one in holders if one.card is not None]
    if generic or len(decided) != 1:
        return Answer(
            token=token,
            version=stamp,
            outcome=LookupOutcome.AMBIGUOUS,
            card=None,
            question=_QUESTIONS[type_],
            review_id="",
        )
    [(card, review_id)] = decided
    return Answer(
        token=token,
        version=stamp,
        outcome=LookupOutcome.NEEDS_CONFIRMATION if review_id else LookupOutcome.FOUND,
        card=card,
        question=_QUESTIONS[type_] if review_id else QuestionKind.UNSPECIFIED,
        review_id=review_id,
    )


def _not_found(token: bytes, version: int) -> Answer:
    return Answer(
        token=token,
        version=version,
        outcome=LookupOutcome.NOT_FOUND,
        card=None,
        question=QuestionKind.UNSPECIFIED,
        review_id="",
    )
