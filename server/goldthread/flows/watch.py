"""Changes in the order of their versions, none passed over.

Versions are drawn before their transactions commit, so an entry may come to be seen after one of a greater version. But a transaction draws versions
once it holds locks, and so has a number by then: when the greatest version that a snapshot shows is V, each transaction that may still write a
lower one is among those that were under way in it. Once they have all ended (the oldest transaction under way is not older than the first one after
that snapshot), what lies up to V is complete, and is told.
"""

from __future__ import annotations

from math import inf

from goldthread.domain.profiles import ChangesPage
from goldthread.flows.bounded_work import BoundedWork
from goldthread.ledger import JournalEnd, LedgerTransaction

__all__ = ["ChangesWatch"]

_AT_ONCE = 200


class ChangesWatch:
    """Reads changes for one caller; call it from one thread at a time."""

    def __init__(self, reads: BoundedWork) -> None:
        self._reads = reads
        self._settled = 0
        self._seen: JournalEnd | None = None

    def end(self, *, seconds: float = inf) -> int:
        """The position after all that is in the journal now."""
        return self._reads.read(lambda tx: tx.journal_end().version, seconds)

    def changes(self, *, after: int, seconds: float = inf) -> ChangesPage:
        """Changes after a position, at most 200; none yet while a transaction is under way that might write before them."""
        return self._reads.read(lambda tx: self._page(tx, after), seconds)

    def _page(self, tx: LedgerTransaction, after: int) -> ChangesPage:
        end = tx.journal_end()
        seen = self._seen or end
        if end.oldest >= seen.next:
            self._settled = max(self._settled, seen.version)
            seen = end
        if end.oldest == end.next:
            # Nothing is under way: the snapshot shows all there is.
            self._settled = max(self._settled, end.version)
        self._seen = seen
        if self._settled <= after:
            return ChangesPage(after, ())
        found = tx.journal_between(after=after, upto=self._settled, limit=_AT_ONCE)
        position = found[-1].version if len(found) == _AT_ONCE else self._settled
        return ChangesPage(position, tuple(found))
