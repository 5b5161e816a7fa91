"""Labelled sets of persons and how to measure the batch engine on one.

`SETS` lie in ../shared/data beside the checkout. They are never committed, because their licences are not ours. Truth columns are
taken off before anything is matched.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from goldthread.app.settings import Settings
from goldthread.domain.quality import Quality, compare_partitions
from goldthread.files import Mapping as ColumnMapping
from goldthread.files import Table, read_table
from goldthread.flows.match import MatchSummary, batch_keys, match_columns, summarize

__all__ = ["DATA", "MAPPINGS", "SETS", "Floors", "LabelledSet", "Measured", "measure", "measure_table"]

MAPPINGS = Path(__file__).parent / "mappings"
DATA = Path(__file__).parents[3] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Floors:
    """The least quality that a set must be matched with."""

    precision: float
    recall: float
    bcubed_f1: float


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A set, the fields it is matched by, the mapping that picks them, and where its people live."""

    name: str
    fields: str
    mapping: str
    region: str
    floors: Floors

    @property
    def path(self) -> Path:
        """Where the file lies if it is there."""
        return DATA / f"{self.name}.csv.gz"

    @property
    def label(self) -> str:
        """Name for reports and test ids."""
        return f"{self.name}-{self.fields}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """Quality of one run, what it found, and how long it took from columns to clusters."""

    quality: Quality
    summary: MatchSummary
    seconds: float


SETS = (
    LabelledSet("febrl1", "full", "febrl", "AU", Floors(0.99, 0.94, 0.97)),
    LabelledSet("febrl1", "retail", "febrl_retail", "AU", Floors(0.99, 0.675, 0.9)),
    LabelledSet("febrl2", "full", "febrl", "AU", Floors(0.99, 0.925, 0.975)),
    LabelledSet("febrl2", "retail", "febrl_retail", "AU", Floors(0.985, 0.57, 0.945)),
    # A social security number full of typing errors plays a number here: two that differ hold a phone apart (docs/matching.md section 5), which costs recall.
    LabelledSet("febrl_dsgen_c", "full", "febrl_phone", "AU", Floors(0.99, 0.57, 0.9)),
    LabelledSet("febrl_dsgen_c", "retail", "febrl_phone_retail", "AU", Floors(0.99, 0.355, 0.85)),
    LabelledSet("fake1000", "full", "fake1000", "GB", Floors(0.99, 0.39, 0.7)),
    LabelledSet("rldata500", "full", "rldata500", "DE", Floors(0.98, 0.9, 0.98)),
    LabelledSet("historical_dev", "full", "historical", "GB", Floors(0.985, 0.4, 0.635)),
    LabelledSet("retail_us_dev", "full", "retail_us", "US", Floors(0.955, 0.855, 0.935)),
)


def measure(labelled: LabelledSet) -> Measured:
    """Matches a set that lies in `DATA` under the shipped model."""
    return measure_table(read_table(labelled.path), mapping=labelled.mapping, region=labelled.region)


def measure_table(table: Table, *, mapping: str, region: str) -> Measured:
    """Matches a table with a truth column. A row without a usable claim is a cluster of its own."""
    columns = ColumnMapping.read(MAPPINGS / f"{mapping}.toml").table(table)
    truth = columns.pop("truth")
    start = perf_counter()
    result = match_columns(columns, keys=batch_keys(), model_text=Settings().model_text(), region=region)
    seconds = perf_counter() - start
    predicted = [(-1, row) if cluster is None else (0, cluster) for row, cluster in enumerate(result.clusters)]
    return Measured(quality=compare_partitions(truth, predicted), summary=summarize(result), seconds=seconds)
