"""Stewards' operations: what they say becomes evidence, and a look makes profiles of it as of any other evidence.

Two steps, as for events. First one transaction takes the request id, plans under locks (`flows.statements`, `flows.reverting`), and writes
assertions, retractions and a mark on every record they are about. Then a look works these marks off, and the answer is kept with the
operation. A crash in between loses nothing: the marks are worked off by redo, and a repeat of the request finds the operation without an
answer, finishes the look if it must, and answers from the journal. An answer is kept once nothing of the operation waits for a look; until then
each caller is told that it is provisional.

Marks lie on both records of every assertion, so that a look at either side's component that does not know of it yet cannot be the last one there.

A preview does both steps in one transaction and rolls it back, so that it differs from the real thing in nothing but versions and ids, or
says that it is provisional: where a phone turns out to have changed hands, it leaves that to a look that may own the evidence. It locks
what it looks at once, in record order and before it writes, so that it never waits for a record while it holds a higher one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from math import inf
from time import monotonic
from typing import TypeVar
from uuid import UUID

from goldthread.domain.errors import (
    InvalidArgumentError,
    LedgerFaultError,
    RequestIdConflictError,
    StaleReviewError,
    StewardError,
    TransientError,
    UnknownIdError,
)
from goldthread.domain.steward import (
    AnswerReview,
    AssertRecords,
    ChangedProfile,
    Confirmation,
    ConfirmationOutcome,
    DecideReview,
    JournalPage,
    JournalView,
    MergeProfiles,
    OperationResult,
    RevertEntry,
    RevertOperation,
    ReviewPage,
    ReviewPlace,
    SplitProfile,
    StewardAction,
    StewardRequest,
    kind_of,
)
from goldthread.flows.assertions import Bases
from goldthread.flows.bounded_work import BoundedWork
from goldthread.flows.look import Looker
from goldthread.flows.looked import Look
from goldthread.flows.retry import Retry
from goldthread.flows.reverting import revert_entry, revert_operation
from goldthread.flows.statements import (
    Statement,
    answer_review,
    assert_records,
    claim_review,
    decide_review,
    merge_profiles,
    split_profile,
)
from goldthread.flows.steward_pages import journal_page, review_page
from goldthread.ledger import (
    Ledger,
    LedgerTransaction,
    NewAssertion,
    NewMark,
    NewOperation,
    Step,
)
from goldthread.matching import Matcher
from goldthread.telemetry.metrics import Metrics
from goldthread.wire import encode_operation, operation_from_bytes

__all__ = ["StewardFlow"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Begun:
    """An operation that is durable: the marks that wait for its look, and its answer if it was given before."""

    operation_id: UUID
    marks: list[int]
    already_gone: bool
    answer: bytes | None = None


class StewardFlow:
    """Answers `StewardService`. Blocking: call it from a bounded executor. Safe to call from several threads.

    `grace_seconds` is how long marks are left to whoever began the operation before redo takes them.
    """

    def __init__(
        self,
        *,
        ledger: Ledger,
        matcher: Matcher,
        looker: Looker,
        retry: Retry,
        metrics: Metrics,
        new_id: Callable[[], UUID],
        grace_seconds: float = 5.0,
    ) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._looker = looker
        self._retry = retry
        self._metrics = metrics
        self._new_id = new_id
        self._grace_seconds = grace_seconds
        self._reads = BoundedWork(ledger=ledger, retry=retry, operation="steward_read")
        # What is no operation: it changes no profile.
        self._writes = BoundedWork(ledger=ledger, retry=retry, operation="steward")

    def operate(self, action: StewardAction, request: StewardRequest, *, seconds: float = inf) -> OperationResult:
        """Does what the steward asks, once per request id; durable when it returns, unless it is a preview. `seconds`: how long the caller waits.

        Raises `StewardError`s and `InvalidArgumentError` with nothing done, and `LedgerUnavailableError`, after which it may be durable.
        """
        operations = self._metrics.steward_operations
        kind = kind_of(request)
        try:
            result, outcome = self._operate(action, request, monotonic() + seconds)
        except (StewardError, InvalidArgumentError):
            operations.labels(kind, "refused").inc()
            raise
        except TransientError:
            operations.labels(kind, "failed").inc()
            raise
        operations.labels(kind, outcome).inc()
        return result

    def reviews(
        self,
        *,
        size: int,
        after: ReviewPlace | None,
        by_value: bool = False,
        claimant: str = "",
        seconds: float = inf,
    ) -> ReviewPage:
        """A page of open reviews, strongest or most valuable first, after a place; without those that others than a claimant have."""
        return self._reads.read(
            lambda tx: review_page(tx, self._matcher, size=size, after=after, by_value=by_value, claimant=claimant),
            seconds,
        )

    def claim(self, review_id: int, *, actor: str, lease_seconds: int, seconds: float = inf) -> datetime:
        """Claims an open review, or holds it longer; until when. Raises `UnknownIdError`, `StaleReviewError`, `ReviewClaimedError`."""
        return self._writes.write(
            lambda tx: claim_review(tx, review_id, actor=actor, lease_seconds=lease_seconds), seconds
        )

    def release(self, review_id: int, *, actor: str, seconds: float = inf) -> None:
        """Gives a review back, if this is who has it."""
        self._writes.write(lambda tx: tx.release_review(review_id, actor=actor), seconds)

    def entry(self, version: int, *, seconds: float = inf) -> JournalView:
        """The journal entry that made a version. Raises `UnknownIdError`."""
        found = self._reads.read(lambda tx: tx.journal_entry(version), seconds)
        if found is None:
            raise UnknownIdError("version")
        return found

    def entries(self, profile_id: UUID, *, size: int, before: int | None, seconds: float = inf) -> JournalPage:
        """A page of the journal of the profile that an id stands for, and of the id itself, latest first. Raises `UnknownIdError`.

        It ends at about 1 MiB, but holds one entry at least.
        """
        return self._reads.read(lambda tx: journal_page(tx, profile_id, size=size, before=before), seconds)

    def confirm(
        self, confirmation: Confirmation, *, source: str, event_id: str, seconds: float = inf
    ) -> ConfirmationOutcome:
        """Makes evidence of what a customer answered along with an event, once per event. Raises `RequestIdConflictError` for another answer."""
        action = StewardAction(
            request_id=_confirmation_id(source, event_id),
            actor=confirmation.actor,
            actor_rank=0,
            reason="the customer's answer at the register",
        )
        request = AnswerReview(review_id=confirmation.review_id, same=confirmation.same)
        try:
            self.operate(action, request, seconds=seconds)
        except (StaleReviewError, UnknownIdError):
            return ConfirmationOutcome.SETTLED
        return ConfirmationOutcome.RECORDED

    def _operate(self, action: StewardAction, request: StewardRequest, until: float) -> tuple[OperationResult, str]:
        def left() -> float:
            return until - monotonic()

        def attempt(work: Callable[[], T]) -> T:
            return self._retry.call("steward", work, seconds_left=left)

        if action.preview:
            return attempt(lambda: self._preview(action, request, left())), "preview"
        begun = attempt(lambda: self._begin(action, request, left()))
        if begun.answer is not None:
            return operation_from_bytes(begun.answer), "repeated"
        look = self._looker.look(begun.marks, seconds_left=left)
        result = attempt(lambda: self._conclude(begun, look, left()))
        return result, "deferred" if result.provisional else "done"

    def _begin(self, action: StewardAction, request: StewardRequest, seconds: float) -> _Begun:
        operation = self._operation(action, request, request_id=action.request_id)
        with self._ledger.transaction(seconds=seconds) as tx:
            tx.limit_statements(seconds)
            tx.share_evidence()
            # Before any other lock: of two callers with one request id the second must not judge what the first has changed.
            if tx.begin_operation(operation):
                self._check_model(tx)
                return self._say(tx, operation, action, _plan(tx, action, request))
            done = tx.operation_of_request(action.request_id)
            if done is None:
                raise LedgerFaultError("an operation was there and is gone")
            if done.request_sha256 != operation.request_sha256:
                raise RequestIdConflictError
            gone = isinstance(request, RevertEntry | RevertOperation) and not tx.has_said(done.operation_id)
            return _Begun(done.operation_id, tx.operation_marks(done.operation_id), gone, done.answer)

    def _preview(self, action: StewardAction, request: StewardRequest, seconds: float) -> OperationResult:
        with self._ledger.look(preview=True, seconds=seconds) as tx:
            tx.limit_statements(seconds)
            tx.share_evidence()
            operation = self._operation(action, request, request_id=None)
            tx.begin_operation(operation)
            self._check_model(tx)
            statement = _plan(tx, action, request)
            most = self._looker.inline_records
            concerned = tx.closure(statement.records, most=most)
            whole = len(concerned) <= most
            if whole:
                tx.lock_members(concerned)
            begun = self._say(tx, operation, action, statement)
            look = self._looker.attempt(tx, begun.marks) if whole else Look(deferred=len(begun.marks))
            result = _result(tx, begun, look, provisional=look.deferred > 0, ledger_version=0)
        return replace(
            result, operation_id=None, changed=tuple(replace(profile, version=0) for profile in result.changed)
        )

    def _conclude(self, begun: _Begun, look: Look, seconds: float) -> OperationResult:
        """Answers, and keeps the answer if it is final, unless somebody who repeated the request was faster."""
        with self._ledger.transaction(seconds=seconds) as tx:
            tx.limit_statements(seconds)
            waiting = bool(tx.operation_marks(begun.operation_id))
            # After the marks, in a snapshot of its own: so it holds the commit of whoever worked them off.
            stamp = tx.stamp()
            result = _result(tx, begun, look, provisional=waiting, ledger_version=stamp)
            if waiting:
                return result
            return operation_from_bytes(tx.keep_answer(begun.operation_id, encode_operation(result)))

    def _check_model(self, tx: LedgerTransaction) -> None:
        """Raises `ModelFileError` if another model is in use: a look would refuse the operation once it is durable."""
        matcher = self._matcher
        tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)

    def _operation(self, action: StewardAction, request: StewardRequest, *, request_id: str | None) -> NewOperation:
        operation_id = self._new_id()
        return NewOperation(
            operation_id=operation_id,
            request_id=f"preview {operation_id}" if request_id is None else request_id,
            request_sha256=_digest(action, request),
            kind=kind_of(request),
            actor=action.actor,
            actor_rank=action.actor_rank,
            reason=action.reason,
            reverts_version=request.entry_version if isinstance(request, RevertEntry) else None,
        )

    def _say(
        self, tx: LedgerTransaction, operation: NewOperation, action: StewardAction, statement: Statement
    ) -> _Begun:
        tx.insert_assertions(operation.operation_id, _assertions(tx, statement, action))
        tx.retract_assertions(operation.operation_id, statement.retracted)
        marks = tx.leave_marks(
            [NewMark(record_id, Step.PLACE) for record_id in statement.records],
            cause=operation.kind,
            actor=operation.actor,
            operation_id=operation.operation_id,
            grace=self._grace_seconds,
        )()
        return _Begun(operation.operation_id, marks, statement.already_gone)


def _plan(tx: LedgerTransaction, action: StewardAction, request: StewardRequest) -> Statement:
    lock = not action.preview
    match request:
        case DecideReview() | AnswerReview():
            return _reviewed(tx, action, request, lock=lock)
        case AssertRecords():
            return assert_records(tx, request, lock=lock)
        case MergeProfiles():
            return merge_profiles(tx, request, lock=lock)
        case SplitProfile():
            return split_profile(tx, request, lock=lock)
        case RevertEntry():
            return revert_entry(tx, request.entry_version, rank=action.actor_rank, lock=lock)
        case RevertOperation():
            return revert_operation(tx, request.operation_id, rank=action.actor_rank, lock=lock)


def _reviewed(
    tx: LedgerTransaction, action: StewardAction, request: DecideReview | AnswerReview, *, lock: bool
) -> Statement:
    if isinstance(request, DecideReview):
        return decide_review(tx, request, actor=action.actor, lock=lock)
    return answer_review(tx, request, lock=lock)


def _confirmation_id(source: str, event_id: str) -> str:
    """The request id of an event's confirmation: a digest, since both names may be as long as a request id."""
    named = json.dumps([source, event_id]).encode()
    return f"confirmation {hashlib.sha256(named).hexdigest()}"


