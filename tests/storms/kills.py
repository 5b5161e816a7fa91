"""Workers killed between the commit of the evidence and the end of the look, while others take candidates of the same records.

A town's events are dealt to victims and to two workers who live. Victims come one after the other: each takes a batch, or redoes marks,
and ends itself by SIGKILL at a point of its own. In the end a fresh worker redoes what is left, and the ledger must be what the batch engine makes of
the same rows; and looking at every record once more must find no pair to write and none to take back.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from fixtures.partitions import of_core, of_ledger
from fixtures.story import Story, row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.ports import IngestBatch, OffsetMove
from goldthread.domain.words import Position
from goldthread.flows.verdict import Candidacy, judge
from goldthread.ledger import Ledger, LedgerSettings, LedgerTransaction
from goldthread.telemetry.metrics import Metrics
from oracle.models import shipped, small_limits
from storms.children import Progress, ask, die, ended, fork
from storms.writers import deadlocks, drained

__all__ = ["POINTS", "Killed", "run_town"]

POINTS = (
    "evidence",  # the evidence is committed, nothing else
    "ask_marks",  # the look holds its marks
    "closure",  # it has judged
    "ask_members",  # it holds the records' places
    "count_looks",
    "upsert_pairs",  # the pairs are written
    "move_records",
    "write_profiles",
    "write_journal",
    "drop_marks",  # everything is written, nothing committed
    "look",  # everything is committed, nobody was told
)
_BYSTANDERS = 2
_PACE_SECONDS = 0.005
_STUCK_SECONDS = 120.0

Rows = list[dict[str, str]]


@dataclass
class Killed:
    """What came of it. `missed` counts pairs that a look at everything would still write or take back; `differences` name what the core does unlike."""

    kills: Counter[str] = field(default_factory=Counter)
    survived: int = 0
    events: int = 0
    lost: int = 0
    left: int = 0
    missed: int = 0
    deadlocks: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def as_it_must_be(self) -> bool:
        """Whether nothing is lost, missed or unlike."""
        return not (self.lost or self.missed or self.deadlocks or self.differences)

    def add(self, other: Killed) -> None:
        """Adds another town."""
        self.kills += other.kills
        self.survived += other.survived
        self.events += other.events
        self.lost += other.lost
        self.left += other.left
        self.missed += other.missed
        self.deadlocks += other.deadlocks
        self.differences += other.differences

    def told(self) -> str:
        """In words."""
        where = ", ".join(f"{point} {self.kills[point]}" for point in POINTS)
        unlike = "; ".join(self.differences) or "none"
        return (
            f"{self.kills.total()} kills ({where}), {self.survived} came through; {self.events} events, lost {self.lost}; {self.left} marks were left to redo; "
            f"missed pairs {self.missed}, deadlocks {self.deadlocks}, differences to the core's: {unlike}"
        )


class _DyingTransaction:
    """A transaction in which a call of one name is the last thing that this process does."""

    def __init__(self, tx: LedgerTransaction, point: str) -> None:
        self._tx = tx
        self._point = point

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._tx, name)
        if name != self._point:
            return found

        def last(*arguments: object, **named: object) -> None:
            found(*arguments, **named)
            self._tx.as_of()  # what was asked before is sent, and done, with what is fetched
            die()

        return last


class _DyingLedger(Ledger):
    """A ledger under which this process dies the first time that it comes to a point."""

    def __init__(self, settings: LedgerSettings, metrics: Metrics, *, point: str) -> None:
        super().__init__(settings, metrics)
        self._point = point

    @contextmanager
    def transaction(self, **named: Any) -> Iterator[LedgerTransaction]:
        with super().transaction(**named) as tx:
            yield tx
        if self._point == "evidence":
            die()

    @contextmanager
    def look(self, **named: Any) -> Iterator[LedgerTransaction]:
        with super().look(**named) as tx:
            yield cast("LedgerTransaction", _DyingTransaction(tx, self._point))
        if self._point == "look":
            die()


@contextmanager
def _story(dsn: str, model: str, *, point: str | None = None) -> Iterator[Story]:
    metrics = Metrics()
    settings = LedgerSettings(dsn=dsn, pool_max=2, connect_timeout_s=30)
    opened = Ledger(settings, metrics) if point is None else _DyingLedger(settings, metrics, point=point)
    with opened as ledger:
        yield Story(ledger, metrics, dsn=dsn, model_text=model)


def _ingest(story: Story, rows: Rows, *, partition: int, start: int) -> None:
    events = row_events(rows)
    story.flow.run(
        IngestBatch(
            group="kills",
            events=[(Position("events", partition, start + place), event) for place, event in enumerate(events)],
            payloads=[b""] * len(events),
            rejections=[],
            offsets=[OffsetMove(topic="events", partition=partition, start=start, end=start + len(events))],
        )
    )


def town(seed: int, *, events: int) -> Rows:
    """A small town of households in which nearly everybody is a candidate of somebody else."""
    options = GenerateOptions(people=events // 4, events=events, seed=seed, households_share=0.8, claims_per_person=2.8)
    rows = [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]
    return random.Random(seed).sample(rows, len(rows))


def model_of(seed: int) -> str:
    """The shipped model, or one whose limits nearly every household crosses."""
    return shipped() if seed % 3 == 0 else small_limits(max_block=3, max_component=6, generic=1)


def run_town(dsn: str, *, seed: int, victims: int, events: int = 300, redo: bool = True) -> Killed:
    """One town on an empty, migrated database. The caller holds no connection and runs no thread.

    Of four victims one redoes marks that the others left, the others take batches. Without `redo` nobody looks at what the dead have left: the town
    must then not be what it should, or these proofs prove nothing.
    """
    draw = random.Random(seed)
    model = model_of(seed)
    rows = town(seed, events=events)
    takers = [number for number in range(victims) if number % 4 != 3 or not redo]
    share = len(rows) // 2 // len(takers)
    batches = {number: rows[place * share : (place + 1) * share] for place, number in enumerate(takers)}
    others = rows[share * len(takers) :]
    progress = Progress()
    living = [
        fork(
            _living(
                dsn,
                model,
                others[number::_BYSTANDERS],
                progress=progress,
                partition=1_000 + number,
                redoes=redo and number == 1,
            )
        )
        for number in range(_BYSTANDERS)
    ]
    killed = Killed()
    try:
        for number in range(victims):
            point = draw.choice(POINTS if number in batches else POINTS[1:])
            if ended(fork(_victim(dsn, model, batches.get(number), partition=number, point=point))):
                killed.kills[point] += 1
            else:
                killed.survived += 1
            progress.value = (number + 1) / victims
        while living:
            if ended(living.pop()):
                raise RuntimeError("a worker that was to live was killed")
    finally:
        for pid in living:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    found = ask(lambda: _audit(dsn, model, rows, redo=redo))
    killed.events, killed.lost, killed.left, killed.missed = (
        found[name] for name in ("events", "lost", "left", "missed")
    )
    killed.differences = [f"town {seed}: {name}" for name in found["differences"]]
    killed.deadlocks = ask(lambda: deadlocks(dsn))
    return killed


def _victim(dsn: str, model: str, rows: Rows | None, *, partition: int, point: str) -> Callable[[], None]:
    def work() -> None:
        with _story(dsn, model, point=point) as story:
            if rows is None:
                story.flow.redo(50)
            else:
                _ingest(story, rows, partition=partition, start=0)

    return work


def _living(
    dsn: str, model: str, rows: Rows, *, progress: Progress, partition: int, redoes: bool
) -> Callable[[], None]:
    """A worker that takes its events as fast as the victims die, so that it is there with all of them."""

    def work() -> None:
        draw = random.Random(partition)
        deadline = time.monotonic() + _STUCK_SECONDS
        with _story(dsn, model) as story:
            at = 0
            while at < len(rows):
                while at / len(rows) > progress.value + 0.02:
                    if time.monotonic() > deadline:
                        raise TimeoutError("the victims do not go on")
                    time.sleep(_PACE_SECONDS)
                part = rows[at : at + draw.randint(1, 4)]
                _ingest(story, part, partition=partition, start=at)
                at += len(part)
                if redoes and draw.random() < 0.2:
                    story.flow.redo(20)

    return work


def _audit(dsn: str, model: str, rows: Rows, *, redo: bool) -> Mapping[str, object]:
    """A fresh worker redoes what is left, then everything is compared."""
    with _story(dsn, model) as story:
        left = story.ledger.counts().dirty_marks
        if redo:
            drained(story)
        missed = _missed(story)
        found, expected = of_ledger(story), of_core(row_events(rows), story.matcher)
        taken = story.ledger.counts().inbox
    return {
        "events": taken,
        "lost": len({(row["source"], row["event_id"]) for row in rows}) - taken,
        "left": left,
        "missed": missed,
        "differences": [
            name
            for name in ("clusters", "contenders", "reviews", "households")
            if getattr(found, name) != getattr(expected, name)
        ],
    }


def _missed(story: Story) -> int:
    """Pairs that a look at every record would write or take back."""
    record_ids: Sequence[int] = [
        record_id for (record_id,) in story.rows("SELECT record_id FROM record WHERE sightings > 0")
    ]
    matcher = story.matcher
    with story.ledger.look(preview=True) as tx:
        model_id = tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)
        verdict = judge(tx, matcher, Candidacy.ask(tx, record_ids), model_id=model_id, metrics=story.metrics)
    return len(verdict.changed) + len(verdict.gone)
