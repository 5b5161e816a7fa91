"""The schema as applied: tags, migrations, and that every named query fits it and finds its indexes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import psycopg
import pytest
from psycopg import Connection, sql

from fixtures.servers import Postgres
from goldthread.domain.errors import SchemaVersionError
from goldthread.ledger import Ledger, migrate
from goldthread.ledger.fill import FILLED_TABLES
from goldthread.ledger.queries import query

_NAME = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)
_PARAMETER = re.compile(r"%\(([a-z0-9_]+)\)s(::)?")
_SCALARS = {
    "birth_id": "uuid",
    "key_version": "smallint",
    "limit": "integer",
    "model_id": "smallint",
    "normalizer_version": "text",
    "reason": "text",
    "start": "bigint",
    "end": "bigint",
    "width": "integer",
}
"""Types that psycopg sends with scalars; what is left out is inferred by the server."""

_HOT = {
    "answers": {"tiering", "life", "life_mark"},
    "block_carriers": set(),
    "candidates": set(),
    "component": set(),
    "count_looks": set(),
    "drop_marks": set(),
    "due_marks": set(),
    "hand_overs_of": set(),
    "homes_around": set(),
    "households_of": set(),
    "insert_changes": set(),
    "insert_inbox": set(),
    "hang_blocks": set(),
    "insert_tokens": set(),
    "load_records": set(),
    "load_assertions": set(),
    "load_pairs": set(),
    "load_tokens": set(),
    "lock_members": set(),
    "lock_profiles": set(),
    "lock_tokens": set(),
    "marked_around": set(),
    "move_records": set(),
    "open_reviews_of": set(),
    "outbox_done": set(),
    "outbox_later": set(),
    "outbox_later_done": set(),
    "overused_tokens": set(),
    "pairs_of": set(),
    "pairs_with": set(),
    "phones": set(),
    "profiles_of_records": set(),
    "seen_events": set(),
    "standings": set(),
    "survey_profiles": set(),
    "survey_profiles_by_policy": set(),
    "take_marks": set(),
    "token_carriers": set(),
    "upsert_records": set(),
}
"""Queries on the path of every event or register, and tables of one row that they may scan."""


def _names() -> list[str]:
    folder = resources.files("goldthread.ledger") / "queries"
    texts = [file.read_text(encoding="utf-8") for file in folder.iterdir() if file.name.endswith(".sql")]
    # A definition cannot be prepared, and every migration runs this one.
    return sorted(name for text in texts for name in _NAME.findall(text) if name != "create_migration_table")


def _prepare(connection: Connection[Any], name: str) -> int:
    """Prepares a query under its own name and returns its number of parameters."""
    numbers: dict[str, int] = {}

    def positional(match: re.Match[str]) -> str:
        number = numbers.setdefault(match[1], len(numbers) + 1)
        if match[2]:
            return f"${number}::"
        kind = "text" if (name, match[1]) == ("register_model", "version") else _SCALARS.get(match[1])
        return f"${number}::{kind}" if kind else f"${number}"

    text = _PARAMETER.sub(positional, query(name)).rstrip(";")
    connection.execute(sql.SQL("PREPARE {} AS {}").format(sql.Identifier(name), sql.SQL(text)))
    return len(numbers)


@pytest.fixture
def admin(ledger_dsn: str) -> Iterator[Connection[Any]]:
    """A plain connection to the test's ledger."""
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def read_only_dsn(postgres: Postgres) -> Iterator[str]:
    """One migrated, empty database for all tests that change nothing of it."""
    dsn = postgres.clone()
    yield dsn
    postgres.drop(dsn)


@pytest.fixture
def reader(read_only_dsn: str) -> Iterator[Connection[Any]]:
    """A connection of one test's own to it: nothing is prepared there yet, and nothing can be written."""
    with psycopg.connect(read_only_dsn, autocommit=True, options="-c default_transaction_read_only=on") as connection:
        yield connection


