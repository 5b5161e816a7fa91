"""Writes events as flat rows: CSV or JSON lines, compressed where the name ends in ``.gz``."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TextIO

from goldthread.app.generate.layouts import Layout
from goldthread.app.generate.rows import COLUMNS, EventSort, GeneratedEvent

__all__ = ["SUFFIXES", "write_events"]

SUFFIXES = (".jsonl", ".csv", ".jsonl.gz", ".csv.gz")
"""Endings of file names that can be written."""

TRUTH_COLUMNS = ("source", "event_id", "truth")
COMPRESSION_LEVEL = 3


def write_events(
    events: Iterable[GeneratedEvent], path: Path, truth_path: Path | None = None, layout: Layout | None = None
) -> None:
    """Writes the events in the format that the name of ``path`` asks for.

    With ``truth_path`` the truth goes into that CSV file instead, one line per distinct event. With ``layout`` the rows
    are another system's, in CSV, of those events only that it would hold, and the truth is left out unless it has a file.
    Files appear under their names only when complete; equal events give equal bytes. Raises ``ValueError`` on an
    unknown ending.
    """
    if not path.name.endswith(SUFFIXES):
        raise ValueError(f"the name of the file must end in one of {', '.join(SUFFIXES)}")
    columns = COLUMNS if truth_path is None else COLUMNS[:-1]
    with ExitStack() as files:
        if layout is not None:
            events = (event for event in events if layout.holds(event))
        if truth_path is not None:
            events = _with_truth(events, files.enter_context(_opened(truth_path)), layout)
        out = files.enter_context(_opened(path))
        if layout is not None:
            _write_layout(events, out, layout)
            return
        if path.name.removesuffix(".gz").endswith(".csv"):
            _write_csv(events, out, columns)
        else:
            _write_jsonl(events, out, columns)


def _write_csv(events: Iterable[GeneratedEvent], out: TextIO, columns: tuple[str, ...]) -> None:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    width = len(columns)
    writer.writerows(event.row()[:width] for event in events)


def _write_layout(events: Iterable[GeneratedEvent], out: TextIO, layout: Layout) -> None:
    writer = csv.DictWriter(out, layout.columns, restval=layout.nothing, lineterminator="\n")
    writer.writeheader()
    for event in events:
        writer.writerows(layout.rows(event))


def _write_jsonl(events: Iterable[GeneratedEvent], out: TextIO, columns: tuple[str, ...]) -> None:
    encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    for event in events:
        row = {column: value for column, value in zip(columns, event.row(), strict=False) if value}
        out.write(encode(row) + "\n")


def _with_truth(events: Iterable[GeneratedEvent], out: TextIO, layout: Layout | None) -> Iterator[GeneratedEvent]:
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(TRUTH_COLUMNS)
    for event in events:
        if event.sort is not EventSort.DUPLICATE:
            source, event_id = (event.claim.source, event.event_id) if layout is None else layout.identity(event)
            writer.writerow((source, event_id, event.truth))
        yield event


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    """Opens a file for text that replaces ``path`` when all of it is written, and vanishes after an error."""
    partial = path.with_name(path.name + ".partial")
    try:
        with partial.open("wb") as raw, ExitStack() as layers:
            binary: io.BufferedWriter | gzip.GzipFile = raw
            if path.name.endswith(".gz"):
                # Neither name nor time goes into the header: equal events must give equal bytes.
                binary = layers.enter_context(
                    gzip.GzipFile(filename="", mode="wb", compresslevel=COMPRESSION_LEVEL, fileobj=raw, mtime=0)
                )
            text = layers.enter_context(io.TextIOWrapper(binary, encoding="utf-8", newline="", write_through=False))
            yield text
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
