"""Rows of generated customers with generic values planted in them, and the same rows without.

A planted row carries one value of each of five kinds: a store's phone, a kiosk's e-mail, a cashier's card, a terminal's device and its cookie. Each value
stands in rows of so many different people. In the other arm the same cells are empty, so nothing differs but the values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events

__all__ = ["KINDS", "Planted", "plant"]

KINDS: Mapping[str, Callable[[int], str]] = {
    "phone": lambda number: f"+1212736{5_000 + 7 * number}",
    "email": lambda number: f"kiosk{number}@front-desk-terminals.com",
    "loyalty_card": lambda number: f"9100-{1_000 + number}-4477",
    "device": lambda number: f"3f2a9c4e-8b1d-4e6f-a0c2-{number:012x}",
    "cookie": lambda number: f"ga1.2.{987_654_000 + number}.1700000000",
}
"""Values of each kind, by number."""

_NAMED = ("given_name", "family_name")
_OWN = ("birth_date", "street", "crm_number", "webshop_number")
_ROOM = 1.8
"""People to each planted row: some of them never leave a row that can be planted."""


@dataclass(frozen=True)
class Planted:
    """What was written: rows of either file, rows with planted values, and whose each event truly is."""

    rows: int
    planted: int
    values: int
    truth: dict[tuple[str, str], int]


def plant(folder: Path, *, values: int, people: int, seed: int) -> tuple[Path, Path, Planted]:
    """Writes both arms, with and without the values; each value stands in rows of `people` people.

    A row is planted if it has a name and something else of the person's own: without, rows of many people would be one and the same claim,
    which no matcher could tell apart. Raises `ValueError` if `values` is no multiple of the kinds, or there is no room.
    """
    if values % len(KINDS):
        raise ValueError(f"values must be a multiple of {len(KINDS)}")
    each = values // len(KINDS)
    wanted = each * people
    arms = folder / "with.jsonl", folder / "without.jsonl"
    truth: dict[tuple[str, str], int] = {}
    rows = 0
    people_done: set[int] = set()
    planted: dict[tuple[str, str], int] = {}
    with ExitStack() as files:
        planted_file, plain_file = (files.enter_context(path.open("w", encoding="utf-8")) for path in arms)
        for row, person in _rows(int(wanted * _ROOM), seed=seed):
            rows += 1
            event = row["source"], row["event_id"]
            own = all(map(row.get, _NAMED)) and any(map(row.get, _OWN))
            if event not in truth and len(planted) < wanted and person not in people_done and own:
                planted[event] = len(planted)
                people_done.add(person)
            truth[event] = person
            there = here = row
            # A row that is delivered twice says the same both times.
            if event in planted:
                here = {name: value for name, value in row.items() if name not in KINDS}
                there = {**here, **{kind: value(planted[event] % each) for kind, value in KINDS.items()}}
            planted_file.write(json.dumps(there) + "\n")
            plain_file.write(json.dumps(here) + "\n")
    if len(planted) < wanted:
        raise ValueError(f"only {len(planted)} of {wanted} rows could be planted")
    return *arms, Planted(rows, len(planted), values, truth)


def _rows(people: int, *, seed: int) -> Iterator[tuple[dict[str, str], int]]:
    options = GenerateOptions(people=people, events=round(people * 1.5), seed=seed)
    for event in generate_events(options):
        row = {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        yield row, event.truth
