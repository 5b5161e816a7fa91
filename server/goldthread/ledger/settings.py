"""Settings of the ledger room."""

from __future__ import annotations

from dataclasses import dataclass, field

from goldthread.domain.errors import SettingsError

__all__ = ["LedgerSettings"]


@dataclass(frozen=True, kw_only=True)
class LedgerSettings:
    """How to reach PostgreSQL; the DSN may hold a password and is hidden in `repr`. Times in milliseconds."""

    dsn: str = field(repr=False)
    pool_min: int = 1
    pool_max: int = 12
    statement_timeout_ms: int = 30_000
    lock_timeout_ms: int = 10_000
    connect_timeout_s: int = 5

    def __post_init__(self) -> None:
        if not self.dsn:
            raise SettingsError("postgres_dsn", "must not be empty")
        if not 1 <= self.pool_min <= self.pool_max or self.pool_max < 2:
            raise SettingsError("postgres_pool_max", "needs 1 <= minimum <= maximum, and a maximum of at least 2")
