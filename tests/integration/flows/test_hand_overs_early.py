"""A phone that a batch shows in other hands is handed over before the batch is looked at: the look need not find it and begin again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest

from fixtures.stage import Stage
from fixtures.story import NOON, Story, customer
from goldthread.domain.errors import GoldthreadError, LedgerUnavailableError, ModelFileError
from goldthread.domain.words import IncomingEvent
from goldthread.flows.hand_overs import HandOvers
from goldthread.flows.look import Look, Looker
from goldthread.ledger import Ledger, PhoneState
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights

_PHONE = "512 300 2000"
_HANDED_OVER = "SELECT sum(epochs)::integer FROM token"
_HUNG = "SELECT count(DISTINCT record_id)::integer FROM inbox WHERE source = 'till'"


def _owner(event_id: str, given: str, family: str, *, day: int) -> IncomingEvent:
    return customer(event_id, at=NOON + timedelta(days=day), given_name=given, family_name=family, phone=_PHONE)


def _nameless(event_id: str, *, day: int) -> IncomingEvent:
    return customer(event_id, source="till", at=NOON + timedelta(days=day), phone=_PHONE)


_BEFORE = [_owner("a1", "Clara", "Baldun", day=0), _owner("a2", "Clara", "Baldun", day=40), _nameless("n1", day=10)]
_AFTER = [_owner("b1", "Hugo", "Shoryor", day=200), _nameless("n2", day=220)]


class Watched:
    """A looker whose ledger is looked at whenever a look begins."""

    def __init__(self, looker: Looker, told: Callable[[], object]) -> None:
        self._looker = looker
        self._told = told
        self.seen: list[object] = []

    def look(self, mark_ids: Sequence[int]) -> Look:
        self.seen.append(self._told())
        return self._looker.look(mark_ids)

    def hand_over(self, phones: Sequence[PhoneState]) -> list[int]:
        return self._looker.hand_over(phones)

    def redo(self, limit: int) -> int:
        return self._looker.redo(limit)


@pytest.fixture
def story(ledger: Ledger, metrics: Metrics, ledger_dsn: str) -> Story:
    """Asks the ledger."""
    return Story(ledger, metrics, dsn=ledger_dsn, model_text=round_weights())


def _worker(ledger: Ledger, metrics: Metrics, story: Story, seen: list[Watched]) -> Stage:
    def watched(looker: Looker) -> Watched:
        seen.append(Watched(looker, lambda: (story.rows(_HANDED_OVER), story.rows(_HUNG))))
        return seen[-1]

    return Stage(ledger, metrics, model_text=round_weights(), looks=watched)


def test_a_look_begins_with_phones_that_have_been_handed_over(ledger: Ledger, metrics: Metrics, story: Story) -> None:
    seen: list[Watched] = []
    worker = _worker(ledger, metrics, story, seen)
    worker.ingest(_BEFORE)
    worker.ingest(_AFTER)
    # Before the second look the event without a name, of the new owner's time, hangs elsewhere than the one of the old owner's.
    assert seen[0].seen == [([(0,)], [(1,)]), ([(1,)], [(2,)])]
    assert metrics.registry.get_sample_value("goldthread_hand_overs_total") == 1
    assert metrics.registry.get_sample_value("goldthread_dirty_marks") in (None, 0)
    assert story.rows("SELECT FROM dirty_mark") == []


@pytest.mark.parametrize("error", [LedgerUnavailableError("away"), ValueError("broken")])
def test_what_cannot_be_handed_over_early_is_left_to_the_look(
    ledger: Ledger, metrics: Metrics, story: Story, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    seen: list[Watched] = []
    worker = _worker(ledger, metrics, story, seen)
    worker.ingest(_BEFORE)
    carry_out = HandOvers.carry_out
    tried = iter([error])

    def failing(self: HandOvers, *arguments: object, **named: object) -> object:
        if (failure := next(tried, None)) is not None:
            raise failure
        return carry_out(self, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(HandOvers, "carry_out", failing)
    worker.ingest(_AFTER)
    assert seen[0].seen[1] == ([(0,)], [(1,)])
    assert (story.rows(_HANDED_OVER), story.rows(_HUNG)) == ([(1,)], [(2,)])
    assert story.rows("SELECT FROM dirty_mark") == []


def test_what_must_end_the_worker_ends_it(
    ledger: Ledger, metrics: Metrics, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = _worker(ledger, metrics, story, [])
    worker.ingest(_BEFORE)

    def failing(*_: object, **__: object) -> GoldthreadError:
        raise ModelFileError("another model")

    monkeypatch.setattr(HandOvers, "carry_out", failing)
    with pytest.raises(ModelFileError):
        worker.ingest(_AFTER)
    # Taken, and its marks wait for somebody else.
    assert story.rows("SELECT count(*)::integer FROM inbox") == [(5,)]
    assert story.rows("SELECT FROM dirty_mark") != []
