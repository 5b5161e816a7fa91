"""Ingest: one micro-batch, one transaction, then the look at what it marked.

The offset moves, the inbox, the evidence and the marks of a batch commit together or not at all. A batch is tried again, a bounded number of
times, when the ledger ended the transaction for a reason that a retry may cure; the inbox makes a batch that had committed without our knowing a
batch of repeats, and the offset's compare-and-set then tells so. Once it has committed, the events are in: what the look cannot do now is redone
from the marks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

from goldthread.domain.policy import MAX_MESSAGE_BYTES
from goldthread.domain.ports import IngestBatch, IngestReport
from goldthread.domain.words import ChangeCause, Event, IncomingEvent, Position, Rejection, RejectionReason, Violation
from goldthread.flows.admission import Admission
from goldthread.flows.looks_beside import Looks
from goldthread.flows.retry import Retry
from goldthread.flows.take import Taken, Taker, owning_if_needed
from goldthread.ledger import Ledger, LedgerTransaction
from goldthread.matching import Matcher, Refusal
from goldthread.telemetry.metrics import Metrics

__all__ = ["IngestFlow", "seal_context"]

_NONCE_BYTES = 24


class IngestFlow:
    """Takes micro-batches from Kafka and works redo marks off. Safe to call from several threads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        matcher: Matcher,
        admission: Admission,
        taker: Taker,
        looker: Looks,
        retry: Retry,
        entropy: Callable[[int], bytes],
        actor: str,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._admission = admission
        self._taker = taker
        self._looker = looker
        self._retry = retry
        self._entropy = entropy
        self._actor = actor
        self._metrics = metrics

    def run(self, batch: IngestBatch) -> IngestReport:
        """Commits one batch. Raises `LedgerUnavailableError` once retries are used up and `OffsetFencedError` at once.

        What looks did is counted in the report of the call in which they ended.
        """
        with self._metrics.stage("normalize"):
            waiting = [event for _, event in batch.events if isinstance(event, IncomingEvent)]
            judged = iter(self._admission.admit(waiting))
            admitted = [next(judged) if isinstance(event, IncomingEvent) else event for _, event in batch.events]
        events: list[tuple[Position | None, Event, bytes]] = []
        rejections = [_with_digest(rejection) for rejection in batch.rejections]
        for (position, incoming), payload, result in zip(batch.events, batch.payloads, admitted, strict=True):
            if isinstance(result, Refusal):
                rejections.append(_rejection(incoming, position, payload, result))
            else:
                events.append((position, result, payload))
        with self._metrics.stage("batch"):
            taken, every = self._retry.call("ingest", lambda: self._commit(batch, events, rejections))
        taken.count(self._metrics)
        look = self._looker.look(taken.marks())
        report = IngestReport(
            taken=taken.fresh,
            duplicates=len(events) - taken.fresh - len(taken.conflicts),
            rejections=tuple(every),
            new_records=taken.new_records,
            profiles_changed=len(look.changed),
            merges=len(look.successors),
            reviews_opened=look.reviews_opened,
        )
        self._metrics.events.labels("taken").inc(report.taken)
        self._metrics.events.labels("duplicate").inc(report.duplicates)
        self._metrics.events.labels("rejected").inc(len(report.rejections))
        for rejection in report.rejections:
            self._metrics.rejections.labels(rejection.reason.name).inc()
        self._metrics.batch_events.observe(len(batch.events) + len(batch.rejections))
        return report

    def _commit(
        self,
        batch: IngestBatch,
        events: Sequence[tuple[Position | None, Event, bytes]],
        rejections: Sequence[Rejection],
    ) -> tuple[Taken, list[Rejection]]:
        valid = [event for _, event, _ in events]

        def attempt(own: bool) -> tuple[Taken, list[Rejection]]:
            with self._ledger.transaction() as tx:
                # Before the offsets, as everywhere: a batch that begins again as the only one would else meet its own zombie crosswise.
                if own:
                    tx.own_evidence()
                else:
                    tx.share_evidence()
                for move in sorted(batch.offsets, key=lambda move: (move.topic, move.partition)):
                    tx.advance_offset(batch.group, move)
                taken = self._taker.take(tx, valid, cause=ChangeCause.EVENT, actor=self._actor, own=own)
                every = [*rejections, *_conflicts(taken, events)]
                self._bury(tx, every)
            return taken, every

        return owning_if_needed(attempt)

    def _bury(self, tx: LedgerTransaction, rejections: Sequence[Rejection]) -> None:
        """Writes dead letters with their payloads sealed; those above 1 MiB keep only digest and size."""
        contexts = [seal_context(rejection.position) for rejection in rejections]
        small = [place for place, rejection in enumerate(rejections) if 0 < len(rejection.payload) <= MAX_MESSAGE_BYTES]
        boxes = self._matcher.seal(
            [self._entropy(_NONCE_BYTES) for _ in small],
            [contexts[place] for place in small],
            [rejections[place].payload for place in small],
        )
        sealed = dict(zip(small, boxes, strict=True))
        boxed = [sealed.get(place, b"") for place in range(len(rejections))]
        tx.insert_dead_letters(rejections, boxed, key_version=self._matcher.key_version)

    def redo(self, limit: int) -> int | None:
        """Works off up to `limit` marks that are due and returns how many, None if that is not known yet."""
        return self._looker.redo(limit)


def seal_context(position: Position | None) -> bytes:
    """What a dead letter's payload is bound to: topic, partition and offset, with null bytes between; empty outside Kafka."""
    if position is None:
        return b""
    return f"{position.topic}\x00{position.partition}\x00{position.offset}".encode()


def _with_digest(rejection: Rejection) -> Rejection:
    if rejection.payload_sha256:
        return rejection
    return replace(
        rejection, payload_sha256=hashlib.sha256(rejection.payload).digest(), payload_size=len(rejection.payload)
    )


def _rejection(event: IncomingEvent | Event, position: Position | None, payload: bytes, refusal: Refusal) -> Rejection:
    """The dead letter of a refused event; ids that break their own rule may be anything, so they are not shown."""
    broken = {violation.field for violation in refusal.violations}
    return Rejection(
        reason=refusal.reason,
        violations=refusal.violations,
        source="" if "source" in broken else event.source,
        event_id="" if "event_id" in broken else event.event_id,
        position=position,
        payload_sha256=hashlib.sha256(payload).digest(),
        payload_size=len(payload),
        payload=payload,
    )


def _conflicts(taken: Taken, events: Sequence[tuple[Position | None, Event, bytes]]) -> list[Rejection]:
    conflicting = {id(event) for event in taken.conflicts}
    return [
        Rejection(
            reason=RejectionReason.EVENT_ID_CONFLICT,
            violations=(Violation("event_id", "was used before with another content"),),
            source=event.source,
            event_id=event.event_id,
            position=position,
            payload_sha256=hashlib.sha256(payload).digest(),
            payload_size=len(payload),
            payload=payload,
        )
        for position, event, payload in events
        if id(event) in conflicting
    ]
