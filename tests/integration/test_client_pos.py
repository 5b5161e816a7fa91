"""A till in a terminal: what the cashier reads and is asked, also while nobody answers."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field

import grpc
import pytest

from goldthread.v1 import lookup_service_pb2 as pb
from goldthread.v1 import lookup_service_pb2_grpc, profile_pb2, resolver_service_pb2, resolver_service_pb2_grpc
from goldthread_client import Client, Connection
from goldthread_pos.scan import kind_of
from goldthread_pos.till import Till

CARD = profile_pb2.Card(
    masked_name="Jane M.", tier=profile_pb2.TIER_GOLD, offers=[profile_pb2.Offer(code="O1", text="10 % on shoes")]
)


def in_review(profile_id: str, question: pb.QuestionKind.ValueType) -> pb.LookupResponse:
    return pb.LookupResponse(
        outcome=pb.LOOKUP_OUTCOME_NEEDS_CONFIRMATION,
        card=profile_pb2.Card(masked_name="Jane M.", profile_id=profile_id),
        question=pb.Question(kind=question, review_id="8"),
    )


ANSWERS = {
    "4711": pb.LookupResponse(outcome=pb.LOOKUP_OUTCOME_FOUND, card=CARD),
    "+1 415 265 4321": pb.LookupResponse(
        outcome=pb.LOOKUP_OUTCOME_AMBIGUOUS, question=pb.Question(kind=pb.QUESTION_KIND_LOYALTY_CARD)
    ),
    "jane@shop.example": pb.LookupResponse(
        outcome=pb.LOOKUP_OUTCOME_NEEDS_CONFIRMATION,
        card=CARD,
        question=pb.Question(kind=pb.QUESTION_KIND_POSTCODE, review_id="9"),
    ),
    "jane@work.example": in_review("GP-1", pb.QUESTION_KIND_PHONE),
    "+1 415 265 4322": in_review("GP-2", pb.QUESTION_KIND_LOYALTY_CARD),
    "+1 415 265 4323": in_review("GP-1", pb.QUESTION_KIND_LOYALTY_CARD),
}


@dataclass
class Service(lookup_service_pb2_grpc.LookupServiceServicer, resolver_service_pb2_grpc.ResolverServiceServicer):
    down: bool = False
    taken: list[resolver_service_pb2.ResolveRequest] = field(default_factory=list)

    def Lookup(self, request: pb.LookupRequest, context: grpc.ServicerContext) -> pb.LookupResponse:  # noqa: N802
        if self.down:
            context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        return ANSWERS.get(request.identifier.raw, pb.LookupResponse(outcome=pb.LOOKUP_OUTCOME_NOT_FOUND))

    def Resolve(  # noqa: N802
        self, request: resolver_service_pb2.ResolveRequest, context: grpc.ServicerContext
    ) -> resolver_service_pb2.ResolveResponse:
        if self.down:
            context.abort(grpc.StatusCode.UNAVAILABLE, "down")
        self.taken.append(request)
        recorded = resolver_service_pb2.CONFIRMATION_OUTCOME_RECORDED if request.HasField("confirmation") else 0
        return resolver_service_pb2.ResolveResponse(confirmation_outcome=recorded)  # type: ignore[arg-type]


@dataclass
class Counter:
    """A till with a cashier who types what is written down."""

    service: Service
    till: Till
    typed: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)

    def serve(self, *typed: str) -> list[str]:
        self.typed += typed
        self.shown.clear()
        self.till.run()
        assert self.typed == []
        return list(self.shown)


@pytest.fixture
def counter() -> Iterator[Counter]:
    service = Service()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    lookup_service_pb2_grpc.add_LookupServiceServicer_to_server(service, server)
    resolver_service_pb2_grpc.add_ResolverServiceServicer_to_server(service, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with Client(Connection(target=f"127.0.0.1:{port}", lookup_seconds=60.0, call_seconds=60.0)) as client:
        till = Till(client, "S001", "USD", lambda _: "", lambda _: None)
        found = Counter(service, till)

        def ask(question: str) -> str:
            found.asked.append(question)
            return found.typed.pop(0) if found.typed else ""

        till.ask, till.show = ask, found.shown.append
        yield found
    server.stop(None).wait()


def test_a_card_is_shown_with_its_offers_and_the_purchase_is_sent(counter: Counter) -> None:
    assert counter.serve("4711", "12.50", "") == ["Jane M. (gold)", "  10 % on shoes", "1 purchases sent"]
    [sent] = counter.service.taken
    assert (sent.event.purchase.amount_minor, sent.event.purchase.store) == (1250, "S001")
    assert [one.raw for one in sent.event.claim.identifiers] == ["4711"]


def test_the_one_question_is_asked_and_its_answer_goes_with_the_purchase(counter: Counter) -> None:
    shown = counter.serve("+1 415 265 4321", "4711", "3", "jane@shop.example", "94107", "4", "")
    assert shown == [
        "SEVERAL people have this one", "Jane M. (gold)", "  10 % on shoes", "1 purchases sent",
        "Jane M. (gold)", "  10 % on shoes", "1 purchases sent",
    ]  # fmt: skip
    assert "ask for the loyalty card (Enter: not told)" in counter.asked
    assert "ask for the postal code (Enter: not told)" in counter.asked
    phone, mail = counter.service.taken
    assert [one.raw for one in phone.event.claim.identifiers] == ["+1 415 265 4321", "4711"]
    assert mail.event.claim.attributes.postcode == "94107"


def test_an_answer_that_leads_to_the_other_side_of_a_review_confirms_it(counter: Counter) -> None:
    shown = counter.serve("jane@work.example", "+1 415 265 4322", "5", "")
    assert shown[-2:] == ["NOTED what the customer answered", "1 purchases sent"]
    # Another number of the same profile says nothing of the review; nor does one that nobody has.
    counter.serve("jane@work.example", "+1 415 265 4323", "6", "jane@work.example", "+1 415 265 4999", "7", "")
    told, same, unknown = counter.service.taken
    answer = told.confirmation
    assert (answer.review_id, answer.answer) == ("8", resolver_service_pb2.CONFIRMATION_ANSWER_SAME)
    assert answer.actor == "till of store S001"
    assert not same.HasField("confirmation")
    assert not unknown.HasField("confirmation")
    # What is kept while nobody answers keeps its answer.
    counter.till.kept.append(told)
    assert counter.serve("4711", "8", "")[-1] == "2 purchases sent"
    assert counter.service.taken[-2].confirmation == answer


def test_a_till_goes_on_offline_and_sends_what_it_kept(counter: Counter) -> None:
    counter.service.down = True
    offline = counter.serve("4711", "1", "8888", "2", "")
    assert offline[0].startswith("OFFLINE: sell without a card")
    assert offline[-1] == "2 purchases wait to be sent"
    assert counter.service.taken == []
    counter.service.down = False
    assert counter.serve("4711", "3", "")[-1] == "3 purchases sent"
    assert [one.event.purchase.amount_minor for one in counter.service.taken] == [100, 200, 300]
    assert len({one.event.event_id for one in counter.service.taken}) == 3


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("jane@shop.example", "email"),
        ("+1 415 265 4321", "phone"),
        ("4152654321", "phone"),
        ("(415) 265-4321", "phone"),
        ("600000001872", "loyalty_card"),
        ("LC-4711", "loyalty_card"),
        ("card:4152654321", "loyalty_card"),
        ("phone:5551", "phone"),
    ],
)
def test_what_was_scanned_is_told_by_its_looks(typed: str, kind: str) -> None:
    assert kind_of(typed)[0] == kind
