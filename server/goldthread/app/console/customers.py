"""`goldthread lookup` and `goldthread resolve`: who is this, asked by hand."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TypeVar

import click
from google.protobuf import json_format

from goldthread.app.console.door import json_option, opened, target_option
from goldthread.app.console.tables import print_facts, print_json, print_table, short_enum
from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.words import ATTRIBUTE_NAMES, IdentifierType, Violation
from goldthread.v1 import event_pb2, identity_pb2, lookup_service_pb2, profile_pb2, resolver_service_pb2

__all__ = ["IDENTIFIER_KINDS", "lookup", "resolve", "said_of"]

IDENTIFIER_KINDS = {kind.label: kind for kind in IdentifierType if kind is not IdentifierType.CUSTOMER_NUMBER}
_Command = TypeVar("_Command", bound=Callable[..., object])


@click.command()
@click.argument("kind", type=click.Choice(list(IDENTIFIER_KINDS)))
@click.argument("value", required=False)
@click.option("--min-version", type=int, default=0, help="Answer as of this version of the ledger or later.")
@target_option
@json_option
def lookup(
    *, kind: str, value: str | None, min_version: int, target: str | None, data_dir: Path, as_json: bool
) -> None:
    """Show the card of whoever an identifier belongs to. Without VALUE it is asked for, and not shown."""
    typed = value if value is not None else click.prompt(kind, hide_input=True, err=True)
    identifier = identity_pb2.Identifier(type=int(IDENTIFIER_KINDS[kind]), raw=typed)  # type: ignore[arg-type]
    with opened(target, data_dir) as door:
        request = lookup_service_pb2.LookupRequest(identifier=identifier, min_version=min_version)
        answer = door.call(door.lookup.Lookup, request)
    if as_json:
        print_json(answer)
        return
    card, question = answer.card, answer.question
    last = card.last_purchase_at.ToDatetime(UTC) if card.HasField("last_purchase_at") else None
    print_facts(
        [
            ("outcome", short_enum(lookup_service_pb2.LookupOutcome.Name(answer.outcome), "LOOKUP_OUTCOME")),
            ("name", card.masked_name),
            ("profile", card.profile_id),
            ("tier", f"{short_enum(profile_pb2.Tier.Name(card.tier), 'TIER')}, {card.tier_as_of}" if card.tier else ""),
            ("last purchase", f"{last:%Y-%m-%d} {card.last_purchase_store or 'web shop'}" if last else ""),
            *(("offer", f"{offer.code}  {offer.text}") for offer in card.offers),
            (
                "ask for",
                short_enum(lookup_service_pb2.QuestionKind.Name(question.kind), "QUESTION_KIND")
                if question.kind
                else "",
            ),
            ("review", question.review_id),
            ("version", answer.version),
            ("from", short_enum(lookup_service_pb2.AnswerSource.Name(answer.answer_source), "ANSWER_SOURCE")),
        ]
    )


def _claim_options(command: _Command) -> _Command:
    """An option for each identifier and attribute that a customer can have."""
    for name in reversed([*IDENTIFIER_KINDS, *ATTRIBUTE_NAMES]):
        command = click.option(f"--{name.replace('_', '-')}", name, help="")(command)
    return command


@click.command()
@click.option(
    "--event", "event_file", type=click.File(encoding="utf-8"), help="A CustomerEvent as JSON; - is standard input."
)
@click.option("--source", default="console", show_default=True, help="Who says it.")
@click.option("--event-id", help="Id of the event within its source.  [default: a new one]")
@click.option("--preview", is_flag=True, help="Compute the answer and write nothing.")
@click.option("--review", "review_id", help="Id of the review that the customer was asked about.")
@click.option("--answer", type=click.Choice(["same", "different"]), help="What the customer said of it.")
@click.option("--actor", help="Who asked.  [default: whoever is logged in]")
@_claim_options
@target_option
@json_option
def resolve(
    *,
    event_file: IO[str] | None,
    source: str,
    event_id: str | None,
    preview: bool,
    review_id: str | None,
    answer: str | None,
    actor: str | None,
    target: str | None,
    data_dir: Path,
    as_json: bool,
    **said: str | None,
) -> None:
    """Say what is known of a customer and show whose it is; what is said is kept as an event, unless --preview.

    With --review and --answer it also says what the customer answered to the question that a lookup came with.
    """
    if (review_id is None) != (answer is None):
        raise click.UsageError("--review and --answer belong together")
    event = _said_event(source, event_id, said) if event_file is None else _read_event(event_file.read())
    request = resolver_service_pb2.ResolveRequest(event=event, preview=preview)
    if review_id is not None and answer is not None:
        request.confirmation.review_id = review_id
        request.confirmation.answer = resolver_service_pb2.ConfirmationAnswer.Value(
            f"CONFIRMATION_ANSWER_{answer.upper()}"
        )
        request.confirmation.actor = actor or getpass.getuser()
    with opened(target, data_dir) as door:
        found = door.call(door.resolver.Resolve, request)
    if as_json:
        print_json(found)
        return
    print_facts(
        [
            ("profile", found.profile_id or "a new one"),
            ("decision", short_enum(resolver_service_pb2.Decision.Name(found.decision), "DECISION")),
            ("probability", f"{found.probability:.3f}" if found.probability else ""),
            ("event", "taken before" if found.duplicate else "preview" if preview else event.event_id),
            ("provisional", "yes, it may still change" if found.provisional else ""),
            ("review", _became(found.confirmation_outcome)),
            ("model", found.model_version + (" (not calibrated)" if found.uncalibrated else "")),
            ("ledger version", found.ledger_version or ""),
        ]
    )
    if found.evidence:
        click.echo("")
        rows = [
            (pair.record_id, pair.other_record_id, f"{pair.bits:+.1f}", f"{pair.probability:.3f}", said_of(pair))
            for pair in found.evidence
        ]
        print_table(("record", "other record", "bits", "probability", "because"), rows)


def _became(outcome: resolver_service_pb2.ConfirmationOutcome.ValueType) -> str:
    name = resolver_service_pb2.ConfirmationOutcome.Name(outcome)
    return short_enum(name, "CONFIRMATION_OUTCOME") if outcome else ""


def said_of(pair: profile_pb2.Evidence) -> str:
    """What speaks for and against a pair, most first."""
    parts = sorted(pair.contributions, key=lambda part: -abs(part.bits))
    return ", ".join(f"{part.comparison} {part.level} {part.bits:+.1f}" for part in parts)


def _said_event(source: str, event_id: str | None, said: dict[str, str | None]) -> event_pb2.CustomerEvent:
    event = event_pb2.CustomerEvent(source=source, event_id=event_id or str(uuid.uuid4()))
    event.occurred_at.FromDatetime(datetime.now(UTC))
    event.customer_change.SetInParent()
    for name, kind in IDENTIFIER_KINDS.items():
        if value := said.get(name):
            event.claim.identifiers.add(type=int(kind), raw=value)
    for name in ATTRIBUTE_NAMES:
        if value := said.get(name):
            setattr(event.claim.attributes, name, value)
    return event


def _read_event(text: str) -> event_pb2.CustomerEvent:
    try:
        return json_format.Parse(text, event_pb2.CustomerEvent())
    except json_format.ParseError:
        # The parser's text may quote the value that it does not like.
        raise InvalidArgumentError([Violation("event", "must be a CustomerEvent in protobuf's JSON mapping")]) from None
