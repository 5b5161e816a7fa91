"""How every embedded server is started, found again, and stopped.

One directory per part, guarded by a lock that its parent process holds while the server runs. A start ends an orphan of
a killed parent, prepares the data, keeps or draws ports, spawns, and waits until the server answers. A server that ends
early is started again if its log says that the cause passes by itself (a port just taken, the last processes of a killed
predecessor); anything else is an EmbeddedServerError with the tail of that log. Every wait has a bound.
"""

from __future__ import annotations

import random
import signal
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

from goldthread.app.embedded.accounts import Account
from goldthread.app.embedded.failure import EmbeddedServerCancelledError, EmbeddedServerError
from goldthread.app.embedded.locks import FileLock
from goldthread.app.embedded.memory import PartMemory, load_memory, save_memory
from goldthread.app.embedded.ports import keep_or_draw
from goldthread.app.embedded.process import Child, end_orphan

__all__ = ["EmbeddedServer", "LaunchedServer", "discard"]

_ATTEMPTS = 60
_POLL_SECONDS = 0.05
_RETRY_SECONDS = 0.25
_PORT_PATIENCE_SECONDS = 3.0


def discard(line: str) -> None:
    """Drops a progress line: the default where the caller wants none."""
    del line


class EmbeddedServer(Protocol):
    """One server that can be started alone."""

    @property
    def name(self) -> str:
        """Gives ``postgres``, ``redis`` or ``kafka``."""

    @property
    def endpoint(self) -> str:
        """Gives what clients connect to. Raises EmbeddedServerError if the server was never started."""

    @property
    def pid(self) -> int | None:
        """Gives the process id of the running server, or None."""

    def start(self) -> str:
        """Starts the server unless it runs, waits until it answers, and gives its endpoint."""

    def stop(self) -> None:
        """Stops the server in order. Harmless if it does not run."""

    def kill(self) -> None:
        """Ends the server by SIGKILL, as a fault would. Its data stays."""


