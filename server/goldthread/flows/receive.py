"""Receive: events of several callers into the ledger, each told by itself (`ResolverService.Ingest`).

As ingest does, the events are taken in one transaction and looked at afterwards, whatever the number of callers. There is no offset and there are
no dead letters: whoever sent an event is told what became of it, and it is durable if he is told an outcome. Where the ledger finds a
fault in a take, it is tried again in halves, down to the event that has it. Of events with one id the later ones are taken in a transaction of
their own, so that each is known to be a repeat or a conflict by what the ledger holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from goldthread.domain.errors import EventIdConflictError, InvalidArgumentError, LedgerFaultError
from goldthread.domain.ports import ReceiveCall
from goldthread.domain.words import ChangeCause, Event, IngestOutcome
from goldthread.flows.admission import Admission
from goldthread.flows.look import Looker
from goldthread.flows.retry import Retry
from goldthread.flows.take import Taken, Taker, owning_if_needed
from goldthread.ledger import Ledger
from goldthread.matching import Refusal
from goldthread.telemetry.metrics import Metrics

__all__ = ["Fate", "ReceiveFlow"]

Fate = IngestOutcome | Exception
"""What became of one event."""


@dataclass(slots=True, eq=False)
class _Arrived:
    """An admitted event."""

    event: Event
    fate: Fate | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.event.source, self.event.event_id


class ReceiveFlow:
    """Takes events of callers. Blocking: call it from a bounded executor. Safe to call from several threads."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        admission: Admission,
        taker: Taker,
        looker: Looker,
        retry: Retry,
        metrics: Metrics,
    ) -> None:
        self._ledger = ledger
        self._admission = admission
        self._taker = taker
        self._looker = looker
        self._retry = retry
        self._metrics = metrics

    def receive(self, calls: Sequence[ReceiveCall]) -> list[list[Fate]]:
        """Takes the events; for each call what became of each of its events, in their order.

        Errors are `InvalidArgumentError` with every violation, `EventIdConflictError`, and `LedgerUnavailableError`, after which the event may
        be durable all the same.
        """
        until = max(call.until for call in calls)
        fates: list[_Arrived | InvalidArgumentError] = []
        owners = [number for number, call in enumerate(calls) for _ in call.events]
        admitted = self._admission.admit([event for call in calls for event in call.events])
        for one in admitted:
            if isinstance(one, Refusal):
                self._metrics.events.labels("rejected").inc()
                fates.append(InvalidArgumentError(one.violations, detail_reason=one.reason.name))
            else:
                fates.append(_Arrived(one))
        marks: list[int] = []
        for wave in _waves([one for one in fates if isinstance(one, _Arrived)]):
            marks += self._take(wave, until)
        # What cannot be looked at now is left to redo: the events are in.
        self._looker.look(marks, seconds_left=lambda: until - monotonic())
        told: list[list[Fate]] = [[] for _ in calls]
        for owner, fate in zip(owners, fates, strict=True):
            told[owner].append(_fate(fate))
        return told

    def _take(self, wave: Sequence[_Arrived], until: float) -> list[int]:
        """Takes events with different ids; gives the marks left."""

        def attempt(own: bool) -> Taken:
            seconds = until - monotonic()
            with self._ledger.transaction(seconds=seconds) as tx:
                tx.limit_statements(seconds)
                events = [one.event for one in wave]
                return self._taker.take(tx, events, cause=ChangeCause.EVENT, actor="ingest", own=own)

        try:
            taken = self._retry.call(
                "receive", lambda: owning_if_needed(attempt), seconds_left=lambda: until - monotonic()
            )
        except Exception as error:  # noqa: BLE001 (whatever it is, it is what these events' senders are told, and nobody else)
            if isinstance(error, LedgerFaultError) and len(wave) > 1:
                self._metrics.groups_split.labels("receive").inc()
                half = len(wave) // 2
                return self._take(wave[:half], until) + self._take(wave[half:], until)
            for one in wave:
                one.fate = error
            return []
        self._settle(wave, taken)
        return taken.marks()

    def _settle(self, wave: Sequence[_Arrived], taken: Taken) -> None:
        taken.count(self._metrics)
        lost = {id(event) for event in taken.conflicts}
        for one in wave:
            if id(one.event) in lost:
                one.fate = EventIdConflictError(source=one.event.source, event_id=one.event.event_id)
            else:
                one.fate = IngestOutcome.DUPLICATE if one.key in taken.repeated else IngestOutcome.TAKEN
        self._metrics.events.labels("taken").inc(taken.fresh)
        self._metrics.events.labels("duplicate").inc(len(wave) - taken.fresh - len(taken.conflicts))
        self._metrics.events.labels("rejected").inc(len(taken.conflicts))
        self._metrics.batch_events.observe(len(wave))


def _waves(arrived: Sequence[_Arrived]) -> list[list[_Arrived]]:
    """The events in as few parts as have no id twice, the first ones first."""
    waves: list[list[_Arrived]] = []
    seen: dict[tuple[str, str], int] = {}
    for one in arrived:
        place = seen.get(one.key, 0)
        seen[one.key] = place + 1
        if place == len(waves):
            waves.append([])
        waves[place].append(one)
    return waves


def _fate(one: _Arrived | InvalidArgumentError) -> Fate:
    if isinstance(one, InvalidArgumentError):
        return one
    assert one.fate is not None
    return one.fate
