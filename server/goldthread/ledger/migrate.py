"""Applies the numbered migrations beside this module.

Each file runs in its own transaction under a session lock, and its digest is kept: a file that was applied and then edited is refused.
Files whose name says `concurrent` hold one statement that cannot run in a transaction and can be run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from typing import LiteralString

from psycopg import Connection

from goldthread.domain.errors import SchemaVersionError
from goldthread.ledger.queries import query

__all__ = ["Migration", "applied", "apply", "check", "migrations"]

_LOCK = 7_426_381_001


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    body: LiteralString

    @property
    def sha256(self) -> bytes:
        """Digest of the file."""
        return hashlib.sha256(self.body.encode()).digest()


def migrations() -> list[Migration]:
    """All migrations in order; numbered from 1 without gaps."""
    return sorted(_read(), key=lambda migration: migration.number)


def _read() -> Iterator[Migration]:
    for file in (resources.files("goldthread.ledger") / "migrations").iterdir():
        if file.name.endswith(".sql"):
            body = file.read_text(encoding="utf-8")
            yield Migration(int(file.name[:4]), file.name.removesuffix(".sql"), body)


def applied(connection: Connection) -> dict[int, bytes]:
    """Digests of the applied migrations by number."""
    rows = connection.execute(query("applied_migrations")).fetchall()
    return {int(number): bytes(sha256) for number, sha256 in rows}


def apply(connection: Connection) -> list[str]:
    """Applies what is missing and returns the names; safe to call from several processes at once. The connection must be in autocommit."""
    connection.execute(query("migration_lock"), {"lock": _LOCK})
    try:
        connection.execute(query("create_migration_table"))
        done = applied(connection)
        names = []
        for migration in migrations():
            if migration.number in done:
                _refuse_edited(migration, done[migration.number])
                continue
            if "concurrent" in migration.name:
                connection.execute(migration.body)
                _record(connection, migration)
            else:
                with connection.transaction():
                    connection.execute(migration.body)
                    _record(connection, migration)
            names.append(migration.name)
        return names
    finally:
        connection.execute(query("migration_unlock"), {"lock": _LOCK})


def check(connection: Connection) -> None:
    """Raises `SchemaVersionError` unless exactly the known migrations are applied."""
    done = applied(connection)
    known = {migration.number: migration for migration in migrations()}
    for number, migration in known.items():
        if number not in done:
            raise SchemaVersionError(
                "the ledger lacks a migration; run `goldthread migrate`", metadata={"migration": migration.name}
            )
        _refuse_edited(migration, done[number])
    if newer := set(done) - set(known):
        raise SchemaVersionError("the ledger is newer than this version", metadata={"migration": str(max(newer))})


def _refuse_edited(migration: Migration, sha256: bytes) -> None:
    if sha256 != migration.sha256:
        raise SchemaVersionError("an applied migration was edited", metadata={"migration": migration.name})


def _record(connection: Connection, migration: Migration) -> None:
    connection.execute(
        query("record_migration"), {"number": migration.number, "name": migration.name, "sha256": migration.sha256}
    )
