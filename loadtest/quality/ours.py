"""Goldthread on a set: under the shipped model, and under one trained on the set itself without its truth."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from time import perf_counter

from goldthread.app.cli import COMMANDS
from goldthread.app.evaluate.systems import SystemReport, evaluate_ours
from goldthread.app.settings import Settings
from goldthread.files import Mapping as ColumnMapping
from goldthread.files import write_table
from goldthread.matching.evaluation import Resampling
from loadtest.quality.sets import LabelledRows, LabelledSet, read_set

__all__ = ["can_train", "report_shipped", "report_trained"]

_TRAIN = "train"
_SEED = 1
_LONGEST_TRAINING = 1_800
"""Seconds; whoever waits less long for the whole run leaves the training to end by itself."""


def can_train() -> bool:
    """Whether this version has the command `goldthread train`."""
    return _TRAIN in COMMANDS


def report_shipped(labelled: LabelledSet, resampling: Resampling) -> SystemReport:
    """Measures a set that lies in `DATA` under the shipped model."""
    return _report("goldthread", labelled, read_set(labelled), Settings().model_text(), resampling, seconds_before=0.0)


def report_trained(labelled: LabelledSet, resampling: Resampling) -> SystemReport:
    """Trains on the set's rows without their truth, then measures; seconds and memory are those of both."""
    rows = read_set(labelled)
    start = perf_counter()
    model_text = _train(labelled, rows)
    seconds = perf_counter() - start
    report = _report("goldthread-trained", labelled, rows, model_text, resampling, seconds_before=seconds)
    training = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return replace(report, peak_mebibytes=max(report.peak_mebibytes or 0.0, training))


def _report(
    name: str,
    labelled: LabelledSet,
    rows: LabelledRows,
    model_text: str,
    resampling: Resampling,
    *,
    seconds_before: float,
) -> SystemReport:
    return evaluate_ours(
        name,
        rows.truth,
        labelled.claims(rows.table),
        model_text=model_text,
        region=labelled.region,
        resampling=resampling,
        timed_apart=True,
        seconds_before=seconds_before,
    )


def _train(labelled: LabelledSet, rows: LabelledRows) -> str:
    """The model that the command makes of the rows: the only place that knows how training is asked for."""
    with tempfile.TemporaryDirectory(prefix="goldthread-train-") as folder:
        table, mapping, model = (Path(folder) / name for name in ("rows.csv", "mapping.toml", "model.toml"))
        write_table(table, rows.table)
        mapping.write_text(_mapping_text(labelled.columns(rows.table)), encoding="utf-8")
        command = [sys.executable, "-m", "goldthread.app.cli", _TRAIN, str(table), "--out", str(model)]
        options = ["--mapping", str(mapping), "--region", labelled.region, "--seed", str(_SEED)]
        subprocess.run(
            [*command, *options],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_LONGEST_TRAINING,
        )
        return model.read_text(encoding="utf-8")


def _mapping_text(mapping: ColumnMapping) -> str:
    """A mapping file; texts and lists of texts are written alike in JSON and TOML."""
    lines = [f"{target} = {json.dumps(list(sources))}" for target, sources in mapping.columns.items()]
    constants = [f"{target} = {json.dumps(value)}" for target, value in mapping.constants.items()]
    return "\n".join([*lines, "", "[constants]", *constants, ""])