class LaunchedServer(ABC):
    """Carries out the protocol above; a part adds how it is prepared, configured, spawned and asked for readiness."""

    part: ClassVar[str]
    port_count: ClassVar[int] = 1
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_seconds: ClassVar[float] = 20.0
    start_seconds: ClassVar[float] = 180.0
    home_mode: ClassVar[int] = 0o700
    # What the server logs before it is worth asking; empty where asking alone is enough.
    started_line: ClassVar[str] = ""

    def __init__(
        self,
        data_dir: Path,
        *,
        environ: Mapping[str, str],
        log: Callable[[str], None] = discard,
        cancelled: threading.Event | None = None,
    ) -> None:
        self._home = data_dir.resolve() / self.part
        self._environ = environ
        self._log = log
        self._cancelled = cancelled or threading.Event()
        self._lock = FileLock(self._home / "lock")
        self._memory = PartMemory()
        self._child: Child | None = None

    @property
    def name(self) -> str:
        """Gives ``postgres``, ``redis`` or ``kafka``."""
        return self.part

    @property
    def pid(self) -> int | None:
        """Gives the process id of the running server, or None."""
        return self._child.pid if self._child is not None and self._child.alive() else None

    @property
    def endpoint(self) -> str:
        """Gives what clients connect to. Raises EmbeddedServerError if the server was never started."""
        if not self._memory.ports:
            raise self._failure("it was not started yet")
        return self._endpoint(self._memory)

    def start(self) -> str:
        """Starts the server unless it runs, waits until it answers, and gives its endpoint.

        Ports and passwords stay those of the last start in the same data directory, unless another process has taken a
        port meanwhile. Raises EmbeddedServerError.
        """
        if self.pid is not None:
            return self.endpoint
        try:
            self._start()
        except OSError as error:
            self.stop()
            raise self._failure(str(error)) from error
        except BaseException:
            self.stop()
            raise
        return self.endpoint

    def stop(self) -> None:
        """Stops the server in order, by SIGKILL if it does not end in time. Harmless if it does not run."""
        child, self._child = self._child, None
        try:
            if child is not None and not child.stop(self.stop_signal, grace=self.stop_seconds):
                self._log(f"{self.part}: did not stop within {self.stop_seconds:.0f} s and was killed")
        finally:
            self._lock.release()

    def kill(self) -> None:
        """Ends the server by SIGKILL, as a fault would. Its data stays."""
        if self._child is None:
            raise self._failure("it does not run")
        self._child.kill()

    def _start(self) -> None:
        self._home.parent.mkdir(mode=self.home_mode | 0o011, parents=True, exist_ok=True)
        self._home.mkdir(mode=self.home_mode, exist_ok=True)
        if not self._lock.try_acquire():
            raise self._failure(f"{self._home} is in use by process {self._lock.holder()}")
        try:
            self._memory = load_memory(self._home / "state.json")
        except ValueError as error:
            raise self._failure(str(error)) from None
        self._end_orphan()
        self._prepare()
        self._launch()

    def _end_orphan(self) -> None:
        ended = end_orphan(
            self._home / "pid.json", marker=self._marker(), first_signal=self.stop_signal, grace=self.stop_seconds
        )
        if ended is not None:
            self._log(f"{self.part}: ended process {ended}, left by an earlier run that was killed")

    def _launch(self) -> None:
        deadline = time.monotonic() + self.start_seconds
        rng = random.SystemRandom()
        for _ in range(_ATTEMPTS):
            ports = keep_or_draw(self._memory.ports, count=self.port_count, rng=rng, patience=_PORT_PATIENCE_SECONDS)
            for old, new in zip(self._memory.ports, ports, strict=False):
                if old != new:
                    self._log(f"{self.part}: port {old} is taken by another process; now on {new}")
            self._remember(self._memory.with_ports(ports))
            self._configure(ports)
            self._child = Child.spawn(
                self._command(),
                log_path=self._home / "server.log",
                pid_path=self._home / "pid.json",
                cwd=self._home,
                env=self._child_environ(),
                account=self._account(),
            )
            if self._await_ready(self._child, ports, deadline):
                return
            if not self._passes_by_itself(self._child.log_since_start()):
                break
            time.sleep(_RETRY_SECONDS)
        tail = "" if self._child is None else self._child.log_tail()
        raise self._failure("it ended while starting", log_tail=tail)

    def _await_ready(self, child: Child, ports: tuple[int, ...], deadline: float) -> bool:
        """Gives True once the server answers and False once it has ended. Raises if neither comes by `deadline`."""
        while child.alive():
            if self.started_line in child.log_since_start() and self._answers(ports):
                return True
            if self._cancelled.is_set():
                raise EmbeddedServerCancelledError(self.part)
            if time.monotonic() > deadline:
                raise self._failure(
                    f"it does not answer {self.start_seconds:.0f} s after its start", log_tail=child.log_tail()
                )
            time.sleep(_POLL_SECONDS)
        return False

    def _remember(self, memory: PartMemory) -> None:
        save_memory(self._home / "state.json", memory)
        self._memory = memory

    def _failure(self, message: str, *, log_tail: str = "") -> EmbeddedServerError:
        return EmbeddedServerError(self.part, message, log_tail=log_tail)

    def _child_environ(self) -> dict[str, str]:
        # Messages are matched, so they must be in English whatever the user's language is.
        return {**self._environ, "LC_ALL": "C.UTF-8"}

    def _account(self) -> Account | None:
        return None

    def _passes_by_itself(self, log: str) -> bool:
        """Tells from the log of a server that ended early whether starting it again can help."""
        return "Address already in use" in log

    @abstractmethod
    def _marker(self) -> str:
        """Gives a text that stands in the command line of this part's server and of no other."""

    @abstractmethod
    def _prepare(self) -> None:
        """Makes everything that must be there before a first spawn. May be repeated after a crash anywhere."""

    @abstractmethod
    def _configure(self, ports: tuple[int, ...]) -> None:
        """Writes the server's configuration for `ports`."""

    @abstractmethod
    def _command(self) -> Sequence[str]:
        """Gives the command line, without ports (the configuration has them) and without any password."""

    @abstractmethod
    def _answers(self, ports: tuple[int, ...]) -> bool:
        """Asks the server once, without waiting long, whether it serves clients."""

    @abstractmethod
    def _endpoint(self, memory: PartMemory) -> str:
        """Gives the endpoint that belongs to `memory`."""
