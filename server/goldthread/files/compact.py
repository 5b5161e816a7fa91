"""Thrift's compact protocol as a tree, as much of it as the footer of a Parquet file takes.

Fields are kept by number whatever they mean, so that what a later version of the format says is written again as it was read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["BINARY", "I64", "Field", "Listed", "Struct", "Value", "read_struct", "written_struct"]

# Numbers of the types.
_BOOLEANS = (1, 2)
_BYTE, _I16, _I32, I64, _DOUBLE, BINARY, _LIST, _SET, _STRUCT = 3, 4, 5, 6, 7, 8, 9, 10, 12
_DOUBLE_BYTES = 8
_LONG_LIST = 15
_MOST_SHIFT = 63
"""Of the last seven bits of a number of 64."""


@dataclass(slots=True)
class Listed:
    """A list, and of what."""

    kind: int
    items: list[Value]


@dataclass(slots=True)
class Field:
    """A value and its type. That of a boolean says what it is."""

    kind: int
    value: Value


Struct: TypeAlias = dict[int, Field]
"""Fields by number, ascending."""
Value: TypeAlias = "int | bytes | Listed | Struct"


def read_struct(data: bytes) -> Struct:
    """The structure that bytes begin with; raises `ValueError` or `IndexError` for bytes that are none."""
    return _Reader(data).struct()


def written_struct(struct: Struct) -> bytes:
    """The bytes of a structure."""
    out = bytearray()
    _write_struct(out, struct)
    return bytes(out)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0
        self._readers: Mapping[int, Callable[[], Value]] = {
            _BYTE: self._byte,
            _I16: self._signed,
            _I32: self._signed,
            I64: self._signed,
            _DOUBLE: lambda: self._bytes(_DOUBLE_BYTES),
            BINARY: lambda: self._bytes(self._unsigned()),
            _LIST: self._listed,
            _SET: self._listed,
            _STRUCT: self.struct,
        }

    def struct(self) -> Struct:
        fields: Struct = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._signed()
            fields[number] = Field(head & 15, self._value(head & 15, alone=False))
        return fields

    def _value(self, kind: int, *, alone: bool) -> Value:
        if kind in _BOOLEANS:
            return self._byte() if alone else 0
        read = self._readers.get(kind)
        if read is None:
            raise ValueError(f"a value of type {kind}")
        return read()

    def _listed(self) -> Listed:
        head = self._byte()
        count = head >> 4 if head >> 4 != _LONG_LIST else self._unsigned()
        # Whatever an item is, it takes a byte.
        if count > len(self._data) - self._place:
            raise ValueError("a list is longer than its bytes")
        return Listed(head & 15, [self._value(head & 15, alone=True) for _ in range(count)])

    def _byte(self) -> int:
        byte = self._data[self._place]
        self._place += 1
        return byte

    def _bytes(self, count: int) -> bytes:
        end = self._place + count
        if end > len(self._data):
            raise ValueError("the bytes end too early")
        found = self._data[self._place : end]
        self._place = end
        return found

    def _unsigned(self) -> int:
        number = 0
        for shift in range(0, _MOST_SHIFT + 1, 7):
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise ValueError("a number of more than 64 bits")

    def _signed(self) -> int:
        number = self._unsigned()
        return number >> 1 ^ -(number & 1)


def _write_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for number, field in struct.items():
        step = number - last
        if 0 < step <= 15:
            out.append(step << 4 | field.kind)
        else:
            out.append(field.kind)
            _write_unsigned(out, _folded(number))
        if field.kind not in _BOOLEANS:
            _write_value(out, field.kind, field.value)
        last = number
    out.append(0)


def _write_value(out: bytearray, kind: int, value: Value) -> None:
    if isinstance(value, dict):
        _write_struct(out, value)
    elif isinstance(value, Listed):
        count = len(value.items)
        out.append(min(count, _LONG_LIST) << 4 | value.kind)
        if count >= _LONG_LIST:
            _write_unsigned(out, count)
        for item in value.items:
            _write_value(out, value.kind, item)
    elif isinstance(value, bytes):
        if kind == BINARY:
            _write_unsigned(out, len(value))
        out += value
    elif kind in (_I16, _I32, I64):
        _write_unsigned(out, _folded(value))
    else:
        out.append(value)


def _write_unsigned(out: bytearray, number: int) -> None:
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _folded(number: int) -> int:
    return number << 1 if number >= 0 else (-number << 1) - 1
