"""What Locust runs: `locust -f loadtest/locust/locustfile.py`, with the folder of a plan in `LOADTEST_PLAN`. `python -m loadtest.locust` does it."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events
from locust.env import Environment

from loadtest.locust.desk import Desk
from loadtest.locust.plan import Plan
from loadtest.locust.shapes import SHAPES
from loadtest.locust.users import Caller, OlderRegister, Register, Resolver, RestRegister, Source

_FOLDER = Path(os.environ["LOADTEST_PLAN"])
_PLAN = Plan.read(_FOLDER)


def _share_out() -> None:
    """So many callers of each kind as it has calls a second. A class that this module names twice would be two to Locust."""
    rates = _PLAN.rates
    for kind, rate in (
        (Register, rates.lookups),
        (RestRegister, rates.rest),
        (OlderRegister, rates.older),
        (Resolver, rates.resolves),
        (Source, rates.events),
    ):
        kind.weight = rate
        kind.abstract = rate == 0


_share_out()


class Planned(LoadTestShape):
    """The plan's shape: so many callers at this moment, and how fast they come or go."""

    abstract = _PLAN.free

    def tick(self) -> tuple[int, float] | None:
        """Asked every second."""
        passed = float(self.get_run_time())  # type: ignore[no-untyped-call]
        if passed >= _PLAN.seconds:
            return None
        wanted = SHAPES[_PLAN.shape].callers(passed / _PLAN.seconds, peak=_PLAN.rates.total)
        return wanted, max(1.0, _PLAN.rates.total / 2)


@events.init.add_listener  # type: ignore[untyped-decorator]
def _connect(environment: Environment, **_: Any) -> None:  # noqa: ANN401 (Locust's own)
    Caller.desk = Desk(_PLAN, _FOLDER, environment)
    # What is there now stays: no need to look through it again while calls are timed.
    gc.collect()
    gc.freeze()


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def _begin(**_: Any) -> None:  # noqa: ANN401
    Caller.desk.reset()
    (_FOLDER / "begun").write_text(str(time.time()), encoding="utf-8")


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def _finish(**_: Any) -> None:  # noqa: ANN401
    Caller.desk.finish()
