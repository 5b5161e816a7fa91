from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread.matching.evaluation.clusters import cluster_ratios, count_clusters, tally_clusters

LABELS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40)


def ratios(truth: list[int], clusters: list[int]) -> dict[str, float]:
    return cluster_ratios({name: sum(column) for name, column in tally_clusters(truth, clusters).items()})


def test_hand_computed_split_and_wrong_merge() -> None:
    # Persons {0,1,2}, {3,4}, {5}; clusters {0,1}, {2,3,4}, {5}.
    truth, clusters = ["a", "a", "a", "b", "b", "c"], [1, 1, 2, 2, 2, 3]
    counts = count_clusters(truth, clusters)
    assert (counts.rows, counts.true_persons, counts.clusters) == (6, 3, 3)
    assert (counts.true_pairs, counts.predicted_pairs, counts.correct_pairs) == (4, 4, 2)
    assert (counts.over_merged, counts.under_merged) == (1, 1)
    assert (counts.splits, counts.merges) == (1, 1)
    found = cluster_ratios({name: sum(column) for name, column in tally_clusters(truth, clusters).items()})
    assert (found["precision"], found["recall"], found["f1"]) == (0.5, 0.5, 0.5)
    # Precision per row: 1, 1, 1/3, 2/3, 2/3, 1; recall per row: 2/3, 2/3, 1/3, 1, 1, 1.
    assert found["bcubed_precision"] == pytest.approx((2 + 1 / 3 + 4 / 3 + 1) / 6)
    assert found["bcubed_recall"] == pytest.approx((4 / 3 + 1 / 3 + 3) / 6)
    assert found["exact"] == pytest.approx(1 / 3)


def test_a_wrong_pair_counts_half_for_each_of_its_persons() -> None:
    columns = tally_clusters(["a", "b", "b"], [1, 1, 1])
    assert columns["predicted"] == [1.0, 2.0]
    assert columns["correct"] == [0.0, 1.0]
    assert columns["true"] == [0.0, 1.0]
    assert columns["exact"] == [0.0, 0.0]


def test_one_cluster_of_three_persons_needs_two_splits() -> None:
    counts = count_clusters([1, 2, 3, 3], [0, 0, 0, 0])
    assert (counts.splits, counts.merges, counts.over_merged, counts.under_merged) == (2, 0, 1, 0)


def test_nothing_linked_makes_no_wrong_pair_and_finds_none() -> None:
    found = ratios([1, 1, 2], [0, 1, 2])
    assert (found["precision"], found["recall"], found["f1"]) == (1.0, 0.0, 0.0)
    assert found["exact"] == 0.5
    assert count_clusters([1, 1, 2], [0, 1, 2]).merges == 1


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="shorter"):
        count_clusters([1, 2], [1])


@settings(deadline=None)
@given(LABELS)
def test_agrees_with_the_definitions_over_all_pairs(labels: list[tuple[int, int]]) -> None:
    truth, clusters = [person for person, _ in labels], [cluster for _, cluster in labels]
    counts, found = count_clusters(truth, clusters), ratios(truth, clusters)
    pairs = list(combinations(labels, 2))
    assert counts.true_pairs == sum(a[0] == b[0] for a, b in pairs)
    assert counts.predicted_pairs == sum(a[1] == b[1] for a, b in pairs)
    assert counts.correct_pairs == sum(a == b for a, b in pairs)
    assert found["precision"] == pytest.approx(
        counts.correct_pairs / counts.predicted_pairs if counts.predicted_pairs else 1.0
    )
    assert found["recall"] == pytest.approx(counts.correct_pairs / counts.true_pairs if counts.true_pairs else 1.0)
    people = {frozenset(i for i, other in enumerate(truth) if other == person) for person in truth}
    groups = {frozenset(i for i, other in enumerate(clusters) if other == cluster) for cluster in clusters}
    rows = range(len(labels))
    home = {i: person for person in people for i in person}
    group = {i: cluster for cluster in groups for i in cluster}
    assert found["bcubed_precision"] == pytest.approx(
        sum(len(home[i] & group[i]) / len(group[i]) for i in rows) / len(rows)
    )
    assert found["bcubed_recall"] == pytest.approx(
        sum(len(home[i] & group[i]) / len(home[i]) for i in rows) / len(rows)
    )
    assert found["exact"] == pytest.approx(len(people & groups) / len(people))
    assert counts.over_merged == sum(len({truth[i] for i in cluster}) > 1 for cluster in groups)
    assert counts.under_merged == sum(len({clusters[i] for i in person}) > 1 for person in people)


@settings(deadline=None)
@given(LABELS, st.integers(0, 3))
def test_merge_distance_reaches_zero_at_the_truth_only(labels: list[tuple[int, int]], shift: int) -> None:
    truth = [person for person, _ in labels]
    same = count_clusters(truth, [person + shift for person in truth])
    assert (same.splits, same.merges) == (0, 0)
    clusters = [cluster for _, cluster in labels]
    counts = count_clusters(truth, clusters)
    equal = {tuple(a == b for b in truth) for a in truth} == {tuple(a == b for b in clusters) for a in clusters}
    assert (counts.splits + counts.merges == 0) == equal
