"""Switching a running ledger to another match model, or to another survivorship policy.

From one moment on the new model is the one in use: writers with the old one are refused and stop. That transaction also forgets all blocking
keys. Then, page by page, every record gets the new model's keys and a mark to be judged, and every identifier the state that the new limits give
it; looks rescore what is marked, each over whole components. Meanwhile events are taken as before, with the new model. Until the last mark is
gone, profiles are partly those of the old model, and replies about them are provisional.

Each page is a transaction that moves the progress kept beside the model, so a switch that was killed goes on where it was, by whoever runs it
next.
"""

from __future__ import annotations

from dataclasses import dataclass

from goldthread.domain.survivorship import survivorship_of
from goldthread.domain.words import ChangeCause
from goldthread.flows.keys import KeyChanges, hang_again, recount_tokens
from goldthread.flows.retry import Retry
from goldthread.ledger import Ledger, LedgerTransaction, NewMark, Step
from goldthread.matching import Matcher

__all__ = ["RemodelFlow", "RemodelProgress"]

_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class RemodelProgress:
    """What one step did: records and identifiers of its page; neither once all pages are done."""

    records: int
    tokens: int


class RemodelFlow:
    """Switches a ledger to the model of `matcher`. One instance may be run by one thread; several may compete."""

    def __init__(self, *, ledger: Ledger, matcher: Matcher, retry: Retry, actor: str, page: int = _PAGE) -> None:
        self._ledger = ledger
        self._matcher = matcher
        self._retry = retry
        self._actor = actor
        self._page = page

    def begin(self) -> bool:
        """Takes the model into use; False if it is already. Waits for every writer, and takes as long as forgetting all blocking keys does."""
        matcher = self._matcher

        def work() -> bool:
            with self._ledger.transaction() as tx:
                tx.own_evidence()
                return tx.begin_remodel(
                    version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text
                )

        return self._retry.call("remodel", work)

    def let_survive(self, text: str) -> bool:
        """Puts the survivorship policy of a file's text in force and marks every record; False if it is already.

        One transaction, which waits for every writer. Until the last mark is gone some profiles show what the former policy let survive. Raises
        `SurvivorshipFileError`.
        """
        policy = survivorship_of(text)

        def work() -> bool:
            with self._ledger.transaction() as tx:
                tx.own_evidence()
                if tx.survivorship() == policy:
                    return False
                tx.set_survivorship(text)
                # Of every record, not of every profile: a look under way may be making profiles that this does not see.
                start = 0
                while records := tx.page_records(start, self._page):
                    marks = [NewMark(record_id, Step.SUM) for record_id in records]
                    tx.leave_marks(marks, cause=ChangeCause.REMODEL, actor=self._actor)
                    start = records[-1] + 1
                return True

        return self._retry.call("remodel", work)

    def step(self) -> RemodelProgress:
        """Does the next page. Raises `ModelFileError` if yet another model is in use by now."""
        matcher = self._matcher

        def work() -> RemodelProgress:
            with self._ledger.transaction() as tx:
                # A page recounts identifiers, which must not gain carriers meanwhile.
                tx.own_evidence()
                tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)
                next_record, next_token = tx.remodel_progress(hold=True)
                if next_token is not None:
                    return self._tokens(tx, next_record, next_token)
                if next_record is not None:
                    return self._records(tx, next_record)
                return RemodelProgress(0, 0)

        return self._retry.call("remodel", work)

    def run(self) -> None:
        """Begins, or goes on with, the switch until every page is done; what is marked is left to looks."""
        self.begin()
        while self.step() != RemodelProgress(0, 0):
            pass

    def _tokens(self, tx: LedgerTransaction, next_record: int | None, start: int) -> RemodelProgress:
        tokens = tx.page_tokens(start, self._page)
        if tokens:
            self._mark(tx, recount_tokens(tx, self._matcher, tokens), ())
        tx.move_remodel(next_record, tokens[-1] + 1 if tokens else None)
        return RemodelProgress(0, max(1, len(tokens)))

    def _records(self, tx: LedgerTransaction, start: int) -> RemodelProgress:
        records = tx.page_records(start, self._page)
        if records:
            self._mark(tx, hang_again(tx, self._matcher, records), records)
        tx.move_remodel(records[-1] + 1 if records else None, None)
        return RemodelProgress(max(1, len(records)), 0)

    def _mark(self, tx: LedgerTransaction, changes: KeyChanges, records: list[int] | tuple[()]) -> None:
        marks = [NewMark(record_id, Step.JUDGE) for record_id in changes.carriers.union(records)]
        tx.leave_marks(marks, cause=ChangeCause.REMODEL, actor=self._actor)
        changes.publish(tx)
