"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

__all__ = ["print_facts", "print_json", "print_table", "short_enum"]

_WIDEST = 60


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Rows under their columns, long cells cut."""
    cells = [[*columns], *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(columns))]
    for row in cells:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """One fact a line; those that are nothing are left out."""
    known = [(name, str(value)) for name, value in facts if value not in {None, ""}]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{name.ljust(width)}  {value}")


def print_json(value: Message | Sequence[Message] | object) -> None:
    """A message, or several, in protobuf's JSON mapping; anything else as it is."""
    match value:
        case Message():
            plain: object = MessageToDict(value)
        case list() if value and all(isinstance(item, Message) for item in value):
            plain = [MessageToDict(item) for item in value]
        case _:
            plain = value
    click.echo(json.dumps(plain, ensure_ascii=False, indent=2, default=str))


def short_enum(name: str, prefix: str) -> str:
    """An enum value's name as a word: `LOOKUP_OUTCOME_NOT_FOUND` is `not found`."""
    return name.removeprefix(prefix).removeprefix("_").replace("_", " ").lower()


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"
