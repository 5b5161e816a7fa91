"""Agreement of clusters with true persons, as sums over the persons.

A pair of rows of two persons counts half for each, so that every measure is a ratio of sums over persons, and drawing persons again
(`resample`) draws all of it again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

__all__ = [
    "ClusterCounts",
    "Quality",
    "cluster_ratios",
    "compare_partitions",
    "count_clusters",
    "harmonic_mean",
    "ratio",
    "tally_clusters",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterCounts:
    """Whole numbers of a partition beside the truth."""

    rows: int
    true_persons: int
    clusters: int
    true_pairs: int
    predicted_pairs: int
    correct_pairs: int
    over_merged: int
    """Clusters that hold rows of more than one person."""
    under_merged: int
    """Persons whose rows are spread over more than one cluster."""
    splits: int
    """Splits that leave every cluster with one person."""
    merges: int
    """Merges that then make every person whole; with `splits` the generalised merge distance at unit costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality(ClusterCounts):
    """How well predicted clusters agree with true persons. All ratios lie in 0 to 1."""

    precision: float
    recall: float
    f1: float
    bcubed_precision: float
    bcubed_recall: float
    bcubed_f1: float
    exact: float
    """Share of the true persons whose rows are exactly the rows of one cluster."""


def compare_partitions(truth: Sequence[Hashable], clusters: Sequence[Hashable]) -> Quality:
    """Counts and ratios for row i being of person `truth[i]` and in cluster `clusters[i]`.

    Labels only need to be equal or not; their values and their order do not matter. Precision of nothing predicted and recall of nothing to find are 1: no
    mistake was made. O(rows). Raises `ValueError` if the lengths differ.
    """
    sums = {name: math.fsum(column) for name, column in tally_clusters(truth, clusters).items()}
    found: dict[str, Any] = {**asdict(count_clusters(truth, clusters)), **cluster_ratios(sums)}
    return Quality(**found)


def count_clusters(truth: Sequence[Hashable], clusters: Sequence[Hashable]) -> ClusterCounts:
    """Counts for row i being of person `truth[i]` and in cluster `clusters[i]`; O(rows). Raises `ValueError` if the lengths differ."""
    cells = Counter(zip(truth, clusters, strict=True))
    persons, found = Counter(truth), Counter(clusters)
    spread = Counter(person for person, _ in cells)
    mixed = Counter(cluster for _, cluster in cells)
    return ClusterCounts(
        rows=len(truth),
        true_persons=len(persons),
        clusters=len(found),
        true_pairs=sum(_pairs(size) for size in persons.values()),
        predicted_pairs=sum(_pairs(size) for size in found.values()),
        correct_pairs=sum(_pairs(size) for size in cells.values()),
        over_merged=sum(count > 1 for count in mixed.values()),
        under_merged=sum(count > 1 for count in spread.values()),
        splits=sum(mixed.values()) - len(mixed),
        merges=sum(spread.values()) - len(spread),
    )


def tally_clusters(truth: Sequence[Hashable], clusters: Sequence[Hashable]) -> dict[str, list[float]]:
    """The sums that `cluster_ratios` reads, one value per person in the order in which the persons first come."""
    persons, found = Counter(truth), Counter(clusters)
    place = {person: index for index, person in enumerate(persons)}
    columns = {name: [0.0] * len(place) for name in _SUMS}
    for person, size in persons.items():
        index = place[person]
        columns["persons"][index] = 1.0
        columns["rows"][index] = size
        columns["true"][index] = _pairs(size)
    for (person, cluster), count in Counter(zip(truth, clusters, strict=True)).items():
        index, size, own = place[person], found[cluster], persons[person]
        columns["correct"][index] += _pairs(count)
        columns["predicted"][index] += count * (size - 1) / 2
        columns["bcubed_precision"][index] += count * count / size
        columns["bcubed_recall"][index] += count * count / own
        columns["exact"][index] += count == size == own
    return columns


def cluster_ratios(sums: Mapping[str, float]) -> dict[str, float]:
    """All ratios, in 0 to 1, from sums over persons. Precision of nothing predicted and recall of nothing to find are 1: no mistake was made."""
    precision = ratio(sums["correct"], sums["predicted"])
    recall = ratio(sums["correct"], sums["true"])
    bcubed_precision = ratio(sums["bcubed_precision"], sums["rows"])
    bcubed_recall = ratio(sums["bcubed_recall"], sums["rows"])
    return {
        "precision": precision,
        "recall": recall,
        "f1": harmonic_mean(precision, recall),
        "bcubed_precision": bcubed_precision,
        "bcubed_recall": bcubed_recall,
        "bcubed_f1": harmonic_mean(bcubed_precision, bcubed_recall),
        "exact": ratio(sums["exact"], sums["persons"]),
    }


def ratio(part: float, whole: float) -> float:
    """`part / whole`, 1 of nothing."""
    return part / whole if whole else 1.0


def harmonic_mean(left: float, right: float) -> float:
    """Harmonic mean; 0 if both are 0."""
    return 2 * left * right / (left + right) if left + right else 0.0


_SUMS = ("persons", "rows", "true", "correct", "predicted", "bcubed_precision", "bcubed_recall", "exact")


def _pairs(size: int) -> int:
    return size * (size - 1) // 2
