"""Reading requests: every broken field is named at once, never a value."""

from __future__ import annotations

import re
from uuid import UUID

from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.steward import StewardAction
from goldthread.domain.words import Violation
from goldthread.v1 import steward_service_pb2 as pb
from goldthread.wire.rules import MAX_REQUEST_ID_BYTES, is_line

__all__ = ["MAX_BIGINT", "Reader"]

_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_RECORD_ID = re.compile(_UUID)
_PROFILE_ID = re.compile(f"GP-{_UUID}")
_NUMBER = re.compile("[1-9][0-9]{0,18}")
MAX_BIGINT = 2**63 - 1
_MAX_TEXT_BYTES = 500
_MAX_RANK = 100
_MAX_PAGE = 200
_PAGE = 50


class Reader:
    """Collects violations while a request is read."""

    def __init__(self) -> None:
        self.violations: list[Violation] = []

    def check(self, holds: bool, field: str, rule: str) -> bool:
        """Notes the rule that a field breaks, unless it holds; gives whether it does."""
        if not holds:
            self.violations.append(Violation(field, rule))
        return holds

    def action(self, message: pb.StewardAction) -> StewardAction:
        """Who, why and how."""
        unused = message.preview and not message.request_id
        self.check(
            unused or is_line(message.request_id, MAX_REQUEST_ID_BYTES),
            "action.request_id",
            f"must be 1 to {MAX_REQUEST_ID_BYTES} bytes without control characters and line breaks, and not blank",
        )
        self.line(message.actor, "action.actor")
        self.check(0 <= message.actor_rank <= _MAX_RANK, "action.actor_rank", f"must be from 0 to {_MAX_RANK}")
        self.check(
            0 < len(message.reason.encode()) <= _MAX_TEXT_BYTES
            and "\x00" not in message.reason
            and not message.reason.isspace(),
            "action.reason",
            f"must be 1 to {_MAX_TEXT_BYTES} bytes without null characters, and not blank",
        )
        return StewardAction(
            request_id=message.request_id,
            actor=message.actor,
            actor_rank=message.actor_rank,
            reason=message.reason,
            preview=message.preview,
            expire_on_change=message.expire_on_change,
        )

    def line(self, text: str, field: str) -> str:
        """One line of text, not blank, of at most 500 bytes."""
        self.check(
            is_line(text, _MAX_TEXT_BYTES),
            field,
            f"must be 1 to {_MAX_TEXT_BYTES} bytes without control characters and line breaks, and not blank",
        )
        return text

    def record(self, text: str, field: str) -> UUID:
        """Birth id of a record."""
        whole = self.check(_RECORD_ID.fullmatch(text) is not None, field, "must be the UUID of a record, in lower case")
        return UUID(text) if whole else UUID(int=0)

    def profile(self, text: str, field: str) -> UUID:
        """Birth id of the record that a public id was named after."""
        whole = self.check(_PROFILE_ID.fullmatch(text) is not None, field, "must be GP- and a UUID in lower case")
        return UUID(text.removeprefix("GP-")) if whole else UUID(int=0)

    def version(self, number: int, field: str) -> int:
        """A version, above 0."""
        self.check(number > 0, field, "must be above 0")
        return number

    def number(self, text: str, field: str, rule: str) -> int:
        """A number above 0, in decimal."""
        whole = _NUMBER.fullmatch(text) is not None and int(text) <= MAX_BIGINT
        return int(text) if self.check(whole, field, rule) else 0

    def journal_place(self, text: str) -> int | None:
        """The version before which a page of a journal begins; None for the first page."""
        return self.number(text, "page_token", "must be the token of a page before") if text else None

    def page_size(self, size: int) -> int:
        """Size of a page."""
        self.check(0 <= size <= _MAX_PAGE, "page_size", f"must be from 0 to {_MAX_PAGE}")
        return size or _PAGE

    def done(self) -> None:
        """Raises `InvalidArgumentError` if any rule was broken."""
        if self.violations:
            raise InvalidArgumentError(self.violations)
