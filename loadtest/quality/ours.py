"""Goldthread on a set: with no configuration, without headers even, with a mapping of a few lines, under models of other people, and the shipped one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from goldthread.app.evaluate.systems import SystemReport, evaluate_ours
from goldthread.app.settings import Settings
from goldthread.app.tables import Tables
from goldthread.files import write_table
from goldthread.flows.batch import ModelWish
from goldthread.matching.evaluation import Resampling
from goldthread.matching.model_file import restated
from loadtest.quality.halves import report_halves
from loadtest.quality.sets import LabelledSet, read_set

__all__ = ["OURS", "report_blank", "report_mapped", "report_plain", "report_restated", "report_shipped"]


def report_plain(labelled: LabelledSet, resampling: Resampling) -> SystemReport:
    """Measures a set that lies in `DATA`: columns as they look, a model trained on the rows."""
    return _report("goldthread", labelled, labelled.tables(mapped=False), resampling)


def report_blank(labelled: LabelledSet, resampling: Resampling) -> SystemReport:
    """The same under headers that say nothing, so that values alone tell what a column is."""
    with TemporaryDirectory(prefix="goldthread-blank-") as folder:
        path = Path(folder) / "blank.csv"
        write_table(path, read_set(labelled).blank())
        return _report("goldthread-blank", labelled, Tables.understood((path,)), resampling)


def report_mapped(labelled: LabelledSet, resampling: Resampling) -> SystemReport:
    """The set with its mapping file, trained likewise."""
    return _report("goldthread-mapped", labelled, labelled.tables(mapped=True), resampling)


def report_shipped(labelled: LabelledSet, resampling: Resampling) -> SystemReport:
    """The same under the shipped model, which is not trained on the set."""
    return _report(
        "goldthread-shipped", labelled, labelled.tables(mapped=True), resampling, given=Settings().model_text()
    )


def report_restated(labelled: LabelledSet, resampling: Resampling) -> SystemReport:
    """The same with priors for as many records as the set has rows, as a ledger of that size would state them."""
    model = restated(Settings().model_text(), len(read_set(labelled).truth))
    return _report("goldthread-restated", labelled, labelled.tables(mapped=True), resampling, given=model)


OURS: dict[str, Callable[[LabelledSet, Resampling], SystemReport]] = {
    "goldthread": report_plain,
    "goldthread-blank": report_blank,
    "goldthread-mapped": report_mapped,
    "goldthread-halves": report_halves,
    "goldthread-shipped": report_shipped,
    "goldthread-restated": report_restated,
}
"""How each way is measured."""


def _report(
    name: str, labelled: LabelledSet, tables: Tables, resampling: Resampling, *, given: str | None = None
) -> SystemReport:
    return evaluate_ours(
        name,
        read_set(labelled).truth,
        tables,
        wish=ModelWish(given=given, shipped=Settings().model_text()),
        region=labelled.region,
        resampling=resampling,
    )
