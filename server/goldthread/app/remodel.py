"""`goldthread remodel`: switches the ledger to another match model and looks at everything again, showing how far it has come."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack

from tqdm import tqdm

from goldthread.app import wiring
from goldthread.app.settings import Settings
from goldthread.domain.survivorship import survivorship_of
from goldthread.flows.remodel import RemodelProgress
from goldthread.telemetry.logs import configure_logs
from goldthread.telemetry.metrics import Metrics

__all__ = ["run_remodel"]

_LOOKS = 500
_IDLE_SECONDS = 0.5


def run_remodel(settings: Settings) -> int:
    """Switches to the model of the settings, or goes on with a switch to it, and returns how many records were looked at here."""
    configure_logs(level=settings.log_level)
    # Read before anything is begun: a file that cannot be read must not leave a switch half-way.
    policy = settings.survivorship_text() if settings.survivorship_file is not None else None
    if policy is not None:
        survivorship_of(policy)
    with ExitStack() as stack:
        metrics = Metrics()
        ledger = wiring.open_ledger(stack, settings, metrics)
        matcher = wiring.build_matcher(settings)
        flow = wiring.build_remodel(ledger, matcher, metrics)
        looker = wiring.build_looker(ledger, matcher, metrics)
        flow.begin()
        if policy is not None:
            flow.let_survive(policy)
        with tqdm(desc="keys", unit=" rows", file=sys.stderr, disable=None, leave=False) as bar:
            while (step := flow.step()) != RemodelProgress(0, 0):
                bar.update(step.records + step.tokens)
        looked = 0
        with tqdm(desc="looks", unit=" records", file=sys.stderr, disable=None, leave=False) as bar:
            while looker.pending():
                done = looker.redo(_LOOKS)
                looked += done
                bar.update(done)
                if not done:
                    # What is left is being looked at by others, or waits after a failure.
                    time.sleep(_IDLE_SECONDS)
        return looked
