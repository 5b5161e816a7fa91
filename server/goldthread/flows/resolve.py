"""Resolve: one event in, its golden profile out. A preview does everything and rolls back, so it can differ from the real thing in nothing."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from time import monotonic

from goldthread.domain.errors import EventIdConflictError, InvalidArgumentError
from goldthread.domain.ports import ContributionBits, PairEvidence, ResolveResult
from goldthread.domain.words import ChangeCause, Decision, Event, IncomingEvent, profile_public_id
from goldthread.flows.admission import Admission
from goldthread.flows.retry import Retry
from goldthread.flows.take import Taken, Taker
from goldthread.ledger import Ledger, LedgerTransaction, PairRow
from goldthread.matching import Matcher, Refusal
from goldthread.telemetry.metrics import Metrics

__all__ = ["ResolveFlow"]

_EVIDENCE_LIMIT = 20


class ResolveFlow:
    """Answers Resolve. Blocking: call it from a bounded executor. Safe to call from several threads."""

    def __init__(
        self, *, ledger: Ledger, matcher: Matcher, admission: Admission, taker: Taker, retry: Retry, metrics: Metrics
    ) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._admission = admission
        self._taker = taker
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

        taken, result = self._retry.call(
            "resolve", lambda: self._attempt(valid, preview=preview, seconds=left()), seconds_left=left
        )
        if not preview:
            taken.count(self._metrics, cause=ChangeCause.RESOLVE)
        return result

    def _attempt(self, event: Event, *, preview: bool, seconds: float) -> tuple[Taken, ResolveResult]:
        with self._ledger.transaction(preview=preview) as tx:
            tx.limit_statements(seconds)
            tx.lock_writers()
            taken = self._taker.take(tx, [event], cause=ChangeCause.RESOLVE, actor="resolve")
            if taken.conflicts:
                raise EventIdConflictError(source=event.source, event_id=event.event_id)
            key = (event.source, event.event_id)
            result = self._answer(
                tx,
                taken.records[key],
                duplicate=key in taken.repeated,
                preview=preview,
                new=taken.new_records > 0,
            )
        return taken, result

    def _answer(
        self, tx: LedgerTransaction, record_id: int, *, duplicate: bool, preview: bool, new: bool
    ) -> ResolveResult:
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
        made_now = preview and new and standing.members == 1
        return ResolveResult(
            profile_id="" if made_now else profile_public_id(standing.profile_id),
            decision=decision,
            probability=probability,
            evidence=self._evidence(tx, pairs[:_EVIDENCE_LIMIT]),
            version=0 if preview else standing.version,
            provisional=bool(tx.marks_among(tx.closure([record_id]))),
            duplicate=duplicate,
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
                contributions=tuple(
                    ContributionBits(*part) for part in self._matcher.contributions(pair.levels, pair.weights)
                ),
            )
            for pair, probability in zip(pairs, probabilities, strict=True)
        )
