"""The long-running processes: `serve`, `consume` and `relay`.

Each starts `/metrics`, checks the schema, says that it is ready, works until it is told to stop (`goldthread.app.leave`), and closes what it
opened. A second signal changes nothing: stopping is bounded by itself, and whoever cannot wait has SIGKILL, which is always safe.
"""

from __future__ import annotations

import asyncio
import gc
import os
from contextlib import ExitStack
from pathlib import Path

from goldthread.app import wiring
from goldthread.app.leave import Leave
from goldthread.app.settings import Settings
from goldthread.app.status import Status, write_status
from goldthread.telemetry.logs import configure_logs, get_logger, log_crashes

__all__ = ["run_consumer", "run_relay", "run_server"]

_log = get_logger(__name__)
_COLLECT_AFTER = 50_000  # objects made and not dropped


def run_consumer(settings: Settings, *, status_file: Path | None, leave: Leave) -> None:
    """Reads customer events until told to stop. Raises what the worker gives up on, such as `PoisonLimitError`."""
    _log_everything(settings)
    with ExitStack() as stack:
        metrics, port = wiring.open_metrics(stack, settings)
        worker = wiring.open_consumer(stack, settings, metrics)
        _collect_seldom()
        _ready("consume", status_file, metrics=port)
        worker.run(leave.event)
    _log.info("stopped", process="consume")


def run_relay(settings: Settings, *, status_file: Path | None, leave: Leave) -> None:
    """Publishes committed changes and dead letters until told to stop."""
    _log_everything(settings)
    with ExitStack() as stack:
        metrics, port = wiring.open_metrics(stack, settings)
        worker = wiring.open_relay(stack, settings, metrics)
        _collect_seldom()
        _ready("relay", status_file, metrics=port)
        worker.run(leave.event)
    _log.info("stopped", process="relay")


def _collect_seldom() -> None:
    """Looks for cycles once for some batches, not dozens of times in each, and never among what lives as long as the process.

    A batch makes tens of thousands of objects and drops them all; hardly any stand in a cycle, and looking for those was a tenth of a worker's time.
    In the server, a look through everything held up whoever called just then by 45 ms, most of a register's 48.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER, 20, 20)


def run_server(settings: Settings, *, status_file: Path | None, leave: Leave) -> None:
    """Answers gRPC calls until told to stop; then drains them."""
    _log_everything(settings)
    asyncio.run(_serve(settings, status_file=status_file, leave=leave))
    _log.info("stopped", process="serve")


async def _serve(settings: Settings, *, status_file: Path | None, leave: Leave) -> None:
    loop = asyncio.get_running_loop()
    left = asyncio.Event()
    leave.on_leave(lambda: loop.call_soon_threadsafe(left.set))
    with ExitStack() as stack:
        metrics, port = wiring.open_metrics(stack, settings)
        async with wiring.open_server(stack, settings, metrics) as server:
            redo = asyncio.create_task(asyncio.to_thread(wiring.open_redo(stack, settings, metrics).run, leave.event))
            grpc_port = await server.start()
            _collect_seldom()
            _ready("serve", status_file, grpc=grpc_port, metrics=port)
            # Redo ends before it is told to only where this process must not go on: another model is in use, say.
            await asyncio.wait({redo, asyncio.create_task(left.wait())}, return_when=asyncio.FIRST_COMPLETED)
        leave.event.set()
        await redo


def _log_everything(settings: Settings) -> None:
    configure_logs(level=settings.log_level)
    log_crashes()


def _ready(process: str, status_file: Path | None, **ports: int) -> None:
    if status_file is not None:
        write_status(status_file, Status(pid=os.getpid(), ports=ports))
    _log.info("ready", process=process, **{f"{name}_port": port for name, port in ports.items()})
