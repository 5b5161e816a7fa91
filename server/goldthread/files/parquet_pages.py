"""Parquet files with one column more, whose other columns are copied as they stand.

Every place in a footer is counted from the start of the file. So the pages of a file may be copied to the start of another, the new column written after
them, and a footer after that which names both: nothing is decoded, and the old columns keep their encoding, compression, statistics and indexes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from goldthread.files.ahead import ahead
from goldthread.files.compact import BINARY, I64, Field, Listed, Struct, Value, read_struct, written_struct
from goldthread.files.failure import FileFormatError, arrow_errors
from goldthread.files.sink import drafted

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CHANGED", "copied_with"]

CHANGED = "has changed since it was read"
"""Complaint of a file that has another number of rows by now."""

_MAGIC = b"PAR1"
_TAIL = 8
"""Bytes behind a footer: its length and the magic."""
_MOST_FOOTER = 8 << 20
_MOST_ROWS = 1 << 22
"""Rows of a group whose new column is held in memory."""
_ROWS = 65_536
_COPY_BYTES = 1 << 20

# Numbers of the fields in parquet.thrift.
_SCHEMA, _ROW_GROUPS, _KEY_VALUES, _COLUMN_ORDERS, _ENCRYPTION = 2, 4, 5, 7, 8
_CHILDREN = 5
_COLUMNS, _TOTAL_BYTES, _GROUP_ROWS, _COMPRESSED_BYTES = 1, 2, 3, 6
_TOTALS = (_TOTAL_BYTES, _COMPRESSED_BYTES)
_KEY, _VALUE = 1, 2
_META = 3
_CHUNK_PLACES = (2, 4, 6)
"""Places of a chunk, its offset index and its column index."""
_PAGE_PLACES = (9, 10, 11, 14)
"""Places of its data, index and dictionary pages and of its Bloom filter."""
_FILE_PATH, _CRYPTO, _ENCRYPTED = 1, 8, 9
_ARROW_SCHEMA = b"ARROW:schema"


def copied_with(source: Path, out: Path, name: str, rows: int, column: Callable[[int, int], pa.Array]) -> bool:
    """Writes a file of so many rows with a column of texts more: `column(start, stop)` gives its values.

    False, and nothing is written, for a file that is not copied: encrypted, spread over several, without rows, or with a huge footer or row groups.
    Raises `FileFormatError`.
    """
    with arrow_errors(source, "not readable as Parquet"), source.open("rb") as pages:
        footer = _footer_of(pages)
        if footer is None:
            return False
        if sum(footer.group_rows) != rows:
            raise FileFormatError(source, CHANGED)
        with drafted(out) as draft, draft.open("w+b") as file:
            pages.seek(0)
            _copy(pages, file, footer.start)
            _write_beside(file, source, footer, name, column)
    return True


@dataclass(frozen=True, slots=True)
class _Footer:
    """What a footer says, and where it begins."""

    start: int
    said: Struct

    @property
    def group_rows(self) -> list[int]:
        return [_number(group, _GROUP_ROWS) for group in _structs(self.said, _ROW_GROUPS)]


def _write_beside(
    file: BinaryIO, source: Path, footer: _Footer, name: str, column: Callable[[int, int], pa.Array]
) -> None:
    """Writes the new column behind the pages of the others, and the footer of both."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    field = pa.field(name, pa.string())
    with pq.ParquetWriter(
        file, pa.schema([field]), compression="zstd", compression_level=1, use_dictionary=False, store_schema=False
    ) as writer:
        for group in ahead(_groups(footer.group_rows, column)):
            writer.write_table(pa.table([group], names=[name]), row_group_size=len(group))
    added = _footer_of(file)
    if added is None or added.group_rows != footer.group_rows:
        raise OSError("the column was not written as it was given")
    # The writer counted from where it began, and its footer is where the common one goes.
    for group in _structs(added.said, _ROW_GROUPS):
        for chunk in _structs(group, _COLUMNS):
            _move(chunk, _CHUNK_PLACES, footer.start)
            _move(_struct(chunk, _META), _PAGE_PLACES, footer.start)
    schema = base64.b64encode(pq.read_schema(source).append(field).serialize().to_pybytes())
    said = written_struct(_joined(footer.said, added.said, schema))
    file.seek(added.start)
    file.truncate()
    file.write(said + len(said).to_bytes(4, "little") + _MAGIC)


