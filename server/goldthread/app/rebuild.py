"""`goldthread cache rebuild`: runs the flow and shows how far it has come."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from tqdm import tqdm

from goldthread.app import wiring
from goldthread.app.settings import Settings
from goldthread.flows.rebuild import RebuildReport
from goldthread.telemetry.logs import configure_logs
from goldthread.telemetry.metrics import Metrics

__all__ = ["run_rebuild"]


def run_rebuild(settings: Settings, *, fresh: bool, serve_metrics: bool) -> RebuildReport:
    """Rebuilds the cache and returns what was done, with a bar on standard error if somebody watches."""
    configure_logs(level=settings.log_level)
    with ExitStack() as stack:
        metrics = wiring.open_metrics(stack, settings)[0] if serve_metrics else Metrics()
        flow = wiring.open_rebuild(stack, settings, metrics)
        bar = stack.enter_context(tqdm(desc="cards", unit=" cards", file=sys.stderr, disable=None, leave=False))

        def show(stage: str, done: int, total: int | None) -> None:
            bar.set_description(stage)
            bar.total = total
            bar.update(done - bar.n)

        return flow.run(fresh=fresh, progress=show)
