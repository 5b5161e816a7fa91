"""`python -m storms people|merges|kills|demo`: the large forms, with their counts. Ends with 1 if anything was not as it must be."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence

from redis import Redis

from goldthread.app.demo.progress import Progress
from goldthread.app.leave import leave_in_order
from goldthread.telemetry.logs import configure_logs
from storms.demo import DemoStorm, run_demo_storm, whole_service
from storms.kills import Killed, run_town
from storms.merges import SHAPES, run_merge
from storms.people import run_round
from storms.servers import servers

__all__ = ["DSNS", "main"]

DSNS = "STORMS_DSNS"
"""Names the environment variable with a JSON list of empty, migrated databases, for `towns`."""

_VICTIMS = 20


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code."""
    wanted = _parser().parse_args(arguments)
    started = time.monotonic()
    good: bool = wanted.work(wanted)
    if wanted.work is not _towns:
        print(f"{wanted.command}: {'good' if good else 'BAD'}, {time.monotonic() - started:.0f} s", flush=True)
    return int(not good)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="storms", description="Many writers at once, and writers killed in between.")
    seeded = argparse.ArgumentParser(add_help=False)
    seeded.add_argument("--seed", type=int, default=1, help="of the first round or town; later ones count up")
    commands = parser.add_subparsers(dest="command", required=True)
    people = commands.add_parser("people", parents=[seeded], help="500 people by 64 writers")
    people.set_defaults(work=_people)
    people.add_argument("--rounds", type=int, default=10)
    people.add_argument("--people", type=int, default=500)
    people.add_argument("--writers", type=int, default=64)
    merges = commands.add_parser("merges", parents=[seeded], help="ring, star and chain")
    merges.set_defaults(work=_merges)
    merges.add_argument("--rounds", type=int, default=10)
    merges.add_argument("--profiles", type=int, default=60)
    merges.add_argument("--writers", type=int, default=16)
    kills = commands.add_parser(
        "kills", parents=[seeded], help="SIGKILL between the evidence's commit and the end of the look"
    )
    kills.set_defaults(work=_kills)
    kills.add_argument("--kills", type=int, default=1_000)
    demo = commands.add_parser(
        "demo",
        parents=[seeded],
        help="merge and revert, split and replay on the demo's data, through the whole service",
    )
    demo.set_defaults(work=_demo)
    demo.add_argument("--customers", type=int, default=15_000, help="of the generator, with four events each")
    demo.add_argument("--operations", type=int, default=60, help="merges, and as many splits")
    demo.add_argument(
        "--sample", type=int, default=5_000, help="identifiers to look up beside those of whom they touch"
    )
    demo.add_argument("--febrl", action=argparse.BooleanOptionalAction, default=True, help="send the Febrl sets too")
    towns = commands.add_parser(
        "towns", parents=[seeded], help=f"the same on the databases of ${DSNS}, without servers of its own; prints JSON"
    )
    towns.set_defaults(work=_towns)
    towns.add_argument("--victims", type=int, default=_VICTIMS)
    towns.add_argument("--no-redo", action="store_true", help="the control: nobody looks at what the dead have left")
    return parser


def _people(wanted: argparse.Namespace) -> bool:
    good = True
    with servers() as given:
        for seed in range(wanted.seed, wanted.seed + wanted.rounds):
            with given.database() as dsn:
                found = run_round(dsn, people=wanted.people, writers=wanted.writers, seed=seed)
            good &= (found.profiles, found.lost, found.effects, found.deadlocks) == (
                wanted.people,
                0,
                0,
                0,
            ) and found.as_batch
            print(f"seed {seed}: {found.told()}", flush=True)
    return good


def _merges(wanted: argparse.Namespace) -> bool:
    good = True
    with servers() as given, Redis.from_url(given.redis_url) as cache:
        for seed in range(wanted.seed, wanted.seed + wanted.rounds):
            for shape in SHAPES:
                cache.flushall()
                with given.database() as dsn:
                    found = run_merge(
                        dsn, given.redis_url, shape=shape, profiles=wanted.profiles, writers=wanted.writers, seed=seed
                    )
                good &= (found.survivors, found.lost, found.deadlocks) == (1, 0, 0)
                good &= (found.circles, found.astray, found.dead) == (0, 0, 0)
                print(f"seed {seed}, {shape}: {found.told()}", flush=True)
    return good


def _kills(wanted: argparse.Namespace) -> bool:
    total = Killed()
    seed = wanted.seed
    with servers() as given:
        while total.kills.total() < wanted.kills:
            with given.database() as dsn:
                total.add(run_town(dsn, seed=seed, victims=min(_VICTIMS, max(4, wanted.kills - total.kills.total()))))
            print(f"town {seed}: {total.kills.total()} kills, missed pairs {total.missed}", flush=True)
            seed += 1
    print(total.told(), flush=True)
    return total.as_it_must_be


def _demo(wanted: argparse.Namespace) -> bool:
    configure_logs(level="error")
    progress = Progress(sys.stderr)
    storm = DemoStorm(
        seed=wanted.seed,
        customers=wanted.customers,
        operations=wanted.operations,
        sample=wanted.sample,
        febrl=wanted.febrl,
    )
    with whole_service(progress) as (up, folder):
        found = run_demo_storm(up, storm, folder=folder, progress=progress)
    for line in found.told():
        print(line, flush=True)
    return not found.wrong


def _towns(wanted: argparse.Namespace) -> bool:
    total = Killed()
    for seed, dsn in enumerate(json.loads(os.environ[DSNS]), start=wanted.seed):
        total.add(run_town(dsn, seed=seed, victims=wanted.victims, redo=not wanted.no_redo))
    print(json.dumps(vars(total)), flush=True)
    return total.as_it_must_be


if __name__ == "__main__":
    leave_in_order()
    sys.exit(main())