def test_every_column_says_whether_it_is_personal(reader: Connection[Any]) -> None:
    rows = reader.execute(
        "SELECT c.relname, a.attname, coalesce(col_description(c.oid, a.attnum), '') FROM pg_class c "
        "JOIN pg_attribute a ON a.attrelid = c.oid "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') "
        "AND a.attnum > 0 AND NOT a.attisdropped"
    ).fetchall()
    untagged = [(table, column) for table, column, text in rows if not re.match(r"(not )?personal: \S", str(text))]
    assert len(rows) > 100
    assert untagged == []


def test_text_that_statements_compare_is_compared_by_code_point(reader: Connection[Any]) -> None:
    """Whatever the database sorts by: Python breaks the same ties, and it knows code points only."""
    rows = reader.execute(
        "SELECT c.relname, l.collname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid "
        "JOIN pg_collation l ON l.oid = a.attcollation "
        "WHERE c.relnamespace = 'public'::regnamespace AND a.attname = 'last_purchase_store' ORDER BY 1"
    ).fetchall()
    assert rows == [("profile", "C"), ("record", "C")]


def test_migrating_twice_changes_nothing(ledger: Ledger, admin: Connection[Any]) -> None:
    before = admin.execute("SELECT number, sha256, applied_at FROM schema_migration ORDER BY number").fetchall()
    assert before
    assert ledger.migrate() == []
    ledger.check_schema()
    assert admin.execute("SELECT number, sha256, applied_at FROM schema_migration ORDER BY number").fetchall() == before


def test_an_empty_database_has_no_schema_until_it_is_migrated(postgres: Postgres) -> None:
    postgres.run(sql.SQL("CREATE DATABASE {}").format(sql.Identifier("bare")))
    dsn = psycopg.conninfo.make_conninfo(postgres.dsn, dbname="bare")
    try:
        with psycopg.connect(dsn, autocommit=True) as connection:
            with pytest.raises(psycopg.errors.UndefinedTable):
                migrate.check(connection)
            assert migrate.apply(connection) == [one.name for one in migrate.migrations()]
            migrate.check(connection)
    finally:
        postgres.drop(dsn)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE schema_migration SET sha256 = decode(repeat('00', 32), 'hex') WHERE number = 1",
        "DELETE FROM schema_migration WHERE number = 1",
        "INSERT INTO schema_migration (number, name, sha256) VALUES (9999, 'from_the_future', '')",
    ],
    ids=["edited", "missing", "newer"],
)
def test_a_schema_of_another_version_is_refused(ledger: Ledger, admin: Connection[Any], change: str) -> None:
    ledger.check_schema()
    admin.execute(change.encode())
    with pytest.raises(SchemaVersionError):
        ledger.check_schema()


def test_an_edited_migration_is_not_applied_over(ledger: Ledger, admin: Connection[Any]) -> None:
    admin.execute("UPDATE schema_migration SET sha256 = decode(repeat('00', 32), 'hex') WHERE number = 1")
    with pytest.raises(SchemaVersionError) as caught:
        ledger.migrate()
    assert caught.value.metadata["migration"] == migrate.migrations()[0].name


def test_migrations_are_numbered_without_gaps() -> None:
    assert [one.number for one in migrate.migrations()] == list(range(1, len(migrate.migrations()) + 1))


_UNPREPARED = {"fill_truncate", "fill_analyze", *(f"copy_{table}" for table in FILLED_TABLES)}
"""Statements that no server prepares."""


@pytest.mark.parametrize("name", sorted(set(_names()) - _UNPREPARED))
def test_every_query_fits_the_schema(reader: Connection[Any], name: str) -> None:
    _prepare(reader, name)
    prepared = reader.execute("SELECT name, array_length(parameter_types, 1) FROM pg_prepared_statements").fetchall()
    asked_for = len({found[0] for found in _PARAMETER.findall(query(name))})
    assert prepared == [(name, asked_for or None)]


