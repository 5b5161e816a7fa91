"""When a phone changed hands, and what belongs to which epoch: by hand-worked cases (the oracle's own tests compare both at random)."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from goldthread.matching import HandOver, NamedSpan, epoch_token, hand_overs, opener_at
from goldthread.matching.epochs import epoch_address

START = datetime(2024, 1, 1, tzinfo=UTC)
GAP = timedelta(days=90)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def address(number: int) -> bytes:
    return bytes([number]) * 32


def span(name_key: str, first: float, last: float, number: int = 1) -> NamedSpan:
    return NamedSpan(name_key, day(first), day(last), address(number))


def found(*spans: NamedSpan) -> list[float]:
    return [(one.at - START) / timedelta(days=1) for one in hand_overs(spans, GAP)]


def test_a_phone_that_one_person_carries_never_changes_hands() -> None:
    assert found() == []
    assert found(span("RL|a", 0, 10), span("RL|a", 200, 300), span("RL|a", 500, 600)) == []


@pytest.mark.parametrize(("first", "moments"), [(99, []), (100, [100]), (180, [180])])
def test_the_silence_lasts_the_whole_gap(first: float, moments: list[float]) -> None:
    assert found(span("RL|a", 0, 10), span("KTS|b", first, first + 50)) == moments


@pytest.mark.parametrize("name_key", ["RL|c", "KTS|a"])
def test_a_surname_or_an_initial_in_common_is_no_hand_over(name_key: str) -> None:
    assert found(span("RL|a", 0, 10), span(name_key, 200, 300)) == []


def test_whoever_is_there_at_both_times_keeps_the_phone() -> None:
    """Also where everybody around changed: one relative before and after is enough."""
    assert found(span("RL|a", 0, 10), span("MLR|d", 5, 8), span("KTS|b", 200, 210), span("RL|e", 400, 410)) == []
    # The gap is one since the last of all before, not since the last that began.
    assert found(span("RL|a", 0, 150), span("MLR|d", 5, 8), span("KTS|b", 200, 210)) == []


def test_several_owners_one_after_the_other() -> None:
    assert found(span("RL|a", 0, 10), span("KTS|b", 200, 210), span("KTS|b", 205, 220), span("MLR|d", 400, 400)) == [
        200,
        400,
    ]


def test_those_who_begin_at_one_moment_are_one_side() -> None:
    assert found(span("RL|a", 0, 10), span("KTS|b", 200, 210), span("MLR|d", 200, 200)) == [200]
    assert found(span("RL|a", 0, 10), span("KTS|b", 200, 210), span("RL|d", 200, 200)) == []


def test_the_opener_is_the_lowest_of_those_who_begin_then() -> None:
    spans = [span("RL|a", 0, 10, 1), span("KTS|b", 200, 210, 7), span("MLR|d", 200, 200, 4), span("KTS|b", 201, 210, 2)]
    assert hand_overs(spans, GAP) == (HandOver(day(200), address(4)),)


def test_an_owner_found_late_in_between_opens_nobody_elses_epoch() -> None:
    spans = [span("RL|a", 0, 10, 1), span("KTS|b", 600, 610, 2)]
    late = span("MLR|d", 300, 310, 3)
    assert [one.opener for one in hand_overs(spans, GAP)] == [address(2)]
    assert [one.opener for one in hand_overs([*spans, late], GAP)] == [address(3), address(2)]


def test_no_order_matters() -> None:
    spans = [span("RL|a", 0, 10), span("KTS|b", 200, 210), span("KTS|b", 200, 290), span("MLR|d", 400, 400)]
    draw = Random(1)
    assert {tuple(found(*draw.sample(spans, len(spans)))) for _ in range(50)} == {(200, 400)}


def test_a_moment_begins_its_epoch() -> None:
    come = [HandOver(day(10), address(5)), HandOver(day(20), address(9)), HandOver(day(10), address(3))]
    openers = [opener_at(come, day(number)) for number in (9, 10, 15, 20, 99)]
    assert openers == [None, address(3), address(3), address(9), address(9)]
    assert opener_at([], day(0)) is None


def test_the_first_epoch_leaves_tokens_and_addresses_as_they_are() -> None:
    base, key = bytes(range(32)), bytes(32)
    assert epoch_token(base, 0) == epoch_address(key, base, None) == base
    assert epoch_token(base, 12) == hashlib.sha256(base + b"\x0012").digest()
    assert epoch_address(key, base, address(7)) == hmac.new(key, base + b"\x00" + address(7), hashlib.sha256).digest()
