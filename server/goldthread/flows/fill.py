"""Filling an empty ledger: the batch engine makes everything, and one transaction copies it.

What is there afterwards is what one look at all events at once would have left: every profile with one entry in its journal and one change to publish.
These changes are the relay's to publish beside what happens next, not before it (`flows.relay`).

Phones that change hands are left to ordinary looks. Records that hang together with one that carries such a phone are copied with their evidence, and
with a mark each, as if the look at them were still to come; it comes before the fill is reported as done, and may be done by anybody.

A fill that is killed has done nothing. How far its files are taken stands in the ledger like that of any load (`flows.load`), in the same transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from threading import Event
from typing import Protocol

from goldthread.domain.policy import tier_of
from goldthread.domain.ports import ProfileChange
from goldthread.domain.words import ChangeCause, profile_public_id
from goldthread.files import ahead
from goldthread.flows.load import FILE_END, LOAD_GROUP
from goldthread.ledger import LedgerFill, LedgerTransaction, NewMark, Step
from goldthread.matching import Matcher
from goldthread.matching.holdings import HeldEvidence, HeldProfiles, Writing
from goldthread.matching.watch import Watch
from goldthread.wire import encode_change

__all__ = ["FillCounts", "FillFlow", "FillLedger", "FillProgress", "RedoStep"]

_REDO_MARKS = 1_000
_MARKS = 10_000
_EVENT_TABLES = (
    "inbox",
    "event_conflict",
    "purchase",
    "consent_event",
    "record",
    "token",
    "record_token",
    "token_name",
)
_PROFILE_TABLES = ("membership", "pair", "profile", "review", "household", "contender", "journal", "journal_link")

FillProgress = Callable[[str, int, int], None]
"""Told the step, how much of it is done, and of how much (0: unknown). May come from another thread."""


class FillLedger(Protocol):
    """What a fill needs of the ledger; blocking."""

    def is_empty(self) -> bool:
        """Whether nothing was ever taken."""
        ...

    def transaction(self) -> AbstractContextManager[LedgerTransaction]:
        """A transaction, for reading the policy."""
        ...

    def fill(self) -> AbstractContextManager[LedgerFill]:
        """The transaction that fills an empty ledger."""
        ...


class RedoStep(Protocol):
    """`flows.Looker`."""

    def redo(self, limit: int) -> int:
        """Works off up to `limit` marks that are due and returns how many."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FillCounts:
    """What a fill did. `looked_at`: records that were left to looks."""

    records: int
    profiles: int
    reviews: int
    pairs: int
    repeated: int
    lost: int
    looked_at: int


