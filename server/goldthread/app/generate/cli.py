"""The command ``goldthread generate``."""

from __future__ import annotations

import sys
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click
from tqdm import tqdm

from goldthread.app.generate.files import SUFFIXES, write_events
from goldthread.app.generate.layouts import LAYOUTS
from goldthread.app.generate.options import REGIONS, GenerateOptions, Profile
from goldthread.app.generate.rows import GenerateSummary
from goldthread.app.generate.stream import generate_events

__all__ = ["command"]


@click.command(name="generate")
@click.option(
    "--people", type=click.IntRange(min=1), help="At most so many customers. Default: a quarter of the events."
)
@click.option("--events", type=click.IntRange(min=1), required=True, help="Rows to write, duplicates included.")
@click.option("--seed", type=int, default=1, show_default=True, help="Equal seed and options give equal bytes.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help=f"File to write: {', '.join(SUFFIXES)}.",
)
@click.option(
    "--profile",
    type=click.Choice([profile.value for profile in Profile]),
    default=Profile.DEFAULT.value,
    show_default=True,
    help="default: all noise. reference: 20 % new claims, 75 % repeats, 5 % bridges.",
)
@click.option(
    "--format",
    "layout",
    type=click.Choice(["flat", *LAYOUTS]),
    default="flat",
    show_default=True,
    help="flat: all events as goldthread's rows. Others: those events only that such an export holds, in CSV.",
)
@click.option(
    "--truth",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the truth into this CSV file instead of the events.",
)
@click.option("--region", type=click.Choice(REGIONS), default="US", show_default=True, help="Where the stores are.")
@click.option("--locale-mix", help="Where the customers live, such as US=0.9,GB=0.1. Default: all in the region.")
@click.option("--households-share", type=float, default=0.45, show_default=True, help="Share living with another one.")
@click.option(
    "--claims-per-person", type=float, default=4 / 3, help="Distinct claims, default profile only.  [default: 4/3]"
)
@click.option(
    "--as-of", type=click.DateTime(["%Y-%m-%d"]), default="2026-01-01", help="Day the two years of events end."
)
def command(
    *,
    people: int | None,
    events: int,
    seed: int,
    out: Path,
    profile: str,
    layout: str,
    truth: Path | None,
    region: str,
    locale_mix: str | None,
    households_share: float,
    claims_per_person: float,
    as_of: datetime,
) -> None:
    """Write synthetic retail customers' events, with the truth of who is who."""
    if not out.name.endswith(SUFFIXES):
        raise click.BadParameter(f"the name must end in one of {', '.join(SUFFIXES)}", param_hint="--out")
    if layout != "flat" and not out.name.removesuffix(".gz").endswith(".csv"):
        raise click.BadParameter(f"{layout} is written as .csv or .csv.gz", param_hint="--out")
    try:
        options = GenerateOptions(
            people=people or max(1, events // 4),
            events=events,
            seed=seed,
            profile=Profile(profile),
            region=region,
            locale_mix=_shares(locale_mix),
            households_share=households_share,
            claims_per_person=claims_per_person,
            as_of=as_of.date(),
        )
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    stream = generate_events(options)
    progress = tqdm(stream, total=events, unit=" events", file=sys.stderr, disable=not sys.stderr.isatty())
    write_events(progress, out, truth, LAYOUTS.get(layout))
    click.echo(_told(stream.summary()), err=True)


def _shares(text: str | None) -> dict[str, float]:
    if text is None:
        return {}
    shares: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = part.strip().partition("=")
        try:
            shares[name] = float(share)
        except ValueError as error:
            raise click.BadParameter(f"{part!r} is not REGION=SHARE", param_hint="--locale-mix") from error
    return shares


def _told(summary: GenerateSummary) -> str:
    return "\n".join(f"{name.replace('_', ' '):32}{count:>12,}" for name, count in asdict(summary).items())
