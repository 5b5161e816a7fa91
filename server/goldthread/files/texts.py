"""Values of typed columns as the texts that matching reads.

Tools write a whole number with a fraction of nothing where its column has gaps (`98101.0`, `1.3606718751e+10`). It is the number that people know, so it is
read without: a telephone or card number is the same text, and so the same token, whatever type its column has.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from goldthread.files.failure import FileFormatError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["as_text", "holds_texts", "whole_number", "without_fractions"]

_FRACTION_OF_NOTHING = re.compile(r"(\d+)\.0")
_EXACT = 1 << 63
"""Bound of the floats that have a 64-bit integer."""


def whole_number(value: str) -> str:
    """The value without a fraction of nothing, if it is a number with one."""
    found = _FRACTION_OF_NOTHING.fullmatch(value) if value.endswith(".0") else None
    return found.group(1) if found else value


def holds_texts(kind: pa.DataType) -> bool:
    """Whether values of a type have a text each; lists, structures and maps have none."""
    import pyarrow as pa

    return not pa.types.is_nested(kind)


def as_text(path: Path, name: str, column: pa.Array) -> pa.Array:
    """A column of a file as text; raises `FileFormatError` naming it if its values are none, such as lists."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if kind == pa.string():
        return column
    try:
        if pa.types.is_dictionary(kind):
            return as_text(path, name, column.dictionary_decode())
        if pa.types.is_floating(kind):
            return _float_texts(column.cast(pa.float64()))
        text = column.cast(pa.string())
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise FileFormatError(path, f"column {name!r} cannot be read as text ({type(error).__name__})") from None
    return pc.replace_substring_regex(text, r"^(-?\d+)\.0+$", r"\1") if pa.types.is_decimal(kind) else text


def without_fractions(column: pa.Array) -> pa.Array:
    """A column of texts with each as `whole_number` gives it."""
    import pyarrow.compute as pc

    # The cheap question first: hardly a column has such numbers.
    if not pc.any(pc.ends_with(column, ".0")).as_py():
        return column
    return pc.replace_substring_regex(column, r"^(\d+)\.0$", r"\1")


def _float_texts(column: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.if_else(pc.is_nan(column), pa.scalar(None, pa.float64()), column)
    whole = pc.and_(pc.equal(column, pc.trunc(column)), pc.less(pc.abs(column), float(_EXACT)))
    numbers = pc.if_else(whole, column, pa.scalar(None, pa.float64())).cast(pa.int64()).cast(pa.string())
    return pc.coalesce(numbers, column.cast(pa.string()))
