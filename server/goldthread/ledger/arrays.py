"""Lists as parameters: in binary, and each by one call for all of its elements.

psycopg writes lists as text, element by element. Statements of the ledger take lists of hundreds, dozens of them to a batch, and that was a fifth
of what ingest cost Python. Elements are of one kind; whole numbers are bigint whatever their size, so that a statement has one prepared
form, and it casts where a column is narrower. A list without any value is of whatever type the statement expects there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from struct import Struct
from types import MappingProxyType, NoneType
from typing import Any, ClassVar, TypeAlias
from uuid import UUID

from psycopg import Connection
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format
from psycopg.types.array import ListDumper as PlainListDumper

__all__ = ["WRITERS", "ListDumper", "use_list_dumper"]

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_FIRST_DAY = _EPOCH.date().toordinal()
_MICROSECOND = timedelta(microseconds=1)
_HEAD = Struct(">iiIii").pack
_INT8 = Struct(">q").pack
_INT4 = Struct(">i").pack
_INT2 = Struct(">h").pack
_ABSENT = _INT4(-1)


Body: TypeAlias = Callable[[Sequence[Any], bool], bytes]
"""Writes the elements of a list; the flag says whether some are None."""


def _fixed(width: int, write: Callable[[Any], bytes]) -> Body:
    """Writes elements of one width."""
    length = _INT4(width)

    def body(values: Sequence[Any], absent: bool) -> bytes:
        if absent:
            return b"".join([_ABSENT if value is None else length + write(value) for value in values])
        return length + length.join(map(write, values))

    return body


def _of_any_length(values: Sequence[Any], absent: bool) -> bytes:
    if absent:
        return b"".join([_ABSENT if value is None else _INT4(len(value)) + value for value in values])
    if len(widths := set(map(len, values))) == 1:
        # Digests are, and most lists of bytes hold digests.
        length = _INT4(widths.pop())
        return length + length.join(values)
    return b"".join([_INT4(len(value)) + value for value in values])


def _texts(values: Sequence[Any], absent: bool) -> bytes:
    if absent:
        return _of_any_length([None if value is None else value.encode() for value in values], absent)
    return b"".join([_INT4(len(value)) + value for value in map(str.encode, values)])


def _microseconds(moment: datetime) -> bytes:
    return _INT8((moment - _EPOCH) // _MICROSECOND)


def _days(day: date) -> bytes:
    return _INT4(day.toordinal() - _FIRST_DAY)


def _number(value: UUID) -> bytes:
    return value.int.to_bytes(16)


_KINDS: tuple[tuple[type, int, int, Body], ...] = (
    (bool, 16, 1000, _fixed(1, lambda flag: b"\x01" if flag else b"\x00")),
    (int, 20, 1016, _fixed(8, _INT8)),
    (str, 25, 1009, _texts),
    (bytes, 17, 1001, _of_any_length),
    (UUID, 2950, 2951, _fixed(16, _number)),
    (datetime, 1184, 1185, _fixed(8, _microseconds)),
    (date, 1082, 1182, _fixed(4, _days)),
)
"""Kind of element, its type and that of the array in PostgreSQL, and what writes all of them. What comes first is tried first: a bool is an int."""


_PLACES = {kind: place for place, (kind, *_) in enumerate(_KINDS)}


def _kind_of(values: list[Any]) -> int | None:
    """Place in `_KINDS` of a list's elements; None where nothing tells, -1 for another kind."""
    for value in values:
        if value is not None:
            # Asked several times for each of a statement's lists; a subclass (an IntEnum, say) goes the long way.
            place = _PLACES.get(type(value))
            if place is None:
                return next((place for place, (kind, *_) in enumerate(_KINDS) if isinstance(value, kind)), -1)
            return place
    return None


class ListDumper(Dumper):
    """Writes lists; one of no values as text."""

    format = Format.TEXT
    oid: int = 0

    def __init__(self, cls: type, context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        self._context = context
        self._plain = PlainListDumper(cls, context)

    def get_key(self, obj: list[Any], format: PyFormat) -> Any:  # noqa: A002, ANN401 (as psycopg has it)
        """One dumper for each kind of element."""
        kind = _kind_of(obj)
        if kind is None:
            return self.cls
        if kind < 0:
            return (self.cls, "plain", self._plain.get_key(obj, format))
        return (self.cls, kind)

    def upgrade(self, obj: list[Any], format: PyFormat) -> Dumper:  # noqa: A002 (as psycopg has it)
        """The dumper for these elements."""
        kind = _kind_of(obj)
        if kind is None:
            return self
        if kind < 0:
            return self._plain.upgrade(obj, format)
        return _DUMPERS[kind](self.cls, self._context)

    def dump(self, obj: list[Any]) -> bytes:
        """A list of nulls."""
        return b"{" + b",".join([b"NULL"] * len(obj)) + b"}"


class _KindDumper(Dumper):
    """Writes lists of one kind of element."""

    format = Format.BINARY
    element: ClassVar[int]
    body: ClassVar[Body]

    def dump(self, obj: list[Any]) -> bytes:
        # By type: a UUID is compared with None in Python.
        absent = NoneType in map(type, obj)
        return _HEAD(1, absent, self.element, len(obj), 1) + type(self).body(obj, absent)


def _dumper(name: str, element: int, array: int, body: Body) -> type[_KindDumper]:
    return type(name, (_KindDumper,), {"oid": array, "element": element, "body": staticmethod(body)})


_DUMPERS = [_dumper(f"{kind.__name__.title()}ListDumper", *rest) for kind, *rest in _KINDS]  # type: ignore[arg-type]


def _writes_list(element: int, body: Body) -> Callable[[Sequence[Any]], bytes]:
    empty = Struct(">iii").pack(0, 0, element)

    def write(values: Sequence[Any]) -> bytes:
        if not values:
            return empty
        absent = NoneType in map(type, values)
        return _HEAD(1, absent, element, len(values), 1) + body(values, absent)

    return write


WRITERS: Mapping[int, Callable[[Any], bytes]] = MappingProxyType(
    {
        16: lambda flag: b"\x01" if flag else b"\x00",
        17: bytes,
        20: _INT8,
        21: _INT2,
        23: _INT4,
        25: str.encode,
        701: Struct(">d").pack,
        1082: _days,
        1184: _microseconds,
        2950: _number,
        **{array: _writes_list(element, body) for _, element, array, body in _KINDS},
        1005: _writes_list(21, _fixed(2, _INT2)),
        1007: _writes_list(23, _fixed(4, _INT4)),
    }
)
"""What writes a value in binary, None left out, by the type of PostgreSQL that a statement takes."""


def use_list_dumper(connection: Connection[Any]) -> None:
    """Lists that are given to this connection are written so from now on."""
    connection.adapters.register_dumper(list, ListDumper)
