"""`goldthread profile` and `goldthread explain`: what is known of a customer, since when, and why."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from uuid import UUID

import click

from goldthread.app.console.customers import IDENTIFIER_KINDS
from goldthread.app.console.door import Door, json_option, opened, target_option
from goldthread.app.console.tables import print_facts, print_json, print_table, short_enum
from goldthread.app.produce import moment
from goldthread.v1 import identity_pb2
from goldthread.v1 import profile_service_pb2 as pb

__all__ = ["explain", "profile"]

_PAGE = 200


@click.command()
@click.argument("profile_id")
@click.option("--as-of", help="What was known then: a time with an offset, RFC 3339.")
@click.option("--full", is_flag=True, help="Show attributes as they are compared, not masked. They are personal data.")
@click.option("--records", "what", flag_value="records", help="Its records instead, and what each said.")
@click.option("--history", "what", flag_value="history", help="Its journal instead, latest first.")
@target_option
@json_option
def profile(
    *,
    profile_id: str,
    as_of: str | None,
    full: bool,
    what: str | None,
    target: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Show a profile by any id that it ever had: what survives of it, from where, since when."""
    when = None if as_of is None else _as_of(moment(as_of, "--as-of"))
    disclosure = pb.DISCLOSURE_FULL if full else pb.DISCLOSURE_MASKED
    with opened(target, data_dir) as door:
        match what:
            case "records":
                _records(door, pb.ListRecordsRequest(profile_id=profile_id, as_of=when, disclosure=disclosure), as_json)
            case "history":
                _history(door, profile_id, as_json)
            case _:
                request = pb.GetProfileRequest(profile_id=profile_id, as_of=when, disclosure=disclosure)
                _profile(door.call(door.profiles.GetProfile, request).profile, as_json)


@click.command()
@click.argument("one")
@click.argument("other")
@target_option
@json_option
def explain(*, one: str, other: str, target: str | None, data_dir: Path, as_json: bool) -> None:
    """Say in plain words why ONE and OTHER are one person, or are not.

    Each is a profile (GP-…), a record's id, or an identifier as kind:value, such as phone:+14152654321.
    """
    with opened(target, data_dir) as door:
        answer = door.call(door.profiles.Explain, pb.ExplainRequest(one=_side(one), other=_side(other)))
    if as_json:
        print_json(answer)
        return
    for line in answer.text:
        click.echo(line)
    if answer.evidence.contributions:
        click.echo("")
        parts = sorted(answer.evidence.contributions, key=lambda part: -part.bits)
        print_table(
            ("comparison", "level", "bits"), [(part.comparison, part.level, f"{part.bits:+.1f}") for part in parts]
        )
        click.echo(
            f"probability of this pair {answer.evidence.probability:.3f}, linked from {answer.link_probability:.2f}"
        )


def _profile(found: pb.Profile, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_facts(
        [
            ("profile", found.profile_id),
            ("version", found.version),
            ("records", len(found.record_ids)),
            ("purchases", found.purchase_count or ""),
            ("reviews", " ".join(found.review_ids)),
            *(
                (short_enum(identity_pb2.IdentifierType.Name(one.type), "IDENTIFIER_TYPE"), one.count)
                for one in found.identifiers
            ),
        ]
    )
    click.echo("")
    rows = [
        (one.name, one.value, one.source, one.last_seen.ToJsonString()[:10], one.rule, one.record_id)
        for one in found.attributes
    ]
    print_table(("attribute", "value", "source", "last seen", "because", "record"), rows)


def _records(door: Door, request: pb.ListRecordsRequest, as_json: bool) -> None:
    found: list[pb.Record] = []
    request.page_size = _PAGE
    while True:
        page = door.call(door.profiles.ListRecords, request)
        found += page.records
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one.record_id,
            one.source,
            one.sightings,
            one.last_seen.ToJsonString()[:10],
            ", ".join(f"{said.name} {said.value}" for said in one.attributes),
        )
        for one in found
    ]
    print_table(("record", "source", "seen", "last", "says"), rows)


def _history(door: Door, profile_id: str, as_json: bool) -> None:
    page = door.call(door.profiles.GetHistory, pb.GetHistoryRequest(profile_id=profile_id, page_size=_PAGE))
    if as_json:
        print_json(list(page.entries))
        return
    rows = [
        (
            one.entry.version,
            one.entry.written_at.ToJsonString()[:19],
            one.entry.cause,
            one.entry.actor,
            f"{len(one.entry.before_record_ids)} → {len(one.entry.after_record_ids)}",
        )
        for one in page.entries
    ]
    print_table(("version", "when", "cause", "actor", "records"), rows)


def _as_of(at: datetime) -> pb.AsOf:
    found = pb.AsOf()
    found.at.FromDatetime(at)
    return found


def _side(said: str) -> pb.ExplainSide:
    kind, colon, value = said.partition(":")
    if colon and kind in IDENTIFIER_KINDS:
        raw = identity_pb2.Identifier(type=int(IDENTIFIER_KINDS[kind]), raw=value)  # type: ignore[arg-type]
        return pb.ExplainSide(identifier=raw)
    if said.startswith("GP-"):
        return pb.ExplainSide(profile_id=said)
    try:
        return pb.ExplainSide(record_id=str(UUID(said)))
    except ValueError:
        raise click.BadParameter("must be GP-…, the id of a record, or kind:value") from None
