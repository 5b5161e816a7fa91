"""From values to digests and tokens: what doors and producers need of the core. All normalisation happens in Rust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from goldthread import _core
from goldthread.domain.errors import SettingsError
from goldthread.domain.words import DigestForm, IdentifierStatus, IdentifierType, IncomingIdentifier, Violation
from goldthread.matching.keys import Keys

__all__ = ["DigestedIdentifier", "LookupKey", "check_region", "digest_identifiers", "lookup_keys"]

_STATUSES = tuple(IdentifierStatus)
"""By number, which begins at 0: a lookup costs a fraction of a call of the class."""


class DigestedIdentifier(NamedTuple):
    """What the normaliser made of a raw value; `folded` is the gmail-folded digest where there is one."""

    status: IdentifierStatus
    digest: bytes | None
    folded: bytes | None

    def __repr__(self) -> str:
        """Its status: digests are personal data."""
        return f"DigestedIdentifier({self.status.name})"


@dataclass(frozen=True, slots=True)
class LookupKey:
    """Tokens under which an identifier may be known, in order of priority."""

    type: IdentifierType
    tokens: tuple[bytes, ...]


def check_region(region: str) -> None:
    """Raises `SettingsError` unless the phone parser knows the region (ISO 3166, upper case)."""
    try:
        _core.normalize_identifiers([], [], region=region)
    except _core.InputError:
        raise SettingsError("region", "must be a known ISO 3166 country code, such as US or GB") from None


def digest_identifiers(types: Sequence[int], values: Sequence[str | None], *, region: str) -> list[DigestedIdentifier]:
    """Canonical digests of raw values, parallel to them. `region` is the ISO 3166 code for phones without a country code."""
    statuses, digests, folded = _core.normalize_identifiers(types, values, region=region)
    return [
        DigestedIdentifier(_STATUSES[status], digest, fold)
        for status, digest, fold in zip(statuses, digests, folded, strict=True)
    ]


def lookup_keys(
    identifiers: Sequence[IncomingIdentifier], *, keys: Keys, region: str
) -> list[LookupKey | Violation | None]:
    """What to look up for each identifier: its tokens, the violation that makes it unusable, or None for a blank or placeholder."""
    digested = digest_values(identifiers, region=region)
    wanted: list[tuple[int, int, bytes]] = []
    for place, found in enumerate(digested):
        if found.status is IdentifierStatus.OK and found.digest is not None:
            wanted.append((place, identifiers[place].form, found.digest))
            if found.folded is not None:
                wanted.append((place, DigestForm.GMAIL_FOLDED, found.folded))
    tokens = _core.tokenize(
        keys.token,
        [identifiers[place].type for place, _, _ in wanted],
        [identifiers[place].namespace for place, _, _ in wanted],
        [form for _, form, _ in wanted],
        [digest for _, _, digest in wanted],
    )
    by_place: dict[int, list[bytes]] = {}
    for (place, _, _), token in zip(wanted, tokens, strict=True):
        by_place.setdefault(place, []).append(token)
    return [
        _lookup_key(identifier, found.status, by_place.get(place))
        for place, (identifier, found) in enumerate(zip(identifiers, digested, strict=True))
    ]


def _lookup_key(
    identifier: IncomingIdentifier, status: IdentifierStatus, tokens: list[bytes] | None
) -> LookupKey | Violation | None:
    if tokens:
        return LookupKey(IdentifierType(identifier.type), tuple(tokens))
    if status is IdentifierStatus.INVALID:
        return Violation(identifier.path, f"is not a valid {IdentifierType(identifier.type).label}")
    return None


def digest_values(identifiers: Sequence[IncomingIdentifier], *, region: str) -> list[DigestedIdentifier]:
    """Status and digests of identifiers that came raw or already digested, parallel to them."""
    raw = [place for place, identifier in enumerate(identifiers) if identifier.digest is None]
    if not raw:
        return _checked(identifiers)
    ready = [place for place, identifier in enumerate(identifiers) if identifier.digest is not None]
    found: dict[int, DigestedIdentifier] = {}
    digested = digest_identifiers(
        [identifiers[place].type for place in raw], [identifiers[place].raw for place in raw], region=region
    )
    found.update(zip(raw, digested, strict=True))
    found.update(zip(ready, _checked([identifiers[place] for place in ready]), strict=True))
    return [found[place] for place in range(len(identifiers))]


def _checked(identifiers: Sequence[IncomingIdentifier]) -> list[DigestedIdentifier]:
    """Status of identifiers that came digested, as all do from Kafka."""
    digests = [identifier.digest or b"" for identifier in identifiers]
    statuses = _core.check_digests([identifier.type for identifier in identifiers], digests)
    return [
        DigestedIdentifier(_STATUSES[status], digest, None) for status, digest in zip(statuses, digests, strict=True)
    ]
