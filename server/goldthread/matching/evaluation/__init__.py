"""How good a matching is, measured against the truth: clusters, probabilities and blocking, each with intervals.

What is measured, and after whom:

- *Pairs* after closure: precision, recall and F1 over all pairs of rows that end in one cluster.
- *B-cubed* precision, recall and F1: Bagga & Baldwin, "Entity-based cross-document coreferencing using the vector space model", COLING-ACL 1998.
- *exact*: the share of the true persons whose rows are exactly the rows of one cluster.
- *Splits and merges* that turn the clusters into the truth: the generalised merge distance with both costs 1, Menestrina, Whang & Garcia-Molina,
  "Evaluating entity resolution results", PVLDB 3 (2010).
- *Calibration*: the mean distance between probability and observed share over bins of equal mass (expected calibration error), Naeini, Cooper &
  Hauskrecht, "Obtaining well calibrated probabilities using Bayesian binning", AAAI 2015. Beside it stands what a perfectly calibrated model would
  show on just these pairs (consistency resampling), Vaicenavicius et al., "Evaluating model calibration in classification", AISTATS 2019.
- *Intervals*: percentiles of a bootstrap (Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979) that draws true
  persons with all their rows, since the pairs of one person are not independent (module `resample`).

Everything is contingency counts and scored pairs: nothing here goes through all pairs of rows.
"""

from __future__ import annotations

from goldthread.matching.evaluation.blocking import MOST_JUDGED, Blocking, Judge, Judged
from goldthread.matching.evaluation.calibration import Bin, Calibration, CurvePoint, NoiseFloor
from goldthread.matching.evaluation.clusters import ClusterCounts, Quality, compare_partitions
from goldthread.matching.evaluation.evaluate import Evaluation, Measure, PairColumns, difference, evaluate
from goldthread.matching.evaluation.resample import Resampling

__all__ = [
    "MOST_JUDGED",
    "Bin",
    "Blocking",
    "Calibration",
    "ClusterCounts",
    "CurvePoint",
    "Evaluation",
    "Judge",
    "Judged",
    "Measure",
    "NoiseFloor",
    "PairColumns",
    "Quality",
    "Resampling",
    "compare_partitions",
    "difference",
    "evaluate",
]
