from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread.app.evaluate.report import lines
from goldthread.app.evaluate.systems import SystemReport
from goldthread.matching.evaluation import PairColumns, Resampling, evaluate
from goldthread.matching.evaluation.blocking import (
    MOST_JUDGED,
    Blocking,
    FoundPairs,
    Judged,
    RecordPersons,
    tally_blocking,
    tally_findable,
)


def test_a_chain_of_candidates_of_one_person_joins_what_no_candidate_does() -> None:
    persons = RecordPersons([0, 1, 2, 3], ["a", "a", "a", "b"])
    tallies = tally_blocking(persons, FoundPairs(persons, [0, 1], [1, 2]))
    assert tallies == {"direct": [2.0, 0.0], "through_cluster": [3.0, 0.0]}


def test_a_chain_over_another_person_joins_nothing() -> None:
    persons = RecordPersons([0, 1, 2], ["a", "b", "a"])
    tallies = tally_blocking(persons, FoundPairs(persons, [0, 1], [1, 2]))
    assert tallies == {"direct": [0.0, 0.0], "through_cluster": [0.0, 0.0]}


def test_rows_of_one_record_need_no_candidate_and_rows_without_one_are_never_found() -> None:
    persons = RecordPersons([0, 0, None, 1], ["a", "a", "a", "a"])
    assert tally_blocking(persons, FoundPairs(persons, [], [])) == {"direct": [1.0], "through_cluster": [1.0]}
    assert tally_blocking(persons, FoundPairs(persons, [0], [1])) == {"direct": [3.0], "through_cluster": [3.0]}


def test_a_record_may_hold_rows_of_two_persons() -> None:
    persons = RecordPersons([0, 0, 1, 1], ["a", "b", "a", "b"])
    assert persons.shared(0, 1) == [(0, 1), (1, 1)]
    assert tally_blocking(persons, FoundPairs(persons, [0], [1])) == {
        "direct": [1.0, 1.0],
        "through_cluster": [1.0, 1.0],
    }


def test_a_candidate_counts_for_both_of_its_records() -> None:
    found = Blocking(records=4, candidates=6, true_pairs=1, direct=1.0, through_cluster=1.0)
    assert found.per_record == pytest.approx(3.0)
    assert Blocking(records=0, candidates=0, true_pairs=0, direct=1.0, through_cluster=1.0).per_record == 0.0


def judged(left: Sequence[int], right: Sequence[int]) -> Judged:
    """Neighbours are findable, those up to record 2 by more than names, and kept from record 1 on."""
    near = [b - a == 1 for a, b in zip(left, right, strict=True)]
    return Judged(
        findable=bytes(near),
        beyond_names=bytes(one and b < 3 for b, one in zip(right, near, strict=True)),
        kept=bytes(one and a > 0 for a, one in zip(left, near, strict=True)),
    )


def test_of_pairs_that_could_be_found_each_counts_once_for_its_person() -> None:
    # Person a has records 0 to 3, record 0 with two rows; b has record 1, too, and 4. Found: 0 and 2, 1 and 2.
    persons = RecordPersons([0, 0, 1, 2, 3, 1, 4], ["a", "a", "a", "a", "a", "b", "b"])
    found = FoundPairs(persons, [2, 1], [0, 2], remembered=True)
    assert persons.pair_count() == 7
    assert tally_findable(persons, found, judged) == {
        "findable": [3.0, 0.0],
        "findable.direct": [1.0, 0.0],
        "findable.through_cluster": [2.0, 0.0],
        "beyond_names": [2.0, 0.0],
        "beyond_names.direct": [1.0, 0.0],
        "beyond_names.through_cluster": [2.0, 0.0],
        "kept": [2.0, 0.0],
        "kept.direct": [1.0, 0.0],
        "kept.through_cluster": [1.0, 0.0],
    }


def test_a_crowd_is_not_gone_through_and_that_is_said() -> None:
    records = 2_002

    def never(left: Sequence[int], right: Sequence[int]) -> Judged:
        raise AssertionError(len(left) + len(right))

    assert records * (records - 1) // 2 > MOST_JUDGED
    crowd = evaluate(
        ["a"] * records,
        [0] * records,
        candidates=PairColumns(left=[0], right=[1]),
        judge=never,
        resampling=Resampling(resamples=0),
    )
    assert crowd.blocking is not None
    assert crowd.blocking.true_record_pairs == records * (records - 1) // 2
    assert crowd.blocking.judged is False
    assert crowd.blocking.kept_pairs is None
    [told] = [
        cells
        for title, cells in lines([SystemReport(name="x", version="", evaluation=crowd)])
        if "could be found" in title
    ]
    assert told == ["not judged: more than 2,000,000"]


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 8), st.integers(0, 2)), min_size=1, max_size=14),
    st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=12),
)
def test_agrees_with_the_definition_over_all_pairs(rows: list[tuple[int, int]], drawn: set[tuple[int, int]]) -> None:
    records, truth = [record for record, _ in rows], [person for _, person in rows]
    candidates = sorted({(min(pair), max(pair)) for pair in drawn if pair[0] != pair[1]})
    persons = RecordPersons(records, truth)
    tallies = tally_blocking(persons, FoundPairs(persons, [a for a, _ in candidates], [b for _, b in candidates]))

    def joined(a: int, b: int, person: int) -> bool:
        own = {record for record, other in rows if other == person}
        reached, waiting = {a}, [a]
        while waiting:
            here = waiting.pop()
            for left, right in candidates:
                for there in ((right,) if left == here else ()) + ((left,) if right == here else ()):
                    if there in own and there not in reached:
                        reached.add(there)
                        waiting.append(there)
        return b in reached

    true = [(a, b) for a, b in combinations(range(len(rows)), 2) if truth[a] == truth[b]]
    direct = sum(
        records[a] == records[b] or (min(records[a], records[b]), max(records[a], records[b])) in candidates
        for a, b in true
    )
    through = sum(joined(records[a], records[b], truth[a]) for a, b in true)
    assert sum(tallies["direct"]) == direct
    assert sum(tallies["through_cluster"]) == through
