from __future__ import annotations

import threading

import pytest

from fixtures.written_people import written_people
from goldthread import _core
from goldthread.flows.match import batch_keys, gather_columns
from goldthread.flows.train import train_gathered
from goldthread.matching.model_file import Blueprint
from goldthread.matching.training import default_blueprint
from goldthread.matching.watch import watched


def test_who_watches_is_told_until_the_end() -> None:
    told: list[tuple[str, int, int]] = []
    called = threading.Event()

    def watch(step: str, done: int, total: int) -> None:
        told.append((step, done, total))
        called.set()

    with watched(watch) as progress:
        assert progress is not None
        assert called.wait(20)
    assert set(told) == {("waiting", 0, 0)}
    assert all(thread.name != "progress" for thread in threading.enumerate())


def test_the_watch_ends_where_the_work_fails() -> None:
    with pytest.raises(ZeroDivisionError), watched(lambda *_: None):
        raise ZeroDivisionError
    assert all(thread.name != "progress" for thread in threading.enumerate())


def test_a_batch_run_ends_with_an_error_once_it_is_to_stop() -> None:
    gathered = gather_columns(written_people(5, homes=30), keys=batch_keys(), region="US")
    stopping, told = threading.Event(), threading.Event()
    stopping.set()
    with watched(lambda *_: told.set(), stopping) as progress:
        assert progress is not None
        assert told.wait(20)
        with pytest.raises(_core.InputError, match="was stopped"):
            _core.match_records(gathered.records, _core.Model.parse(_draft()), progress=progress)
    assert _core.match_records(gathered.records, _core.Model.parse(_draft()), progress=_core.Progress())


def test_nobody_watches() -> None:
    with watched(None) as progress:
        assert progress is None


def test_a_training_says_how_far_it_is_and_is_the_same() -> None:
    gathered = gather_columns(written_people(5, homes=30), keys=batch_keys(), region="US")
    count = len(gathered.records)
    progress = _core.Progress()
    found = _core.train(gathered.records, _core.Model.parse(_draft()), seed=1, progress=progress)
    assert progress.read() == ("calibrate", count, count)
    assert found.weights == _core.train(gathered.records, _core.Model.parse(_draft()), seed=1).weights
    assert train_gathered(gathered).records == count


def _draft() -> str:
    return Blueprint.read(default_blueprint()).draft()