def _assertions(tx: LedgerTransaction, statement: Statement, action: StewardAction) -> list[NewAssertion]:
    """What is said, at the steward's rank and on the evidence as it is; what is said again, as it was said before."""
    news = statement.said.keys() - statement.again.keys()
    bases = _bases(tx, news) if action.expire_on_change else {}
    said = [
        NewAssertion(low, high, statement.said[low, high], action.actor_rank, bases.get((low, high)))
        for low, high in news
    ]
    said += [
        NewAssertion(pair.low, pair.high, pair.same, pair.actor_rank, pair.basis) for pair in statement.again.values()
    ]
    return said


def _outranked(tx: LedgerTransaction, operation_id: UUID) -> int:
    """How many of an operation's assertions give way to a higher rank; one that is void stands against nobody."""
    against = tx.outranking(operation_id)
    bases = _bases(tx, {pair for pair, basis in against if basis is not None})
    return len({pair for pair, basis in against if basis is None or basis == bases[pair]})


def _bases(tx: LedgerTransaction, said: Iterable[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """What each pair rests on now; the places of its records are locked, so no look changes it before this is committed."""
    asked = list(said)
    if not asked:
        return {}
    kept = tx.ask_pairs_of({record_id for pair in asked for record_id in pair})()
    addresses = tx.addresses_of({record_id for pair in kept for record_id in pair})
    bases = Bases(((low, high, state.score) for (low, high), state in kept.items()), addresses)
    return {(low, high): bases.of(low, high) for low, high in asked}


def _result(
    tx: LedgerTransaction, begun: _Begun, look: Look, *, provisional: bool, ledger_version: int
) -> OperationResult:
    """What came of an operation: by the journal, whoever looked, and by the look where it knows more."""
    changed = {profile.profile_id: profile for profile in tx.changed_by(begun.operation_id)}
    for row in look.changed:
        changed[row.profile_id] = ChangedProfile(
            profile_id=row.profile_id,
            version=row.version,
            live=row.live,
            record_ids=row.members,
            successor_ids=look.successors.get(row.profile_id, ()),
        )
    return OperationResult(
        operation_id=begun.operation_id,
        changed=tuple(changed[profile_id] for profile_id in sorted(changed)),
        reviews_opened=look.reviews_opened,
        reviews_closed=look.reviews_closed,
        provisional=provisional,
        ledger_version=ledger_version,
        outranked=_outranked(tx, begun.operation_id),
        already_gone=begun.already_gone,
    )


def _digest(action: StewardAction, request: StewardRequest) -> bytes:
    """SHA-256 of what is asked, by whom and why; neither the request id nor preview is part of it."""
    asked = [kind_of(request), action.actor, action.actor_rank, action.reason, action.expire_on_change, asdict(request)]
    return hashlib.sha256(json.dumps(asked, default=str, sort_keys=True).encode()).digest()