def _move(struct: Struct, places: Sequence[int], start: int) -> None:
    for place in places:
        if place in struct and _number(struct, place):
            struct[place].value = _number(struct, place) + start


def _footer_of(file: BinaryIO) -> _Footer | None:
    end = file.seek(0, 2)
    if end < len(_MAGIC) + _TAIL:
        return None
    file.seek(end - _TAIL)
    tail = file.read(_TAIL)
    length = int.from_bytes(tail[:4], "little")
    start = end - _TAIL - length
    if tail[4:] != _MAGIC or length > _MOST_FOOTER or start < len(_MAGIC):
        return None
    file.seek(start)
    try:
        footer = _Footer(start, read_struct(file.read(length)))
        return footer if _is_copied(footer) else None
    except (ValueError, IndexError, KeyError, RecursionError):
        return None


def _is_copied(footer: _Footer) -> bool:
    """Whether a footer is one of those that are joined; `KeyError` for one that lacks what all have, or has it as something else."""
    apart = {_FILE_PATH, _CRYPTO, _ENCRYPTED}
    groups = _structs(footer.said, _ROW_GROUPS)
    return (
        _ENCRYPTION not in footer.said
        and _number(_structs(footer.said, _SCHEMA)[0], _CHILDREN) > 0
        and bool(groups)
        and all(0 < rows <= _MOST_ROWS for rows in footer.group_rows)
        and all(apart.isdisjoint(chunk) for group in groups for chunk in _structs(group, _COLUMNS))
        and all(_number(group, total) >= 0 for group in groups for total in _TOTALS if total in group)
        and (_COLUMN_ORDERS not in footer.said or bool(_structs(footer.said, _COLUMN_ORDERS)))
        and all(_KEY in pair for pair in _key_values(footer.said))
    )


def _copy(pages: BinaryIO, out: BinaryIO, count: int) -> None:
    while count:
        part = pages.read(min(count, _COPY_BYTES))
        if not part:
            raise OSError("the file ends too early")
        out.write(part)
        count -= len(part)


def _groups(sizes: Sequence[int], column: Callable[[int, int], pa.Array]) -> Iterator[pa.ChunkedArray]:
    import pyarrow as pa

    first = 0
    for rows in sizes:
        last = first + rows
        parts = [column(start, min(start + _ROWS, last)) for start in range(first, last, _ROWS)]
        yield pa.chunked_array(parts, pa.string())
        first = last


def _joined(old: Struct, new: Struct, schema: bytes) -> Struct:
    """One footer for both: the old one with the new one's only column."""
    root, *_ = _structs(old, _SCHEMA)
    root[_CHILDREN].value = _number(root, _CHILDREN) + 1
    _list(old, _SCHEMA).append(_list(new, _SCHEMA)[1])
    for group, added in zip(_structs(old, _ROW_GROUPS), _structs(new, _ROW_GROUPS), strict=True):
        _list(group, _COLUMNS).extend(_list(added, _COLUMNS))
        for total in _TOTALS:
            if total in group and total in added:
                group[total] = Field(I64, _number(group, total) + _number(added, total))
    if _COLUMN_ORDERS in old:
        _list(old, _COLUMN_ORDERS).extend(_list(new, _COLUMN_ORDERS))
    for pair in _key_values(old):
        if pair[_KEY].value == _ARROW_SCHEMA:
            pair[_VALUE] = Field(BINARY, schema)
    return old


def _key_values(footer: Struct) -> list[Struct]:
    return _structs(footer, _KEY_VALUES) if _KEY_VALUES in footer else []


def _list(struct: Struct, number: int) -> list[Value]:
    value = struct[number].value
    if not isinstance(value, Listed):
        raise KeyError(number)
    return value.items


def _structs(struct: Struct, number: int) -> list[Struct]:
    found = [item for item in _list(struct, number) if isinstance(item, dict)]
    if len(found) != len(_list(struct, number)):
        raise KeyError(number)
    return found


def _struct(struct: Struct, number: int) -> Struct:
    value = struct[number].value
    if not isinstance(value, dict):
        raise KeyError(number)
    return value


def _number(struct: Struct, number: int) -> int:
    value = struct[number].value
    if not isinstance(value, int):
        raise KeyError(number)
    return value
