"""From flat rows to events for Kafka: raw identifiers become digests here and go no further."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Protocol

from goldthread.domain.validation import broken_rules
from goldthread.domain.words import (
    ATTRIBUTE_NAMES,
    Click,
    ConsentChange,
    CustomerChange,
    DigestForm,
    IdentifierStatus,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    Payload,
    Purchase,
    Violation,
)
from goldthread.files import PASSED_OVER
from goldthread.matching import digest_identifiers
from goldthread.matching.attributes import check_attributes
from goldthread.wire import event_violations

__all__ = [
    "CheckAttributes",
    "CheckedRow",
    "DigestValues",
    "Digested",
    "ProduceReport",
    "RowDefaults",
    "RowReader",
    "consent_of",
    "file_digest",
    "page_of",
]

_IDENTIFIERS = tuple((kind.label, kind) for kind in IdentifierType)
_ATTRIBUTES = (*ATTRIBUTE_NAMES, "full_name")
_BATCH_ROWS = 1_000
_MAX_AMOUNT_DIGITS = 18
_TRUE = frozenset({"true", "1", "yes"})
_DEFAULT_PURPOSE = "marketing"


class Digested(Protocol):
    """What became of one raw value."""

    @property
    def status(self) -> IdentifierStatus:
        """Whether it can be used."""
        ...

    @property
    def digest(self) -> bytes | None:
        """Canonical digest of a usable value."""
        ...

    @property
    def folded(self) -> bytes | None:
        """Gmail-folded digest beside it, for the two Gmail domains."""
        ...


class DigestValues(Protocol):
    """`matching.digest_identifiers`."""

    def __call__(self, types: Sequence[int], values: Sequence[str | None], *, region: str) -> Sequence[Digested]:
        """Digests of raw values, parallel to them."""
        ...


class CheckedRow(Protocol):
    """What became of one row's attributes."""

    @property
    def usable(self) -> bool:
        """Whether anything is left of them."""
        ...

    @property
    def invalid(self) -> tuple[str, ...]:
        """Names of those that are present but invalid."""
        ...


