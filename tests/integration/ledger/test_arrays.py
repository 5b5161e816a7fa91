"""Lists as parameters come to the server as what they are: every kind, absent elements, and empty ones."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from uuid import UUID

import psycopg
import pytest
from psycopg.types.json import Jsonb

from fixtures.servers import Postgres
from goldthread.ledger.arrays import use_list_dumper


class Number(IntEnum):
    SEVEN = 7


class Word(StrEnum):
    YES = "yes"


_ID = UUID("0197a6c2-0000-7000-8000-00000000000f")
_MOMENT = datetime(1999, 12, 31, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=2)))
CASES = [
    ("bigint", [1, -2, 2**63 - 1, -(2**63)]),
    ("bigint", [None, Number.SEVEN]),
    ("smallint", [3, None, -4]),
    ("integer", [Number.SEVEN, 2**31 - 1]),
    ("boolean", [True, False, None]),
    ("text", ["", "a,b", 'say "hi"\\', "NULL", "{x}", "naïve 李", None, Word.YES]),
    ("bytea", [b"", b"\x00\xff", None]),
    ("uuid", [_ID, None]),
    ("timestamptz", [_MOMENT, datetime(2026, 1, 1, tzinfo=UTC), None]),
    ("date", [date(1970, 1, 1), date(2026, 2, 28)]),
    ("jsonb", [Jsonb([{"field": 'a"b', "n": 1}])]),
    *((kind, []) for kind in ("bigint", "text", "uuid", "timestamptz")),
    *((kind, [None, None]) for kind in ("bigint", "text", "date")),
]


@pytest.mark.parametrize(("kind", "values"), CASES)
def test_a_list_comes_back_as_it_went(postgres: Postgres, kind: str, values: list[object]) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        use_list_dumper(connection)
        for _ in range(7):  # prepared after the fifth time
            row = connection.execute(f"SELECT %(given)s::{kind}[]", {"given": values}).fetchone()  # type: ignore[arg-type]
            assert row == ([value.obj if isinstance(value, Jsonb) else value for value in values],)


def test_whole_numbers_are_of_one_type_whatever_their_size(postgres: Postgres) -> None:
    with psycopg.connect(postgres.dsn, autocommit=True) as connection:
        use_list_dumper(connection)
        for values in ([1], [2**40], [None, 5]):
            row = connection.execute("SELECT pg_typeof(%(given)s)::text", {"given": values}).fetchone()
            assert row == ("bigint[]",)
        with pytest.raises(Exception, match=r"argument|range|int"):
            connection.execute("SELECT %(given)s::bigint[]", {"given": [2**64]})
