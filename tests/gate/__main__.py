"""`python -m gate --seed N`: runs the gate, prints what it did and found, and ends with 1 if anything was violated."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gate.controls import CONTROLS, run_controls
from gate.options import GateOptions, short, whole
from gate.run import Result, commit, run
from goldthread.app.leave import leave_in_order

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; gives the exit code."""
    wanted = _parser().parse_args(arguments)
    started = time.monotonic()
    options = _options(wanted)
    print(f"gate: seed {options.seed}, commit {commit()}", flush=True)
    red = False
    if wanted.healthy:
        unfounded = {name: evidence for name, evidence in _controls(wanted, planted=False).items() if evidence}
        print(f"controls without any bug: {len(unfounded)} found something")
        red = bool(unfounded)
    elif not wanted.bugs_only:
        result = run(options, say=_say)
        _report(result)
        red = not result.green
    if wanted.bugs or wanted.bugs_only:
        found = _controls(wanted, planted=True)
        missed = [name for name, evidence in found.items() if evidence is None]
        print(f"controls: {len(found) - len(missed)} of {len(found)} bugs found")
        for name in missed:
            print(f"  NOT FOUND: {name}")
        red = red or bool(missed)
    print(f"gate: {'RED' if red else 'green'}, seed {options.seed}, {time.monotonic() - started:.0f} s")
    return int(red)


def _controls(wanted: argparse.Namespace, *, planted: bool) -> dict[str, str | None]:
    return run_controls(wanted.bug or list(CONTROLS), seed=wanted.seed, say=_say, planted=planted)


def _options(wanted: argparse.Namespace) -> GateOptions:
    options = short(wanted.seed) if wanted.short else whole(wanted.seed)
    named = ("events", "kills", "consumers", "servers", "resolve_share", "limit", "settle", "folder", "keep")
    return dataclasses.replace(
        options, **{name: value for name in named if (value := getattr(wanted, name)) is not None}
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="gate", description="Runs the whole service under faults and checks it against the oracle."
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="the five-minute form")
    parser.add_argument("--events", type=int, help="distinct event ids")
    parser.add_argument("--kills", type=int, help="SIGKILLs")
    parser.add_argument("--consumers", type=int)
    parser.add_argument("--servers", type=int)
    parser.add_argument("--resolve-share", type=float, help="part of the events that come by Resolve")
    parser.add_argument("--limit", type=float, help="longest stream in seconds")
    parser.add_argument("--settle", type=float, help="longest wait for quiet in seconds")
    parser.add_argument("--folder", type=Path, help="where to run; must be reachable by an ordinary account")
    parser.add_argument("--keep", action="store_true", default=None, help="leave the folder behind")
    parser.add_argument(
        "--bugs", action="store_true", help="then switch known bugs on, one at a time: each must be found"
    )
    parser.add_argument("--bugs-only", action="store_true", help="only that")
    parser.add_argument(
        "--healthy", action="store_true", help="only the bugs' workloads, without the bugs: none may find anything"
    )
    parser.add_argument("--bug", action="append", choices=list(CONTROLS), help="this one only; may be repeated")
    return parser


def _say(line: str) -> None:
    print(line, flush=True)


def _report(result: Result) -> None:
    print("counts: " + ", ".join(f"{name} {count}" for name, count in result.counts.items()))
    print(
        f"kills: {result.kills}; faults: "
        + ", ".join(f"{name} {count}" for name, count in sorted(result.faults.items()))
    )
    print("seconds: " + ", ".join(f"{name} {seconds:.0f}" for name, seconds in result.seconds.items()))
    for note in result.notes:
        print(f"note: {note}")
    print(f"violations: {sum(violation.count for violation in result.violations)}")
    for violation in result.violations:
        print(f"  {violation.check}: {violation.count}")
        for line in violation.shown:
            print(f"    {line}")


if __name__ == "__main__":
    leave_in_order()
    sys.exit(main())
