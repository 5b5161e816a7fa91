"""Named queries, read once from the `.sql` files beside this module."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import LiteralString, cast

__all__ = ["query"]

_HEAD = re.compile(r"^-- name: ([a-z_]+)\n", re.MULTILINE)


@cache
def _queries() -> dict[str, LiteralString]:
    found: dict[str, LiteralString] = {}
    for file in resources.files(__package__).iterdir():
        if file.name.endswith(".sql"):
            parts = _HEAD.split(file.read_text(encoding="utf-8"))
            for name, text in zip(parts[1::2], parts[2::2], strict=True):
                if name in found:
                    raise LookupError(f"two queries are named {name}")
                found[name] = cast("LiteralString", text.strip())
    return found


def query(name: str) -> LiteralString:
    """Text of a named query; `KeyError` if there is none of that name."""
    return _queries()[name]
