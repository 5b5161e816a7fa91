"""Resolve: events in, their golden profiles out, for several callers at once (group commit, ADR 0017).

As ingest does, the events are taken in one transaction and looked at in the next; a third one reads the answers. What a group does together it
does once, whatever its size. Each caller is answered for himself: bad input and conflicts are his alone, and a step that fails together, for a
reason that one of the group may be to blame for, is tried again in halves, down to single calls.

A preview does everything in one transaction and rolls it back, so it can differ from the real thing in nothing but that it shows one snapshot.
It stays alone: two in one transaction would see each other's evidence, which nobody else ever will.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Literal

from goldthread.domain.errors import (
    DeadlineExceededError,
    EventIdConflictError,
    InvalidArgumentError,
    LedgerUnavailableError,
    ModelFileError,
    SchemaVersionError,
    SettingsError,
    SurvivorshipFileError,
)
from goldthread.domain.ports import ResolveCall, ResolveResult
from goldthread.domain.words import ChangeCause, Event, IncomingEvent
from goldthread.flows.admission import Admission
from goldthread.flows.look import Looker
from goldthread.flows.retry import Retry
from goldthread.flows.standing import AskedEvent, MovedError, ask_answers, follow
from goldthread.flows.take import Taken, Taker, owning_if_needed
from goldthread.ledger import Ledger
from goldthread.matching import Matcher, Refusal
from goldthread.telemetry.metrics import Metrics

__all__ = ["ResolveFlow"]

_ANSWER_SECONDS = 0.25
_ANSWER_ROUNDS = 5
_FATAL = (ModelFileError, SchemaVersionError, SettingsError, SurvivorshipFileError)  # nobody's call is to blame


class _BlamedError(Exception):
    """A group failed for a reason that one of its calls may have."""


class _BusyError(LedgerUnavailableError):
    """A look was put off."""


@dataclass(slots=True, eq=False)
class _Member:
    """One call of a group. `outcome` is set once, and the call takes part in nothing after that."""

    event: Event
    until: float
    asked: AskedEvent | None = None
    record_id: int = 0
    outcome: ResolveResult | Exception | None = None

    def left(self) -> float:
        """Seconds that its caller still waits."""
        return self.until - monotonic()


class ResolveFlow:
    """Answers Resolve. Blocking: call it from a bounded executor. Safe to call from several threads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        matcher: Matcher,
        admission: Admission,
        taker: Taker,
        looker: Looker,
        retry: Retry,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._admission = admission
        self._taker = taker
        self._looker = looker
        self._retry = retry
        self._metrics = metrics

    def resolve(self, calls: Sequence[ResolveCall]) -> list[ResolveResult | Exception]:
        """Takes the events and answers each call, in their order, or says why not; an answered event is durable. No two calls name one event.

        Errors are `InvalidArgumentError` with every violation, `EventIdConflictError`, `LedgerUnavailableError`, and `DeadlineExceededError` for
        a call whose time was over while others of its group went on: its event may be durable all the same.
        """
        if len({(call.event.source, call.event.event_id) for call in calls}) < len(calls):
            raise ValueError("two calls of one group name the same event")
        outcomes: list[ResolveResult | Exception | _Member] = []
        for call, admitted in zip(calls, self._admit([call.event for call in calls]), strict=True):
            outcomes.append(admitted if isinstance(admitted, Exception) else _Member(admitted, call.until))
        members = [one for one in outcomes if isinstance(one, _Member)]
        marks: list[int] = []

        def take(some: Sequence[_Member], seconds: float) -> None:
            marks.extend(self._take(some, seconds))

        def look(some: Sequence[_Member], seconds: float) -> None:
            # Afterwards the marks on the events' own records tell what is left to look at.
            asked, marks[:] = marks[:], []
            self._look(some, asked, seconds)

        left = _left(members)
        self._step("take", members, take, seconds=left if len(members) == 1 else left / 2)
        # The events are in: some of the callers' time is kept for saying so, if the look cannot come about.
        left = _left(members)
        self._step("look", members, look, seconds=left - min(_ANSWER_SECONDS, left / 4))
        self._step("answer", members, self._answer, seconds=_left(members))
        return [_outcome(one) if isinstance(one, _Member) else one for one in outcomes]

    def check(self, event: IncomingEvent) -> None:
        """Raises `InvalidArgumentError` if the event is one that `resolve` refuses whatever the ledger holds."""
        [admitted] = self._admit([event])
        if isinstance(admitted, Exception):
            raise admitted

    def preview(self, event: IncomingEvent, *, seconds: float = inf) -> ResolveResult:
        """What Resolve would answer; writes nothing. `seconds` is how long the caller still waits. Raises what `resolve` gives."""
        [admitted] = self._admit([event])
        if isinstance(admitted, Exception):
            raise admitted
        valid = admitted
        until = monotonic() + seconds

        def left() -> float:
            return until - monotonic()

        return self._retry.call("resolve_preview", lambda: self._preview(valid, seconds=left()), seconds_left=left)

    def _admit(self, events: Sequence[IncomingEvent]) -> list[Event | InvalidArgumentError]:
        return [
            InvalidArgumentError(admitted.violations, detail_reason=admitted.reason.name)
            if isinstance(admitted, Refusal)
            else admitted
            for admitted in self._admission.admit(events, prefix="event.")
        ]

    def _step(
        self,
        step: Literal["take", "look", "answer"],
        members: Sequence[_Member],
        work: Callable[[Sequence[_Member], float], None],
        *,
        seconds: float,
    ) -> None:
        """Does a step for those members that have no outcome yet: together, or where that fails, in halves; an error that is left is their outcome.

        `work` is told how many seconds it has: half of what is left of `seconds`, unless nobody else waits for his turn. So one call that waits
        for somebody else's lock lets the others of its group go on, and halves that failed come after those that may not. A look that does not
        come about is no error: its marks stay for redo, and the answer will say so.
        """
        until = monotonic() + seconds
        queue = deque([members])
        while queue:
            some = _waiting(queue.popleft())
            if not some:
                continue
            alone = len(some) == 1
            bound = until if alone and not queue else (until + monotonic()) / 2
            try:
                self._attempts(step, work, some, bound)
            except _BlamedError:
                self._metrics.groups_split.labels(step).inc()
                half = len(some) // 2
                queue += (some[:half], some[half:])
            except Exception as error:  # noqa: BLE001 (whatever it is, it is these callers' answer, and nobody else's)
                if step == "look" and isinstance(error, LedgerUnavailableError):
                    continue
                for member in some:
                    member.outcome = error

    def _attempts(
        self, step: str, work: Callable[[Sequence[_Member], float], None], some: Sequence[_Member], bound: float
    ) -> None:
        """Tries a step for these members until it is done or the time is up; `_BlamedError` at once where one of several may be to blame."""

        def attempt() -> None:
            try:
                work(some, bound - monotonic())
            except Exception as error:
                if len(some) == 1 or isinstance(error, _FATAL) or _is_away(error):
                    raise
                raise _BlamedError from error

        self._retry.call(f"resolve_{step}", attempt, seconds_left=lambda: bound - monotonic())

    def _take(self, members: Sequence[_Member], seconds: float) -> list[int]:
        """Takes the members' events; gives the marks left."""

        def attempt(own: bool) -> Taken:
            with self._ledger.transaction(seconds=seconds) as tx:
                tx.limit_statements(seconds)
                events = [member.event for member in members]
                return self._taker.take(tx, events, cause=ChangeCause.RESOLVE, actor="resolve", own=own)

        taken = owning_if_needed(attempt)
        taken.count(self._metrics)
        lost = {id(event) for event in taken.conflicts}
        for member in members:
            key = (member.event.source, member.event.event_id)
            if id(member.event) in lost:
                member.outcome = EventIdConflictError(source=member.event.source, event_id=member.event.event_id)
            else:
                member.record_id = taken.records[key]
                member.asked = AskedEvent(member.event, taken.digests[key], key in taken.repeated, taken.records[key])
        return taken.marks()

    def _look(self, members: Sequence[_Member], mark_ids: Sequence[int], seconds: float) -> None:
        """Looks at these marks, or without any at those on the members' records. Raises where a look was put off, or somebody else is at it."""
        until = monotonic() + seconds
        if not mark_ids:
            with self._ledger.transaction(seconds=seconds) as tx:
                mark_ids = tx.marks_on([member.record_id for member in members])
        look = self._looker.look(mark_ids, seconds_left=lambda: until - monotonic())
        if look.deferred:
            raise _BusyError("the record is being looked at")

    def _answer(self, members: Sequence[_Member], seconds: float) -> None:
        until = monotonic() + seconds
        asked = [member.asked for member in members if member.asked is not None]
        for _ in range(_ANSWER_ROUNDS):
            with self._ledger.look(reading=True, seconds=until - monotonic()) as tx:
                tx.limit_statements(until - monotonic())
                answers = ask_answers(tx, self._matcher, asked)
            try:
                # Fetched with the end of the transaction, all of it in one go.
                found = answers()
                break
            except MovedError as error:
                asked = follow(asked, error)
        else:
            raise _BusyError("the events are being hung elsewhere")
        for member, outcome in zip(members, found, strict=True):
            member.outcome = outcome

    def _preview(self, event: Event, *, seconds: float) -> ResolveResult:
        def attempt(own: bool) -> ResolveResult:
            with self._ledger.look(preview=True, seconds=seconds) as tx:
                tx.limit_statements(seconds)
                taken = self._taker.take(tx, [event], cause=ChangeCause.RESOLVE, actor="resolve", own=own)
                key = (event.source, event.event_id)
                if taken.conflicts:
                    raise EventIdConflictError(source=event.source, event_id=event.event_id)
                look = self._looker.attempt(tx, taken.marks(), hang=True)
                made = look.made | ({taken.records[key]} if taken.new_records else set())
                asked = [AskedEvent(event, taken.digests[key], key in taken.repeated, taken.records[key])]
                try:
                    [found] = ask_answers(tx, self._matcher, asked, made=made)()
                except MovedError as error:
                    [found] = ask_answers(tx, self._matcher, follow(asked, error), made=made)()
            if isinstance(found, EventIdConflictError):
                raise found
            return found

        return owning_if_needed(attempt)


def _waiting(members: Sequence[_Member]) -> list[_Member]:
    """Those that are still to be answered; of several, those whose time is over are told so. A single one has the ledger say it."""
    if len(members) > 1:
        for member in members:
            if member.outcome is None and member.left() <= 0:
                member.outcome = DeadlineExceededError("the time for this call is over")
    return [member for member in members if member.outcome is None]


def _left(members: Sequence[_Member]) -> float:
    """Seconds that the most patient of those still waits who have no outcome yet."""
    return max((member.left() for member in members if member.outcome is None), default=0.0)


def _is_away(error: Exception) -> bool:
    """Whether the ledger did not answer at all, or had no connection to spare: no call is to blame for that."""
    if not isinstance(error, LedgerUnavailableError) or isinstance(error, _BusyError):
        return False
    return not error.metadata.get("sqlstate")


def _outcome(member: _Member) -> ResolveResult | Exception:
    assert member.outcome is not None
    return member.outcome
