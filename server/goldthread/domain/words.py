"""The nouns of Goldthread as immutable values; the same words as in proto, SQL, Rust and the docs.

Values that hold personal data hide it in `repr`, so that an accidental log line or traceback shows shapes only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple, TypeAlias
from uuid import UUID

__all__ = [
    "ATTRIBUTE_NAMES",
    "ERROR_DOMAIN",
    "AttributeValues",
    "ChangeCause",
    "Claim",
    "Click",
    "ConsentChange",
    "CustomerChange",
    "Decision",
    "DigestForm",
    "Event",
    "Identifier",
    "IdentifierStatus",
    "IdentifierType",
    "IncomingEvent",
    "IncomingIdentifier",
    "IngestOutcome",
    "LookupOutcome",
    "Payload",
    "Position",
    "Purchase",
    "QuestionKind",
    "Rejection",
    "RejectionReason",
    "Rival",
    "Tier",
    "Violation",
    "profile_public_id",
]

ERROR_DOMAIN = "goldthread.dev"
"""Domain of every error's reason, wherever a caller is told one."""

ATTRIBUTE_NAMES = (
    "given_name",
    "middle_name",
    "family_name",
    "name_suffix",
    "birth_date",
    "street",
    "city",
    "postcode",
)
"""The eight attributes of a claim, in the order in which an address digests them."""

AttributeValues: TypeAlias = tuple[str | None, ...]
"""Clean attribute values in the order of `ATTRIBUTE_NAMES`. Personal data."""


class IdentifierType(IntEnum):
    """Kind of an exact key; numbers as in `identity.proto`."""

    EMAIL = 1
    PHONE = 2
    LOYALTY_CARD = 3
    CRM_NUMBER = 4
    WEBSHOP_NUMBER = 5
    DEVICE = 6
    COOKIE = 7
    CUSTOMER_NUMBER = 8

    @property
    def label(self) -> str:
        """Lower-case name, as in metrics, model files and tokens."""
        return self.name.lower()


class DigestForm(IntEnum):
    """Canonical form that a digest was made from; numbers as in `identity.proto`."""

    CANONICAL = 1
    GMAIL_FOLDED = 2
    ANCHOR = 3


class IdentifierStatus(IntEnum):
    """What the normaliser found; numbers as in the Rust core."""

    OK = 0
    MISSING = 1
    PLACEHOLDER = 2
    INVALID = 3


class Tier(IntEnum):
    """Value tier of a profile; numbers as in `profile.proto`."""

    UNSPECIFIED = 0
    BRONZE = 1
    SILVER = 2
    GOLD = 3
    PLATINUM = 4


class IngestOutcome(IntEnum):
    """What became of an event that is durable."""

    TAKEN = 1
    DUPLICATE = 2


class LookupOutcome(IntEnum):
    """What a lookup can end in; numbers as in `lookup_service.proto`."""

    FOUND = 1
    NOT_FOUND = 2
    NEEDS_CONFIRMATION = 3
    AMBIGUOUS = 4


class QuestionKind(IntEnum):
    """The one thing a cashier should ask for; numbers as in `lookup_service.proto`."""

    UNSPECIFIED = 0
    LOYALTY_CARD = 1
    EMAIL = 2
    PHONE = 3
    POSTCODE = 4


class Decision(IntEnum):
    """How the record of an event was placed; numbers as in `resolver_service.proto`."""

    LINK = 1
    REVIEW = 2
    SEPARATE = 3
    AMBIGUOUS = 4


class Rival(IntEnum):
    """What else two records may be than one person; numbers as in `profile.proto`."""

    UNSPECIFIED = 0
    STRANGERS = 1
    HOUSEHOLD = 2


class RejectionReason(IntEnum):
    """Why an event could not be taken; numbers as in `event.proto`."""

    MALFORMED = 1
    NOT_UTF8 = 2
    TOO_LARGE = 3
    INVALID_FIELD = 4
    NO_USABLE_CLAIM = 5
    TIME_OUT_OF_BOUNDS = 6
    EVENT_ID_CONFLICT = 7
    UNKNOWN_CONTENT_TYPE = 8


class ChangeCause(StrEnum):
    """What made a profile change; stored in the journal."""

    EVENT = "event"
    RESOLVE = "resolve"
    REDO = "redo"
    RETIER = "retier"
    REMODEL = "remodel"
    ASSERT_SAME = "assert_same"
    ASSERT_DIFFERENT = "assert_different"
    MERGE = "merge"
    SPLIT = "split"
    REVERT = "revert"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Purchase:
    """A sale: total in minor units of the deployment's currency, and the store code (empty for the web shop)."""

    amount_minor: int
    currency: str
    store: str


@dataclass(frozen=True, slots=True)
class Click:
    """A visit to a page or screen."""

    page: str


@dataclass(frozen=True, slots=True)
class CustomerChange:
    """The source created or changed its customer."""


@dataclass(frozen=True, slots=True)
class ConsentChange:
    """A consent given or withdrawn for one purpose."""

    purpose: str
    granted: bool


Payload: TypeAlias = Purchase | Click | CustomerChange | ConsentChange


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken field: its path and the rule, never the value."""

    field: str
    description: str


@dataclass(frozen=True, slots=True)
class Position:
    """Where a message stands in Kafka."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingIdentifier:
    """An identifier as a source sent it: a raw value or a digest with its form; `path` names the field in complaints."""

    path: str
    type: int
    namespace: str
    raw: str | None = field(default=None, repr=False)
    form: int = DigestForm.CANONICAL
    digest: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingEvent:
    """A decoded event before validation; raw values live no longer than this object.

    `attributes` maps the names of `ATTRIBUTE_NAMES` and `full_name` to values as sent.
    """

    source: str
    event_id: str
    occurred_at: datetime | None
    identifiers: tuple[IncomingIdentifier, ...]
    attributes: dict[str, str] = field(repr=False)
    payload: Payload | None


class Identifier(NamedTuple):
    """A usable exact key by its digest."""

    type: IdentifierType
    namespace: str
    form: DigestForm
    digest: bytes

    def __repr__(self) -> str:
        """Shapes only: values are personal data."""
        return f"Identifier(type={self.type!r}, namespace={self.namespace!r}, form={self.form!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one source said of one customer, clean. `identifiers` includes the derived gmail-folded forms."""

    source: str
    identifiers: tuple[Identifier, ...]
    attributes: AttributeValues = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A valid event: ready for the ledger.

    Address of the record of its claim at epoch 0 and SHA-256 of its content, if they were worked out when it was read; else empty.
    """

    source: str
    event_id: str
    occurred_at: datetime
    claim: Claim
    payload: Payload
    address: bytes = field(default=b"", compare=False, repr=False)
    digest: bytes = field(default=b"", compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """An event that could not be taken, with everything a dead letter needs. `payload` is sealed before it leaves the process."""

    reason: RejectionReason
    violations: tuple[Violation, ...]
    source: str = ""
    event_id: str = ""
    position: Position | None = None
    payload_sha256: bytes = b""
    payload_size: int = 0
    payload: bytes = field(default=b"", repr=False)


def profile_public_id(birth_id: UUID) -> str:
    """Public id of the profile whose smallest birth id this is."""
    return f"GP-{birth_id}"
