"""A consumer whose look, beside intake, finds that the worker must end: it ends, and nothing that was taken is lost."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from threading import Event

import pytest

from fixtures.stage import Stage
from fixtures.story import Story, customer
from goldthread.domain.errors import ModelFileError
from goldthread.domain.words import IncomingEvent
from goldthread.flows.look import Looker
from goldthread.flows.looked import Look
from goldthread.flows.looks_beside import LooksBeside
from goldthread.flows.remodel import RemodelFlow
from goldthread.flows.retry import Retry
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights

_OTHER = round_weights().replace('version = "plain"', 'version = "other"')
_SECONDS = 30.0


class Late:
    """Looks as a looker does, once it is let."""

    def __init__(self, looker: Looker, go: Event) -> None:
        self._looker = looker
        self._go = go

    def look(self, mark_ids: Sequence[int]) -> Look:
        assert self._go.wait(_SECONDS)
        return self._looker.look(mark_ids)

    def redo(self, limit: int) -> int:
        return self._looker.redo(limit)


def _twins(first: int) -> list[IncomingEvent]:
    said = {"given_name": "Anna", "family_name": "Meyer", "email": "anna@mail.org"}
    return [customer(f"e{number}", source=f"s{number}", **said) for number in (first, first + 1)]


@pytest.mark.parametrize("next_step", [lambda worker: worker.flow.redo(10), lambda worker: worker.ingest([])])
def test_a_model_switched_under_a_look_ends_the_worker_and_leaves_its_marks(
    ledger: Ledger, metrics: Metrics, ledger_dsn: str, next_step: Callable[[Stage], object]
) -> None:
    switched = Story(ledger, metrics, dsn=ledger_dsn, model_text=_OTHER)
    retry = Retry(metrics=metrics, uniform=random.Random(1).random, sleep=lambda _: None)
    remodel = RemodelFlow(ledger=ledger, matcher=switched.matcher, retry=retry, actor="test")
    go = Event()

    def consume() -> None:
        with LooksBeside(Late(Stage(ledger, metrics, model_text=round_weights()).looker, go)) as beside:
            worker = Stage(ledger, metrics, model_text=round_weights(), looks=lambda _: beside)
            assert worker.ingest(_twins(0)).taken == 2
            assert remodel.begin()
            go.set()
            next_step(worker)

    with pytest.raises(ModelFileError):
        consume()
    assert switched.rows("SELECT FROM inbox") == [(), ()]
    assert len(switched.rows("SELECT FROM dirty_mark")) >= 2
    while remodel.step().records:
        pass
    switched.drain()
    assert switched.rows("SELECT count(DISTINCT profile_id) FROM membership") == [(1,)]
