"""Which assertions count: a function of the assertions, the kept pairs and the records, never of profiles or of the order of arrival.

An assertion counts unless it rests on evidence that is no longer what it was. Of several that count about one pair of records the one of the
higher rank wins, then the later, then the one with the larger id. A void assertion comes back when its evidence does: nothing is stored about that.

A withdrawn record stands in no profile, so it is different from nobody; but it still ties together those who were said to be the same as it,
unless that was to expire: else a merge would fall apart as soon as one of its records is corrected away.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import islice

from goldthread.ledger.rows import AssertionRow, PairRow

__all__ = ["Bases", "basis_of", "standing"]

_SCORE_BYTES = 8


class Bases:
    """Digests of the evidence on which statements about two records rest.

    `pairs` are kept pairs `(low, high, score)` and must hold all that touch the records asked for; `addresses` those of both ends of each.
    """

    def __init__(self, pairs: Iterable[tuple[int, int, int]], addresses: Mapping[int, bytes]) -> None:
        written: list[tuple[bytes, int, int]] = []
        for low, high, score in pairs:
            first, second = sorted((addresses[low], addresses[high]))
            # Flipping the sign bit lets byte order be the order of the numbers.
            number = (score + (1 << (8 * _SCORE_BYTES - 1))).to_bytes(_SCORE_BYTES, "big")
            written.append((first + second + number, low, high))
        written.sort()
        self._written = [text for text, _, _ in written]
        self._touching: dict[int, list[int]] = defaultdict(list)
        for place, (_, low, high) in enumerate(written):
            self._touching[low].append(place)
            self._touching[high].append(place)
        self._digests: dict[int, bytes] = {}

    def of(self, low: int, high: int) -> bytes:
        """SHA-256 over the digests of the two records in ascending order, each the SHA-256 over the pairs that touch it.

        Pairs are written as lower address, higher address and score, in ascending order. The digest of each record is computed once, so that
        any number of statements costs no more than the pairs do.
        """
        return hashlib.sha256(b"".join(sorted((self._digest(low), self._digest(high))))).digest()

    def _digest(self, record_id: int) -> bytes:
        known = self._digests.get(record_id)
        if known is None:
            text = b"".join(self._written[place] for place in self._touching.get(record_id, ()))
            known = self._digests[record_id] = hashlib.sha256(text).digest()
        return known


def basis_of(low: int, high: int, pairs: Iterable[PairRow], addresses: Mapping[int, bytes]) -> bytes:
    """Digest of the evidence about two records; `pairs` as for `Bases`."""
    return Bases(((pair.low, pair.high, pair.score) for pair in pairs), addresses).of(low, high)


def standing(
    assertions: Sequence[AssertionRow],
    pairs: Sequence[PairRow],
    addresses: Mapping[int, bytes],
    active: Collection[int],
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs of records that count as the same person, and those that count as different people; each ascending, no pair in both.

    `pairs` are those of the whole component, `active` the records of it that are not withdrawn.
    """
    bases: Bases | None = None
    winners: dict[tuple[int, int], AssertionRow] = {}
    for row in assertions:
        if row.basis is not None:
            if row.low not in active or row.high not in active:
                continue
            if bases is None:
                bases = Bases(((pair.low, pair.high, pair.score) for pair in pairs), addresses)
            if bases.of(row.low, row.high) != row.basis:
                continue
        known = winners.get((row.low, row.high))
        if known is None or _weight(row) > _weight(known):
            winners[row.low, row.high] = row
    here = {key: row.same for key, row in winners.items() if key[0] in active and key[1] in active}
    different = {key for key, same in here.items() if not same}
    tied = _tied((key for key, row in winners.items() if row.same), different, addresses, active)
    return sorted(tied.union(key for key, same in here.items() if same)), sorted(different)


def _tied(
    same: Iterable[tuple[int, int]],
    different: Collection[tuple[int, int]],
    addresses: Mapping[int, bytes],
    active: Collection[int],
) -> set[tuple[int, int]]:
    """Pairs of active records that withdrawn ones tie together.

    By address, each with the first before it of which nobody says that it is somebody else.
    """
    fellows: dict[int, list[int]] = defaultdict(list)
    for low, high in same:
        if low not in active:
            fellows[low].append(high)
        if high not in active:
            fellows[high].append(low)
    tied: set[tuple[int, int]] = set()
    seen: set[int] = set()
    for start in fellows:
        reached, waiting = {start}, [start]
        while waiting and start not in seen:
            news = {other for other in fellows.get(waiting.pop(), ()) if other not in reached}
            reached |= news
            waiting += [other for other in news if other not in active]
        seen |= reached.difference(active)
        ends = sorted(reached.intersection(active), key=addresses.__getitem__)
        for place, one in enumerate(ends):
            pairs = ((min(one, other), max(one, other)) for other in ends[:place])
            tied.update(islice((pair for pair in pairs if pair not in different), 1))
    return tied


def _weight(row: AssertionRow) -> tuple[int, float, int]:
    return row.actor_rank, row.asserted_at.timestamp(), row.assertion_id
