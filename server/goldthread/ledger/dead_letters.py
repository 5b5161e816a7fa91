"""Statements about dead letters: what somebody who looks after them sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from goldthread.domain.ports import DeadLetterRow, KeptDeadLetter
from goldthread.domain.words import Position, RejectionReason, Violation
from goldthread.ledger.statements import Statements

__all__ = ["DeadLetterStatements", "dead_letter_row"]


class DeadLetterStatements(Statements):
    """Dead letters by page and by id; nothing here changes one."""

    def dead_letters_before(
        self, before: int, *, reasons: Sequence[RejectionReason], limit: int
    ) -> list[KeptDeadLetter]:
        """Those below an id, latest first."""
        rows = self._rows(
            "dead_letters_before", before=before, reasons=[int(reason) for reason in reasons], limit=limit
        )
        return [KeptDeadLetter(row=dead_letter_row(row), taken=row[13]) for row in rows]

    def dead_letters_named(self, dead_letter_ids: Sequence[int]) -> list[KeptDeadLetter]:
        """Those with these ids that there are, by id."""
        rows = self._rows("dead_letters_named", dead_letter_ids=list(dead_letter_ids))
        return [KeptDeadLetter(row=dead_letter_row(row), taken=row[13]) for row in rows]


def dead_letter_row(row: Sequence[Any]) -> DeadLetterRow:
    """A dead letter of its columns, in the order of the queries."""
    return DeadLetterRow(
        dead_letter_id=row[0],
        position=Position(row[1], row[2], row[3]),
        reason=RejectionReason(row[4]),
        violations=tuple(Violation(item["field"], item["description"]) for item in row[5]),
        source=row[6],
        event_id=row[7],
        payload_sha256=bytes(row[8]),
        payload_size=row[9],
        sealed_payload=bytes(row[10]),
        key_version=row[11],
        rejected_at=row[12],
    )
