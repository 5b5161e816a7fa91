"""Looks: what the marked records' evidence makes of pairs, components and profiles.

A look is one transaction over one snapshot (REPEATABLE READ). It reads everything first: the marks, candidates under the key states as they are,
their scores, the pairs that differ, and the whole components around all of that. Then it locks the membership rows of every record it will
decide about, in record order, and writes. Two looks that concern one component meet at a row that the first of them has changed
(`count_looks`, `move_records`), and the second, whose snapshot is older, fails and is tried again on a fresh one. So what a look writes is a
function of one state of the ledger that was still the last when it was written.

Why no pair is missed, whoever dies when, is ADR 0010. In short: evidence is committed together with its mark; a mark goes only in the
transaction of a look whose snapshot holds it; of two candidates, the one whose mark was committed last has a look that sees both.

Nobody but looks writes pairs and profiles, and whoever took the events need not be the one who looks: marks that are left over, because their
worker died, lost too many races, or would have held up intake, are redone by anybody.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date
from math import inf
from time import monotonic

from goldthread.domain.errors import (
    GoldthreadError,
    LedgerUnavailableError,
    ModelFileError,
    SchemaVersionError,
    SettingsError,
    SurvivorshipFileError,
    TransientError,
)
from goldthread.domain.ids import BirthIds
from goldthread.domain.words import ChangeCause
from goldthread.flows.changes import queue_changes
from goldthread.flows.components import Placement, Settlement, place, settle
from goldthread.flows.epochs import HandOverError, HungAnew, hand_over, hang_anew, outdated
from goldthread.flows.keys import OverusedError, close_by_use, close_overused, overused_by
from goldthread.flows.looked import BeatenError, Look, OversizedError, RestlessError
from goldthread.flows.retry import Retry
from goldthread.flows.verdict import Candidacy, judge
from goldthread.ledger import Ledger, LedgerTransaction, NewMark, Step
from goldthread.matching import Matcher
from goldthread.telemetry.logs import get_logger
from goldthread.telemetry.metrics import Metrics

__all__ = ["INLINE_RECORDS", "Looker"]

_log = get_logger(__name__)

INLINE_RECORDS = 20_000
"""Looks whose components together hold more records than this are left to redo, so that intake goes on."""

_MARKS = 2_000  # in one transaction, as a full batch leaves them: bounds how long it runs and what a lost race costs
_IDLE_ROUNDS = 5  # of one look, in which keys were to be closed or phones hung anew and others had done it: enough unless they go on at it
_ROUNDS = 100  # of one look, whatever they did: a hand-over concerns other phones of its carriers, of which more may have changed hands
_HAND_OVER_SECONDS = 1.0  # a caller with less time leaves to redo what keeps all others from the evidence
_RESTLESS = "keys change faster than they can be looked at"
_FATAL = (ModelFileError, SchemaVersionError, SettingsError, SurvivorshipFileError)  # this worker must not go on
_WIDE_TRIES = 3  # of a look at several marks, before it is parted; each half has one, and a single mark as many as any work: what is narrower meets less
_PARTING_SECONDS = 4.0  # after its first failure a look has so long for its parts; then about the time has come at which redo takes the marks
_LOST = frozenset({"23505", "40001", "40P01"})  # SQLSTATEs of a look that met another one
_WAITED = "55P03"  # waited for another one as long as it may
_REDO_SECONDS = (1.0, 300.0)  # first wait of a mark whose look failed, and the longest


@dataclass(frozen=True, slots=True)
class _Done:
    settlement: Settlement
    marks: frozenset[int]
    compared: int
    kept: int


class Looker:
    """Looks at marked records with one matcher. Safe to call from several threads. `uniform` draws from [0, 1).

    `grace_seconds`: how long the marks of a hand-over are left to the look that found it.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        matcher: Matcher,
        birth_ids: BirthIds,
        retry: Retry,
        metrics: Metrics,
        uniform: Callable[[], float],
        inline_records: int = INLINE_RECORDS,
        grace_seconds: float = 5.0,
    ) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._birth_ids = birth_ids
        self._retry = retry
        self._metrics = metrics
        self._uniform = uniform
        self._inline_records = inline_records
        self._grace_seconds = grace_seconds

    @property
    def inline_records(self) -> int:
        """Most records that one look concerns itself with; more are left to redo."""
        return self._inline_records

    def look(self, mark_ids: Sequence[int], *, seconds_left: Callable[[], float] = lambda: inf) -> Look:
        """Looks at the records of these marks; what cannot be done now is left to redo and counted as deferred.

        A look at several marks that others have beaten goes on in halves, for some seconds from then on. Raises only what must end this worker (another
        model is in use, say): the evidence is durable, and so are the marks.
        """
        report = Look()
        left = set(mark_ids)
        whole = deque(mark_ids[start : start + _MARKS] for start in range(0, len(mark_ids), _MARKS))
        halves: deque[Sequence[int]] = deque()
        until = inf

        def parts_left() -> float:
            return min(seconds_left(), until - monotonic())

        while whole or halves:
            if halves and parts_left() <= 0:
                self._failed(
                    LedgerUnavailableError("no time is left to part a look"),
                    marks=sum(map(len, halves)),
                    outcome="deferred",
                )
                halves.clear()
                continue
            # Whom nobody has beaten goes first.
            parted = not whole
            asked = list(halves.popleft() if parted else whole.popleft())
            try:
                done = self._run(
                    asked,
                    most=self._inline_records,
                    operation="look",
                    seconds_left=parts_left if parted else seconds_left,
                    tries=1 if parted else _WIDE_TRIES,
                )
            except _FATAL:
                raise
            except Exception as error:  # noqa: BLE001 (the evidence is in, and one bad look must not stop intake)
                until = min(until, monotonic() + min(_PARTING_SECONDS, seconds_left() / 2))
                if isinstance(error, BeatenError) and parts_left() > 0:
                    halves += _halves(asked)
                    self._metrics.looks.labels("parted").inc()
                else:
                    self._failed(error, marks=len(asked), outcome="deferred")
                continue
            if done is not None:
                report.add(done.settlement, len(done.marks))
                left -= done.marks
        # Somebody else holds or held those of the rest that did not fail. What hand-overs marked on the way is not counted.
        report.deferred = len(left)
        return report

    def attempt(self, tx: LedgerTransaction, mark_ids: Sequence[int], *, hang: bool = False) -> Look:
        """Does the same inside an open look, for previews: all of it or an error that a retry may cure.

        What a look would leave to redo for its size is left here as well, and counted as deferred; so is everything where phones turn out to
        have changed hands, unless `hang` says that their events are to be hung anew, by a transaction that shares the evidence.
        """
        report, asked = Look(), list(mark_ids)
        for _ in range(_ROUNDS):
            try:
                done = self._attempt(tx, asked, most=self._inline_records, early=False)
            except OverusedError as error:
                with tx.without_waiting():
                    changes = close_overused(tx, error.token_ids)
                marks = [NewMark(record_id, Step.JUDGE) for record_id in changes.carriers]
            except HandOverError as error:
                if not hang:
                    report.deferred += len(mark_ids)
                    return report
                with tx.without_waiting():
                    hung = hang_anew(tx, self._matcher, self._birth_ids, error.token_ids)
                report.made |= hung.made
                marks = hung.marks
            except OversizedError:
                report.deferred += len(mark_ids)
                return report
            else:
                if done is not None:
                    report.add(done.settlement, len(done.marks))
                return report
            asked += tx.leave_marks(marks, cause=ChangeCause.REDO, actor="preview")()
        raise RestlessError(_RESTLESS)

    def redo(self, limit: int) -> int:
        """Works off up to `limit` marks that are due and returns how many; marks whose look fails are put behind the others.

        Raises `LedgerUnavailableError` if the ledger cannot be asked at all.
        """
        with self._ledger.transaction() as tx:
            due = tx.due_marks(limit)
        done = self._redo(due) if due else 0
        self.pending()
        return done

    def pending(self) -> int:
        """Marks that wait for a look, counted up to 100,000; due or not. Tells the metrics as well."""
        with self._ledger.transaction() as tx:
            left, age = tx.pending_marks()
        self._metrics.dirty_marks.set(left)
        self._metrics.redo_lag_seconds.set(age)
        return left

    def _redo(self, mark_ids: Sequence[int]) -> int:
        """Halves what fails, so that one mark that cannot be looked at holds up no other."""
        try:
            tries = _WIDE_TRIES if len(mark_ids) > 1 else None
            done = self._run(list(mark_ids), most=self._inline_records, operation="redo", tries=tries)
        except _FATAL:
            raise
        except OversizedError:
            if len(mark_ids) > 1:  # halves would meet the same component again and again
                return sum(self._redo([mark_id]) for mark_id in mark_ids)
            return self._redo_whole(mark_ids[0])
        except RestlessError as error:
            return self._push_back(mark_ids, error)
        except LedgerUnavailableError as error:
            if not error.metadata.get("sqlstate"):
                # Nobody answers: no mark is to blame, and to ask for each alone would take the worker's time and change nothing.
                raise
            return self._redo_halves(mark_ids, error)
        except Exception as error:  # noqa: BLE001 (whatever it is, it must not come back first after a restart)
            return self._redo_halves(mark_ids, error)
        return 0 if done is None else len(done.marks)

    def _redo_halves(self, mark_ids: Sequence[int], error: Exception) -> int:
        if len(mark_ids) == 1:
            return self._push_back(mark_ids, error)
        return sum(map(self._redo, _halves(mark_ids)))

    def _redo_whole(self, mark_id: int) -> int:
        """One look at a component of any size, for all its marks at once."""
        mark_ids = [mark_id]
        try:
            with self._ledger.transaction() as tx:
                mark_ids = tx.marks_of_component(mark_id)
            done = self._run(list(mark_ids), most=None, operation="redo") if mark_ids else None
        except _FATAL:
            raise
        except Exception as error:  # noqa: BLE001 (as above)
            return self._push_back(mark_ids, error)
        return 0 if done is None else len(done.marks)

    def _push_back(self, mark_ids: Sequence[int], error: Exception) -> int:
        base, most = _REDO_SECONDS
        with self._ledger.transaction() as tx:
            tx.push_marks_back(mark_ids, base=base, most=most, jitter=0.5 + 0.5 * self._uniform())
        self._failed(error, marks=len(mark_ids), outcome="failed")
        return 0

    def _failed(self, error: BaseException, *, marks: int, outcome: str) -> None:
        """Tells of a look that did not come about; one for a reason that no retry cures counts as broken."""
        expected = isinstance(error, TransientError | OversizedError | BeatenError)
        self._metrics.looks.labels(outcome if expected else "broken").inc()
        if isinstance(error, BeatenError) and error.__cause__ is not None:
            error = error.__cause__
        reason = error.reason if isinstance(error, GoldthreadError) else type(error).__name__
        log = _log.info if expected and outcome == "deferred" else _log.warning
        log("look_failed", outcome=outcome, reason=reason, marks=marks)

    def _run(
        self,
        asked: list[int],
        *,
        most: int | None,
        operation: str,
        seconds_left: Callable[[], float] = lambda: inf,
        tries: int | None = None,
    ) -> _Done | None:
        """One look, tried again on a fresh snapshot where it lost a race; None if none of the marks was to be had.

        What hand-overs mark on the way is added to what is `asked` for. With `tries` a look at several marks ends with `BeatenError` once it was beaten
        so often, or has waited for another one as long as it may.
        """
        beaten = 0

        def work() -> _Done | None:
            nonlocal beaten
            seconds = seconds_left()
            try:
                with self._metrics.stage("look"), self._ledger.look(seconds=seconds) as tx:
                    tx.limit_statements(seconds)
                    return self._attempt(tx, asked, most=most, early=True)
            except LedgerUnavailableError as error:
                sqlstate = error.metadata.get("sqlstate")
                beaten += sqlstate in _LOST
                if tries is not None and len(asked) > 1 and (beaten >= tries or sqlstate == _WAITED):
                    raise BeatenError from error
                raise

        idle = 0
        for _ in range(_ROUNDS):
            try:
                done = self._retry.call(operation, work, seconds_left=seconds_left)
                break
            except OverusedError as error:
                idle += not self._close(error.uses)
            except HandOverError as error:
                phones, marks = self._hand_over(error.token_ids, seconds_left)
                asked += marks
                idle += not phones
            if idle >= _IDLE_ROUNDS:
                raise RestlessError(_RESTLESS)
        else:
            raise RestlessError(_RESTLESS)
        if done is not None:
            done.settlement.count(self._metrics)
            self._metrics.pairs.labels("kept").inc(done.kept)
            self._metrics.pairs.labels("dropped").inc(done.compared - done.kept)
            self._metrics.looks.labels("done").inc()
        return done

    def _close(self, uses: frozenset[tuple[int, date]]) -> int:
        """Closes identifiers that were used too much, as evidence of its own; gives how many."""
        changes = self._retry.call("overused", lambda: close_by_use(self._ledger, self._matcher, uses))
        changes.count(self._metrics)
        return changes.closed.total()

    def _hand_over(self, token_ids: Collection[int], seconds_left: Callable[[], float]) -> tuple[int, list[int]]:
        """Hangs the events of phones anew that changed hands; gives how many phones that were, and the marks left."""

        def work() -> tuple[HungAnew, list[int]]:
            if (seconds := seconds_left()) < _HAND_OVER_SECONDS:
                raise LedgerUnavailableError("too little time is left to hang events anew")
            return hand_over(
                self._ledger, self._matcher, self._birth_ids, token_ids, seconds=seconds, grace=self._grace_seconds
            )

        done, marks = self._retry.call("hand_over", work, seconds_left=seconds_left)
        self._metrics.hand_overs.inc(done.phones)
        done.keys.count(self._metrics)
        return done.phones, marks

    def _attempt(
        self, tx: LedgerTransaction, mark_ids: Sequence[int], *, most: int | None, early: bool
    ) -> _Done | None:
        matcher, metrics = self._matcher, self._metrics
        held = tx.ask_marks(mark_ids)
        in_use = tx.ask_model_in_use(
            version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text
        )
        marks = held()
        if not marks:
            return None
        model_id, survivorship = in_use()
        uses = frozenset((mark.record_id, mark.used_on) for mark in marks if mark.used_on is not None)
        marked = {mark.record_id for mark in marks}
        deep = {mark.record_id for mark in marks if mark.step > Step.SUM}
        overuse, phones = overused_by(tx, matcher, uses), tx.ask_phones(record_ids=marked)
        candidacy = Candidacy.ask(tx, {mark.record_id for mark in marks if mark.step is Step.JUDGE})
        # Without pairs to look into it is known whose places to lock; but a transaction that goes on after what is raised here would lock others later.
        locked = tx.ask_members(marked) if early and not deep else None
        if overused := overuse():
            raise OverusedError(uses, overused)
        if handed_over := outdated(matcher, phones()):
            raise HandOverError(handed_over.keys())
        with metrics.stage("evidence"):
            verdict = judge(tx, matcher, candidacy, model_id=model_id, metrics=metrics)
            # Both ends of every pair to write are in it, so no pair to write can reach beyond it.
            members = tx.closure(deep | verdict.ends, most=most)
            if most is not None and len(members) > most:
                raise OversizedError
            outside = marked.difference(members)
            locked = locked or tx.ask_members({*members, *outside})
            verdict.write(tx, model_id=model_id)
            component = tx.ask_component(members, known=verdict.rows) if members else None
            # An operation's assertions count from its commit on, whoever looks first: what they move is still its doing.
            operations, now = tx.ask_operation_marks(members), tx.ask_as_of()
            profiles = locked()
        summed = {record_id: home for record_id in outside if (home := profiles.get(record_id)) is not None}
        with metrics.stage("profiles"):
            placement = Placement() if component is None else place(matcher, component(), metrics=metrics)
            settlement = settle(
                tx,
                placement,
                marks=marks,
                operations=operations(),
                summed=summed,
                looked=marked | verdict.ends,
                model_id=model_id,
                survivorship=survivorship,
            )
            tx.drop_marks([mark.mark_id for mark in marks])
            as_of, began = now()
            queue_changes(tx, settlement, model_version=matcher.model_version, as_of=as_of, began=began)
        return _Done(settlement, frozenset(mark.mark_id for mark in marks), verdict.compared, verdict.kept)


def _halves(mark_ids: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    half = len(mark_ids) // 2
    return mark_ids[:half], mark_ids[half:]
