"""`goldthread load`: takes the rows of files into the ledger without Kafka, as streaming them would."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from time import perf_counter

import click
from tqdm import tqdm

from goldthread.app import wiring
from goldthread.app.exits import FAILED
from goldthread.app.load_bars import LoadBars
from goldthread.app.load_columns import ColumnReader
from goldthread.app.produce import moment, summary_lines
from goldthread.app.produce_rows import ProduceReport, RowDefaults, RowReader
from goldthread.app.settings import Settings
from goldthread.app.tables import event_table, mapping_option
from goldthread.files import FileFormatError, ahead, read_numbered_rows
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.fill import FillCounts, FillFlow
from goldthread.flows.load import FILE_END, LoadChunk, LoadCounts, LoadFlow, LoadPace, file_topic
from goldthread.matching.holdings import LoadEngine
from goldthread.telemetry.logs import configure_logs
from goldthread.telemetry.metrics import Metrics

__all__ = ["FileLoad", "LoadOptions", "command", "fill_files", "load_file"]

_CHUNK_ROWS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """What holds for every file of a load."""

    defaults: RowDefaults
    mapping: ColumnMapping | None = None
    chunk_rows: int = _CHUNK_ROWS
    again: bool = False
    """Read a file from its beginning, however far it was taken."""
    progress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLoad:
    """What became of a file: `began` is the line at which this load went on, 0 for the first one."""

    began: int
    read: ProduceReport
    counts: LoadCounts


def load_file(path: Path, flow: LoadFlow, options: LoadOptions) -> FileLoad:
    """Takes every usable row of a file that was not taken yet. Raises `FileFormatError` at the first line that cannot be read; rows before it are in.

    A file without a usable row leaves nothing in the ledger, so that it can be loaded once options or mapping are right.
    """
    mapping = event_table(path, options.mapping).mapping
    reader = RowReader(path, defaults=options.defaults)
    topic = file_topic(reader.file_digest)
    began = 0 if options.again else flow.next_line(topic)
    with tqdm(unit=" lines", file=sys.stderr, disable=not options.progress, desc=path.name, initial=began) as bar:

        def show(line: int) -> None:
            bar.update(line - bar.n)

        chunks = _chunks(path, reader, mapping, began=began, size=options.chunk_rows)
        counts = flow.run(topic, chunks, progress=show)
    return FileLoad(began=began, read=reader.report, counts=counts)


def _chunks(path: Path, reader: RowReader, mapping: ColumnMapping, *, began: int, size: int) -> Iterator[LoadChunk]:
    rows = ((line, mapping.row(row)) for line, row in read_numbered_rows(path) if line >= began)
    while batch := list(islice(rows, size)):
        yield LoadChunk(events=list(reader.numbered(batch)), end=batch[-1][0] + 1)


def fill_files(
    paths: Sequence[Path], flow: FillFlow, engine: LoadEngine, options: LoadOptions, bars: LoadBars
) -> tuple[list[ProduceReport], FillCounts] | None:
    """Fills an empty ledger with the rows of files, all of them or none; None if the ledger is not empty any more.

    Raises `FileFormatError` before anything is written: for a file that cannot be read, and for one without a usable row.
    """
    reports: list[ProduceReport] = []
    topics: set[str] = set()
    for path in paths:
        reader = ColumnReader(path, mapping=event_table(path, options.mapping).mapping, defaults=options.defaults)
        rows = 0
        for batch in ahead(reader.batches()):
            batch.done(engine.add(batch.claims, batch.events))
            rows += len(batch.events.ids)
            bars.report(f"read {path.name}", rows, 0)
        reports.append(_with_events(path, reader.finish()))
        topics.add(file_topic(reader.file_digest))
    bars.report("gather", 0, 0)
    milliseconds, seed = wiring.birth_seed()
    evidence = engine.evidence(milliseconds=milliseconds, seed=seed)
    counts = flow.run(evidence, topics, bars.report)
    return None if counts is None else (reports, counts)


def _with_events(path: Path, report: ProduceReport) -> ProduceReport:
    if not report.events:
        reasons = Counter(reason for _, reason in report.unusable).most_common(1)
        why = "".join(f"; {count:,} of them: {reason}" for reason, count in reasons)
        raise FileFormatError(path, f"no row is an event, of {report.rows:,}{why}")
    return report


@click.command("load")
@click.argument(
    "files",
    metavar="FILE...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option("--postgres-dsn", help="PostgreSQL, as a URL or key=value pairs.")
@mapping_option
@click.option("--source", default="", help="Source of rows that do not name theirs.")
@click.option("--occurred-at", help="Time of rows that have none, RFC 3339.")
@click.option("--region", help="Country of phone numbers written without one.")
@click.option("--currency", help="Currency of purchases that name none.")
@click.option("--model", help="Match model file, if the ledger is empty.")
@click.option("--chunks", is_flag=True, help="Take chunks, in little memory, although the ledger is empty.")
@click.option(
    "--again", is_flag=True, help="Read files from the beginning that were loaded before; what is in counts once."
)
@click.option("--strict", is_flag=True, help="Leave out rows with any invalid value, and fail if a row is left out.")
@click.option(
    "--ahead",
    "waiting",
    type=click.IntRange(min=0),
    default=LoadPace().waiting,
    show_default=True,
    help="Most changes that may wait for the relay; 0: do not wait for it.",
)
@click.option(
    "--patience",
    type=click.IntRange(min=1),
    default=int(LoadPace().patience_seconds),
    show_default=True,
    help="Seconds after which to give up where the relay publishes nothing.",
)
def command(
    *,
    files: tuple[Path, ...],
    mapping: Path | None,
    source: str,
    occurred_at: str | None,
    chunks: bool,
    again: bool,
    strict: bool,
    waiting: int,
    patience: int,
    **overrides: object,
) -> None:
    """Take the rows of FILE (CSV, JSON lines, Parquet or Arrow), or of several, into the ledger as customer events.

    The effect is that of `produce` and `consume`, without Kafka. An empty ledger is filled at once: all of it or nothing. One that others write too takes
    chunk after chunk; that can be interrupted and run again: it goes on where it was. A file that was loaded is not loaded twice. Rows that the
    service would refuse are left out and listed by line; a file without any other is refused.
    """
    settings = Settings.read(overrides=overrides)
    configure_logs(level=settings.log_level)
    options = LoadOptions(
        defaults=RowDefaults(
            region=settings.region,
            currency=settings.currency,
            source=source,
            occurred_at=None if occurred_at is None else moment(occurred_at, "--occurred-at"),
            strict=strict,
        ),
        mapping=ColumnMapping.read(mapping) if mapping is not None else None,
        chunk_rows=settings.batch_events,
        again=again,
        progress=sys.stderr.isatty(),
    )
    failed = False
    with ExitStack() as stack:
        pace = LoadPace(waiting=waiting, patience_seconds=patience) if waiting else None
        flow, fill = wiring.open_load(stack, settings, Metrics(), pace=pace, sleep=time.sleep)
        # Rows that are to be left out for one bad value are told one by one only.
        if not (strict or chunks) and fill.possible():
            if _fill(files, fill, wiring.build_load_engine(settings), options):
                return
            click.echo("the ledger is not empty any more: going on in chunks", err=True)
        for path in files:
            started = perf_counter()
            done = load_file(path, flow, options)
            failed |= not (done.began or done.read.events) or (strict and bool(done.read.unusable))
            _tell(path, done, perf_counter() - started)
    if failed:
        sys.exit(FAILED)


def _fill(files: Sequence[Path], flow: FillFlow, engine: LoadEngine, options: LoadOptions) -> bool:
    started = perf_counter()
    with LoadBars(options.progress) as bars:
        filled = fill_files(files, flow, engine, options, bars)
    if filled is None:
        return False
    reports, counts = filled
    for path, report in zip(files, reports, strict=True):
        for line in summary_lines(report, verb="read"):
            click.echo(line if len(files) == 1 else f"{path.name}: {line}", err=True)
    taken = sum(report.events for report in reports) - counts.repeated - counts.lost
    click.echo(
        f"{taken:,} events taken, {counts.repeated:,} repeated, {counts.lost:,} lost against another content; "
        f"{counts.records:,} records, {counts.pairs:,} pairs, {counts.profiles:,} profiles, {counts.reviews:,} reviews, "
        f"{counts.looked_at:,} records looked at one by one",
        err=True,
    )
    click.echo("seconds " + ", ".join(f"{step} {seconds:.1f}" for step, seconds in bars.seconds.items()), err=True)
    click.echo(f"took {perf_counter() - started:.1f} s", err=True)
    return True


def _tell(path: Path, done: FileLoad, seconds: float) -> None:
    counts = done.counts
    if done.began >= FILE_END:
        click.echo(f"{path.name}: was loaded before", err=True)
    elif done.began:
        click.echo(f"{path.name}: lines before {done.began:,} were loaded before", err=True)
    for line in summary_lines(done.read, verb="read"):
        click.echo(line, err=True)
    click.echo(
        f"{counts.taken:,} events taken, {counts.repeated:,} known before, {counts.conflicts:,} lost against another content; "
        f"{counts.new_records:,} new records",
        err=True,
    )
    click.echo(f"took {seconds:.1f} s", err=True)
