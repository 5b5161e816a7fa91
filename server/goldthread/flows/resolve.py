"""Resolve: one event in, its golden profile out.

As ingest does, the event is taken in one transaction and looked at in the next. A preview does both in one transaction and rolls it back, so it
can differ from the real thing in nothing but that it shows one snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic

from goldthread.domain.errors import EventIdConflictError, InvalidArgumentError, LedgerUnavailableError
from goldthread.domain.ports import ContributionBits, PairEvidence, ResolveResult
from goldthread.domain.words import ChangeCause, Decision, Event, IncomingEvent, profile_public_id
from goldthread.flows.admission import Admission
from goldthread.flows.look import Looker
from goldthread.flows.retry import Retry
from goldthread.flows.take import Taken, Taker, owning_if_needed
from goldthread.ledger import Ledger, LedgerTransaction, PairRow
from goldthread.matching import Matcher, Refusal
from goldthread.telemetry.metrics import Metrics

__all__ = ["ResolveFlow"]

_EVIDENCE_LIMIT = 20
_ANSWER_SECONDS = 0.25


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

    def resolve(self, event: IncomingEvent, *, preview: bool, seconds: float = inf) -> ResolveResult:
        """Takes the event and answers; durable when it returns, unless it is a preview. `seconds` is how long the caller still waits.

        Raises `InvalidArgumentError` with every violation, `EventIdConflictError`, `LedgerUnavailableError`.
        """
        [admitted] = self._admission.admit([event], prefix="event.")
        if isinstance(admitted, Refusal):
            raise InvalidArgumentError(admitted.violations, detail_reason=admitted.reason.name)
        valid = admitted
        until = monotonic() + seconds

        def left() -> float:
            return until - monotonic()

        if preview:
            return self._retry.call("resolve", lambda: self._preview(valid, seconds=left()), seconds_left=left)
        taken = self._retry.call("resolve", lambda: self._take(valid, seconds=left()), seconds_left=left)
        taken.count(self._metrics)
        key = (event.source, event.event_id)
        if taken.conflicts:
            raise EventIdConflictError(source=event.source, event_id=event.event_id)
        # The event is in: some of the caller's time is kept for saying so, if the look cannot come about.
        reserve = min(_ANSWER_SECONDS, left() / 4)
        self._look(taken.marks, taken.records[key], lambda: left() - reserve)

        def answer() -> ResolveResult:
            with self._ledger.look(seconds=left()) as tx:
                tx.limit_statements(left())
                return self._answer(tx, valid, taken, made=None)

        return self._retry.call("resolve", answer, seconds_left=left)

    def _look(self, mark_ids: Sequence[int], record_id: int, left: Callable[[], float]) -> None:
        """Looks at the event's marks, or those that an earlier call with it left; waits a while for whoever else looks at them.

        Without success the marks stay for redo, and the answer will say so.
        """

        def attempt() -> None:
            nonlocal mark_ids
            if not mark_ids:
                with self._ledger.transaction(seconds=left()) as tx:
                    mark_ids = tx.marks_on([record_id])
            look = self._looker.look(mark_ids, seconds_left=left)
            mark_ids = ()
            if look.deferred:
                raise LedgerUnavailableError("the record is being looked at")

        with suppress(LedgerUnavailableError):
            self._retry.call("resolve_look", attempt, seconds_left=left)

    def _take(self, event: Event, *, seconds: float) -> Taken:
        def attempt(own: bool) -> Taken:
            with self._ledger.transaction(seconds=seconds) as tx:
                tx.limit_statements(seconds)
                return self._taker.take(tx, [event], cause=ChangeCause.RESOLVE, actor="resolve", own=own)

        return owning_if_needed(attempt)

    def _preview(self, event: Event, *, seconds: float) -> ResolveResult:
        def attempt(own: bool) -> ResolveResult:
            with self._ledger.look(preview=True, seconds=seconds) as tx:
                tx.limit_statements(seconds)
                taken = self._taker.take(tx, [event], cause=ChangeCause.RESOLVE, actor="resolve", own=own)
                key = (event.source, event.event_id)
                if taken.conflicts:
                    raise EventIdConflictError(source=event.source, event_id=event.event_id)
                look = self._looker.attempt(tx, taken.marks, hang=True)
                made = look.made | ({taken.records[key]} if taken.new_records else set())
                return self._answer(tx, event, taken, made=made)

        return owning_if_needed(attempt)

    def _answer(self, tx: LedgerTransaction, event: Event, taken: Taken, *, made: set[int] | None) -> ResolveResult:
        """Where the event's record stands; `made` is None outside previews, else the records that nobody will find afterwards.

        Raises `EventIdConflictError` if another content came to count meanwhile.
        """
        key = (event.source, event.event_id)
        # Asked for again: a look may have found that the event belongs to another epoch, and so to another record.
        [seen] = tx.seen_events([event]).values()
        if seen.payload_digest != taken.digests[key]:
            raise EventIdConflictError(source=event.source, event_id=event.event_id)
        record_id = seen.record_id
        standing = tx.standing(record_id)
        pairs = sorted(tx.pairs_with(record_id), key=lambda pair: (-pair.score, pair.low, pair.high))
        others = {pair.high if pair.low == record_id else pair.low for pair in pairs}
        within = tx.same_profile(record_id, others)
        if standing.ambiguous:
            decision = Decision.AMBIGUOUS
        elif standing.members > 1:
            decision = Decision.LINK
        elif standing.in_review:
            decision = Decision.REVIEW
        else:
            decision = Decision.SEPARATE
        linked = decision is Decision.LINK
        best = next((pair for pair in pairs if ((pair.low in within and pair.high in within) == linked)), None)
        probability = self._matcher.probabilities([best.score])[0] if best is not None else 0.0
        # A profile bears the id of one of its records: not to be shown if that one will have had another.
        unnamed = standing.profile_id is None or (made and standing.profile_id in tx.birth_ids(made).values())
        return ResolveResult(
            profile_id="" if unnamed or standing.profile_id is None else profile_public_id(standing.profile_id),
            decision=decision,
            probability=probability,
            evidence=self._evidence(tx, pairs[:_EVIDENCE_LIMIT]),
            version=standing.version if made is None else 0,
            ledger_version=tx.stamp() if made is None else 0,
            provisional=bool(tx.marks_among(tx.closure([record_id]))),
            duplicate=key in taken.repeated,
            model_version=self._matcher.model_version,
            calibrated=self._matcher.calibrated,
        )

    def _evidence(self, tx: LedgerTransaction, pairs: Sequence[PairRow]) -> tuple[PairEvidence, ...]:
        births = tx.birth_ids({record_id for pair in pairs for record_id in (pair.low, pair.high)})
        probabilities = self._matcher.probabilities([pair.score for pair in pairs])
        return tuple(
            PairEvidence(
                record_id=str(births[pair.low]),
                other_record_id=str(births[pair.high]),
                score=pair.score,
                probability=probability,
                nearest_rival=self._matcher.nearest_rival(pair.score, pair.weights),
                contributions=tuple(
                    ContributionBits(*part) for part in self._matcher.contributions(pair.levels, pair.weights)
                ),
            )
            for pair, probability in zip(pairs, probabilities, strict=True)
        )