class FillFlow:
    """Fills empty ledgers with one matcher. One instance may be used by one thread; `executor` runs the batch engine beside the copying."""

    def __init__(
        self,
        *,
        ledger: FillLedger,
        matcher: Matcher,
        looker: RedoStep,
        currency: str,
        actor: str,
        executor: Executor,
    ) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._looker = looker
        self._currency = currency
        self._actor = actor
        self._executor = executor

    def possible(self) -> bool:
        """Whether the ledger is empty, and under the survivorship policy that the batch engine knows: the default one."""
        with self._ledger.transaction() as tx:
            default = tx.survivorship().is_default
        return default and self._ledger.is_empty()

    def run(self, evidence: HeldEvidence, topics: Collection[str], progress: FillProgress) -> FillCounts | None:
        """Copies what the rows of a load say, and what follows from it; `topics` name its files.

        None if the ledger is not empty any more, or is under another survivorship policy than the default one. Raises `ModelFileError`,
        `LedgerUnavailableError`. Those, like None, leave the ledger as it was.
        """
        gap = timedelta(days=self._matcher.phone_gap_days)
        changing = evidence.changing_hands(gap)
        watch: Watch = progress
        with self._ledger.fill() as tx:
            # Before it begins to clear the way; under the lock that whoever changes the policy takes as well.
            tx.own_evidence()
            if not tx.survivorship().is_default or not tx.begin():
                return None
            stopping = Event()
            working = self._executor.submit(evidence.profiles, changing, watch=watch, stopping=stopping)
            try:
                profiles = self._write(tx, evidence, working.result, topics, progress)
            finally:
                # Whatever ends this, Ctrl-C too, is not to wait for minutes of work that nobody wants any more.
                stopping.set()
        looked_at = len(profiles.held_back)
        done = 0
        while count := self._looker.redo(_REDO_MARKS):
            done += count
            progress("look", done, looked_at)
        return FillCounts(
            records=evidence.records,
            profiles=len(profiles),
            reviews=profiles.reviews,
            pairs=profiles.pairs,
            repeated=evidence.repeated,
            lost=evidence.lost,
            looked_at=looked_at,
        )

    def _write(
        self,
        tx: LedgerFill,
        evidence: HeldEvidence,
        profiles_made: Callable[[], HeldProfiles],
        topics: Collection[str],
        progress: FillProgress,
    ) -> HeldProfiles:
        matcher = self._matcher
        for topic in sorted(set(topics)):
            tx.reach(LOAD_GROUP, topic, FILE_END)
        model_id = tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)
        for place, table in enumerate(_EVENT_TABLES):
            progress("copy evidence", place, len(_EVENT_TABLES) + 1)
            rows = evidence.table(table, normalizer_version=matcher.normalizer_version, currency=self._currency)
            tx.copy(table, ahead(rows))
        blocks: list[bytes] = []
        tx.copy("record_block", ahead(_carried(evidence, blocks)))
        tx.copy("block", blocks)
        progress("copy evidence", len(_EVENT_TABLES) + 1, len(_EVENT_TABLES) + 1)
        profiles = profiles_made()
        [first_version] = tx.draw_versions(1)
        writing = Writing(cause=ChangeCause.EVENT, actor=self._actor, model_id=model_id, first_version=first_version)
        for place, table in enumerate(_PROFILE_TABLES):
            progress("copy profiles", place, len(_PROFILE_TABLES) + 1)
            tx.copy(table, ahead(profiles.table(table, writing)))
        as_of, began = tx.as_of()
        tx.copy("outbox_later", ahead(self._changes(profiles, first_version, as_of, began)))
        progress("copy profiles", len(_PROFILE_TABLES) + 1, len(_PROFILE_TABLES) + 1)
        self._mark(tx, evidence, profiles.held_back)
        last_version = first_version + max(0, len(profiles) - 1)
        for done, steps in tx.finish(records=evidence.records, tokens=evidence.tokens, version=last_version):
            progress("index", done, steps)
        return profiles

    def _changes(self, profiles: HeldProfiles, first_version: int, as_of: date, began: datetime) -> Iterator[bytes]:
        """What the relay is to tell when nothing newer waits: that every profile began."""
        for start, facts in profiles.facts():
            changes = [
                encode_change(
                    ProfileChange(
                        profile_id=profile_public_id(fact.profile_id),
                        version=first_version + start + place,
                        live=True,
                        successor_ids=(),
                        record_ids=tuple(map(str, fact.members)),
                        cause=ChangeCause.EVENT,
                        tier=tier_of(fact.totals, as_of),
                        totals=fact.totals,
                        model_version=self._matcher.model_version,
                    ),
                    began,
                )
                for place, fact in enumerate(facts)
            ]
            yield profiles.outbox(start, changes, first_version=first_version)

    def _mark(self, tx: LedgerFill, evidence: HeldEvidence, records: Collection[int]) -> None:
        """Leaves records to looks."""
        ordered = sorted(records)
        for start in range(0, len(ordered), _MARKS):
            marks = [
                NewMark(record + 1, Step.JUDGE, None, *evidence.first_event(record))
                for record in ordered[start : start + _MARKS]
            ]
            tx.leave_marks(marks, cause=ChangeCause.EVENT, actor=self._actor)


def _carried(evidence: HeldEvidence, blocks: list[bytes]) -> Iterator[bytes]:
    """Who carries which blocking key, rule by rule; adds the keys themselves to `blocks`."""
    for states, carried in evidence.blocks():
        blocks.append(states)
        yield from carried
