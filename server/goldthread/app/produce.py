"""`goldthread produce`: sends a file's rows to Kafka as customer events."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Protocol

import click
from tqdm import tqdm

from goldthread.app.produce_rows import ProduceReport, RowDefaults, RowReader, file_digest
from goldthread.app.produce_state import SentLines, way_of
from goldthread.app.settings import Settings
from goldthread.app.tables import event_table, mapping_option
from goldthread.bus import BusSettings, EventProducer
from goldthread.domain.errors import SettingsError
from goldthread.files import Malformed, line_count, read_numbered_rows, row_count
from goldthread.files import Mapping as ColumnMapping
from goldthread.telemetry.logs import configure_logs
from goldthread.wire import CONTENT_TYPE_PROTOBUF, encode_event

__all__ = ["EventSink", "command", "moment", "produce_file", "summary_lines"]

_HEADERS = {"content-type": CONTENT_TYPE_PROTOBUF}
_SHOWN_LINES = 20
_NOTE_EVENTS = 5_000
"""Events after which Kafka's acknowledgement is awaited and noted: at most so many are sent twice after a kill."""


class EventSink(Protocol):
    """What events are sent to: `bus.EventProducer`."""

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> None:
        """Queues one message."""
        ...

    def flush(self) -> None:
        """Returns once everything is acknowledged."""
        ...


def produce_file(
    path: Path,
    sink: EventSink,
    *,
    topic: str,
    defaults: RowDefaults,
    mapping: ColumnMapping | None = None,
    note: Callable[[ColumnMapping], SentLines] | None = None,
    progress: bool = False,
) -> ProduceReport:
    """Sends every usable row of a CSV, JSON lines or Parquet file and returns what became of them, once all are acknowledged.

    Without a mapping, columns are understood (`app.tables.event_table`). The same file gives the same events. Rows that cannot be read are left out as
    unusable ones are. With `note`, lines noted as sent are passed over and lines that are acknowledged are noted. Raises `FileFormatError` for a file
    that cannot be read further at all, `BusUnavailableError`; rows before it may have been sent, and sending them again is harmless.
    """
    mapping = event_table(path, mapping, malformed=_told_later).mapping
    sent = None if note is None else note(mapping)
    if sent is not None and sent.done:
        return ProduceReport()
    began = 0 if sent is None else sent.line
    reader = RowReader(path, defaults=defaults)

    def malformed(line: int, reason: str) -> None:
        if line > began:
            reader.report.leave_out(line, reason)

    line = began
    rows = _flat_rows(path, mapping, began=began, malformed=malformed, progress=progress)
    for count, (line, event) in enumerate(reader.numbered(rows), start=1):
        key = f"{event.source}/{event.event_id}".encode()
        sink.send(topic, key=key, value=encode_event(event), headers=_HEADERS)
        if sent is not None and count % _NOTE_EVENTS == 0:
            sink.flush()
            sent.note(line)
    sink.flush()
    if sent is not None:
        sent.note(line, done=True)
    return reader.report


def _told_later(line: int, reason: str) -> None:
    """Takes no note of a row that cannot be read: it is told where rows are sent."""
    del line, reason


def _flat_rows(
    path: Path, mapping: ColumnMapping, *, began: int, malformed: Malformed, progress: bool
) -> Iterator[tuple[int, dict[str, str]]]:
    total = (row_count(path) or line_count(path)) if progress else None
    with tqdm(total=total, unit=" lines", file=sys.stderr, disable=not progress, desc=path.name, initial=began) as bar:
        for line, row in read_numbered_rows(path, malformed=malformed):
            if line > began:
                bar.update(line - bar.n)
                yield line, mapping.row(row)


def summary_lines(report: ProduceReport, *, verb: str = "sent") -> Iterator[str]:
    """The report in words: counts, what was dropped, and for every reason the first lines left out. Holds no value of the file."""
    yield f"{report.rows} rows, {report.events} events {verb}, {len(report.unusable)} rows left out"
    if report.passed_over:
        yield f"  {report.passed_over} rows passed over: the mapping says that they are no events of their own"
    for (column, status), count in sorted(report.dropped.items()):
        yield f"  {count} × {column}: {status}, not {verb}"
    lines_of: defaultdict[str, list[int]] = defaultdict(list)
    for line, reason in report.unusable:
        lines_of[reason].append(line)
    for lines in lines_of.values():
        lines.sort()
    for reason, lines in sorted(lines_of.items(), key=lambda item: (-len(item[1]), item[1])):
        more = len(lines) - _SHOWN_LINES
        shown = ", ".join(map(str, lines[:_SHOWN_LINES])) + (f" and {more} more" if more > 0 else "")
        yield f"  {len(lines)} rows left out: {reason} (lines {shown})"


