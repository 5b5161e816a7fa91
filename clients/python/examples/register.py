"""A register asks who is there: `python register.py phone "+1 415 555 2671"`. GOLDTHREAD_TARGET says where the service is."""

import os
import sys

from goldthread_client import Client, Connection, GoldthreadError, InvalidRequestError, identifier
from goldthread_client.v1.lookup_service_pb2 import LookupOutcome, LookupResponse, QuestionKind
from goldthread_client.v1.profile_pb2 import Tier


def shown(answer: LookupResponse) -> str:
    """What the cashier reads."""
    card, question = answer.card, QuestionKind.Name(answer.question.kind).removeprefix("QUESTION_KIND_").lower()
    match answer.outcome:
        case LookupOutcome.LOOKUP_OUTCOME_FOUND:
            return f"FOUND {card.masked_name or 'a customer'}, {Tier.Name(card.tier).removeprefix('TIER_').lower()}"
        case LookupOutcome.LOOKUP_OUTCOME_NEEDS_CONFIRMATION:
            return f"FOUND {card.masked_name or 'a customer'}, please ask for the {question}"
        case LookupOutcome.LOOKUP_OUTCOME_AMBIGUOUS:
            return f"SEVERAL people, please ask for the {question}"
        case _:
            return "NOBODY we know"


def main(kind: str, value: str) -> int:
    """Looks one identifier up."""
    target, token = os.environ.get("GOLDTHREAD_TARGET", "127.0.0.1:50051"), os.environ.get("GOLDTHREAD_TOKEN", "")
    with Client(Connection(target=target, token=token)) as client:
        try:
            print(shown(client.lookup(identifier(kind, value))))
        except InvalidRequestError as error:
            print("REFUSED", ", ".join(violation.field for violation in error.violations))
        except GoldthreadError as error:
            print("OFFLINE", error.reason or error.code.name)
    return 0


sys.exit(main(*sys.argv[1:3]))
