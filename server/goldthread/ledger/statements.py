"""How statements run: named, with named parameters, over lists; what they give comes in binary.

As text every digest would be written twice as long and every time and id spelled out, by the ledger, to be read again here.

Inside a transaction statements are pipelined: nobody waits before something is fetched. So what is asked together, and fetched afterwards, costs one
way to the server and back, each of which waits for a processor on a machine that has none to spare (ADR 0026).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, LiteralString, TypeVar

from psycopg import Connection

from goldthread.ledger.prepared import Later, LedgerConnection, Rows
from goldthread.ledger.queries import query

__all__ = ["Later", "Statements", "asked", "later"]

_NOTHING: Mapping[str, object] = MappingProxyType({})

T = TypeVar("T")
R = TypeVar("R")


def later(asked: Later[R], made: Callable[[R], T]) -> Later[T]:
    """What is made of what a statement gives, once that is fetched."""
    return lambda: made(asked())


def asked(connection: Connection[Any], name: str, given: Mapping[str, object] = _NOTHING) -> Later[Rows]:
    """Runs a named query on a connection of the ledger, or on another one as psycopg does."""
    if isinstance(connection, LedgerConnection):
        return connection.ask(name, given)
    return connection.execute(query(name), given, binary=True).fetchall


class Statements:
    """Runs named queries on one connection."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def _text(self, name: str) -> LiteralString:
        return query(name)

    def _run(self, name: str, /, **parameters: object) -> None:
        self._ask(name, **parameters)

    def _ask(self, name: str, /, **parameters: object) -> Later[Rows]:
        return asked(self._connection, name, parameters)

    def _rows(self, name: str, /, **parameters: object) -> Rows:
        return self._ask(name, **parameters)()
