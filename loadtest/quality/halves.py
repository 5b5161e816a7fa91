"""Goldthread on people it was not trained on: a set is parted by its persons, and either half is matched under a model trained on the other.

Nobody's records lie in both halves, so nothing that a model was taught about a person helps it with that person. Who ever wrote the same address goes into
the same half: else half of the households would lose those whom they are taken for, and matching would be easier than it is. Training sees no
truth; the truth parts the set and measures. What both halves give is measured together, each person once.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from goldthread.app.evaluate.systems import SystemReport
from goldthread.app.peers import peak_mebibytes
from goldthread.app.settings import Settings
from goldthread.domain.errors import GoldthreadError
from goldthread.files import Table, read_table, write_table
from goldthread.flows.batch import BatchRun, ModelOrigin, ModelWish, run_batch
from goldthread.flows.match import batch_keys
from goldthread.matching.batch import candidates_of
from goldthread.matching.evaluation import PairColumns, Resampling, evaluate
from goldthread.matching.model_file import restated
from loadtest.quality.sets import LabelledSet

__all__ = ["UnlearnedHalfError", "half_of", "halves_of", "households_of", "report_halves"]

SEED = 1
"""Seed of the parting unless another is given."""


class UnlearnedHalfError(GoldthreadError):
    """A half that teaches no model would be measured under the shipped one, which is not what is asked here."""

    reason = "HALF_NOT_LEARNED"


def half_of(person: str | None, *, seed: int = SEED) -> int:
    """The half, 0 or 1, of a person or household; rows of nobody known, who are measured nowhere, are in the first."""
    return 0 if person is None else sha256(f"{seed}:{person}".encode()).digest()[0] & 1


def households_of(table: Table, home: Sequence[str]) -> dict[str, str]:
    """A name for the household of each person: those who wrote an address of these columns alike, directly or through others, have one. O(rows).

    Whoever wrote none, or if `home` is empty everybody, is a household alone.
    """
    above: dict[str, str] = {}

    def top(name: str) -> str:
        while name in above:
            name = above[name]
        return name

    first: dict[tuple[str, ...], str] = {}
    for person, *address in zip(table["truth"], *(table[name] for name in home), strict=True):
        if person is not None and address and None not in address:
            written = tuple(str(value).casefold() for value in address)
            low, high = sorted((top(person), top(first.setdefault(written, person))))
            if low != high:
                above[high] = low
    return {person: top(person) for person in table["truth"] if person is not None}


def halves_of(table: Table, *, home: Sequence[str] = (), seed: int = SEED) -> tuple[Table, Table]:
    """The rows of either half, in their order; `table` has a column `truth`, and those of `home`, which say where somebody lives."""
    households = households_of(table, home)
    halves = [half_of(None if person is None else households[person], seed=seed) for person in table["truth"]]

    def part(half: int) -> Table:
        kept = [row for row, own in enumerate(halves) if own == half]
        return {name: [column[row] for row in kept] for name, column in table.items()}

    return part(0), part(1)


def report_halves(
    labelled: LabelledSet, resampling: Resampling, *, path: Path | None = None, seed: int = SEED
) -> SystemReport:
    """Measures a set, or another table with its columns, with its mapping file and models trained on the other half.

    A model has the priors of as many records as it is asked about. Raises `FileFormatError`, and `UnlearnedHalfError` where a half teaches no model.
    """
    halves = halves_of(read_table(path or labelled.path), home=labelled.home, seed=seed)
    found = _Both()
    start = perf_counter()
    with TemporaryDirectory(prefix="goldthread-halves-") as folder:
        files = [Path(folder) / f"{half}.csv" for half in range(2)]
        for file, table in zip(files, halves, strict=True):
            write_table(file, table)
        for learned, asked in ((1, 0), (0, 1)):
            model = _run(labelled, files[learned], given=None).model
            if model.origin is not ModelOrigin.TRAINED:
                raise UnlearnedHalfError(f"nothing was learned from one half: {model.origin.value}")
            given = restated(model.text, len(halves[asked]["truth"]))
            found.add(_run(labelled, files[asked], given=given), halves[asked]["truth"])
    return found.report("goldthread-halves", perf_counter() - start, resampling)


def _run(labelled: LabelledSet, file: Path, *, given: str | None) -> BatchRun:
    wish = ModelWish(given=given, shipped=Settings().model_text())
    return run_batch(labelled.tables(file, mapped=True), keys=batch_keys(), region=labelled.region, wish=wish)


class _Both:
    """What was found in the halves, with the records of the second numbered after those of the first."""

    def __init__(self) -> None:
        self._truth: list[str | None] = []
        self._clusters: list[tuple[int, int] | None] = []
        self._records: list[int] = []
        self._left: list[int] = []
        self._right: list[int] = []
        self._probabilities: list[float] = []
        self._versions: list[str] = []
        self._reviews = 0
        self._known = 0

    def add(self, run: BatchRun, truth: Sequence[str | None]) -> None:
        result, first, half = run.result, self._known, len(self._versions)
        pairs = candidates_of(run.gathered, model_text=run.model.text)
        self._truth += truth
        self._clusters += [None if cluster is None else (half, cluster) for cluster in result.clusters]
        self._records += [record if record < 0 else record + first for record in result.row_records]
        self._left += [record + first for record in pairs.left]
        self._right += [record + first for record in pairs.right]
        self._probabilities += pairs.probabilities
        self._versions.append(result.model_version + ("" if result.calibrated else " (uncalibrated)"))
        self._reviews += len(result.reviews)
        self._known += len(run.gathered.records)

    def report(self, name: str, seconds: float, resampling: Resampling) -> SystemReport:
        pairs = PairColumns(left=self._left, right=self._right, probabilities=self._probabilities)
        return SystemReport(
            name=name,
            version=" and ".join(self._versions),
            evaluation=evaluate(
                self._truth,
                self._clusters,
                row_records=self._records,
                scored=pairs,
                candidates=pairs,
                resampling=resampling,
            ),
            reviews_per_thousand=1000 * self._reviews / len(self._truth),
            reviews_per_thousand_records=1000 * self._reviews / max(1, self._known),
            seconds=seconds,
            peak_mebibytes=peak_mebibytes(),
        )
