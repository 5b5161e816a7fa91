"""Changes that the relay publishes, from rows of the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goldthread.domain.ports import OutboxRow
from goldthread.domain.words import profile_public_id

__all__ = ["outbox_row"]


def outbox_row(row: Sequence[Any]) -> OutboxRow:
    """A row of the queries `outbox` and `outbox_later`."""
    return OutboxRow(
        outbox_id=row[0],
        profile_id=profile_public_id(row[1]) if row[1] is not None else "",
        version=row[2],
        live=row[3],
        change=bytes(row[4]),
        created_at=row[5],
        token_ids=tuple(row[6]),
    )