class CheckAttributes(Protocol):
    """`matching.attributes.check_attributes`."""

    def __call__(self, claims: Sequence[Mapping[str, str]], *, region: str) -> Sequence[CheckedRow]:
        """What the normaliser makes of each claim's attributes, parallel to them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RowDefaults:
    """What holds for rows that do not say otherwise. Without a default, a row that lacks source or time is unusable.

    `currency` is the deployment's: a purchase in another one is unusable.
    """

    region: str
    currency: str
    source: str = ""
    occurred_at: datetime | None = None
    strict: bool = False
    """Leave out rows with an invalid identifier or attribute instead of only the value."""


@dataclass(slots=True)
class ProduceReport:
    """What became of a file. `unusable` are lines that were left out, with the reason; `dropped` counts values by column and status.

    `rows` are events and lines left out. `passed_over` are rows that are no events of their own by their mapping.
    """

    rows: int = 0
    events: int = 0
    passed_over: int = 0
    unusable: list[tuple[int, str]] = field(default_factory=list)
    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)

    def leave_out(self, line: int, reason: str) -> None:
        """Counts a row that is no event for this reason."""
        self.rows += 1
        self.unusable.append((line, reason))


def _present() -> datetime:
    return datetime.now(UTC)


class _UnusableRowError(Exception):
    """Why a row cannot be an event; never shows a value."""


class RowReader:
    """Makes events of flat rows, a thousand at a time, and counts in `report` what it had to leave out.

    A row without an event id gets one of the file's own digest and its line, so producing the same file again repeats the same events.
    Rows that break a rule of events are left out here as the service would refuse them; `now` bounds their times.
    """

    def __init__(
        self,
        path: Path,
        *,
        defaults: RowDefaults,
        digest: DigestValues = digest_identifiers,
        check: CheckAttributes = check_attributes,
        now: Callable[[], datetime] = _present,
    ) -> None:
        self._path = path
        self._defaults = defaults
        self._digest = digest
        self._check = check
        self._now = now
        self.report = ProduceReport()

    def events(self, rows: Iterable[tuple[int, dict[str, str]]]) -> Iterator[IncomingEvent]:
        """Events of numbered rows, in their order; they carry digests only."""
        return (event for _, event in self.numbered(rows))

    def numbered(self, rows: Iterable[tuple[int, dict[str, str]]]) -> Iterator[tuple[int, IncomingEvent]]:
        """The same with the number of each event's row."""
        remaining = iter(rows)
        while found_rows := list(islice(remaining, _BATCH_ROWS)):
            batch = [numbered for numbered in found_rows if PASSED_OVER not in numbered[1]]
            self.report.passed_over += len(found_rows) - len(batch)
            wanted = [
                (place, kind, value)
                for place, (_, row) in enumerate(batch)
                for name, kind in _IDENTIFIERS
                if (value := row.get(name))
            ]
            found = self._digest(
                [kind for _, kind, _ in wanted], [value for _, _, value in wanted], region=self._defaults.region
            )
            by_row: dict[int, list[tuple[IdentifierType, Digested]]] = {}
            for (place, kind, _), digested in zip(wanted, found, strict=True):
                by_row.setdefault(place, []).append((kind, digested))
            attributes = [
                {name: value for name in _ATTRIBUTES if (value := row.get(name, "")).strip()} for _, row in batch
            ]
            checked = self._check(attributes, region=self._defaults.region)
            for place, (line, row) in enumerate(batch):
                try:
                    event = self._event(line, row, by_row.get(place, ()), (attributes[place], checked[place]))
                except _UnusableRowError as error:
                    self.report.leave_out(line, str(error))
                else:
                    self.report.rows += 1
                    self.report.events += 1
                    yield line, event

    def _event(
        self,
        line: int,
        row: dict[str, str],
        identifiers: Sequence[tuple[IdentifierType, Digested]],
        attributes: tuple[dict[str, str], CheckedRow],
    ) -> IncomingEvent:
        source = row.get("source") or self._defaults.source
        if not source:
            raise _UnusableRowError("no source, and no default")
        kept = tuple(self._identifiers(identifiers, source))
        valid = self._valid(*attributes)
        if not kept and not attributes[1].usable:
            raise _UnusableRowError("no usable identifier and no attribute")
        event = IncomingEvent(
            source=source,
            event_id=row.get("event_id") or f"{self.file_digest[:16]}-{line}",
            occurred_at=self._moment(row.get("occurred_at", "")),
            identifiers=kept,
            attributes=valid,
            payload=_payload(row, self._defaults.currency),
        )
        violations = [
            *event_violations(event),
            *broken_rules(event, now=self._now(), currency=self._defaults.currency),
        ]
        if violations:
            raise _UnusableRowError(_broken_columns(violations))
        return event

    def _identifiers(
        self, identifiers: Sequence[tuple[IdentifierType, Digested]], source: str
    ) -> Iterator[IncomingIdentifier]:
        for kind, digested in identifiers:
            if digested.status is not IdentifierStatus.OK or digested.digest is None:
                self.report.dropped[kind.label, digested.status.name.lower()] += 1
                if self._defaults.strict and digested.status is IdentifierStatus.INVALID:
                    raise _UnusableRowError(f"invalid {kind.label}")
                continue
            namespace = source if kind is IdentifierType.CUSTOMER_NUMBER else ""
            for form, value in ((DigestForm.CANONICAL, digested.digest), (DigestForm.GMAIL_FOLDED, digested.folded)):
                if value is not None:
                    yield IncomingIdentifier(path=kind.label, type=kind, namespace=namespace, form=form, digest=value)

    def _valid(self, attributes: dict[str, str], checked: CheckedRow) -> dict[str, str]:
        for name in checked.invalid:
            self.report.dropped[name, IdentifierStatus.INVALID.name.lower()] += 1
            if self._defaults.strict:
                raise _UnusableRowError(f"invalid {name}")
        return {name: value for name, value in attributes.items() if name not in checked.invalid}

    def _moment(self, text: str) -> datetime:
        if not text:
            if self._defaults.occurred_at is None:
                raise _UnusableRowError("no occurred_at, and no default")
            return self._defaults.occurred_at
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise _UnusableRowError("occurred_at is not an RFC 3339 time") from None
        if moment.tzinfo is None:
            raise _UnusableRowError("occurred_at has no offset from UTC")
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise _UnusableRowError("occurred_at is not an RFC 3339 time") from None

    @cached_property
    def file_digest(self) -> str:
        """The file's `file_digest`; the beginning of it is in the ids of its events."""
        return file_digest(self._path)


def file_digest(path: Path) -> str:
    """SHA-256 of a file as it is, compressed or not, in hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _broken_columns(violations: Sequence[Violation]) -> str:
    """Every broken column once, with its rule; never a value."""
    rules: dict[str, str] = {}
    for violation in violations:
        rules.setdefault(violation.field.rpartition(".")[2], violation.description)
    return "; ".join(f"{column}: {rule}" for column, rule in rules.items())


def _payload(row: dict[str, str], currency: str) -> Payload:
    builders: dict[str, Callable[[], Payload]] = {
        "purchase": lambda: Purchase(
            amount_minor=_amount(row.get("amount_minor", "")),
            currency=row.get("currency") or currency,
            store=row.get("store", ""),
        ),
        "click": lambda: Click(page=page_of(row.get("page"))),
        "customer_change": CustomerChange,
        "consent": lambda: consent_of(row.get("purpose"), row.get("granted")),
    }
    kind = row.get("kind") or ("purchase" if row.get("amount_minor") else "customer_change")
    build = builders.get(kind)
    if build is None:
        raise _UnusableRowError("kind is none of " + ", ".join(builders))
    return build()


def page_of(text: str | None) -> str:
    """The page of a click: what follows a `?` is cut off."""
    return (text or "").partition("?")[0]


def consent_of(purpose: str | None, granted: str | None) -> ConsentChange:
    """A consent; a row that does not say that it was given withdraws it."""
    return ConsentChange(purpose=purpose or _DEFAULT_PURPOSE, granted=(granted or "").lower() in _TRUE)


def _amount(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or len(text) > _MAX_AMOUNT_DIGITS:
        raise _UnusableRowError("amount_minor is not a whole number")
    return int(text)
