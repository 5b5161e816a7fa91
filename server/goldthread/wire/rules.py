"""What only the wire can get wrong: identifier parts that a message may leave out or fill with anything.

All other rules stand in `domain.validation`, which the flows apply. A message that is rejected here gets those as well, as far as
they need neither clock nor settings, so that its sender sees every broken field at once. Descriptions name the rule, never the value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from goldthread.domain.policy import EARLIEST_EVENT
from goldthread.domain.validation import broken_rules
from goldthread.domain.words import (
    DigestForm,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    Purchase,
    Violation,
)

__all__ = [
    "MAX_REQUEST_ID_BYTES",
    "event_violations",
    "identifier_violations",
    "is_line",
    "request_id_violations",
    "with_domain_rules",
]

_NAMESPACE = re.compile(r"[a-z0-9_.-]{1,64}")
_TYPES = frozenset(int(kind) for kind in IdentifierType)
_FORMS = frozenset(int(form) for form in DigestForm)
_MAX_RAW = 512
_DIGEST_BYTES = 32
MAX_REQUEST_ID_BYTES = 128
"""Length of an idempotency key in UTF-8."""
_NOT_IN_A_LINE = frozenset({"Cc", "Zl", "Zp"})


def event_violations(event: IncomingEvent, *, prefix: str = "") -> list[Violation]:
    """Every broken field, empty if the identifiers and the payload are whole; `prefix` (such as `event.`) goes before each path."""
    found = [
        violation
        for identifier in event.identifiers
        for violation in identifier_violations(identifier, source=event.source)
    ]
    if event.payload is None:
        found.append(Violation(f"{prefix}payload", "required: exactly one kind of payload"))
    return with_domain_rules(event, found, prefix=prefix) if found else []


def with_domain_rules(event: IncomingEvent, found: Sequence[Violation], *, prefix: str = "") -> list[Violation]:
    """`found` and what else `domain.validation` says of the event without knowing the present or the deployment's currency."""
    currency = event.payload.currency if isinstance(event.payload, Purchase) else ""
    now = event.occurred_at if event.occurred_at is not None else EARLIEST_EVENT
    named = {violation.field for violation in found}
    every = list(found)
    for violation in broken_rules(event, now=now, currency=currency):
        path = violation.field if violation.field.startswith(prefix) else f"{prefix}{violation.field}"
        if path not in named:
            every.append(Violation(path, violation.description))
    return every


def identifier_violations(identifier: IncomingIdentifier, *, source: str | None = None) -> list[Violation]:
    """Broken fields of one identifier; `source` is that of the event, None for a lookup."""
    found: list[Violation] = []
    path = identifier.path
    base = path.rpartition(".")[0] if path.endswith((".raw", ".digest")) else path
    if identifier.type not in _TYPES:
        found.append(Violation(f"{base}.type", "required: a known identifier type"))
    elif identifier.type == IdentifierType.CUSTOMER_NUMBER and identifier.namespace != source:
        if source is not None:
            found.append(Violation(f"{base}.namespace", "of a customer number: empty or the event's source"))
        elif not identifier.namespace:
            found.append(Violation(f"{base}.namespace", "required for a customer number: its source"))
    if identifier.namespace and identifier.namespace != source and not _NAMESPACE.fullmatch(identifier.namespace):
        found.append(Violation(f"{base}.namespace", "at most 64 bytes of [a-z0-9_.-]"))
    if identifier.raw is not None:
        # A character takes at most four bytes, so most values need no encoding to be measured.
        if len(identifier.raw) * 4 > _MAX_RAW and len(identifier.raw.encode()) > _MAX_RAW:
            found.append(Violation(path, f"at most {_MAX_RAW} bytes"))
    elif identifier.digest is None:
        found.append(Violation(path, "required: exactly one of raw and digest"))
    else:
        if identifier.form not in _FORMS:
            found.append(Violation(f"{path}.form", "required: a known digest form"))
        elif identifier.form == DigestForm.GMAIL_FOLDED and identifier.type != IdentifierType.EMAIL:
            found.append(Violation(f"{path}.form", "gmail-folded is a form of e-mail addresses only"))
        if len(identifier.digest) != _DIGEST_BYTES:
            found.append(Violation(f"{path}.sha256", f"exactly {_DIGEST_BYTES} bytes"))
    return found


def request_id_violations(request_id: str, path: str) -> list[Violation]:
    """What is wrong with an idempotency key that must be given."""
    if is_line(request_id, MAX_REQUEST_ID_BYTES):
        return []
    limit = f"must be 1 to {MAX_REQUEST_ID_BYTES} bytes without control characters and line breaks, and not blank"
    return [Violation(path, limit)]


def is_line(text: str, most: int) -> bool:
    """Whether it is one line of text, not blank and of at most so many bytes."""
    broken = any(unicodedata.category(character) in _NOT_IN_A_LINE for character in text)
    return len(text.encode()) <= most and bool(text.strip()) and not broken
