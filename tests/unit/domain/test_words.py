"""The nouns: numbers shared with the protos, and nothing personal in a repr."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime
from enum import IntEnum
from uuid import UUID

import pytest

from goldthread.domain import errors, words
from goldthread.domain.errors import GoldthreadError, InvalidArgumentError, TransientError
from goldthread.domain.ids import BirthIds
from goldthread.v1 import event_pb2, identity_pb2, lookup_service_pb2, profile_pb2, resolver_service_pb2

SECRET = "ada@analytical.org"


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (words.IdentifierType, identity_pb2.IdentifierType, "IDENTIFIER_TYPE_"),
        (words.DigestForm, identity_pb2.DigestForm, "DIGEST_FORM_"),
        (words.LookupOutcome, lookup_service_pb2.LookupOutcome, "LOOKUP_OUTCOME_"),
        (words.QuestionKind, lookup_service_pb2.QuestionKind, "QUESTION_KIND_"),
        (words.Decision, resolver_service_pb2.Decision, "DECISION_"),
        (words.RejectionReason, event_pb2.RejectionReason, "REJECTION_REASON_"),
        (words.Tier, profile_pb2.Tier, "TIER_"),
    ],
    ids=lambda part: getattr(part, "__name__", None),
)
def test_numbers_are_those_of_the_protos(ours: type[IntEnum], theirs: object, prefix: str) -> None:
    named = {f"{prefix}{one.name}": one.value for one in ours}
    named.setdefault(f"{prefix}UNSPECIFIED", 0)
    assert named == dict(theirs.items())  # type: ignore[attr-defined]


def test_attributes_are_in_the_order_of_the_address() -> None:
    assert (
        *("given_name", "middle_name", "family_name", "name_suffix"),
        *("birth_date", "street", "city", "postcode"),
    ) == words.ATTRIBUTE_NAMES


def test_a_repr_shows_no_personal_value() -> None:
    identifier = words.IncomingIdentifier(path="p", type=1, namespace="", raw=SECRET, digest=SECRET.encode())
    event = words.IncomingEvent(
        source="pos",
        event_id="e",
        occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
        identifiers=(identifier,),
        attributes={"given_name": SECRET},
        payload=None,
    )
    usable = words.Identifier(
        type=words.IdentifierType.EMAIL, namespace="", form=words.DigestForm.CANONICAL, digest=SECRET.encode()
    )
    claim = words.Claim(source="pos", identifiers=(usable,), attributes=(SECRET,))
    rejection = words.Rejection(reason=words.RejectionReason.MALFORMED, violations=(), payload=SECRET.encode())
    for value in (identifier, event, usable, claim, rejection):
        assert SECRET not in repr(value)


def test_values_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        words.Violation("a", "b").field = "c"  # type: ignore[misc]


def test_public_ids_are_birth_ids() -> None:
    assert words.profile_public_id(UUID(int=1)) == "GP-00000000-0000-0000-0000-000000000001"


def _every(kind: type[GoldthreadError]) -> set[type[GoldthreadError]]:
    return {kind}.union(*(_every(child) for child in kind.__subclasses__()))


def test_every_error_has_a_reason_of_its_own() -> None:
    kinds = {kind for kind in _every(GoldthreadError) if kind.__module__ == errors.__name__}
    leaves = [kind for kind in kinds if kind not in (GoldthreadError, TransientError)]
    assert len({kind.reason for kind in leaves}) == len(leaves)
    for kind in leaves:
        assert kind.__name__ in errors.__all__
        assert kind.reason == kind.reason.upper()
        assert f"{kind.__name__} " in (errors.__doc__ or "")
        assert kind.retryable is issubclass(kind, TransientError)


def test_an_invalid_argument_names_fields_only() -> None:
    error = InvalidArgumentError([words.Violation("a.b", "is wrong"), words.Violation("c", "is missing")])
    assert str(error) == "invalid: a.b,c"
    assert error.metadata == {"fields": "a.b,c", "detail": "INVALID_FIELD"}


def test_birth_ids_are_uuids_of_version_seven_in_the_order_of_time() -> None:
    clock = iter([5, 6, 6, 2**48 - 1])
    ids = BirthIds(milliseconds=lambda: next(clock), entropy=lambda size: b"\xff" * size)
    made = [ids.new() for _ in range(4)]
    assert made == sorted(made)
    for one in made:
        assert (one.version, one.variant) == (7, "specified in RFC 4122")
    assert made[0].int >> 80 == 5
    zeros = BirthIds(milliseconds=lambda: 5, entropy=bytes).new()
    assert zeros < made[0]
    assert zeros.int >> 80 == 5
