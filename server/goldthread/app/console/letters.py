"""`goldthread dead-letters`: messages that could not be taken: look, repair, send again. Needs the ledger and the master key, not the service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO

import click

from goldthread.app import wiring
from goldthread.app.console.door import data_dir_option, json_option, local_settings
from goldthread.app.console.tables import print_facts, print_json, print_table
from goldthread.bus import EventProducer
from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.ports import DeadLetterRow, KeptDeadLetter
from goldthread.domain.words import RejectionReason
from goldthread.flows.dead_letters import DeadLetterFlow, OpenedLetter
from goldthread.telemetry.logs import configure_logs
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import readable_message

__all__ = ["dead_letters"]

_REASONS = {reason.name.lower(): reason for reason in RejectionReason if reason}
_ids = click.argument("dead_letter_ids", metavar="ID...", nargs=-1, type=int, required=True)


@click.group("dead-letters")
def dead_letters() -> None:
    """Messages that could not be taken: list, show, edit, replay."""


@dead_letters.command("list")
@click.option(
    "--reason", "reasons", type=click.Choice(list(_REASONS)), multiple=True, help="Only these; may be repeated."
)
@click.option("--before", type=int, help="Only those below this id: the page after one that ended there.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Most to show.")
@data_dir_option
@json_option
def list_letters(*, reasons: tuple[str, ...], before: int | None, limit: int, data_dir: Path, as_json: bool) -> None:
    """The latest dead letters: where they stood, why, and whether an event of their id was taken since. Shows no payload."""
    with _flow(data_dir) as flow:
        found = flow.page(reasons=[_REASONS[name] for name in reasons], before=before, limit=limit)
    if as_json:
        print_json([_plain(letter) for letter in found])
        return
    rows = [
        (
            letter.row.dead_letter_id,
            f"{letter.row.rejected_at:%Y-%m-%d %H:%M}",
            letter.row.reason.name.lower(),
            f"{letter.row.source}/{letter.row.event_id}".strip("/"),
            "taken" if letter.taken else "",
            _why(letter.row),
        )
        for letter in found
    ]
    print_table(("id", "when", "reason", "event", "since", "fields"), rows)


@dead_letters.command()
@click.argument("dead_letter_id", metavar="ID", type=int)
@click.option("--payload", is_flag=True, help="Show the message too. It is personal data.")
@data_dir_option
@json_option
def show(*, dead_letter_id: int, payload: bool, data_dir: Path, as_json: bool) -> None:
    """One dead letter, and with --payload the message that it was."""
    with _flow(data_dir) as flow:
        [opened] = flow.opened([dead_letter_id])
    text = _readable(opened) if payload else ""
    if as_json:
        print_json({**_plain(opened.letter), **({"payload": text} if payload else {})})
        return
    row = opened.letter.row
    print_facts(
        [
            ("id", row.dead_letter_id),
            ("reason", row.reason.name.lower()),
            ("stood at", f"{row.position.topic}, partition {row.position.partition}, offset {row.position.offset}"),
            ("event", f"{row.source}/{row.event_id}".strip("/")),
            ("since", "an event of this id was taken" if opened.letter.taken else ""),
            ("size", row.payload_size),
            *(("field", f"{one.field}: {one.description}") for one in row.violations),
        ]
    )
    if payload:
        click.echo(f"\n{text}")


@dead_letters.command()
@click.argument("dead_letter_id", metavar="ID", type=int)
@click.option(
    "--with",
    "replacement",
    type=click.File("rb"),
    help="Take the message from a file instead of an editor; - is standard input.",
)
@click.option("--force", is_flag=True, help="Send it although it would be refused again.")
@data_dir_option
def edit(*, dead_letter_id: int, replacement: IO[bytes] | None, force: bool, data_dir: Path) -> None:
    """Open a message in $EDITOR as JSON, check what was made of it, and send it again.

    While the editor is open, the message is in a file that only you can read.
    """
    with _flow(data_dir) as flow:
        [opened] = flow.opened([dead_letter_id])
        if replacement is None:
            edited = click.edit(_readable(opened), extension=".json", require_save=True)
            if edited is None:
                click.echo("nothing was changed, nothing was sent", err=True)
                return
            payload = edited.encode()
        else:
            payload = replacement.read()
        _check(flow, dead_letter_id, payload, force=force)
    _send([(opened.letter.row, payload)], data_dir)


@dead_letters.command()
@_ids
@click.option("--force", is_flag=True, help="Send those too that would be refused again.")
@data_dir_option
def replay(*, dead_letter_ids: tuple[int, ...], force: bool, data_dir: Path) -> None:
    """Send messages again as they are: after a source, a setting or this service was mended.

    Sending one twice takes effect once. Those that would be refused again stop the command before anything is sent.
    """
    with _flow(data_dir) as flow:
        letters = flow.opened(dead_letter_ids)
        for opened in letters:
            _check(flow, opened.letter.row.dead_letter_id, opened.payload, force=force)
    _send([(opened.letter.row, opened.payload) for opened in letters], data_dir)


@contextmanager
def _flow(data_dir: Path) -> Iterator[DeadLetterFlow]:
    configure_logs(level="critical")
    with ExitStack() as stack:
        yield wiring.open_dead_letters(stack, local_settings(data_dir), Metrics())


def _check(flow: DeadLetterFlow, dead_letter_id: int, payload: bytes, *, force: bool) -> None:
    wrong = None if force else flow.wrong_with(payload)
    if wrong is not None:
        click.echo(f"dead letter {dead_letter_id} would be refused again: {wrong.reason.name.lower()}", err=True)
        raise InvalidArgumentError(wrong.violations)


def _send(messages: Sequence[tuple[DeadLetterRow, bytes]], data_dir: Path) -> None:
    settings = local_settings(data_dir)
    bus = wiring.bus_settings(settings)
    with EventProducer(bus) as producer:
        producer.check()
        for row, payload in messages:
            key = f"{row.source}/{row.event_id}".encode() if row.event_id else None
            producer.send(bus.events_topic, key=key, value=payload, headers={})
        producer.flush()
    click.echo(f"{len(messages)} messages sent to {bus.events_topic}", err=True)


def _readable(opened: OpenedLetter) -> str:
    text = readable_message(opened.payload)
    if text is None:
        raise click.ClickException("the message is neither JSON nor an event, so there is nothing to read")
    return text


def _why(row: DeadLetterRow) -> str:
    return "; ".join(f"{one.field}: {one.description}" if one.field else one.description for one in row.violations)


def _plain(letter: KeptDeadLetter) -> dict[str, object]:
    row = letter.row
    return {
        "id": row.dead_letter_id,
        "topic": row.position.topic,
        "partition": row.position.partition,
        "offset": row.position.offset,
        "reason": row.reason.name,
        "violations": [{"field": one.field, "description": one.description} for one in row.violations],
        "source": row.source,
        "eventId": row.event_id,
        "size": row.payload_size,
        "rejectedAt": row.rejected_at.isoformat(),
        "taken": letter.taken,
    }
