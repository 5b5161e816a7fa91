"""A connection that runs the twin of each named query: the text of a query is its name here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import MappingProxyType, ModuleType
from typing import Any

from goldthread.ledger.queries import query
from memory import epochs, evidence, history, intake, profiles, publish, remodel, rework, steward, stored_answers
from memory.tables import Tables

__all__ = ["STATEMENTS", "Connection"]

Statement = Callable[[Tables, Mapping[str, Any]], list[tuple[Any, ...]]]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def _statements(*modules: ModuleType) -> dict[str, Statement]:
    found: dict[str, Statement] = {}
    for module in modules:
        for name in module.__all__:
            if name in found:
                raise LookupError(f"two twins are named {name}")
            found[name] = getattr(module, name)
    return found


STATEMENTS: Mapping[str, Statement] = MappingProxyType(
    _statements(epochs, evidence, history, intake, profiles, publish, remodel, rework, steward, stored_answers)
)
"""The twin of each query that has one, by name."""


@cache
def _by_text() -> dict[str, Statement]:
    """Twins by the text of their query; `KeyError` if a twin's query is gone."""
    return {query(name): statement for name, statement in STATEMENTS.items()}


class NoTwinError(BaseException):
    """A query has no twin yet. No `Exception`, so that no flow takes it for trouble to live with."""


class Connection:
    """What the ledger asks of psycopg's connection and cursor, over tables."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: list[tuple[Any, ...]] = []
        self.itersize = 0

    def execute(self, text: str, given: Mapping[str, Any] = _NOTHING, *, binary: bool = False) -> Connection:
        """Runs the twin of a query; `NoTwinError` if it has none."""
        statement = _by_text().get(text)
        if statement is None:
            raise NoTwinError(text.splitlines()[0])
        told = Connection(self._tables)
        told._rows = statement(self._tables, given)
        return told

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._rows

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows[0] if self._rows else None

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return iter(self._rows)

    @contextmanager
    def cursor(self, name: str = "") -> Iterator[Connection]:
        yield Connection(self._tables)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Part of the transaction that is open already."""
        yield
