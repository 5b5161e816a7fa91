"""Statements about answers that are kept under their callers' request ids."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from goldthread.ledger.statements import Statements

__all__ = ["StoredAnswer", "StoredAnswerStatements"]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """An encoded answer under a request id, and the keyed digest, of 32 bytes, of the event that it answers."""

    request_id: str
    event_digest: bytes
    answer: bytes = field(repr=False)


class StoredAnswerStatements(Statements):
    """The part of a transaction that keeps answers. They stand for a day."""

    def stored_answers(self, request_ids: Collection[str]) -> dict[str, StoredAnswer]:
        """The answers that stand, by request id."""
        rows = self._rows("stored_answers", request_ids=sorted(set(request_ids)))
        return {name: StoredAnswer(name, bytes(digest), bytes(answer)) for name, digest, answer in rows}

    def store_answers(self, answers: Collection[StoredAnswer]) -> None:
        """Keeps answers with distinct request ids; where one stands under an id already, that one stays."""
        ordered = sorted(answers, key=lambda answer: answer.request_id)
        self._run(
            "store_answers",
            request_ids=[answer.request_id for answer in ordered],
            digests=[answer.event_digest for answer in ordered],
            answers=[answer.answer for answer in ordered],
        )

    def forget_answers(self, limit: int) -> int:
        """Deletes up to `limit` answers that no longer stand and says how many."""
        return len(self._rows("forget_answers", limit=limit))