def test_every_statement_of_a_fill_fits_the_schema(ledger: Ledger, admin: Connection[Any]) -> None:
    with ledger.fill() as tx:
        tx.begin()
        for table in FILLED_TABLES:
            tx.copy(table, [])
        steps = list(tx.finish(records=0, tokens=0, version=7))
    assert steps[-1][0] == steps[-1][1] == len(steps)
    assert admin.execute("SELECT nextval('ledger_version')").fetchall() == [(8,)]
    assert admin.execute("SELECT nextval(pg_get_serial_sequence('record', 'record_id'))").fetchall() == [(1,)]


def _fill(admin: Connection[Any]) -> None:
    """20,000 records on as many profiles with tokens, blocks and pairs, so that the planner has something to lose. Statistics are left to the caller."""
    tables = admin.execute(
        "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    for (table,) in tables.fetchall():
        admin.execute(sql.SQL("ALTER TABLE {} SET (autovacuum_enabled = off)").format(sql.Identifier(table)))
    for statement in (
        "INSERT INTO match_model (version, sha256, body) VALUES ('m', '', '')",
        (
            "INSERT INTO profile (profile_id, version, live) "
            "SELECT md5(n::text)::uuid, n, true FROM generate_series(1, 20000) AS n"
        ),
        (
            "INSERT INTO record (address, birth_id, source, first_seen, last_seen, sightings) "
            "SELECT sha256(n::text::bytea), md5(n::text)::uuid, 'pos', now(), now(), 1 "
            "FROM generate_series(1, 20000) AS n"
        ),
        "INSERT INTO membership SELECT n, md5(n::text)::uuid FROM generate_series(1, 20000) AS n",
        (
            "INSERT INTO token (token, type, namespace, form, key_version, normalizer_version) "
            "SELECT sha256(n::text::bytea), 1, '', 1, 1, 'n' FROM generate_series(1, 20000) AS n"
        ),
        "INSERT INTO record_token SELECT n, n FROM generate_series(1, 20000) AS n",
        "INSERT INTO record_token SELECT n, n + 1 FROM generate_series(1, 19999) AS n",
        "INSERT INTO token_epoch SELECT n, 1, now(), sha256(n::text::bytea) FROM generate_series(1, 20000) AS n",
        "INSERT INTO block SELECT n, 0, 0, 2, false FROM generate_series(1, 20000) AS n",
        "INSERT INTO record_block SELECT n / 2 + 1, n FROM generate_series(1, 20000) AS n",
        "INSERT INTO pair SELECT n, n + 1, 5000, '', '{}', 1 FROM generate_series(1, 19999, 2) AS n",
        (
            "INSERT INTO inbox (source, event_id, payload_digest, record_id, kind, occurred_at) "
            "SELECT 'pos', n::text, '', n, 'purchase', now() FROM generate_series(1, 20000) AS n"
        ),
        (
            "INSERT INTO review (low_profile, high_profile, low_record, high_record, strength, model_id) "
            "SELECT least(md5(n::text)::uuid, md5((n + 1)::text)::uuid), greatest(md5(n::text)::uuid, md5((n + 1)::text)::uuid), "
            "n, n + 1, 1000, 1 FROM generate_series(1, 9999) AS n"
        ),
        (
            "INSERT INTO purchase (source, event_id, record_id, occurred_at, amount_minor, currency, store) "
            "SELECT 'pos', n::text, n, now(), 1, 'USD', 'S1' FROM generate_series(1, 20000) AS n"
        ),
        (
            "INSERT INTO operation (operation_id, request_id, request_sha256, kind, actor, actor_rank, reason) "
            "SELECT md5(n::text)::uuid, n::text, '', 'assert_same', 'steward', 1, 'r' FROM generate_series(2, 9999) AS n"
        ),
        (
            "INSERT INTO assertion (operation_id, low, high, same, actor_rank) "
            "SELECT md5(n::text)::uuid, n, n + 1, true, 1 FROM generate_series(2, 9999) AS n"
        ),
        (
            "INSERT INTO household (low_profile, high_profile, low_record, high_record, strength) "
            "SELECT least(md5(n::text)::uuid, md5((n + 1)::text)::uuid), greatest(md5(n::text)::uuid, md5((n + 1)::text)::uuid), "
            "n, n + 1, 1000 FROM generate_series(1, 9999) AS n"
        ),
        (
            "INSERT INTO dirty_mark (record_id, step, cause, actor) "
            "SELECT n, 3, 'event', 'test' FROM generate_series(1, 20000) AS n"
        ),
        (
            "INSERT INTO outbox (profile_id, version, live, change, token_ids) "
            "SELECT md5(n::text)::uuid, n, true, '', '{}' FROM generate_series(1, 20000) AS n"
        ),
        (
            "INSERT INTO outbox_later (profile_id, version, live, change, token_ids) "
            "SELECT md5(n::text)::uuid, n, true, '', '{}' FROM generate_series(1, 20000) AS n"
        ),
    ):
        admin.execute(statement.encode())


def _scanned(admin: Connection[Any], name: str) -> set[str]:
    """Tables that the query reads from end to end, themselves or an index of theirs, as planned for arguments that are not known yet."""
    nulls = sql.SQL(", ").join([sql.NULL] * _prepare(admin, name))
    rows = admin.execute(sql.SQL("EXPLAIN EXECUTE {} ({})").format(sql.Identifier(name), nulls)).fetchall()
    return _read_whole("\n".join(str(row[0]) for row in rows))


def _read_whole(plan: str) -> set[str]:
    joined = re.search(r"(Hash|Merge) (?:\w+ )?Join", plan)
    # An index without a condition is read whole where a join wants its order; where only the first rows are wanted, it is not.
    ordered = re.findall(r"Index (?:Only )?Scan using \w+ on (\w+)[^\n]*\n(?!\s+Index Cond)", plan) if joined else []
    return {*re.findall(r"Seq Scan on (\w+)", plan), *ordered}


def _scanning(admin: Connection[Any]) -> dict[str, set[str]]:
    """Hot queries that read tables from end to end, and which."""
    admin.execute("DEALLOCATE ALL")
    scans = {name: _scanned(admin, name) - allowed for name, allowed in _HOT.items()}
    return {name: tables for name, tables in scans.items() if tables}


def test_hot_queries_keep_their_indexes(admin: Connection[Any]) -> None:
    _fill(admin)
    admin.execute("SET plan_cache_mode = force_generic_plan")
    # As in the first minute of a ledger's life, before anybody has counted.
    assert _scanning(admin) == {}
    # The control: a join that leaves the planner a choice takes the wrong one then.
    joined = "SELECT type FROM record_token JOIN token USING (token_id) WHERE record_id = ANY($1)"
    admin.execute(f"PREPARE joined (bigint[]) AS {joined}".encode())
    plan = "\n".join(str(row[0]) for row in admin.execute("EXPLAIN EXECUTE joined (NULL)").fetchall())
    assert _read_whole(plan) == {"token"}
    admin.execute("ANALYZE")
    assert _scanning(admin) == {}
    # As of a table that fills and empties all the time, counted at the wrong moment.
    admin.execute("CREATE TABLE kept AS SELECT record_id, step, cause, actor FROM dirty_mark")
    admin.execute("DELETE FROM dirty_mark")
    admin.execute("VACUUM ANALYZE dirty_mark")
    admin.execute("INSERT INTO dirty_mark (record_id, step, cause, actor) SELECT * FROM kept")
    assert _scanning(admin) == {}
    # The control: without its index, a query must be seen to scan.
    admin.execute("DEALLOCATE seen_events")
    admin.execute("ALTER TABLE inbox DROP CONSTRAINT inbox_pkey")
    assert _scanned(admin, "seen_events") == {"inbox"}
