"""The control of the gate: known bugs, one at a time, each in a workload in which it bites. A bug that is not found is a failure of the gate."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from gate.bench import Bench, Expected, Scenario
from gate.sabotage import BUGS
from gate.scenarios import compared, crossed, crowded, offsets_and_inbox, unseen_marks
from gate.scenarios_doors import late_fills, many_writers, reverted
from gate.world import Servers

__all__ = ["CONTROLS", "run_controls"]

CONTROLS: Mapping[str, Scenario] = {
    "offset-outside": offsets_and_inbox,
    "relay-by-id": many_writers,
    "unsorted-locks": crossed,
    "no-second-look": unseen_marks,
    "survivors-by-arrival": compared,
    "blind-cache-writes": late_fills,
    "token-without-type": compared,
    "plain-union-find": compared,
    "blocks-not-rejudged": crowded,
    "stale-id-after-revert": reverted,
}
"""Bug: the scenario that must find it."""


def run_controls(
    names: Sequence[str], *, seed: int, say: Callable[[str], None], planted: bool = True
) -> dict[str, str | None]:
    """Runs the scenario of each bug with the bug planted and gives what it found, in words; None if it found nothing.

    Without `planted` the scenarios run on the healthy service: then they must find nothing.
    """
    assert CONTROLS.keys() == BUGS.keys()
    found: dict[str, str | None] = {}
    expected: dict[int, Expected] = {}
    with Servers() as servers:
        for name in names:
            started = time.monotonic()
            bench = Bench(servers, f"control_{name.replace('-', '_')}", seed, name if planted else None, expected)
            found[name] = CONTROLS[name](bench)
            word = "red" if found[name] else "green"
            say(f"  {name}: {word} after {time.monotonic() - started:.0f} s{f': {found[name]}' if found[name] else ''}")
    return found
