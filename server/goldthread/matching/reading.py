"""Valid events straight from their messages: one call of the core from bytes to clean claims, addresses and digests.

The core takes only what is valid beyond doubt (`resolver_core/matching/src/incoming`). Whoever calls this reads every other message by itself, and so
every fault is found and worded in one place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from goldthread import _core
from goldthread.domain.words import (
    Claim,
    Click,
    ConsentChange,
    CustomerChange,
    DigestForm,
    Event,
    Identifier,
    IdentifierStatus,
    IdentifierType,
    Payload,
    Purchase,
)
from goldthread.matching.keys import Keys

__all__ = ["EventReader"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_LABELS = {kind.value: kind.label for kind in IdentifierType}
_STATUSES = {status.value: status.name.lower() for status in IdentifierStatus}
_TYPES = {kind.value: kind for kind in IdentifierType}
_FORMS = {form.value: form for form in DigestForm}
_PURCHASE, _CLICK, _CUSTOMER_CHANGE, _CONSENT_WITHDRAWN, _CONSENT_GIVEN = range(5)
"""Kinds of events as the core numbers them."""


class EventReader:
    """Reads events under one set of keys, one region and one currency. Thread-safe."""

    def __init__(self, *, keys: Keys, region: str, currency: str) -> None:
        self._reader = _core.EventReader(keys.address, region=region, currency=currency)
        self._currency = currency

    def read(
        self, messages: Sequence[bytes], *, latest: datetime
    ) -> tuple[list[Event | None], Counter[tuple[str, str]]]:
        """Events of messages (`CustomerEvent` as protobuf), parallel to them, and how many of their identifiers had which `(type, status)`.

        None where a message is not valid beyond doubt. `latest` is the last time that an event may have.
        """
        told, keys, attributes, seen = self._reader.read(messages, latest=(latest - _EPOCH) // _MICROSECOND)
        places, sources, ids, times, kinds, amounts, details, addresses, digests = told
        offsets, types, namespaces, forms, key_digests = keys
        held = [
            Identifier(_TYPES[kind], namespace, _FORMS[form], digest)
            for kind, namespace, form, digest in zip(types, namespaces, forms, key_digests, strict=True)
        ]
        events: list[Event | None] = [None] * len(messages)
        rows = zip(
            places, sources, ids, times, kinds, amounts, details, addresses, digests,
            pairwise(offsets), zip(*attributes, strict=True),
            strict=True,
        )  # fmt: skip
        for place, source, event_id, time, kind, amount, detail, address, digest, (start, end), values in rows:
            events[place] = Event(
                source=source,
                event_id=event_id,
                occurred_at=_EPOCH + timedelta(0, 0, time),
                claim=Claim(source=source, identifiers=tuple(held[start:end]), attributes=values),
                payload=self._payload(kind, amount, detail),
                address=address,
                digest=digest,
            )
        return events, Counter({(_LABELS[kind], _STATUSES[status]): count for kind, status, count in seen})

    def _payload(self, kind: int, amount: int, detail: str) -> Payload:
        if kind == _PURCHASE:
            return Purchase(amount, self._currency, detail)
        if kind == _CLICK:
            return Click(detail)
        if kind == _CUSTOMER_CHANGE:
            return CustomerChange()
        if kind in (_CONSENT_WITHDRAWN, _CONSENT_GIVEN):
            return ConsentChange(detail, kind == _CONSENT_GIVEN)
        raise AssertionError(f"the core knows no kind {kind}")
