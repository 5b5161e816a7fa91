"""Tiers, masks and questions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from goldthread.domain.policy import Totals, masked_name, question_for, tier_of
from goldthread.domain.words import IdentifierType, QuestionKind, Tier

AS_OF = date(2026, 1, 1)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "total", "age", "tier"),
    [
        (0, 0, 0, Tier.UNSPECIFIED),
        (1, 9_999, 0, Tier.BRONZE),
        (1, 10_000, 0, Tier.SILVER),
        (1, 10_000, 61, Tier.BRONZE),
        (5, 50_000, 60, Tier.GOLD),
        (4, 50_000, 60, Tier.GOLD),
        (4, 49_999, 60, Tier.SILVER),
        (12, 199_999, 60, Tier.PLATINUM),
        (12, 200_000, 61, Tier.PLATINUM),
        (12, 200_000, 366, Tier.GOLD),
        (1, 0, 2000, Tier.BRONZE),
        (1, 0, -30, Tier.BRONZE),
    ],
)
def test_tiers_follow_recency_frequency_and_money(count: int, total: int, age: int, tier: Tier) -> None:
    last = NOON - timedelta(days=age)
    assert tier_of(Totals(count, total, last if count else None, ""), AS_OF) is tier


def test_a_purchase_without_a_time_makes_no_tier() -> None:
    assert tier_of(Totals(3, 100, None, ""), AS_OF) is Tier.UNSPECIFIED


@pytest.mark.parametrize("better", ["count", "money", "time"])
def test_more_never_lowers_a_tier(better: str) -> None:
    for count in range(1, 15):
        for total in (0, 5_000, 10_000, 50_000, 200_000):
            for age in (0, 60, 61, 180, 181, 365, 366):
                now = tier_of(Totals(count, total, NOON - timedelta(days=age), ""), AS_OF)
                more = Totals(
                    count + (better == "count"),
                    total + (better == "money"),
                    NOON - timedelta(days=age - (better == "time")),
                    "",
                )
                assert tier_of(more, AS_OF) >= now


@pytest.mark.parametrize(
    ("given", "family", "masked"),
    [
        ("jennifer", "miller", "Jennifer M."),
        ("jennifer", None, "Jennifer"),
        (None, "miller", "M."),
        (None, None, ""),
        ("", "", ""),
        ("anna-lena", "öz", "Anna-Lena Ö."),
    ],
)
def test_a_register_sees_one_name_and_one_letter(given: str | None, family: str | None, masked: str) -> None:
    assert masked_name(given, family) == masked


def test_nobody_is_asked_for_what_was_given() -> None:
    for kind in IdentifierType:
        question = question_for(kind)
        assert question is not QuestionKind.UNSPECIFIED
        assert question.name != kind.name
