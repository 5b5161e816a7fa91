"""A run from its beginning to its judgement: stage, witness, Locust in a process of its own, and meanwhile the fault or the other generator."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from goldthread.app.demo.latency import Probe
from goldthread.app.demo.load import settle
from goldthread.app.demo.progress import Progress
from loadtest.locust.cache_fault import take_cache_away
from loadtest.locust.calls import Call, Calls, percentile, read_samples
from loadtest.locust.figures import Outage, figures_of
from loadtest.locust.logs import slow_statements, slow_statements_told
from loadtest.locust.outside import Outside, run_outside
from loadtest.locust.pace import Sample, pace
from loadtest.locust.process import begun_at, calling
from loadtest.locust.processors import processor_seconds
from loadtest.locust.serverside import ServerSide, read_metrics
from loadtest.locust.shapes import SHAPES
from loadtest.locust.stage import Run, Stage, stage
from loadtest.locust.visible import Visible, probes_of, watch_events
from loadtest.locust.witness import Verdict, Witness

__all__ = ["Outcome", "perform"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a run gave.

    `workers` tells of the processes beside the server, `notes` say what it left out and why, `told` what is known of answers that are not the ledger's.
    By second of the run: `pace` gives what a fixed piece of work cost then, in milliseconds of processor, `visible` how many seconds the events
    sent then took to their cards.
    """

    run: Run
    figures: Mapping[str, float]
    calls: Sequence[Call] = field(repr=False)
    failures: Mapping[str, int]
    server: ServerSide
    workers: Mapping[str, ServerSide]
    notes: Sequence[str]
    told: Sequence[str]
    pace: Sequence[Sample] = field(repr=False)
    visible: Sequence[Sample] = field(repr=False)
    outage: Outage | None


