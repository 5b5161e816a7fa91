"""The gate's short form: the whole service under faults equals the oracle, and known bugs are found. `make gate` is the whole form."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from fixtures.repository import ROOT
from gate.controls import CONTROLS
from gate.nemesis import draw_faults
from gate.options import short, whole
from gate.plan import Door, draw_plan
from gate.sabotage import BUGS
from goldthread.app.settings import process_environment

SEED = 1
BUGS_OF_THE_SHORT_FORM = ("offset-outside", "plain-union-find", "blind-cache-writes")


def gate(*arguments: str) -> tuple[int, str]:
    """Exit code and output of `python -m gate`."""
    environ = process_environment()
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    done = subprocess.run(
        [sys.executable, "-m", "gate", *arguments], env=environ, cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.timeout(600)
def test_everything_that_was_acknowledged_is_there_once_and_the_ledger_is_the_oracles() -> None:
    code, said = gate("--short", "--seed", str(SEED))
    print(said)
    assert code == 0, said
    counts = dict(re.findall(r"(\w+) (\d+)", re.findall(r"^counts: (.*)$", said, re.MULTILINE)[0]))
    assert int(counts["events"]) >= short(SEED).events
    assert re.search(rf"^kills: {short(SEED).kills};", said, re.MULTILINE), said
    assert int(counts["handed_over"]) > 10
    assert int(counts["rehung"]) > 10
    assert "violations: 0" in said


@pytest.mark.timeout(400)
def test_known_bugs_turn_it_red() -> None:
    wanted = [part for name in BUGS_OF_THE_SHORT_FORM for part in ("--bug", name)]
    code, said = gate("--bugs-only", "--seed", str(SEED), *wanted)
    print(said)
    assert code == 0, said
    assert f"controls: {len(BUGS_OF_THE_SHORT_FORM)} of {len(BUGS_OF_THE_SHORT_FORM)} bugs found" in said


def test_every_known_bug_has_its_scenario() -> None:
    assert CONTROLS.keys() == BUGS.keys()
    assert len(BUGS) == 10


def test_a_run_follows_from_its_seed() -> None:
    options = short(7)
    assert draw_plan(options) == draw_plan(options)
    assert draw_faults(options) == draw_faults(options)
    assert draw_plan(options).said != draw_plan(short(8)).said


def test_the_stream_holds_what_it_should() -> None:
    options = short(SEED)
    plan = draw_plan(options)
    events = {one.key for one in plan.said}
    claims = {one.claim for one in plan.said}
    assert options.events <= len(events) < 1.02 * options.events
    assert 0.22 < len(claims) / len(events) < 0.28, "a fifth of the events are new claims, a twentieth bridges"
    assert len(plan.said) > len(events), "payloads that contradict each other under one event id"
    doors = [one.door for one in plan.deliveries]
    assert 0.16 < doors.count(Door.RESOLVE) / len(doors) < 0.24, "a fifth comes through Resolve"
    assert doors.count(Door.PREVIEW) > 0
    assert plan.poisoned > 0
    assert len(plan.recycled) >= 30, "phones that more than one person has in turn"
    sent = [one.said for one in plan.deliveries if one.said is not None and one.door is not Door.PREVIEW]
    assert len(sent) > len(plan.said), "some are sent more than once"
    previewed = {one.said.key for one in plan.deliveries if one.said is not None and one.door is Door.PREVIEW}
    assert not previewed & events


def test_the_whole_form_is_as_large_as_it_must_be() -> None:
    options = whole(SEED)
    assert (options.events, options.kills, options.consumers) == (200_000, 60, 4)
    faults = draw_faults(options)
    kills = [fault.kind for fault in faults if fault.action == "kill"]
    assert len(kills) >= 60
    assert set(kills) == {"consume", "serve", "relay", "postgres", "redis", "kafka"}
    assert {fault.action for fault in faults} == {"kill", "pause", "term"}
