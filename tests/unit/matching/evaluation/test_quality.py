from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread.matching.evaluation import compare_partitions


def test_perfect_partition_scores_one_whatever_the_labels_are_called() -> None:
    quality = compare_partitions([1, 1, 2, 3], ["c", "c", "a", "b"])
    assert (quality.precision, quality.recall, quality.f1) == (1.0, 1.0, 1.0)
    assert (quality.bcubed_precision, quality.bcubed_recall, quality.bcubed_f1) == (1.0, 1.0, 1.0)
    assert quality.exact == 1.0


def test_hand_computed_split_and_wrong_merge() -> None:
    # Persons {0,1,2}, {3,4}, {5}; clusters {0,1}, {2,3,4}, {5}.
    quality = compare_partitions(["a", "a", "a", "b", "b", "c"], [1, 1, 2, 2, 2, 3])
    assert (quality.true_pairs, quality.predicted_pairs, quality.correct_pairs) == (4, 4, 2)
    assert quality.precision == 0.5
    assert quality.recall == 0.5
    assert quality.f1 == 0.5
    # Precision per row: 1, 1, 1/3, 2/3, 2/3, 1; recall per row: 2/3, 2/3, 1/3, 1, 1, 1.
    assert quality.bcubed_precision == pytest.approx((2 + 1 / 3 + 4 / 3 + 1) / 6)
    assert quality.bcubed_recall == pytest.approx((4 / 3 + 1 / 3 + 3) / 6)
    assert quality.exact == pytest.approx(1 / 3)


def test_everything_in_one_cluster() -> None:
    quality = compare_partitions([1, 1, 2, 2], [0, 0, 0, 0])
    assert quality.precision == pytest.approx(1 / 3)
    assert quality.recall == 1.0
    assert quality.bcubed_precision == 0.5
    assert quality.exact == 0.0


def test_nothing_linked_makes_no_wrong_pair_and_finds_none() -> None:
    quality = compare_partitions([1, 1, 2], [0, 1, 2])
    assert (quality.precision, quality.recall, quality.f1) == (1.0, 0.0, 0.0)
    assert quality.exact == 0.5


def test_no_rows_and_no_pairs_count_as_no_mistake() -> None:
    empty = compare_partitions([], [])
    assert (empty.precision, empty.recall, empty.bcubed_f1, empty.exact) == (1.0, 1.0, 1.0, 1.0)
    singles = compare_partitions([1, 2], [1, 2])
    assert (singles.precision, singles.recall, singles.f1) == (1.0, 1.0, 1.0)


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match="shorter"):
        compare_partitions([1, 2], [1])


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=40))
def test_agrees_with_the_definition_over_all_pairs(labels: list[tuple[int, int]]) -> None:
    truth = [person for person, _ in labels]
    predicted = [cluster for _, cluster in labels]
    quality = compare_partitions(truth, predicted)
    pairs = list(combinations(labels, 2))
    assert quality.true_pairs == sum(a[0] == b[0] for a, b in pairs)
    assert quality.predicted_pairs == sum(a[1] == b[1] for a, b in pairs)
    assert quality.correct_pairs == sum(a == b for a, b in pairs)
    people = [{i for i, other in enumerate(truth) if other == person} for person in truth]
    clusters = [{i for i, other in enumerate(predicted) if other == cluster} for cluster in predicted]
    rows = len(labels)
    precision = sum(len(people[i] & clusters[i]) / len(clusters[i]) for i in range(rows)) / rows
    recall = sum(len(people[i] & clusters[i]) / len(people[i]) for i in range(rows)) / rows
    assert quality.bcubed_precision == pytest.approx(precision)
    assert quality.bcubed_recall == pytest.approx(recall)
    exact = {frozenset(person) for person in people} & {frozenset(cluster) for cluster in clusters}
    assert quality.exact == pytest.approx(len(exact) / len(set(truth)))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=30), st.randoms(use_true_random=False))
def test_order_of_rows_does_not_matter(labels: list[tuple[int, int]], random: object) -> None:
    shuffled = list(labels)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first = compare_partitions([t for t, _ in labels], [p for _, p in labels])
    second = compare_partitions([t for t, _ in shuffled], [p for _, p in shuffled])
    assert (first.true_pairs, first.predicted_pairs, first.correct_pairs) == (
        second.true_pairs,
        second.predicted_pairs,
        second.correct_pairs,
    )
    assert first.bcubed_f1 == pytest.approx(second.bcubed_f1)
    assert first.exact == second.exact
