"""One run: world, stream, faults, quiet, checks."""

from __future__ import annotations

import hashlib
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from gate.checks import Violation, check_ledger, collected
from gate.expectation import expect
from gate.feed import KafkaFeed, Pace, Sent
from gate.journal import Journal
from gate.nemesis import Nemesis
from gate.options import GateOptions
from gate.outside import Ground, check_outside
from gate.plan import Plan, draw_plan
from gate.registers import Registers
from gate.topics import ends
from gate.view import read_view
from gate.world import Servers, Shape, World, wait_until
from oracle.models import shipped, small_limits

__all__ = ["Result", "commit", "master_key", "model_text", "quiet", "run"]

_CALM_SECONDS = 1.0
_STALL_SECONDS = 120.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What a run did and found. `seconds` by part."""

    seed: int
    counts: dict[str, int]
    faults: dict[str, int]
    kills: int
    seconds: dict[str, float] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def green(self) -> bool:
        """Whether nothing was violated."""
        return not self.violations


_OWN_PARTS = {
    'parts = ["given3", "family3"]': 'parts = ["given3", "family"]',
    'parts = ["given_canonical", "family_end"]': 'parts = ["given_canonical", "family"]',
}


def model_text() -> str:
    """The shipped model with limits so small that a town reaches them: crowded blocks, divided components, generic identifiers.

    A phone may have changed hands after less time than the stream leaves between the owners of one. Two rules that block by three letters of a family name go
    by all of it: hundreds of towns have the same letters, and the plain oracle can only be asked about towns that share no key.
    """
    base = shipped()
    for parts, own in _OWN_PARTS.items():
        if base.count(parts) != 1:
            raise ValueError(f"the shipped model has no rule of {parts}")
        base = base.replace(parts, own)
    return small_limits(
        base=base,
        max_block=12,
        max_component=20,
        generic=4,
        generic_records=40,
        limit=5,
        purchases_per_day=6,
        stores_per_day=4,
        phone_gap_days=50,
    )


def master_key(seed: int) -> bytes:
    """The run's master key: ties between records fall by keyed addresses, so it must follow from the seed."""
    return hashlib.sha256(f"gate {seed}".encode()).digest()


