"""Quality of a partition measured against the truth: pairs, B-cubed and exactly right persons.

All of it follows from the contingency table of the two labellings, so the cost grows with the number of rows and not with
the number of pairs. Pairs are counted after closure: every pair of rows that ends in one cluster counts, whether or not the
two were ever compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

__all__ = ["Quality", "compare_partitions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How well predicted clusters agree with true persons.

    All ratios lie in 0 to 1. Precision of nothing predicted and recall of nothing to find are 1: no mistake was made.
    """

    rows: int
    true_persons: int
    clusters: int
    true_pairs: int
    predicted_pairs: int
    correct_pairs: int
    bcubed_precision: float
    bcubed_recall: float
    exact: float
    """Share of the true persons whose rows are exactly the rows of one cluster."""

    @property
    def precision(self) -> float:
        """Share of the predicted pairs that are right."""
        return self.correct_pairs / self.predicted_pairs if self.predicted_pairs else 1.0

    @property
    def recall(self) -> float:
        """Share of the true pairs that were predicted."""
        return self.correct_pairs / self.true_pairs if self.true_pairs else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of `precision` and `recall`."""
        return _harmonic_mean(self.precision, self.recall)

    @property
    def bcubed_f1(self) -> float:
        """Harmonic mean of `bcubed_precision` and `bcubed_recall`."""
        return _harmonic_mean(self.bcubed_precision, self.bcubed_recall)


def compare_partitions(truth: Sequence[Hashable], predicted: Sequence[Hashable]) -> Quality:
    """Measures predicted labels against true ones; row i has the labels `truth[i]` and `predicted[i]`.

    Labels only need to be equal or not; their values and their order do not matter. O(rows). Raises `ValueError` if the
    lengths differ.
    """
    cells = Counter(zip(truth, predicted, strict=True))
    persons = Counter(truth)
    clusters = Counter(predicted)
    rows = len(truth)
    in_cluster = sum(count * count / clusters[label] for (_, label), count in cells.items())
    in_person = sum(count * count / persons[person] for (person, _), count in cells.items())
    exact = sum(count == persons[person] == clusters[label] for (person, label), count in cells.items())
    return Quality(
        rows=rows,
        true_persons=len(persons),
        clusters=len(clusters),
        true_pairs=_pairs(persons.values()),
        predicted_pairs=_pairs(clusters.values()),
        correct_pairs=_pairs(cells.values()),
        bcubed_precision=in_cluster / rows if rows else 1.0,
        bcubed_recall=in_person / rows if rows else 1.0,
        exact=exact / len(persons) if persons else 1.0,
    )


def _pairs(sizes: Iterable[int]) -> int:
    return sum(size * (size - 1) // 2 for size in sizes)


def _harmonic_mean(left: float, right: float) -> float:
    return 2 * left * right / (left + right) if left + right else 0.0
