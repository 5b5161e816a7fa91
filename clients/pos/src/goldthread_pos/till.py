"""One sale after the other: who is there, what to show, what to ask, and what to do while nobody answers."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from goldthread_client import (
    BusyError,
    Client,
    DeadlineError,
    GoldthreadError,
    InvalidRequestError,
    NotAllowedError,
    UnavailableError,
    identifier,
)
from goldthread_client.v1.event_pb2 import CustomerEvent
from goldthread_client.v1.identity_pb2 import Identifier
from goldthread_client.v1.lookup_service_pb2 import LookupOutcome, LookupResponse, QuestionKind
from goldthread_client.v1.profile_pb2 import Card, Tier
from goldthread_client.v1.resolver_service_pb2 import (
    Confirmation,
    ConfirmationAnswer,
    ConfirmationOutcome,
    ResolveRequest,
    ResolveResponse,
)
from goldthread_pos.scan import kind_of

__all__ = ["Till"]

_OFFLINE = "OFFLINE: sell without a card; purchases are kept and sent later"
_MOST_KEPT = 10_000
_QUESTIONS = {
    QuestionKind.QUESTION_KIND_LOYALTY_CARD: ("the loyalty card", "loyalty_card"),
    QuestionKind.QUESTION_KIND_EMAIL: ("the e-mail address", "email"),
    QuestionKind.QUESTION_KIND_PHONE: ("the phone number", "phone"),
    QuestionKind.QUESTION_KIND_POSTCODE: ("the postal code", "postcode"),
}


@dataclass
class Till:
    """A till of one store. `ask` puts a question to the cashier and returns what was typed, "" for nothing; `show` writes a line."""

    client: Client
    store: str
    currency: str
    ask: Callable[[str], str]
    show: Callable[[str], None]
    kept: list[ResolveRequest] = field(default_factory=list)
    """Purchases that could not be sent, with the answers that go along: their ids make sending one twice harmless."""

    def run(self) -> None:
        """Serves customers until the cashier types nothing."""
        while typed := self.ask("scan or type (Enter ends)").strip():
            self.serve(typed)

    def serve(self, typed: str) -> None:
        """One customer: card, question, purchase."""
        kind, value = kind_of(typed)
        known = [identifier(kind, value)]
        answer = self._looked_up(known[0])
        sale = ResolveRequest(event=CustomerEvent(source="pos", event_id=str(uuid.uuid4())))
        sale.event.claim.identifiers.extend(known)
        if answer is not None:
            for line in _lines(answer):
                self.show(line)
            self._settle(answer, sale)
        self._sell(sale)

    def _looked_up(self, who: Identifier) -> LookupResponse | None:
        try:
            return self.client.lookup(who)
        except InvalidRequestError as error:
            self.show("NOT UNDERSTOOD: " + "; ".join(one.description for one in error.violations))
        except NotAllowedError:
            self.show("NOT ALLOWED: this till's credential is not known")
        except BusyError as error:
            self.show(f"BUSY: try again in {error.retry_after or 1:.0f} s")
        except (UnavailableError, DeadlineError):
            self.show(_OFFLINE)
        except GoldthreadError as error:
            self.show(f"FAULT: tell support {error.request_id or error.code.name}")
        return None

    def _settle(self, answer: LookupResponse, sale: ResolveRequest) -> None:
        """Asks the one question that an answer comes with; what the customer says is evidence, and goes with the purchase.

        Where it leads to the other side of the review that is asked about, the customer is both: that is the answer to the review.
        """
        question = _QUESTIONS.get(answer.question.kind)
        if question is None:
            return
        text, name = question
        said = self.ask(f"ask for {text} (Enter: not told)").strip()
        if not said:
            return
        if name == "postcode":
            sale.event.claim.attributes.postcode = said
            return
        told = identifier(name, said)
        sale.event.claim.identifiers.append(told)
        again = self._looked_up(told)
        if again is None:
            return
        for line in _lines(again):
            self.show(line)
        review = answer.question.review_id
        if review and review == again.question.review_id and again.card.profile_id != answer.card.profile_id:
            sale.confirmation.CopyFrom(
                Confirmation(
                    review_id=review,
                    answer=ConfirmationAnswer.CONFIRMATION_ANSWER_SAME,
                    actor=f"till of store {self.store}",
                )
            )

    def _sell(self, sale: ResolveRequest) -> None:
        amount = _minor(self.ask("amount (Enter: no sale)"))
        if amount is None:
            return
        sale.event.occurred_at.GetCurrentTime()
        sale.event.purchase.amount_minor, sale.event.purchase.currency = amount, self.currency
        sale.event.purchase.store = self.store
        self.kept.append(sale)
        del self.kept[:-_MOST_KEPT]
        for line in self._sent():
            self.show(line)

    def _sent(self) -> Iterator[str]:
        """Sends what is kept, oldest first, as far as the service takes it."""
        count = 0
        while self.kept:
            try:
                answer = self._send(self.kept[0])
            except (UnavailableError, DeadlineError, BusyError):
                yield f"{len(self.kept)} purchases wait to be sent"
                break
            except GoldthreadError as error:
                if self.kept[0].HasField("confirmation"):
                    # It may be the answer that is refused: the purchase is not lost for it.
                    self.kept[0].ClearField("confirmation")
                    continue
                yield f"a purchase was refused: {error.reason or error.code.name}"
            else:
                count += 1
                if answer.confirmation_outcome == ConfirmationOutcome.CONFIRMATION_OUTCOME_RECORDED:
                    yield "NOTED what the customer answered"
            del self.kept[0]
        if count:
            yield f"{count} purchases sent"

    def _send(self, sale: ResolveRequest) -> ResolveResponse:
        return self.client.resolve(
            sale.event, confirmation=sale.confirmation if sale.HasField("confirmation") else None
        )


def _lines(answer: LookupResponse) -> Iterator[str]:
    match answer.outcome:
        case LookupOutcome.LOOKUP_OUTCOME_FOUND | LookupOutcome.LOOKUP_OUTCOME_NEEDS_CONFIRMATION:
            yield from _card(answer.card)
        case LookupOutcome.LOOKUP_OUTCOME_AMBIGUOUS:
            yield "SEVERAL people have this one"
        case _:
            yield "NEW: nobody we know"


def _card(card: Card) -> Iterator[str]:
    tier = Tier.Name(card.tier).removeprefix("TIER_").lower() if card.tier else "no tier yet"
    yield f"{card.masked_name or 'A customer'} ({tier})"
    for offer in card.offers:
        yield f"  {offer.text or offer.code}"


def _minor(typed: str) -> int | None:
    """An amount in minor units; None for none."""
    whole, _, cents = typed.strip().replace(",", ".").partition(".")
    if not whole.isdecimal() or (cents and not cents.isdecimal()) or len(cents) > 2:
        return None
    return int(whole) * 100 + int(cents.ljust(2, "0"))
