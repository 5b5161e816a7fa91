"""References that are asked about once a statement: what is refused, and that a race with a deletion leaves no row that refers to nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest
from psycopg import Connection, IsolationLevel, errors, sql

_PARENTS = (
    (
        "INSERT INTO record (address, birth_id, source, first_seen, last_seen, sightings) "
        "SELECT sha256(n::text::bytea), md5(n::text)::uuid, 'pos', now(), now(), 1 FROM generate_series(1, 3) AS n"
    ),
    (
        "INSERT INTO token (token, type, namespace, form, key_version, normalizer_version) "
        "SELECT sha256(n::text::bytea), 1, '', 1, 1, 'n' FROM generate_series(1, 3) AS n"
    ),
    "INSERT INTO block SELECT n, 0, 0, 1, false FROM generate_series(1, 3) AS n",
)

_INBOX = "INSERT INTO inbox (source, event_id, payload_digest, record_id, kind, occurred_at) SELECT 'pos', n::text, '', n, 'click', now()"
_PURCHASE = (
    "INSERT INTO purchase (source, event_id, record_id, occurred_at, amount_minor, currency, store) "
    "SELECT 'pos', n::text, n, now(), 1, 'USD', ''"
)
_REFERENCES = {
    "inbox_record_fkey": ("inbox", "record_id", "record", _INBOX),
    "purchase_record_fkey": ("purchase", "record_id", "record", _PURCHASE),
    "record_token_record_fkey": ("record_token", "record_id", "record", "INSERT INTO record_token SELECT n, 1"),
    "record_token_token_fkey": ("record_token", "token_id", "token", "INSERT INTO record_token SELECT 1, n"),
    "token_name_token_fkey": ("token_name", "token_id", "token", "INSERT INTO token_name SELECT n, 'lee'"),
    "record_block_block_fkey": ("record_block", "key", "block", "INSERT INTO record_block SELECT n, 1"),
    "record_block_record_fkey": ("record_block", "record_id", "record", "INSERT INTO record_block SELECT 1, n"),
}
"""Child, its column, parent, and what writes children; of rows 1 to 3 each parent has one."""

references = pytest.mark.parametrize("name", sorted(_REFERENCES))


@pytest.fixture
def admin(ledger_dsn: str) -> Iterator[Connection[Any]]:
    """A plain connection to a ledger that holds parents."""
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        for statement in _PARENTS:
            connection.execute(statement.encode())
        yield connection


def write(connection: Connection[Any], name: str, first: int, last: int) -> None:
    """Writes the children of some parents in one statement."""
    text = f"{_REFERENCES[name][3]} FROM generate_series({first}, {last}) AS n"
    connection.execute(text.encode())


def count(connection: Connection[Any], table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(row[0])


def delete(connection: Connection[Any], name: str, number: int) -> None:
    """Deletes a parent."""
    _, column, parent, _ = _REFERENCES[name]
    connection.execute(
        sql.SQL("DELETE FROM {} WHERE {} = {}").format(sql.Identifier(parent), sql.Identifier(column), number)
    )


def move(connection: Connection[Any], name: str, number: int) -> None:
    """Lets child 1 name another parent."""
    table, column, _, _ = _REFERENCES[name]
    connection.execute(
        sql.SQL("UPDATE {0} SET {1} = {2} WHERE {1} = 1").format(sql.Identifier(table), sql.Identifier(column), number)
    )


def test_each_reference_is_asked_about_wherever_rows_are_written(admin: Connection[Any]) -> None:
    rows = admin.execute(
        "SELECT tgrelid::regclass::text, encode(tgargs, 'escape'), pg_get_triggerdef(oid) FROM pg_trigger "
        "WHERE NOT tgisinternal AND tgnargs = 1 AND tgenabled = 'O'"
    ).fetchall()
    found = {
        (table, arguments.removesuffix("\\000"), match[1])
        for table, arguments, text in rows
        if (match := re.search("AFTER (INSERT|UPDATE) ON", text))
    }
    wanted = {(table, name, event) for name, (table, *_) in _REFERENCES.items() for event in ("INSERT", "UPDATE")}
    assert found == wanted


@references
def test_a_row_without_its_parent_is_refused_with_all_of_its_statement(admin: Connection[Any], name: str) -> None:
    write(admin, name, 1, 2)
    with pytest.raises(errors.ForeignKeyViolation) as written:
        write(admin, name, 3, 4)
    with pytest.raises(errors.ForeignKeyViolation) as changed:
        move(admin, name, 4)
    assert [caught.value.diag.constraint_name for caught in (written, changed)] == [name, name]
    assert count(admin, _REFERENCES[name][0]) == 2
    move(admin, name, 3)


@references
def test_a_parent_stays_while_a_row_names_it(admin: Connection[Any], name: str) -> None:
    table, column, parent, _ = _REFERENCES[name]
    write(admin, name, 1, 2)
    with pytest.raises(errors.ForeignKeyViolation):
        delete(admin, name, 2)
    with pytest.raises(errors.ForeignKeyViolation):
        admin.execute(
            sql.SQL("UPDATE {0} SET {1} = {2} WHERE {1} = 2").format(
                sql.Identifier(parent), sql.Identifier(column), sql.SQL("key + 100" if parent == "block" else "DEFAULT")
            )
        )
    with pytest.raises((errors.ForeignKeyViolation, errors.FeatureNotSupported)):
        admin.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(parent)))
    delete(admin, name, 3)
    admin.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
    delete(admin, name, 2)
    assert count(admin, parent) == 1


@references
def test_whoever_deletes_waits_for_those_who_write(admin: Connection[Any], ledger_dsn: str, name: str) -> None:
    with psycopg.connect(ledger_dsn) as writer, ThreadPoolExecutor(1) as pool:
        write(writer, name, 1, 1)
        deleting = pool.submit(delete, admin, name, 1)
        with pytest.raises(TimeoutError):
            deleting.result(0.2)
        writer.commit()
        with pytest.raises(errors.ForeignKeyViolation):
            deleting.result(10)
    assert count(admin, _REFERENCES[name][0]) == 1


@references
def test_whoever_writes_waits_for_a_deletion_and_is_refused(admin: Connection[Any], ledger_dsn: str, name: str) -> None:
    number = 2
    with psycopg.connect(ledger_dsn) as deleter, ThreadPoolExecutor(1) as pool:
        delete(deleter, name, number)
        writing = pool.submit(write, admin, name, number, number)
        with pytest.raises(TimeoutError):
            writing.result(0.2)
        deleter.commit()
        with pytest.raises(errors.ForeignKeyViolation):
            writing.result(10)
    assert count(admin, _REFERENCES[name][0]) == 0


@references
def test_one_snapshot_for_all_hides_no_deletion(admin: Connection[Any], ledger_dsn: str, name: str) -> None:
    with ExitStack() as stack:
        late, deleter = (stack.enter_context(psycopg.connect(ledger_dsn)) for _ in range(2))
        late.isolation_level = deleter.isolation_level = IsolationLevel.REPEATABLE_READ
        assert count(late, "record") == 3
        with pytest.raises(errors.FeatureNotSupported):
            delete(deleter, name, 3)
        delete(admin, name, 3)
        with pytest.raises(errors.SerializationFailure):
            write(late, name, 3, 3)
        late.rollback()
        write(late, name, 2, 2)
        late.commit()
    assert count(admin, _REFERENCES[name][0]) == 1


@references
def test_what_was_written_behind_the_triggers_is_found(admin: Connection[Any], name: str) -> None:
    table = sql.Identifier(_REFERENCES[name][0])
    write(admin, name, 1, 1)
    admin.execute("SELECT check_references()")
    admin.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(table))
    write(admin, name, 9, 9)
    with pytest.raises(errors.ForeignKeyViolation) as caught:
        admin.execute("SELECT check_references()")
    assert caught.value.diag.constraint_name == name


def test_a_blocking_key_may_come_after_its_carriers_until_the_transaction_ends(admin: Connection[Any]) -> None:
    """As processes of versions before write it; what is there at COMMIT counts, and can be deleted once nobody carries it."""
    with admin.transaction():
        admin.execute("INSERT INTO record_block SELECT 9, 1")
        admin.execute("INSERT INTO block VALUES (9, 0, 0, 1, false)")
    with pytest.raises(errors.ForeignKeyViolation) as caught, admin.transaction():
        admin.execute("INSERT INTO record_block SELECT 10, 1")
    assert caught.value.diag.constraint_name == "record_block_block_fkey"
    with pytest.raises(errors.ForeignKeyViolation):
        admin.execute("DELETE FROM block WHERE key = 9")
    admin.execute("DELETE FROM record_block")
    admin.execute("DELETE FROM block")
    assert count(admin, "block") == 0


def test_parents_are_asked_for_by_key_in_a_session_that_began_on_an_empty_ledger(admin: Connection[Any]) -> None:
    admin.execute("ANALYZE record")
    write(admin, "inbox_record_fkey", 1, 2)
    admin.execute(_PARENTS[0].replace("(1, 3)", "(4, 5000)").encode())
    before = rows_read_in_order(admin)
    write(admin, "inbox_record_fkey", 3, 1000)
    assert rows_read_in_order(admin) == before


def rows_read_in_order(connection: Connection[Any]) -> int:
    """Rows of `record` that sequential scans have read."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.execute("SELECT 1")
    row = connection.execute("SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'record'").fetchone()
    assert row is not None
    return int(row[0])