def commit() -> str:
    """The commit under test; a plus sign says that the checkout differs from it."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    name = git("rev-parse", "--short", "HEAD") or "unknown"
    return name + ("+" if git("status", "--porcelain") else "")


def run(options: GateOptions, *, say: Say = print) -> Result:
    """Runs the gate once. Raises only what stops the harness itself; what the system does wrong is a violation."""
    clock = _Clock()
    plan = draw_plan(options)
    said = len({one.key for one in plan.said})
    say(f"plan: {said} events in {plan.towns} towns, {len(plan.deliveries)} sendings, {plan.poisoned} of them poison")
    with Servers(options.folder, keep=options.keep) as servers:
        shape = Shape(
            consumers=options.consumers, servers=options.servers, relays=options.relays, partitions=options.partitions
        )
        key = master_key(options.seed)
        with (
            World(servers, f"gate_{options.seed}", shape, model_text=model_text(), master_key=key) as world,
            Journal(world.folder / "journal.jsonl") as journal,
        ):
            return _run(options, plan, world, journal, _Told(clock, say))


def _run(options: GateOptions, plan: Plan, world: World, journal: Journal, told: _Told) -> Result:
    clock = told.clock
    world.start()
    clock.lap("start")
    sent, pace = Sent(), Pace()
    feed = KafkaFeed(world, plan, journal=journal, pace=pace, sent=sent, seed=options.seed)
    registers = Registers(
        world, plan, journal=journal, pace=pace, sent=sent, seed=options.seed, rate=options.lookups_per_second
    )
    nemesis = Nemesis(world, options, progress=lambda: pace.progress, stopped=pace.stopped)
    trouble = _stream([feed.run, registers.run, nemesis.run], pace, options, told.say)
    clock.lap("stream")
    try:
        world.rest()
        quiet(world, seconds=options.settle)
    except (TimeoutError, psycopg.Error) as error:
        trouble.append(f"did not settle: {error}")
    clock.lap("settle")
    notes = [*_blast(world), *(f"gave up and was started again: {line}" for line in _excuses(world))]
    world.finish()
    view = read_view(world.settings.need("postgres_dsn"))
    expectation = expect(
        plan.said,
        master_key=master_key(options.seed),
        model_text=model_text(),
        processes=options.oracle_processes,
    )
    clock.lap("oracle")
    if deadlocks := world.servers.deadlocks():
        trouble += [f"PostgreSQL ended a transaction: {said}" for said in deadlocks]
    ground = Ground(plan, journal, world.settings, view, expectation)
    violations = [
        *collected("processes and answers", [*trouble, *world.trouble, *registers.trouble, *nemesis.trouble]),
        *check_ledger(view, expectation),
        *check_outside(ground),
    ]
    clock.lap("checks")
    counts = {
        **sent.counts(),
        "events": len(view.events),
        "records": len(view.standing()),
        "profiles": len(view.clusters()),
        "withdrawn": len(view.records) - len(view.standing()),
        "ambiguous": len(expectation.ambiguous),
        "reviews": len(view.reviews),
        "households": len(view.households),
        "generic": len(view.generic),
        "handed_over": len(expectation.hand_overs),
        "rehung": len(expectation.rehung),
        "quarantined": len(view.conflicts),
        "dead_letters": len(view.dead_letters),
        "journal": len(view.journal),
        "fenced": _logged(world, "batch_fenced"),
        "looks_deferred": _logged(world, "look_failed", outcome="deferred"),
    }
    return Result(options.seed, counts, dict(nemesis.struck), nemesis.kills, clock.laps, violations, notes)


def _stream(parts: list[Callable[[], None]], pace: Pace, options: GateOptions, say: Say) -> list[str]:
    """Runs the parts side by side until all have returned; ends them if that takes too long or nothing moves."""
    trouble: list[str] = []

    def guarded(part: Callable[[], None]) -> None:
        try:
            part()
        except Exception as error:  # noqa: BLE001 (a part that fails must end the others, and the run must tell)
            trouble.append(f"{getattr(part, '__qualname__', part)} failed: {type(error).__name__}: {error}")
            pace.stop()

    threads = [threading.Thread(target=guarded, args=(part,), name=part.__qualname__) for part in parts]
    for thread in threads:
        thread.start()
    started = moved = told = time.monotonic()
    last = 0.0
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.2)
        now = time.monotonic()
        if pace.progress > last:
            last, moved = pace.progress, now
        if now - told > 15:
            told = now
            say(f"  {last:.0%} of the stream after {now - started:.0f} s")
        if not pace.stopped.is_set() and (now - started > options.limit or now - moved > _STALL_SECONDS):
            trouble.append(f"the stream stood at {last:.1%} when it was ended after {now - started:.0f} s")
            pace.stop()
    return trouble


def quiet(world: World, *, seconds: float, relayed: bool = True) -> None:
    """Returns once everything that was sent is read, looked at and (if anybody relays) published, and stays so.

    Raises `TimeoutError` saying what is not.
    """
    settings = world.settings
    goal = ends(settings.need("kafka_bootstrap"), settings.events_topic)
    state = "nothing is known yet"
    calm_since: float | None = None

    def settled() -> bool:
        nonlocal state, calm_since
        try:
            with world.connect() as connection:
                offsets = {int(str(row[0])): int(str(row[1])) for row in connection.execute(_OFFSETS)}
                row = connection.execute(_PENDING).fetchone()
        except psycopg.Error as error:
            state, calm_since = type(error).__name__, None
            return False
        behind = sum(end - offsets.get(partition, 0) for partition, end in goal.items())
        marks, outbox, letters = row or (0, 0, 0)
        if not relayed:
            outbox = letters = 0
        state = f"{behind} messages unread, {marks} marks, {outbox} changes and {letters} dead letters unpublished"
        if behind or marks or outbox or letters:
            calm_since = None
            return False
        calm_since = calm_since or time.monotonic()
        return time.monotonic() - calm_since >= _CALM_SECONDS

    try:
        wait_until(settled, seconds=seconds, what="quiet")
    except TimeoutError:
        raise TimeoutError(f"after {seconds:.0f} s: {state}") from None


_OFFSETS = "SELECT partition, next_offset FROM consumer_offset"
_PENDING = """
SELECT (SELECT count(*) FROM dirty_mark), (SELECT count(*) FROM outbox), (SELECT count(*) FROM dead_letter WHERE published_at IS NULL)
"""


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.laps[name] = round(now - self._last, 1)
        self._last = now


@dataclass(frozen=True, slots=True)
class _Told:
    clock: _Clock
    say: Say


def _excuses(world: World) -> list[str]:
    return sorted({f"{worker.name}: {line}" for worker in world.workers.values() for line in worker.gave_up})


def _logged(world: World, event: str, *, outcome: str = "") -> int:
    lines = (line for one in world.workers.values() for line in one.log_path.read_text(errors="replace").splitlines())
    return sum(f'"{event}"' in line and (not outcome or f'"outcome": "{outcome}"' in line) for line in lines)


def _blast(world: World) -> list[str]:
    """Profiles that a look changed although no event touched them: p50 and greatest bucket, of what the processes that run now have counted."""
    buckets: dict[float, float] = {}
    for worker in world.workers.values():
        if (port := worker.ports.get("metrics")) is None:
            continue
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as page:
                text = page.read().decode()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith('goldthread_blast_radius_bucket{le="'):
                bound, _, count = line.partition('le="')[2].partition('"} ')
                buckets[float(bound)] = buckets.get(float(bound), 0.0) + float(count)
    if not buckets or not (total := max(buckets.values())):
        return []
    median = min(bound for bound, count in buckets.items() if count * 2 >= total)
    greatest = min(bound for bound, count in buckets.items() if count >= total)
    return [
        f"blast radius over {total:.0f} looks: p50 <= {median:g}, max <= {greatest:g} profiles that no event touched"
    ]
