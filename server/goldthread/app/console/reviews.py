"""`goldthread reviews`: what the service could not decide, for somebody who can."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from goldthread.app.console.customers import said_of
from goldthread.app.console.door import Door, json_option, opened, target_option
from goldthread.app.console.tables import print_facts, print_json, print_table, short_enum
from goldthread.v1 import profile_pb2
from goldthread.v1 import steward_service_pb2 as pb

__all__ = ["reviews"]

_PAGE = 200


@click.group()
def reviews() -> None:
    """Pairs of profiles that may be one person: list, show, decide."""


@reviews.command("list")
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="Most to show.")
@click.option("--by-value", is_flag=True, help="Those first on which most purchases hang, not the strongest.")
@click.option("--for", "claimant", default="", help="Leave out what others than this one have claimed.")
@target_option
@json_option
def list_reviews(
    *, limit: int, by_value: bool, claimant: str, target: str | None, data_dir: Path, as_json: bool
) -> None:
    """Open reviews, strongest first."""
    with opened(target, data_dir) as door:
        found = list(islice(_open_reviews(door, by_value=by_value, claimant=claimant), limit))
    if as_json:
        print_json(found)
        return
    rows = [
        (
            one.review_id,
            f"{one.probability:.3f}",
            f"{one.value_minor / 100:.2f}",
            one.claimed_by,
            one.low_profile_id,
            one.high_profile_id,
            said_of(one.evidence),
        )
        for one in found
    ]
    print_table(("review", "probability", "value", "claimed by", "profile", "other profile", "because"), rows)


@reviews.command()
@click.argument("review_id")
@target_option
@json_option
def show(*, review_id: str, target: str | None, data_dir: Path, as_json: bool) -> None:
    """One open review, with what speaks for and against it."""
    with opened(target, data_dir) as door:
        found = _found(door, review_id)
    if as_json:
        print_json(found)
        return
    evidence = found.evidence
    print_facts(
        [
            ("review", found.review_id),
            ("probability", f"{found.probability:.3f}"),
            ("profile", f"{found.low_profile_id}, {len(found.low_record_ids)} records, version {found.low_version}"),
            (
                "other profile",
                f"{found.high_profile_id}, {len(found.high_record_ids)} records, version {found.high_version}",
            ),
            ("weighed against", short_enum(profile_pb2.Rival.Name(evidence.nearest_rival), "RIVAL")),
            ("opened", found.opened_at.ToJsonString()),
            ("value", f"{found.value_minor / 100:.2f}"),
            (
                "claimed by",
                f"{found.claimed_by} until {found.claimed_until.ToJsonString()}" if found.claimed_by else "",
            ),
        ]
    )
    click.echo("")
    parts = sorted(evidence.contributions, key=lambda part: -part.bits)
    print_table(("comparison", "level", "bits"), [(part.comparison, part.level, f"{part.bits:+.1f}") for part in parts])


@reviews.command()
@click.argument("review_id")
@click.option("--actor", help="Who.  [default: whoever is logged in]")
@click.option("--minutes", type=click.IntRange(1, 60), default=15, show_default=True, help="For how long.")
@target_option
def claim(*, review_id: str, actor: str | None, minutes: int, target: str | None, data_dir: Path) -> None:
    """Take a review for a while, so that nobody else decides it meanwhile."""
    request = pb.ClaimReviewRequest(review_id=review_id, actor=actor or getpass.getuser(), seconds=60 * minutes)
    with opened(target, data_dir) as door:
        claimed = door.call(door.steward.ClaimReview, request)
    print_facts([("claimed until", claimed.claimed_until.ToJsonString())])


@reviews.command()
@click.argument("review_id")
@click.option("--actor", help="Who claimed it.  [default: whoever is logged in]")
@target_option
def release(*, review_id: str, actor: str | None, target: str | None, data_dir: Path) -> None:
    """Give a claimed review back."""
    with opened(target, data_dir) as door:
        door.call(
            door.steward.ReleaseReview, pb.ReleaseReviewRequest(review_id=review_id, actor=actor or getpass.getuser())
        )


@reviews.command()
@click.argument("review_id")
@click.argument("verdict", type=click.Choice(["same", "different"]))
@click.option("--reason", required=True, help="Why; kept with the decision.")
@click.option("--actor", help="Who.  [default: whoever is logged in]")
@click.option("--request-id", help="Key under which repeating it is harmless.  [default: a new one]")
@click.option("--preview", is_flag=True, help="Show what it would do, and write nothing.")
@target_option
@json_option
def decide(
    *,
    review_id: str,
    verdict: str,
    reason: str,
    actor: str | None,
    request_id: str | None,
    preview: bool,
    target: str | None,
    data_dir: Path,
    as_json: bool,
) -> None:
    """Settle a review: the two profiles are the same person, or different people.

    Refused (STALE_REVIEW) if a profile changed since it was read here.
    """
    with opened(target, data_dir) as door:
        found = _found(door, review_id)
        action = pb.StewardAction(
            request_id=request_id or str(uuid.uuid4()),
            actor=actor or getpass.getuser(),
            reason=reason,
            preview=preview,
        )
        request = pb.DecideReviewRequest(
            action=action,
            review_id=review_id,
            verdict=pb.ReviewVerdict.Value(f"REVIEW_VERDICT_{verdict.upper()}"),
            low_version=found.low_version,
            high_version=found.high_version,
        )
        result = door.call(door.steward.DecideReview, request).result
    if as_json:
        print_json(result)
        return
    print_facts(
        [
            ("operation", result.operation_id or "preview"),
            ("reviews closed", result.reviews_closed),
            ("reviews opened", result.reviews_opened),
            ("provisional", "yes, profiles follow by themselves" if result.provisional else ""),
            ("ledger version", result.ledger_version or ""),
        ]
    )
    if result.changed:
        click.echo("")
        rows = [
            (one.profile_id, one.version or "", len(one.record_ids), " ".join(one.successor_ids))
            for one in result.changed
        ]
        print_table(("profile", "version", "records", "went into"), rows)


def _open_reviews(door: Door, *, by_value: bool = False, claimant: str = "") -> Iterator[pb.Review]:
    order = pb.REVIEW_ORDER_VALUE if by_value else pb.REVIEW_ORDER_STRENGTH
    token = ""
    while True:
        request = pb.ListReviewsRequest(page_size=_PAGE, page_token=token, order=order, claimant=claimant)
        page = door.call(door.steward.ListReviews, request)
        yield from page.reviews
        token = page.next_page_token
        if not token:
            return


def _found(door: Door, review_id: str) -> pb.Review:
    found = next((one for one in _open_reviews(door) if one.review_id == review_id), None)
    if found is None:
        raise click.ClickException(f"no open review has the id {review_id}")
    return found
