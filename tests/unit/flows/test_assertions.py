"""Which assertions count."""

from __future__ import annotations

import hashlib
import itertools
from datetime import UTC, datetime, timedelta

import pytest

from goldthread.flows.assertions import Bases, basis_of, standing
from goldthread.ledger import AssertionRow, PairRow

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
ADDRESSES = {1: b"\x09" * 32, 2: b"\x02" * 32, 3: b"\x03" * 32, 4: b"\x04" * 32}
ALL = frozenset(ADDRESSES)


def pair(low: int, high: int, score: int) -> PairRow:
    return PairRow(low, high, score, b"\x01", (score,))


def said(
    assertion_id: int,
    same: bool,
    *,
    low: int = 1,
    high: int = 2,
    rank: int = 10,
    hours: int = 0,
    basis: bytes | None = None,
) -> AssertionRow:
    return AssertionRow(assertion_id, low, high, same, rank, NOON + timedelta(hours=hours), basis)


def test_same_and_different_come_apart_and_in_order() -> None:
    rows = [said(1, True, low=3, high=4), said(2, False, low=2, high=3), said(3, True, low=1, high=2)]
    assert standing(rows, [], ADDRESSES, ALL) == ([(1, 2), (3, 4)], [(2, 3)])


def test_a_withdrawn_record_is_different_from_nobody() -> None:
    rows = [said(1, True), said(2, False, low=2, high=3), said(3, True, low=3, high=4)]
    assert standing(rows, [], ADDRESSES, {1, 3, 4}) == ([(3, 4)], [])


def test_a_withdrawn_record_ties_those_together_that_are_the_same_as_it() -> None:
    star = [said(1, True), said(2, True, high=3), said(3, True, high=4)]
    assert standing(star, [], ADDRESSES, {2, 3, 4}) == ([(2, 3), (2, 4)], [])
    # Two of them are told apart: the third stays with the first by address.
    apart = [*star, said(4, False, low=2, high=3)]
    assert standing(apart, [], ADDRESSES, {2, 3, 4}) == ([(2, 4)], [(2, 3)])
    # Through several withdrawn records, and not where it was to expire.
    chain = [said(1, True), said(2, True, low=2, high=3), said(3, True, low=3, high=4)]
    assert standing(chain, [], ADDRESSES, {1, 4}) == ([(1, 4)], [])
    void = [chain[0], said(2, True, low=2, high=3, basis=basis_of(2, 3, [], ADDRESSES)), chain[2]]
    assert standing(void, [], ADDRESSES, {1, 4}) == ([], [])


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        (said(9, True, rank=10, hours=5), said(1, False, rank=11)),
        (said(9, True, hours=1), said(1, False, hours=2)),
        (said(1, True), said(2, False)),
    ],
    ids=["rank", "time", "id"],
)
def test_rank_then_time_then_id_decides_in_any_order(weaker: AssertionRow, stronger: AssertionRow) -> None:
    for rows in itertools.permutations((weaker, stronger)):
        assert standing(rows, [], ADDRESSES, ALL) == ([], [(1, 2)])


def test_a_void_assertion_gives_way_to_a_weaker_one() -> None:
    rows = [said(1, True, rank=1), said(2, False, rank=90, basis=b"\x00" * 32)]
    assert standing(rows, [], ADDRESSES, ALL) == ([(1, 2)], [])


def test_a_basis_holds_while_the_evidence_of_both_records_is_what_it_was() -> None:
    pairs = [pair(1, 2, 3000), pair(2, 3, -500), pair(3, 4, 7000)]
    basis = basis_of(1, 2, pairs, ADDRESSES)
    rows = [said(1, True, basis=basis)]
    assert standing(rows, pairs, ADDRESSES, ALL) == ([(1, 2)], [])
    # A pair of strangers is not part of it.
    assert standing(rows, [*pairs[:2], pair(3, 4, 1)], ADDRESSES, ALL) == ([(1, 2)], [])
    for changed in (
        [pair(1, 2, 3001), *pairs[1:]],
        [pairs[0], pair(2, 3, -499), pairs[2]],
        pairs[1:],
        [*pairs, pair(1, 4, 100)],
    ):
        assert standing(rows, changed, ADDRESSES, ALL) == ([], [])
    # And it comes back with the evidence.
    assert standing(rows, list(reversed(pairs)), ADDRESSES, ALL) == ([(1, 2)], [])


def test_a_basis_is_by_addresses_so_other_surrogates_give_the_same() -> None:
    pairs = [pair(1, 2, 3000), pair(2, 3, 500)]
    renamed = {7: ADDRESSES[1], 5: ADDRESSES[2], 6: ADDRESSES[3]}
    assert basis_of(5, 7, [pair(5, 6, 500), pair(5, 7, 3000)], renamed) == basis_of(1, 2, pairs, ADDRESSES)


def test_a_basis_is_the_documented_digest() -> None:
    rows = [
        (ADDRESSES[2], ADDRESSES[1], 3000),
        (ADDRESSES[2], ADDRESSES[3], -500),
    ]
    texts = [low + high + (score + 2**63).to_bytes(8, "big") for low, high, score in sorted(rows)]
    one, other = (hashlib.sha256(text).digest() for text in (texts[1], b"".join(texts)))
    bases = Bases([(2, 3, -500), (1, 2, 3000), (3, 4, 1)], ADDRESSES)
    assert bases.of(1, 2) == bases.of(2, 1) == hashlib.sha256(min(one, other) + max(one, other)).digest()
    nothing = hashlib.sha256().digest()
    assert bases.of(9, 8) == hashlib.sha256(nothing + nothing).digest()


def test_bases_of_many_statements_cost_no_more_than_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[int] = []
    real = hashlib.sha256

    def counted(text: bytes = b"") -> object:
        hashed.append(len(text))
        return real(text)

    records = range(40)
    addresses = {record: bytes([record]) * 32 for record in records}
    pairs = [pair(low, high, 5) for low, high in itertools.combinations(records, 2)]
    rows = [
        said(place, False, low=low, high=high, basis=b"")
        for place, (low, high) in enumerate(itertools.product(records[:20], records[20:]))
    ]
    monkeypatch.setattr(hashlib, "sha256", counted)
    assert standing(rows, pairs, addresses, records) == ([], [])
    assert sum(hashed) == 2 * 72 * len(pairs) + 64 * len(rows)
