"""The three embedded servers together, as ``goldthread up`` runs them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType

from goldthread.app.embedded.endpoints import Endpoints
from goldthread.app.embedded.failure import EmbeddedServerCancelledError, EmbeddedServerError
from goldthread.app.embedded.kafka import KafkaServer
from goldthread.app.embedded.kafka_jars import default_cache_dir
from goldthread.app.embedded.launcher import EmbeddedServer, discard
from goldthread.app.embedded.postgres import PostgresServer
from goldthread.app.embedded.valkey import ValkeyServer

__all__ = ["EmbeddedStack"]

# What reads from Kafka writes to the ledger: the source dries up first, the truth closes last.
_STOP_ORDER = ("kafka", "redis", "postgres")


class EmbeddedStack:
    """Runs PostgreSQL, Valkey and Kafka over one data directory. A context manager: starts on entry, stops on exit.

    A part whose address is given is used as it is and neither started nor stopped. Data, passwords and (if still free)
    ports survive a stop and a SIGKILL of anything, this process included: servers that it left behind are ended by the
    next start. One process at a time may run a data directory. Methods are for one thread, except `cancel`.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        postgres_dsn: str | None = None,
        redis_url: str | None = None,
        kafka_bootstrap: str | None = None,
        cache_dir: Path | None = None,
        log: Callable[[str], None] = discard,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        host = os.environ if environ is None else environ
        cache = default_cache_dir(host, home=Path.home()) if cache_dir is None else cache_dir
        self._log = log
        self._cancelled = threading.Event()
        self._given_up = False
        self._given = {
            name: address
            for name, address in (("postgres", postgres_dsn), ("redis", redis_url), ("kafka", kafka_bootstrap))
            if address is not None
        }
        servers: tuple[EmbeddedServer, ...] = (
            PostgresServer(data_dir, environ=host, log=log, cancelled=self._cancelled),
            ValkeyServer(data_dir, environ=host, log=log, cancelled=self._cancelled),
            KafkaServer(data_dir, environ=host, cache_dir=cache.resolve(), log=log, cancelled=self._cancelled),
        )
        self._servers = {server.name: server for server in servers if server.name not in self._given}

    def __enter__(self) -> EmbeddedStack:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoints(self) -> Endpoints:
        """Gives where all three servers answer. Raises EmbeddedServerError before the first `start`."""
        found = {**self._given, **{name: server.endpoint for name, server in self._servers.items()}}
        return Endpoints(postgres_dsn=found["postgres"], redis_url=found["redis"], kafka_bootstrap=found["kafka"])

    def start(self) -> Endpoints:
        """Starts every part at once, waits until all answer, and gives their endpoints.

        Bounded by the parts' own limits: a minute each, plus a quarter of an hour for the very first fetch of Kafka. If
        one fails the others are stopped again. Raises EmbeddedServerError.
        """
        self._cancelled.clear()
        if self._given_up:
            self._cancelled.set()
        with contextlib.ExitStack() as undo:
            undo.callback(self.stop)
            with ThreadPoolExecutor(max_workers=3, thread_name_prefix="embedded") as pool:
                starts = [pool.submit(self._start_one, server) for server in self._servers.values()]
                try:
                    wait(starts, return_when=FIRST_EXCEPTION)
                finally:
                    # A failed part, or an exception thrown into this thread: the others need not go on.
                    if not all(start.done() for start in starts):
                        self._cancelled.set()
            failures = [failure for start in starts if (failure := start.exception()) is not None]
            if failures:
                # Of a failure and the cancellations that it caused, the failure is the one to report.
                raise min(failures, key=lambda failure: isinstance(failure, EmbeddedServerCancelledError))
            undo.pop_all()
        return self.endpoints

    def stop(self) -> None:
        """Stops what this stack started, in order: kafka, redis, postgres. Harmless if nothing runs."""
        with contextlib.ExitStack() as order:
            for name in reversed(_STOP_ORDER):
                if name in self._servers:
                    order.callback(self._servers[name].stop)

    def cancel(self) -> None:
        """Makes a running or later `start` give up soon. May be called from a signal handler or another thread."""
        self._given_up = True
        self._cancelled.set()

    def pids(self) -> dict[str, int]:
        """Gives the process ids of the parts that this stack started and that run now."""
        found = {name: server.pid for name, server in self._servers.items()}
        return {name: pid for name, pid in found.items() if pid is not None}

    def exited(self) -> tuple[str, ...]:
        """Names the parts of this stack that do not run now: after `start`, those that ended by themselves."""
        return tuple(name for name, server in self._servers.items() if server.pid is None)

    def kill(self, part: str) -> None:
        """Ends one part by SIGKILL, as a fault would."""
        self._server(part).kill()

    def restart(self, part: str) -> None:
        """Stops one part if it runs and starts it again over its data, on the same port unless that was taken."""
        server = self._server(part)
        server.stop()
        self._start_one(server)

    def _start_one(self, server: EmbeddedServer) -> None:
        server.start()
        self._log(f"{server.name}: up, process {server.pid}")

    def _server(self, part: str) -> EmbeddedServer:
        if part not in self._servers:
            raise EmbeddedServerError(part, "it is not a part that this stack starts")
        return self._servers[part]
