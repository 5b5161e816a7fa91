"""One review, at the register: a second record that may be a customer's, the question, her answer with the next event, and the card after it.

It is told through the service's door, as by a web shop, a register and a service desk, by stubs alone. The customer is nobody of the input: her town is
none of the generator's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import grpc

from goldthread.app.console.customers import said_of
from goldthread.app.console.door import Door
from goldthread.app.console.tables import short_enum
from goldthread.app.settings import Settings
from goldthread.v1 import (
    event_pb2,
    identity_pb2,
    lookup_service_pb2,
    profile_pb2,
    profile_service_pb2,
    steward_service_pb2,
)
from goldthread.v1 import resolver_service_pb2 as pb

__all__ = ["Glance", "ReviewTold", "tell_review"]

_REVIEW = pb.DECISION_REVIEW
_ACTOR = "store S012, till 3"
_STORE = "S012"
_FIRST = datetime(2025, 11, 20, 18, tzinfo=UTC)
_MAIL = identity_pb2.Identifier(type=identity_pb2.IDENTIFIER_TYPE_EMAIL, raw="jennifer.miller@marfa-mail.com")
_NUMBER = identity_pb2.Identifier(type=identity_pb2.IDENTIFIER_TYPE_PHONE, raw="+1 432 729 4018")
_TOWN = {"city": "Marfa", "postcode": "79843"}
_HOME = {"given_name": "Jennifer", "family_name": "Miller", "street": "12 Oak St", **_TOWN}
_BRIEF = (
    {"given_name": "Jennifer", "family_name": "Miller", **_TOWN},
    {"given_name": "J", "family_name": "Miller", "street": "12 Oak St", **_TOWN},
    {"given_name": "Jennifer", "family_name": "Miller"},
)
"""What the second record may say, of which a model puts one or another in its review band."""
_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What a register is told of somebody, as words; "" for what is not there."""

    outcome: str
    question: str
    review_id: str
    profile_id: str
    name: str
    tier: str
    store: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewTold:
    """What came of it, in order. `listed` says whether the service desk's list had the review, of the profiles that the register was shown."""

    decision: str
    probability: float
    because: str
    by_email: Glance
    by_phone: Glance
    listed: bool
    why_open: tuple[str, ...]
    confirmed: str
    repeated: bool
    """Whether the same call again found the event taken and the answer recorded, and changed no profile."""
    by_email_after: Glance
    by_phone_after: Glance
    listed_after: bool
    why_one: tuple[str, ...]


def tell_review(address: str, settings: Settings) -> ReviewTold:
    """Tells it to a service at rest: what else comes in meanwhile may make answers provisional. Raises `CallError`."""
    with grpc.insecure_channel(address) as channel:
        return _tell(Door(channel, settings.token), settings.currency)


def _tell(door: Door, currency: str) -> ReviewTold:
    for number in (1, 2):
        _resolved(door, _event("webshop", number, _MAIL, _HOME, _paid(150_00, currency)))
    # What says just too little is the model's affair, so it is asked before anything is kept.
    briefly = [_event("pos", 3, _NUMBER, said, _paid(120_00, currency, "S007")) for said in _BRIEF]
    second = next((event for event in briefly if _resolved(door, event, preview=True).decision == _REVIEW), briefly[0])
    opened = _resolved(door, second)
    by_email, by_phone = (_looked_up(door, one, opened.ledger_version) for one in (_MAIL, _NUMBER))
    listed, why_open = _listed(door, by_email, by_phone), _explained(door)

    # The answer to the question leads to the other profile of the same review. The purchase itself says nothing new of her: what makes one of the two
    # is the answer that goes with it.
    purchase = _event("pos", 4, _MAIL, _HOME, _paid(180_00, currency, _STORE))
    said = pb.Confirmation(review_id=by_email.review_id, answer=pb.CONFIRMATION_ANSWER_SAME, actor=_ACTOR)
    answered, again = (_resolved(door, purchase, confirmation=said) for _ in range(2))
    email_after, phone_after = (_looked_up(door, one, again.ledger_version) for one in (_MAIL, _NUMBER))
    return ReviewTold(
        decision=short_enum(pb.Decision.Name(opened.decision), "DECISION"),
        probability=opened.probability,
        because=said_of(opened.evidence[0]) if opened.evidence else "",
        by_email=by_email,
        by_phone=by_phone,
        listed=listed,
        why_open=why_open,
        confirmed=_outcome(answered),
        repeated=again.duplicate and (_outcome(again), again.version) == (_outcome(answered), answered.version),
        by_email_after=email_after,
        by_phone_after=phone_after,
        listed_after=_listed(door, by_email, by_phone),
        why_one=_explained(door),
    )


def _paid(amount_minor: int, currency: str, store: str = "") -> event_pb2.Purchase:
    return event_pb2.Purchase(amount_minor=amount_minor, currency=currency, store=store)


def _event(
    source: str, number: int, known: identity_pb2.Identifier, said: Mapping[str, str], purchase: event_pb2.Purchase
) -> event_pb2.CustomerEvent:
    event = event_pb2.CustomerEvent(source=source, event_id=f"review-{number}", purchase=purchase)
    event.occurred_at.FromDatetime(_FIRST + timedelta(days=number))
    event.claim.identifiers.append(known)
    event.claim.attributes.MergeFrom(identity_pb2.Attributes(**said))
    return event


def _resolved(
    door: Door, event: event_pb2.CustomerEvent, *, preview: bool = False, confirmation: pb.Confirmation | None = None
) -> pb.ResolveResponse:
    return door.call(door.resolver.Resolve, pb.ResolveRequest(event=event, preview=preview, confirmation=confirmation))


def _looked_up(door: Door, known: identity_pb2.Identifier, version: int) -> Glance:
    request = lookup_service_pb2.LookupRequest(identifier=known, min_version=version)
    answer = door.call(door.lookup.Lookup, request)
    card, question = answer.card, answer.question
    return Glance(
        outcome=short_enum(lookup_service_pb2.LookupOutcome.Name(answer.outcome), "LOOKUP_OUTCOME"),
        question=_if_set(question.kind, lookup_service_pb2.QuestionKind.Name(question.kind), "QUESTION_KIND"),
        review_id=question.review_id,
        profile_id=card.profile_id,
        name=card.masked_name,
        tier=_if_set(card.tier, profile_pb2.Tier.Name(card.tier), "TIER"),
        store=card.last_purchase_store,
    )


def _listed(door: Door, one: Glance, other: Glance) -> bool:
    """Whether the service desk's list has the review of these two profiles."""
    token, wanted = "", {one.profile_id, other.profile_id}
    while True:
        request = steward_service_pb2.ListReviewsRequest(page_size=_PAGE, page_token=token)
        page = door.call(door.steward.ListReviews, request)
        for review in page.reviews:
            if review.review_id == one.review_id:
                return {review.low_profile_id, review.high_profile_id} == wanted
        if not (token := page.next_page_token):
            return False


def _explained(door: Door) -> tuple[str, ...]:
    one, other = (profile_service_pb2.ExplainSide(identifier=known) for known in (_MAIL, _NUMBER))
    answer = door.call(door.profiles.Explain, profile_service_pb2.ExplainRequest(one=one, other=other))
    return tuple(answer.text)


def _outcome(answer: pb.ResolveResponse) -> str:
    outcome = answer.confirmation_outcome
    return _if_set(outcome, pb.ConfirmationOutcome.Name(outcome), "CONFIRMATION_OUTCOME")


def _if_set(number: int, name: str, prefix: str) -> str:
    return short_enum(name, prefix) if number else ""
