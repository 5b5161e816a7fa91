"""How statements run: named, with named parameters, over lists; what they give comes in binary.

As text every digest would be written twice as long and every time and id spelled out, by the ledger, to be read again here.
"""

from __future__ import annotations

from typing import Any, LiteralString

from psycopg import Connection

from goldthread.ledger.queries import query

__all__ = ["Statements"]


class Statements:
    """Runs named queries on one connection."""

    def __init__(self, connection: Connection[Any]) -> None:
        self._connection = connection

    def _text(self, name: str) -> LiteralString:
        return query(name)

    def _run(self, name: str, /, **parameters: object) -> None:
        self._connection.execute(query(name), parameters)

    def _rows(self, name: str, /, **parameters: object) -> list[tuple[Any, ...]]:
        return self._connection.execute(query(name), parameters, binary=True).fetchall()
