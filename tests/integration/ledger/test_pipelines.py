"""How statements of a pipeline reach the server."""

from __future__ import annotations

import pytest
from psycopg.abc import PQGen
from psycopg.generators import send
from psycopg.pq.abc import PGconn

from goldthread.ledger import Ledger
from goldthread.ledger.prepared import LedgerConnection


def test_statements_of_a_pipeline_leave_together_and_to_the_last_byte(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More than sockets hold, and what it asks for as well: whoever stopped writing while the server reads, or did not read meanwhile, would wait for ever."""
    sent: list[int] = []

    def counted(pgconn: PGconn) -> PQGen[None]:
        sent.append(1)
        yield from send(pgconn)

    many = 500_000
    with ledger.transaction() as tx:
        connection = tx._connection
        assert isinstance(connection, LedgerConnection)
        assert connection.riding is not None
        # From here on it is known how these are told.
        tx.ask_versions(1)()
        tx.ask_profiles_of([1])()
        monkeypatch.setattr("goldthread.ledger.prepared.send", counted)
        drawn = [tx.ask_versions(many), tx.ask_versions(many)]
        found = [tx.ask_profiles_of(range(many)), tx.ask_profiles_of(range(many))]
        asked = len(connection.riding.command_queue)
        assert [len(rows()) for rows in drawn] == [many, many]
        assert [rows() for rows in found] == [{}, {}]
        assert (asked, len(sent)) == (4, 1)
