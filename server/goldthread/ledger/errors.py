"""Turns psycopg's errors into domain errors; constraint names are the only thing read from them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg_pool import PoolTimeout

from goldthread.domain.errors import LedgerFaultError, LedgerUnavailableError, SchemaVersionError

__all__ = ["translated"]

_RETRYABLE = (
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.QueryCanceled,
    errors.UniqueViolation,
    errors.IdleInTransactionSessionTimeout,
    errors.ReadOnlySqlTransaction,
    errors.OperatorIntervention,
    errors.InsufficientResources,
)


@contextmanager
def translated() -> Iterator[None]:
    """Raises domain errors for what PostgreSQL and the pool raise; a lost race for a unique key is worth a retry like a lost connection.

    Nothing of the server's message is kept, since it may quote values.
    """
    try:
        yield
    except errors.UndefinedTable:
        raise SchemaVersionError("the ledger has no schema; run `goldthread migrate`") from None
    except PoolTimeout:
        raise LedgerUnavailableError("no connection to the ledger in time") from None
    except _RETRYABLE as error:
        constraint = error.diag.constraint_name or ""
        raise LedgerUnavailableError(
            "the ledger ended the transaction", metadata={"sqlstate": error.sqlstate or "", "constraint": constraint}
        ) from None
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        raise LedgerUnavailableError(
            "the ledger does not answer", metadata={"sqlstate": getattr(error, "sqlstate", None) or ""}
        ) from None
    except psycopg.Error as error:
        constraint = error.diag.constraint_name or ""
        raise LedgerFaultError(
            "the ledger refused a statement", metadata={"sqlstate": error.sqlstate or "", "constraint": constraint}
        ) from None
