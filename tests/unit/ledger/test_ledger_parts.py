"""The parts of the ledger that need no server: settings, named queries, migrations as files, translated errors."""

from __future__ import annotations

import re
from importlib import resources

import psycopg
import pytest
from psycopg import errors
from psycopg_pool import PoolTimeout

from goldthread.domain.errors import (
    GoldthreadError,
    LedgerFaultError,
    LedgerUnavailableError,
    SchemaVersionError,
    SettingsError,
    TransientError,
)
from goldthread.ledger import LedgerSettings, migrate
from goldthread.ledger.errors import translated
from goldthread.ledger.queries import query


def _files(folder: str) -> list[str]:
    found = resources.files("goldthread.ledger").joinpath(folder).iterdir()
    return [file.read_text(encoding="utf-8") for file in found if file.name.endswith((".sql", ".py"))]


def test_settings_hide_the_password() -> None:
    settings = LedgerSettings(dsn="postgresql://me:secret@db/gold")
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    "wrong",
    [
        {"dsn": ""},
        {"dsn": "x", "pool_min": 0},
        {"dsn": "x", "pool_min": 9, "pool_max": 8},
        # The relay's lease keeps one connection, so its queries need another.
        {"dsn": "x", "pool_max": 1},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        LedgerSettings(**wrong)  # type: ignore[arg-type]


def test_every_query_has_a_sentence_and_a_user() -> None:
    names = re.findall(r"^-- name: (\S+)$", "\n".join(_files("queries")), re.MULTILINE)
    assert len(names) == len(set(names)) > 50
    for name in names:
        sentence, *statement = query(name).splitlines()
        assert sentence.startswith("-- "), name
        assert statement, name
    code = "\n".join(_files("."))
    assert [name for name in names if f'"{name}"' not in code] == []


def test_an_unknown_query_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        query("no_such_query")


def test_python_holds_no_sql() -> None:
    statement = re.compile(r"\"(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE|ALTER)\s", re.IGNORECASE)
    for file in resources.files("goldthread.ledger").iterdir():
        if file.name.endswith(".py"):
            assert statement.search(file.read_text(encoding="utf-8")) is None, file.name


def test_migrations_say_why_and_when() -> None:
    for migration in migrate.migrations():
        first, second, *_ = migration.body.splitlines()
        assert re.fullmatch(rf"-- {migration.number:04} \((pre|post)\): .+", first)
        assert second.startswith("-- Why: ")
        assert len(migration.sha256) == 32


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (errors.SerializationFailure(), LedgerUnavailableError),
        (errors.DeadlockDetected(), LedgerUnavailableError),
        (errors.LockNotAvailable(), LedgerUnavailableError),
        (errors.QueryCanceled(), LedgerUnavailableError),
        (errors.UniqueViolation("Key (event_id)=(secret) already exists"), LedgerUnavailableError),
        (errors.AdminShutdown(), LedgerUnavailableError),
        (errors.ReadOnlySqlTransaction(), LedgerUnavailableError),
        (errors.IdleInTransactionSessionTimeout(), LedgerUnavailableError),
        (errors.DiskFull(), LedgerUnavailableError),
        (psycopg.OperationalError("connection to secret lost"), LedgerUnavailableError),
        (psycopg.InterfaceError("the connection is closed"), LedgerUnavailableError),
        (PoolTimeout("no connection"), LedgerUnavailableError),
        (errors.UndefinedTable(), SchemaVersionError),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_postgres_raises_becomes_ours(raised: Exception, expected: type[GoldthreadError]) -> None:
    with pytest.raises(expected) as caught, translated():
        raise raised
    assert "secret" not in f"{caught.value} {caught.value.metadata}"


@pytest.mark.parametrize(
    "raised",
    [
        errors.SyntaxError("at or near secret"),
        errors.CheckViolation("Failing row contains (secret)"),
        errors.NotNullViolation("Failing row contains (secret)"),
        psycopg.DataError("secret"),
        psycopg.ProgrammingError("secret"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_mistake_of_ours_is_a_fault_that_no_retry_cures(raised: Exception) -> None:
    with pytest.raises(LedgerFaultError) as caught, translated():
        raise raised
    assert not isinstance(caught.value, TransientError)
    assert "secret" not in f"{caught.value} {caught.value.metadata}"


def test_what_is_not_of_postgres_passes_through() -> None:
    with pytest.raises(RuntimeError, match="elsewhere"), translated():
        raise RuntimeError("elsewhere")
