"""From files to columns for a fill: the same events as `produce_rows` makes of the same rows, many at a time.

A row that is out of the ordinary in any way is judged by `RowReader` itself: what is done here is only what it would do with a row that breaks no rule.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from goldthread.app.produce_rows import ProduceReport, RowDefaults, RowReader, consent_of, page_of
from goldthread.domain.columns import PackedTexts, TextColumn
from goldthread.domain.policy import EARLIEST_EVENT, FUTURE_ALLOWANCE
from goldthread.domain.words import (
    ATTRIBUTE_NAMES,
    Click,
    ConsentChange,
    CustomerChange,
    IncomingEvent,
    Payload,
    Purchase,
)
from goldthread.files import PASSED_OVER, FileFormatError, read_flat, read_numbered_rows
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.match import claim_columns
from goldthread.matching.batch import ClaimColumns
from goldthread.matching.holdings import EPOCH, EventColumns, EventKind, ReadCounts

__all__ = ["ColumnReader", "ReadRows"]

_SHORT = 64
_MOST_DIGITS = 11  # below the largest amount that an event may have
_MICROSECOND = timedelta(microseconds=1)
_NO_CLAIM = "no usable identifier and no attribute"
_ATTRIBUTES = (*ATTRIBUTE_NAMES, "full_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRows:
    """Some rows of a file; `done` says what became of their claims once that is known."""

    claims: ClaimColumns
    events: EventColumns
    done: Callable[[ReadCounts], None] = field(repr=False)


class ColumnReader:
    """Reads one file, once; `now` bounds times."""

    def __init__(
        self,
        path: Path,
        *,
        mapping: ColumnMapping,
        defaults: RowDefaults,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = path
        self._mapping = mapping
        self._defaults = defaults
        self._now = now
        self._strange = RowReader(path, defaults=defaults, now=now)
        self._bad: list[tuple[int, str]] = []
        self._dropped: Counter[tuple[str, str]] = Counter()
        self._rows = 0
        self._passed_over = 0
        self._lines = array("q")
        self._sources: set[str] = set()
        self._purposes: set[str] = set()

    @property
    def file_digest(self) -> str:
        """SHA-256 of the file, in hexadecimal digits."""
        return self._strange.file_digest

    def batches(self) -> Iterator[ReadRows]:
        """All rows, some ten thousand at a time. Raises `FileFormatError`."""
        for batch in read_flat(self._path, self._mapping):
            constants = {name: [value] * batch.rows for name, value in self._mapping.constants.items()}
            yield self._read(batch.rows, {**constants, **batch.columns})

    def finish(self) -> ProduceReport:
        """What became of the rows, once all of them and what is known of their claims was read."""
        # Lines are looked up only where somebody asks: counting them takes longer than reading the columns.
        unusable = sorted((self._line(row), reason) for row, reason in self._bad)
        rows = self._rows - self._passed_over
        return ProduceReport(
            rows=rows,
            events=rows - len(unusable),
            passed_over=self._passed_over,
            unusable=unusable,
            dropped=self._dropped,
        )

    def _line(self, row: int) -> int:
        if not self._lines:
            self._lines = array("q", (line for line, _ in read_numbered_rows(self._path)))
        if row >= len(self._lines):
            raise FileFormatError(self._path, f"became shorter while it was read: {len(self._lines)} rows")
        return self._lines[row]

    def _read(self, rows: int, columns: dict[str, TextColumn]) -> ReadRows:
        first, self._rows = self._rows, self._rows + rows
        told = _Told(rows)
        missing: list[str | None] = [None] * rows
        values = [_listed(columns[name]) if name in columns else missing for name in _EVENT_COLUMNS]
        passed = _listed(columns[PASSED_OVER]) if PASSED_OVER in columns else missing
        odd = _with_null(columns)
        until = self._now() + FUTURE_ALLOWANCE
        for place, row in enumerate(zip(*values, strict=True)):
            if passed[place]:
                self._passed_over += 1
                continue
            said = None if place in odd else self._quick(first + place, row, until)
            if said is None:
                said = self._slow(first + place, place, columns)
            told.put(place, said)
        claims = claim_columns(columns, rows=rows, default_source=self._defaults.source)
        return ReadRows(claims=claims, events=told.columns(), done=partial(self._count, first))

    def _quick(self, row: int, cells: _Cells, until: datetime) -> _Said | None:
        """What an ordinary row says; None for any other, which may be as good."""
        source, event_id, occurred_at, kind, amount, *_ = cells
        source = source or self._defaults.source
        moment = _utc(occurred_at) if occurred_at else self._defaults.occurred_at
        if source not in self._sources or moment is None or not EARLIEST_EVENT <= moment <= until:
            return None
        if event_id and not _is_short(event_id):
            return None
        event_id = event_id or f"{self.file_digest[:16]}-{self._line(row)}"
        said = self._payload(kind or ("purchase" if amount else "customer_change"), cells)
        return None if said is None else _Said(source, event_id, moment, said)

    def _payload(self, kind: str, cells: _Cells) -> _Happened | None:
        *_, amount, currency, store, page, purpose, granted = cells
        if kind == "purchase":
            ordinary = amount is not None and amount.isascii() and amount.isdecimal() and len(amount) <= _MOST_DIGITS
            ours = self._defaults.currency
            if amount is None or not ordinary or (currency or ours) != ours or (store and not _is_short(store)):
                return None
            return _happened(Purchase(int(amount), ours, store or ""))
        if kind == "click" and (not page or _is_short(page)):
            return _happened(Click(page_of(page)))
        if kind == "consent" and (consent := consent_of(purpose, granted)).purpose in self._purposes:
            return _happened(consent)
        return _happened(CustomerChange()) if kind == "customer_change" else None

    def _slow(self, row: int, place: int, columns: Mapping[str, TextColumn]) -> _Said | None:
        """What `RowReader` makes of a row: the event, or nothing, and why."""
        flat = {name: value for name, column in columns.items() if (value := _value(column, place))}
        line = row if flat.get("event_id") else self._line(row)
        unusable = self._strange.report.unusable
        event = next((event for _, event in self._strange.numbered([(line, flat)])), None)
        if event is None:
            self._bad.append((row, unusable[-1][1]))
            return None
        self._sources.add(event.source)
        if isinstance(event.payload, ConsentChange):
            self._purposes.add(event.payload.purpose)
        return _said(event)

    def _count(self, first: int, counts: ReadCounts) -> None:
        self._bad += [(first + row, _NO_CLAIM) for row in counts.unusable]
        for status, columns in (("invalid", counts.invalid), ("placeholder", counts.placeholders)):
            for column, count in columns.items():
                if count:
                    self._dropped[column, status] += count


_EVENT_COLUMNS = (
    "source",
    "event_id",
    "occurred_at",
    "kind",
    "amount_minor",
    "currency",
    "store",
    "page",
    "purpose",
    "granted",
)


def _utc(text: str) -> datetime | None:
    """A time that is given in UTC; None for any other."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is UTC else None


