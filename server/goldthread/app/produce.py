"""`goldthread produce`: sends a file's rows to Kafka as customer events."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Protocol

import click
from tqdm import tqdm

from goldthread.app.produce_rows import ProduceReport, RowDefaults, RowReader
from goldthread.app.settings import Settings
from goldthread.bus import BusSettings, EventProducer
from goldthread.files import Mapping as ColumnMapping
from goldthread.files import column_names, read_numbered_rows
from goldthread.telemetry.logs import configure_logs
from goldthread.wire import CONTENT_TYPE_PROTOBUF, encode_event

__all__ = ["EventSink", "command", "produce_file", "summary_lines"]

_HEADERS = {"content-type": CONTENT_TYPE_PROTOBUF}
_SHOWN_LINES = 20


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
    progress: bool = False,
) -> ProduceReport:
    """Sends every usable row of a CSV, JSON lines or Parquet file and returns what became of them, once all are acknowledged.

    Without a mapping, columns are known by their common names. The same file gives the same events. Raises `FileFormatError` at the first
    line that cannot be read, `BusUnavailableError`; rows before it may have been sent, and sending them again is harmless.
    """
    names = column_names(path)
    if mapping is None:
        mapping = ColumnMapping.automatic(names)
    else:
        mapping.check(path, names)
    reader = RowReader(path, defaults=defaults)
    for event in reader.events(_flat_rows(path, mapping, progress=progress)):
        key = f"{event.source}/{event.event_id}".encode()
        sink.send(topic, key=key, value=encode_event(event), headers=_HEADERS)
    sink.flush()
    return reader.report


def _flat_rows(path: Path, mapping: ColumnMapping, *, progress: bool) -> Iterator[tuple[int, dict[str, str]]]:
    rows = tqdm(read_numbered_rows(path), unit=" rows", file=sys.stderr, disable=not progress, desc=path.name)
    for line, row in rows:
        yield line, mapping.row(row)


def summary_lines(report: ProduceReport) -> Iterator[str]:
    """The report in words: counts, what was dropped, and for every reason the first lines left out. Holds no value of the file."""
    yield f"{report.rows} rows, {report.events} events sent, {len(report.unusable)} rows left out"
    for (column, status), count in sorted(report.dropped.items()):
        yield f"  {count} × {column}: {status}, not sent"
    lines_of: defaultdict[str, list[int]] = defaultdict(list)
    for line, reason in report.unusable:
        lines_of[reason].append(line)
    for reason, lines in sorted(lines_of.items(), key=lambda item: (-len(item[1]), item[1])):
        more = len(lines) - _SHOWN_LINES
        shown = ", ".join(map(str, lines[:_SHOWN_LINES])) + (f" and {more} more" if more > 0 else "")
        yield f"  {len(lines)} rows left out: {reason} (lines {shown})"


@click.command("produce")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--kafka-bootstrap", help="Kafka brokers, host:port with commas between.")
@click.option("--events-topic", help="Topic to write to.")
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file that names FILE's columns; by default, common names are known.",
)
@click.option("--source", default="", help="Source of rows that do not name theirs.")
@click.option("--occurred-at", help="Time of rows that have none, RFC 3339.")
@click.option("--region", help="Country of phone numbers written without one.")
@click.option("--currency", help="Currency of purchases that name none.")
@click.option("--strict", is_flag=True, help="Leave out rows with any invalid value, and fail if a row is left out.")
def command(
    *,
    file: Path,
    kafka_bootstrap: str | None,
    events_topic: str | None,
    mapping_file: Path | None,
    source: str,
    occurred_at: str | None,
    region: str | None,
    currency: str | None,
    strict: bool,
) -> None:
    """Send the rows of FILE (CSV, JSON lines or Parquet) to Kafka as customer events.

    Identifiers leave this process as digests only. Rows without event ids get ids of the file's digest and their line. Rows that the service
    would refuse are left out and listed by line.
    """
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
        occurred_at=_moment(occurred_at),
        strict=strict,
    )
    mapping = ColumnMapping.read(mapping_file) if mapping_file is not None else None
    started = perf_counter()
    with EventProducer(bus) as producer:
        producer.check()
        report = produce_file(
            file,
            producer,
            topic=settings.events_topic,
            defaults=defaults,
            mapping=mapping,
            progress=sys.stderr.isatty(),
        )
    for line in summary_lines(report):
        click.echo(line, err=True)
    click.echo(f"took {perf_counter() - started:.1f} s", err=True)
    if strict and report.unusable:
        sys.exit(1)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise click.BadParameter(
            "must be a time with an offset, such as 2026-01-01T00:00:00Z", param_hint="--occurred-at"
        )
    return moment.astimezone(UTC)
