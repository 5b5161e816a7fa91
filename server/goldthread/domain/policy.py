"""Rules of the business that are neither matching nor storage: time bounds, tiers, masks, survivorship order."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from goldthread.domain.words import IdentifierType, QuestionKind, Tier

__all__ = [
    "EARLIEST_EVENT",
    "FUTURE_ALLOWANCE",
    "MAX_MESSAGE_BYTES",
    "Totals",
    "masked_name",
    "question_for",
    "tier_of",
]

EARLIEST_EVENT = datetime(2000, 1, 1, tzinfo=UTC)
"""Events before this are dead letters, never clamped."""
FUTURE_ALLOWANCE = timedelta(days=1)
"""Events further ahead of the worker's clock than this are dead letters."""
MAX_MESSAGE_BYTES = 1024 * 1024
"""Larger messages are dead letters."""


class Totals(NamedTuple):
    """What a profile bought: number of purchases, sum in minor units, time and store of the last one."""

    purchase_count: int = 0
    purchase_total_minor: int = 0
    last_purchase_at: datetime | None = None
    last_purchase_store: str = ""


def tier_of(totals: Totals, as_of: date) -> Tier:
    """Tier by recency, frequency and money at a published date.

    Each of the three scores 0 to 3 (recency: within 365, 180, 60 days of `as_of`, purchases after it count as recent; frequency: 2, 5, 12
    purchases; money: 100, 500, 2,000 in major units of a currency with two decimals); the sum of 4, 6 and 8 makes silver, gold and
    platinum. No purchase: unspecified. Depends on nothing but its arguments, so replay gives the same tier.
    """
    if totals.purchase_count == 0 or totals.last_purchase_at is None:
        return Tier.UNSPECIFIED
    age = (as_of - totals.last_purchase_at.date()).days
    count, total = totals.purchase_count, totals.purchase_total_minor
    # Written out: it is asked for every profile that changes and every card, and a generator costs more than all of this.
    recency = (age <= 365) + (age <= 180) + (age <= 60)
    frequency = (count >= 2) + (count >= 5) + (count >= 12)
    money = (total >= 100_00) + (total >= 500_00) + (total >= 2000_00)
    score = recency + frequency + money
    if score >= 8:
        return Tier.PLATINUM
    if score >= 6:
        return Tier.GOLD
    return Tier.SILVER if score >= 4 else Tier.BRONZE


def masked_name(given_name: str | None, family_name: str | None) -> str:
    """Name for a register's screen: the given name in title case and the first letter of the family name; empty if both are missing."""
    given = (given_name or "").title()
    initial = f"{family_name[0].upper()}." if family_name else ""
    return f"{given} {initial}".strip()


def question_for(asked_with: IdentifierType) -> QuestionKind:
    """What to ask a customer who was looked up by this kind of identifier: the strongest other key a person knows."""
    match asked_with:
        case IdentifierType.LOYALTY_CARD | IdentifierType.EMAIL:
            return QuestionKind.PHONE
        case _:
            return QuestionKind.LOYALTY_CARD