def _is_short(text: str) -> bool:
    return len(text) <= _SHORT and text.isascii() and text.isprintable()


_Cells: TypeAlias = tuple[str | None, ...]


class _Happened(NamedTuple):
    """A payload as the core has it; `content` is what is digested of it."""

    kind: EventKind
    amount: int
    detail: str
    content: str


class _Said(NamedTuple):
    """An event without its claim."""

    source: str
    event_id: str
    occurred_at: datetime
    happened: _Happened


def _happened(payload: Payload) -> _Happened:
    match payload:
        case Purchase(amount, currency, store):
            return _Happened(EventKind.PURCHASE, amount, store, f"purchase\x1f{amount}\x1f{currency}\x1f{store}")
        case Click(page):
            return _Happened(EventKind.CLICK, 0, "", f"click\x1f{page}")
        case ConsentChange(purpose, granted):
            kind = EventKind.CONSENT_GIVEN if granted else EventKind.CONSENT_WITHDRAWN
            return _Happened(kind, 0, purpose, f"consent_change\x1f{purpose}\x1f{granted}")
        case CustomerChange():
            return _Happened(EventKind.CUSTOMER_CHANGE, 0, "", "customer_change\x1f")


def _said(event: IncomingEvent) -> _Said:
    if event.occurred_at is None or event.payload is None:
        raise AssertionError("a row without time or payload is no event")
    return _Said(event.source, event.event_id, event.occurred_at, _happened(event.payload))


class _Told:
    """Columns of a chunk, row by row."""

    def __init__(self, rows: int) -> None:
        self._sources = [""] * rows
        self._ids = [""] * rows
        self._kinds = bytearray([EventKind.NONE]) * rows
        self._occurred = array("q", bytes(8 * rows))
        self._amounts = array("q", bytes(8 * rows))
        self._details = [""] * rows
        self._contents = [""] * rows

    def put(self, place: int, said: _Said | None) -> None:
        """Writes a row; one that is no event stays empty."""
        if said is None:
            return
        happened = said.happened
        self._sources[place] = said.source
        self._ids[place] = said.event_id
        self._kinds[place] = happened.kind
        self._occurred[place] = (said.occurred_at - EPOCH) // _MICROSECOND
        self._amounts[place] = happened.amount
        self._details[place] = happened.detail
        self._contents[place] = f"{said.occurred_at.isoformat()}\x1f{happened.content}"

    def columns(self) -> EventColumns:
        """What was written."""
        return EventColumns(
            sources=self._sources,
            ids=self._ids,
            kinds=bytes(self._kinds),
            occurred=self._occurred.tobytes(),
            amounts=self._amounts.tobytes(),
            details=self._details,
            contents=self._contents,
        )


def _listed(column: TextColumn) -> Sequence[str | None]:
    return column.texts() if isinstance(column, PackedTexts) else column


def _value(column: TextColumn, place: int) -> str | None:
    if not isinstance(column, PackedTexts):
        return column[place]
    if column.validity is not None and not column.validity[place // 8] >> place % 8 & 1:
        return None
    start, stop = memoryview(column.offsets).cast("i")[place : place + 2].tolist()
    return column.data[start:stop].decode()


def _with_null(columns: Mapping[str, TextColumn]) -> set[int]:
    """Rows with an attribute that holds a null character, which no event may."""
    found: set[int] = set()
    for name in _ATTRIBUTES:
        column = columns.get(name)
        if column is None or (isinstance(column, PackedTexts) and b"\x00" not in column.data):
            continue
        found.update(place for place, value in enumerate(_listed(column)) if value and "\x00" in value)
    return found