def perform(run: Run, *, folder: Path, web_port: int | None, progress: Progress) -> Outcome:
    """Runs it; Locust's own report and what the callers wrote are left in `folder`. Raises what servers raise, and `LocustFailed`."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with stage(run, folder=folder, progress=progress) as given:
        before = given.ledger.counts()
        pages = given.up.endpoints.metrics
        probes = _probes(run, given)
        # What is there now stays: to look through it again takes a tenth of a second from the callers.
        gc.collect()
        gc.freeze()
        with Witness(given.ledger, list(given.watched.tokens.values())) as witness:
            metrics, spent, began = _read(pages), _spent(given), time.monotonic()
            slow_told = slow_statements_told(given.settings.need("postgres_dsn"))
            with slow_told, pace() as costs, calling(given.plan, folder, web_port=web_port):
                if web_port is not None:
                    progress.say(f"Locust's page: http://127.0.0.1:{web_port}; Ctrl-C ends it")
                    beside = _Beside()
                else:
                    beside = _beside(run, given, probes, folder, progress)
            workers = {name: page.since(metrics[name]) for name, page in _read(pages).items()}
            passed = time.monotonic() - began
            cores = {name: (now - spent[name]) / passed for name, now in _spent(given).items() if name in spent}
        calls = Calls.read(folder)
        rows = list(calls)
        sent = sum(call.name == "event" and not call.failed for call in rows)
        sent += beside.visible.sent if beside.visible is not None else 0
        settle(given.ledger, given.settings, messages=given.sent + sent, progress=progress)
        taken = sent + sum(call.name == "resolve" and not call.failed for call in rows)
        after = given.ledger.counts()
        server = workers.pop("serve")
        judged = witness.judged(
            read_samples(folder), places={place: at for at, place in enumerate(given.watched.tokens)}
        )
    planned, seconds = SHAPES[run.scenario.shape].mean * given.plan.rates.total * run.seconds, run.seconds
    if run.free:
        # Whoever sat before the page said how many and how long.
        planned, seconds = float(len(rows)), max((call.due for call in rows), default=0.0) or 1.0
    figures = figures_of(rows, timed=run.timed, planned=planned, outage=beside.outage)
    sampled = sum(judged.verdicts.values())
    figures |= {
        "sampled": sampled,
        "sampled_by_version": judged.versioned,
        "changes": judged.changes,
        "equal": judged.verdicts.get(Verdict.EQUAL, 0),
        "wrong": judged.verdicts.get(Verdict.WRONG, 0) + judged.verdicts.get(Verdict.STALE, 0),
        "stale": judged.verdicts.get(Verdict.STALE, 0),
        "age.p99_ms": percentile(judged.ages, 0.99) * 1000,
        "age.longest_ms": percentile(judged.ages, 1.0) * 1000,
        "unknown": judged.verdicts.get(Verdict.UNKNOWN, 0),
        "unsettled_share": judged.verdicts.get(Verdict.UNSETTLED, 0) / sampled if sampled else 0.0,
        # A call that failed may have been taken all the same, so this may be below 0, and is no loss then.
        # What the server itself refused or failed at, h2load's calls included: that tool sees HTTP's status alone.
        "server_errors": server.failed,
        "lost_events": max(0, before.inbox + taken - after.inbox),
        "provisional": calls.provisional,
        # One interpreter: near 1 the callers are themselves what is measured.
        "cores.callers": calls.processor_seconds / seconds,
        "dead_letters": after.dead_letters - before.dead_letters,
    }
    figures |= {f"cores.{name}": value for name, value in cores.items()}
    slow = slow_statements(folder / "logs")
    figures |= {"slow_statements": len(slow), "slow_statements.longest_ms": max(slow, default=0.0)}
    if beside.visible is not None:
        figures |= beside.visible.figures()
    if beside.outside is not None:
        figures |= beside.outside.figures(planned=run.scenario.outside * _outside_seconds(run))
    return Outcome(
        run=run,
        figures=figures,
        calls=rows,
        failures=calls.failures,
        server=server,
        workers=workers,
        notes=_notes(run, given),
        told=judged.told,
        pace=_of_run(costs, zero=begun_at(folder), run=run),
        visible=() if beside.visible is None else beside.visible.by_due,
        outage=beside.outage,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Beside:
    """What happened while Locust called."""

    outage: Outage | None = None
    outside: Outside | None = None
    visible: Visible | None = None


def _beside(run: Run, given: Stage, probes: Sequence[Probe], folder: Path, progress: Progress) -> _Beside:
    """Does what the scenario has beside Locust's calls: the fault, calls by h2load, or events that are looked for."""
    zero = begun_at(folder)
    scenario, say = run.scenario, progress.say
    if scenario.cache_away:
        third = run.seconds / 3
        return _Beside(outage=take_cache_away(given.up.stack, at=zero + third, zero=zero, seconds=third, say=say))
    time.sleep(max(0.0, zero + run.warm_up - time.time()))
    if scenario.outside:
        say(f"{scenario.outside:,} lookups a second by h2load")
        targets, address = given.watched.targets, given.plan.address
        seconds = _outside_seconds(run)
        calls = run_outside(targets, address=address, rate=scenario.outside, seconds=seconds, folder=folder)
        return _Beside(outside=calls)
    if probes:
        begin = time.time() - zero
        return _Beside(visible=watch_events(given, probes, rate=scenario.probes, begin=begin, progress=progress))
    return _Beside()


def _probes(run: Run, given: Stage) -> list[Probe]:
    rate = run.scenario.probes
    return probes_of(given.settings, rate=rate, seconds=_outside_seconds(run), seed=run.seed) if rate else []


def _of_run(samples: Sequence[Sample], *, zero: float, run: Run) -> list[Sample]:
    """Samples by seconds of the run that began then, as far as calls count."""
    begin, end = run.timed
    return [(at - zero, value) for at, value in samples if begin <= at - zero < end]


def _read(pages: Mapping[str, str]) -> dict[str, ServerSide]:
    return {name: read_metrics(url) for name, url in pages.items()}


def _spent(given: Stage) -> dict[str, float]:
    """Processor time so far of the service's parts, and of this process, which is the witness."""
    own = os.times()
    return {**processor_seconds(given.up.endpoints.pids), "witness": own.user + own.system}


def _outside_seconds(run: Run) -> float:
    return float(round(run.seconds - run.warm_up))


def _notes(run: Run, given: Stage) -> list[str]:
    found = []
    if run.scenario.by_rest and not given.rest:
        found.append("This server has no REST face: every lookup went by gRPC.")
    if given.watched.left_out:
        found.append(
            f"The ledger had no identifiers of these kinds, so nobody asked for them: {', '.join(given.watched.left_out)}."
        )
    return found
