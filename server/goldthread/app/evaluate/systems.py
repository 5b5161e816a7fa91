"""Runs systems on labelled rows and measures each; the truth is seen by nothing but the measuring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter

from goldthread.app.peers import Peer, PeerPlan, peak_mebibytes, run_peer
from goldthread.domain.errors import SettingsError
from goldthread.flows.batch import ClaimSource, ModelWish, run_batch
from goldthread.flows.match import MatchProgress, batch_keys
from goldthread.matching.batch import candidates_of
from goldthread.matching.evaluation import Evaluation, PairColumns, Resampling, evaluate
from goldthread.matching.findable import FindablePairs

__all__ = ["SystemReport", "evaluate_clusters", "evaluate_ours", "evaluate_peer"]

Columns = Mapping[str, Sequence[str | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemReport:
    """One system's evaluation and what it cost; None where it was not measured.

    Seconds run from columns in memory to clusters, our own from the files.
    """

    name: str
    version: str
    evaluation: Evaluation
    reviews_per_thousand: float | None = None
    """Open questions for a thousand rows."""
    reviews_per_thousand_records: float | None = None
    """Open questions for a thousand records. Rows that say the same are one record and open nothing more, so this is no less than that of rows."""
    seconds: float | None = None
    peak_mebibytes: float | None = None


def evaluate_clusters(
    name: str,
    truth: Sequence[str | None],
    clusters: Sequence[str | None],
    *,
    scored: PairColumns | None = None,
    candidates: PairColumns | None = None,
    reviews: int | None = None,
    resampling: Resampling,
) -> SystemReport:
    """Measures clusters that were made elsewhere, and the pairs and reviews of that run if they are known."""
    return SystemReport(
        name=name,
        version="",
        evaluation=evaluate(truth, clusters, scored=scored, candidates=candidates, resampling=resampling),
        reviews_per_thousand=None if reviews is None else 1000 * reviews / len(truth),
    )


def evaluate_ours(
    name: str,
    truth: Sequence[str | None],
    tables: ClaimSource,
    *,
    wish: ModelWish,
    region: str,
    resampling: Resampling,
    progress: MatchProgress | None = None,
) -> SystemReport:
    """Matches tables as `goldthread match` does and measures the clusters, every candidate and its probability.

    Seconds and memory are those of reading, training and matching; that pairs are kept for measuring afterwards does not count. Raises
    `FileFormatError` and `ModelFileError`, and `SettingsError` for a truth of another number of rows.
    """
    start = perf_counter()
    run = run_batch(tables, keys=batch_keys(), region=region, wish=wish, progress=progress)
    seconds, peak = perf_counter() - start, peak_mebibytes()
    result = run.result
    if len(result.row_records) != len(truth):
        raise SettingsError("FILE", "has changed since it was read")
    pairs = candidates_of(run.gathered, model_text=run.model.text)
    columns = PairColumns(left=pairs.left, right=pairs.right, probabilities=pairs.probabilities)
    return SystemReport(
        name=name,
        version=result.model_version + ("" if result.calibrated else " (uncalibrated)"),
        evaluation=evaluate(
            truth,
            result.clusters,
            row_records=result.row_records,
            scored=columns,
            candidates=columns,
            judge=FindablePairs(run.gathered, model_text=run.model.text),
            resampling=resampling,
        ),
        reviews_per_thousand=1000 * len(result.reviews) / len(truth),
        reviews_per_thousand_records=1000 * len(result.reviews) / max(1, len(run.gathered.records)),
        seconds=seconds,
        peak_mebibytes=peak,
    )


def evaluate_peer(
    peer: Peer,
    truth: Sequence[str | None],
    table: Columns,
    *,
    plan: PeerPlan,
    timeout_seconds: float,
    resampling: Resampling,
    name: str | None = None,
) -> SystemReport:
    """Runs another tool in a process of its own and measures its clusters, and its probabilities where it has some. It is called `name`, or by its own.

    Raises `SettingsError` if it is not installed, and `PeerError` if it fails or is not done in time.
    """
    result = run_peer(peer, table, plan, timeout_seconds=timeout_seconds)
    found = result.found
    scored = (
        PairColumns(left=found.left, right=found.right, probabilities=found.probabilities)
        if found.probabilities
        else None
    )
    return SystemReport(
        name=name or peer.value,
        version=result.version,
        evaluation=evaluate(truth, found.clusters, scored=scored, resampling=resampling),
        seconds=result.seconds,
        peak_mebibytes=result.peak_mebibytes,
    )
