"""Workers that die between the commit of the evidence and the end of the look leave no pair unseen. `python -m storms kills` runs a thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fixtures.repository import ROOT
from fixtures.servers import Postgres
from storms.__main__ import DSNS
from storms.children import fork


@contextmanager
def databases(postgres: Postgres, count: int) -> Iterator[list[str]]:
    dsns = [postgres.clone() for _ in range(count)]
    try:
        yield dsns
    finally:
        for dsn in dsns:
            postgres.drop(dsn)


def towns(dsns: list[str], *options: str) -> dict[str, Any]:
    """Runs the towns in a process without threads and connections, from which children can be forked."""
    done = subprocess.run(
        [sys.executable, "-m", "storms", "towns", *options],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests"), DSNS: json.dumps(dsns)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.stdout, done.stderr[-3_000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_sixty_killed_workers_leave_no_pair_unseen(postgres: Postgres) -> None:
    with databases(postgres, 3) as dsns:
        found = towns(dsns, "--victims", "20")
    assert sum(found["kills"].values()) + found["survived"] == 60
    assert sum(found["kills"].values()) >= 50, found
    assert len(found["kills"]) >= 8, "the points at which they died"
    assert found["events"] > 800
    assert found["left"] > 0
    assert (found["lost"], found["missed"], found["deadlocks"], found["differences"]) == (0, 0, 0, []), found


def test_pairs_are_missed_if_nobody_looks_again(postgres: Postgres) -> None:
    with databases(postgres, 1) as dsns:
        found = towns(dsns, "--victims", "12", "--no-redo")
    assert found["missed"] > 0
    assert found["lost"] == 0


def test_a_town_is_not_begun_beside_threads() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with pytest.raises(RuntimeError, match="threads must not fork"):
            fork(lambda: None)
    finally:
        done.set()
        thread.join()
