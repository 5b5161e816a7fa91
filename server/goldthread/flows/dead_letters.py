"""Dead letters after repair: opened, and sent again as if they had just come.

What is sent again is a new message of the events topic: the inbox knows it by its source and event id, so sending it twice takes effect once, and what is
still wrong becomes another dead letter. Nothing here changes the one that there is.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from goldthread.domain.errors import GoldthreadError
from goldthread.domain.ports import KeptDeadLetter
from goldthread.domain.words import Position, RejectionReason
from goldthread.flows.admission import Admission
from goldthread.flows.ingest import seal_context
from goldthread.matching import Refusal
from goldthread.wire import decode_events

__all__ = ["DeadLetterFlow", "OpenedLetter", "UnopenedLetterError"]

_LATEST = 2**63 - 1


class UnopenedLetterError(GoldthreadError):
    """A dead letter that there is not, or whose payload was not kept or cannot be opened with this key."""

    reason = "UNOPENED_LETTER"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLetter:
    """A dead letter with the message that it was. Personal data."""

    letter: KeptDeadLetter
    payload: bytes = field(repr=False)


class Unsealer(Protocol):
    """`matching.Matcher`, as dead letters need it."""

    @property
    def key_version(self) -> int:
        """Version of the key that seals."""
        ...

    def unseal(self, contexts: Sequence[bytes], sealed: Sequence[bytes]) -> list[bytes]:
        """Opens boxes."""
        ...


class LetterTransaction(Protocol):
    """Reads of one transaction."""

    def dead_letters_before(
        self, before: int, *, reasons: Sequence[RejectionReason], limit: int
    ) -> list[KeptDeadLetter]:
        """Those below an id, latest first."""
        ...

    def dead_letters_named(self, dead_letter_ids: Sequence[int]) -> list[KeptDeadLetter]:
        """Those with these ids, by id."""
        ...


class LetterLedger(Protocol):
    """The ledger as dead letters need it."""

    def transaction(self) -> AbstractContextManager[LetterTransaction]:
        """One unit of work."""
        ...


class DeadLetterFlow:
    """Lists, opens and checks dead letters. `currency` is the deployment's."""

    def __init__(
        self,
        ledger: LetterLedger,
        *,
        matcher: Unsealer,
        admission: Admission,
        currency: str,
    ) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._admission = admission
        self._currency = currency

    def page(
        self, *, reasons: Sequence[RejectionReason] = (), before: int | None = None, limit: int = 50
    ) -> list[KeptDeadLetter]:
        """The latest ones, of some reasons or all, below an id."""
        with self._ledger.transaction() as tx:
            return tx.dead_letters_before(
                _LATEST if before is None else before, reasons=reasons or tuple(RejectionReason), limit=limit
            )

    def opened(self, dead_letter_ids: Sequence[int]) -> list[OpenedLetter]:
        """Those with these ids, by id, opened; raises `UnopenedLetterError` naming the first that cannot be."""
        with self._ledger.transaction() as tx:
            letters = tx.dead_letters_named(dead_letter_ids)
        known = {letter.row.dead_letter_id for letter in letters}
        if missing := sorted(set(dead_letter_ids) - known):
            raise _unopened(missing[0], "there is no such dead letter")
        for letter in letters:
            if not letter.row.sealed_payload:
                raise _unopened(
                    letter.row.dead_letter_id, "its message was too large to be kept; the topic may have it"
                )
            if letter.row.key_version != self._matcher.key_version:
                raise _unopened(letter.row.dead_letter_id, f"it was sealed with key version {letter.row.key_version}")
        contexts = [seal_context(letter.row.position) for letter in letters]
        payloads = self._matcher.unseal(contexts, [letter.row.sealed_payload for letter in letters])
        return [OpenedLetter(letter=letter, payload=payload) for letter, payload in zip(letters, payloads, strict=True)]

    def wrong_with(self, payload: bytes) -> Refusal | None:
        """What the service would refuse a message for; None if nothing, save that its event id may have been used with other content."""
        decoded = decode_events([_Message(payload)], currency=self._currency)
        for rejection in decoded.rejections:
            return Refusal(rejection.reason, rejection.violations)
        [admitted] = self._admission.admit([event for _, event in decoded.events])
        return admitted if isinstance(admitted, Refusal) else None


@dataclass(frozen=True, slots=True)
class _Message:
    """A message that has no place in a topic yet."""

    payload: bytes = field(repr=False)
    content_type: str | None = None
    position: Position = Position("", 0, 0)  # noqa: RUF009 (a tuple)


def _unopened(dead_letter_id: int, why: str) -> UnopenedLetterError:
    return UnopenedLetterError(f"dead letter {dead_letter_id}: {why}", metadata={"dead_letter_id": str(dead_letter_id)})