@click.command("produce")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kafka-bootstrap", help="Kafka brokers, host:port with commas between.")
@click.option("--events-topic", help="Topic to write to.")
@mapping_option
@click.option("--explain", is_flag=True, help="Print what the columns are taken for and why, and stop.")
@click.option("--source", default="", help="Source of rows that do not name theirs.")
@click.option("--occurred-at", help="Time of rows that have none, RFC 3339.")
@click.option("--region", help="Country of phone numbers written without one.")
@click.option("--currency", help="Currency of purchases that name none.")
@click.option("--strict", is_flag=True, help="Leave out rows with any invalid value, and fail if a row is left out.")
@click.option("--again", is_flag=True, help="Begin with the first row, whatever was sent before.")
@click.option(
    "--progress-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to keep how far FILE was sent.  [default: FILE.produced]",
)
def command(
    *,
    file: Path,
    kafka_bootstrap: str | None,
    events_topic: str | None,
    mapping: Path | None,
    explain: bool,
    source: str,
    occurred_at: str | None,
    region: str | None,
    currency: str | None,
    strict: bool,
    again: bool,
    progress_file: Path | None,
) -> None:
    """Send the rows of FILE (CSV, JSON lines or Parquet) to Kafka as customer events.

    Identifiers leave this process as digests only. Rows without event ids get ids of the file's digest and their line. Rows that cannot be read or
    that the service would refuse are left out and listed by line. Can be killed and run again: it goes on where it was.
    """
    columns = ColumnMapping.read(mapping) if mapping is not None else None
    if explain:
        click.echo(event_table(file, columns, malformed=_told_later).explained())
        return
    # What Kafka's client library has to say of an unreachable broker, it says many times a second; the error raised says it once.
    configure_logs(level="critical")
    settings = Settings.read(
        overrides={
            "kafka_bootstrap": kafka_bootstrap,
            "events_topic": events_topic,
            "region": region,
            "currency": currency,
        }
    )
    bus = BusSettings(bootstrap=settings.need("kafka_bootstrap"), events_topic=settings.events_topic)
    defaults = RowDefaults(
        region=settings.region,
        currency=settings.currency,
        source=source,
        occurred_at=None if occurred_at is None else moment(occurred_at, "--occurred-at"),
        strict=strict,
    )
    started = perf_counter()
    with EventProducer(bus) as producer:
        cluster = producer.check()

        def note(found: ColumnMapping) -> SentLines:
            _need_time(file, found, defaults)
            way = way_of(file_digest(file), found, defaults, cluster=cluster, topic=settings.events_topic)
            sent = SentLines(progress_file or SentLines.beside(file), way, again=again)
            if sent.done:
                click.echo(f"{file.name} was sent before; --again sends it again", err=True)
            elif sent.line:
                click.echo(f"{file.name}: lines up to {sent.line:,} were sent before", err=True)
            return sent

        report = produce_file(
            file,
            producer,
            topic=settings.events_topic,
            defaults=defaults,
            mapping=columns,
            note=note,
            progress=sys.stderr.isatty(),
        )
    for line in summary_lines(report):
        click.echo(line, err=True)
    click.echo(f"took {perf_counter() - started:.1f} s", err=True)
    if strict and report.unusable:
        sys.exit(1)


def _need_time(path: Path, mapping: ColumnMapping, defaults: RowDefaults) -> None:
    """Refuses at once a file none of whose rows could have a time."""
    if defaults.occurred_at is None and not {"occurred_at"} & {*mapping.columns, *mapping.constants}:
        raise SettingsError(
            "occurred-at", f"no column of {path.name} is a time; give one for all rows, or name the column in a mapping"
        )


def moment(text: str, option: str) -> datetime:
    """The time that an option gives; raises `click.BadParameter` unless it has an offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise click.BadParameter("must be a time with an offset, such as 2026-01-01T00:00:00Z", param_hint=option)
    return found.astimezone(UTC)
