"""Resolve under request ids: a repeat gets the first answer, as it was.

An answer is stored before it is given, so what a caller has heard is what every repeat hears. A crash before that leaves an event that is in and an
id that is free: the repeat finds the event taken, and its answer becomes the first. Provisional answers are not stored. Of two calls under one id at once the
first one to store wins, and the other hears its answer.

The event under an id is known by a keyed digest, because a bare one of so little text would give it away.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Protocol

from goldthread.domain.errors import RequestIdConflictError
from goldthread.domain.ports import ResolveCall, ResolveResult
from goldthread.domain.words import IncomingEvent
from goldthread.flows.bounded_work import BoundedWork
from goldthread.flows.look import Looker
from goldthread.flows.retry import Retry
from goldthread.ledger import Ledger, LedgerTransaction, StoredAnswer
from goldthread.wire import encode_result, result_from_bytes

__all__ = ["AnsweredResolve", "Upkeep"]

Outcome = ResolveResult | Exception


class Resolving(Protocol):
    """What resolves: `flows.ResolveFlow`."""

    def resolve(self, calls: Sequence[ResolveCall]) -> list[Outcome]:
        """Takes the events and answers each call."""
        ...

    def check(self, event: IncomingEvent) -> None:
        """Raises what is wrong with the event by itself."""
        ...

    def preview(self, event: IncomingEvent, *, seconds: float) -> ResolveResult:
        """What it would answer; writes nothing."""
        ...


class AnsweredResolve:
    """Resolves calls, those with a request id once. Blocking. Safe to call from several threads. `key` makes the digests."""

    def __init__(self, flow: Resolving, *, ledger: Ledger, retry: Retry, key: bytes) -> None:
        self._flow = flow
        self._ledger = ledger
        self._retry = retry
        self._key = key

    def resolve(self, calls: Sequence[ResolveCall]) -> list[Outcome]:
        """As the flow does; raises nothing else, and gives `RequestIdConflictError` to a call whose id was used for another event.

        A ledger that does not answer fails the calls that have an id, and no others.
        """
        digests = {place: self._digest(call) for place, call in enumerate(calls) if call.request_id}
        outcomes: dict[int, Outcome] = {}
        self._recall(calls, digests, outcomes)
        rest = [place for place in range(len(calls)) if place not in outcomes]
        if rest:
            found = self._flow.resolve([calls[place] for place in rest])
            outcomes.update(zip(rest, found, strict=True))
        self._keep(calls, {place: digests[place] for place in rest if place in digests}, outcomes)
        return [outcomes[place] for place in range(len(calls))]

    def check(self, event: IncomingEvent) -> None:
        """As the flow does."""
        self._flow.check(event)

    def preview(self, event: IncomingEvent, *, seconds: float) -> ResolveResult:
        """As the flow does."""
        return self._flow.preview(event, seconds=seconds)

    def _digest(self, call: ResolveCall) -> bytes:
        return hmac.digest(self._key, b"resolve request\x00" + call.body, hashlib.sha256)

    def _recall(self, calls: Sequence[ResolveCall], digests: dict[int, bytes], outcomes: dict[int, Outcome]) -> None:
        """Answers what was answered before; of several calls with one id, the first goes on."""
        first: dict[str, int] = {}
        for place in digests:
            owner = first.setdefault(calls[place].request_id, place)
            if owner != place:
                outcomes[place] = RequestIdConflictError()
        if not first:
            return
        held = self._asked(calls, list(first.values()), outcomes, "resolve_recall", lambda tx: tx.stored_answers(first))
        for request_id, stored in (held or {}).items():
            outcomes[first[request_id]] = _heard(stored, digests[first[request_id]])

    def _keep(self, calls: Sequence[ResolveCall], digests: dict[int, bytes], outcomes: dict[int, Outcome]) -> None:
        """Stores first answers; where another call was first, its answer is heard."""
        new: dict[str, StoredAnswer] = {}
        places: dict[str, int] = {}
        for place, digest in digests.items():
            outcome = outcomes[place]
            if isinstance(outcome, ResolveResult) and not outcome.provisional:
                request_id = calls[place].request_id
                new[request_id] = StoredAnswer(request_id, digest, encode_result(outcome))
                places[request_id] = place
        if not new:
            return

        def keep(tx: LedgerTransaction) -> dict[str, StoredAnswer]:
            tx.forget_answers(2 * len(new))
            tx.store_answers(new.values())
            return tx.stored_answers(new)

        held = self._asked(calls, list(places.values()), outcomes, "resolve_keep", keep)
        for request_id, stored in (held or {}).items():
            if stored != new[request_id]:
                outcomes[places[request_id]] = _heard(stored, new[request_id].event_digest)

    def _asked(
        self,
        calls: Sequence[ResolveCall],
        places: Sequence[int],
        outcomes: dict[int, Outcome],
        operation: str,
        ask: Callable[[LedgerTransaction], dict[str, StoredAnswer]],
    ) -> dict[str, StoredAnswer] | None:
        """What the ledger says; if it says nothing, that is the outcome of these calls."""
        seconds = max(calls[place].until for place in places) - monotonic()
        try:
            return BoundedWork(ledger=self._ledger, retry=self._retry, operation=operation).write(ask, seconds)
        except Exception as error:  # noqa: BLE001 (whatever it is, it is these callers' answer, and nobody else's)
            outcomes.update(dict.fromkeys(places, error))
            return None


class Upkeep:
    """What a server's redo does: marks that are due, and when there are none, answers whose day is over."""

    def __init__(self, looker: Looker, ledger: Ledger) -> None:
        self._looker = looker
        self._ledger = ledger

    def redo(self, limit: int) -> int:
        """Works off up to `limit` marks, else forgets as many answers; how many there were."""
        if done := self._looker.redo(limit):
            return done
        with self._ledger.transaction() as tx:
            return tx.forget_answers(limit)


def _heard(stored: StoredAnswer, digest: bytes) -> Outcome:
    if not hmac.compare_digest(stored.event_digest, digest):
        return RequestIdConflictError()
    return result_from_bytes(stored.answer)
