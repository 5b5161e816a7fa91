"""Keeps child processes running: starts them, starts them again when they end, and stops them in order.

A child says that it is ready through a status file (`goldthread.app.status`) and keeps the ports it bound first over its restarts. It is
started again after a wait that doubles while its lives stay short. One whose lives are short too often in a row, that complains about its
settings, or that says by its exit code that somebody has to look first (`goldthread.app.exits`), is given up: the supervisor then reports
a failure and starts nothing more of it. Each end that nobody asked for is told through `log`.

A child's standard input is a pipe that we hold and never write to. It ends when we do, however we end, and children take that as a request
to stop, so a killed parent leaves no orphans.
"""

from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from goldthread.app.exits import FAILED, MUST_BE_SEEN_TO, WRONG_USAGE
from goldthread.app.status import Status, read_status

__all__ = ["Child", "Supervisor", "SupervisorError"]

_POLL_SECONDS = 0.05
_WAKE_SECONDS = 0.5
_STEADY_SECONDS = 5.0
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 2.0
_FALSE_STARTS = 8
_SHORT_LIVES = 10
_KILL_SECONDS = 5.0
_LOG_TAIL_BYTES = 4_096
_OUR_LINE = "goldthread: "


class SupervisorError(RuntimeError):
    """A child was given up; names it, how it ended, what it said of that, and its log file. `exit_code` is what the parent should end with."""

    def __init__(self, message: str, *, exit_code: int = FAILED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Child:
    """One child process over its lives.

    `environ(ports)` gives its environment, `ports` being those it bound before; `log` hears of every end that nobody asked for.
    """

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str],
        environ: Callable[[Mapping[str, int]], Mapping[str, str]],
        folder: Path,
        log: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._status_path = folder / f"{name}.status"
        self._command = [*command, "--status-file", str(self._status_path), "--until-eof"]
        self._environ = environ
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._status: Status | None = None
        self._ports: Mapping[str, int] = {}
        self._spawned_at = 0.0
        self._due_at = 0.0
        self._short_lives = 0
        self._false_starts = 0
        self._log_start = 0
        self.failure: SupervisorError | None = None

    @property
    def pid(self) -> int | None:
        """Process id; None while it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    @property
    def ports(self) -> Mapping[str, int]:
        """Ports it bound last."""
        return self._ports

    @property
    def ready(self) -> bool:
        """True once this life of the process said that it is ready."""
        return self._status is not None and self._status.pid == self.pid

    def tend(self, now: float) -> bool:
        """One round of care; returns True if the process id, readiness or ports changed."""
        if self.failure is not None:
            return False
        if self._process is None:
            if now < self._due_at:
                return False
            self._spawn(now)
            return True
        code = self._process.poll()
        if code is not None:
            self._ended(self._process, code, now)
            return True
        if self._status is None:
            return self._hear(self._process.pid)
        if self._short_lives and now - self._spawned_at > _STEADY_SECONDS:
            self._short_lives = 0
        return False

    def stop(self, grace: float) -> None:
        """Asks the process to end, waits up to `grace` seconds, then kills it."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_KILL_SECONDS)
        if process.stdin is not None:
            process.stdin.close()
        self._status_path.unlink(missing_ok=True)

    def _spawn(self, now: float) -> None:
        self._status_path.unlink(missing_ok=True)
        self._status = None
        with self.log_path.open("ab") as log:
            self.log_path.chmod(0o600)
            self._log_start = log.tell()
            # Its own session: Ctrl-C on a terminal reaches us alone, and we stop the children in order.
            self._process = subprocess.Popen(
                self._command,
                env=dict(self._environ(self._ports)),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._spawned_at = now

    def _hear(self, pid: int) -> bool:
        """Reads the status file; True if it says for the first time that this life of the process is ready."""
        found = read_status(self._status_path)
        if found is None or found.pid != pid:
            return False
        self._status = found
        self._ports = found.ports
        self._false_starts = 0
        return True

    def _ended(self, process: subprocess.Popen[bytes], code: int, now: float) -> None:
        if process.stdin is not None:
            process.stdin.close()
        # It may have become ready and ended since the last round.
        was_ready = self._status is not None or self._hear(process.pid)
        self._process = self._status = None
        self._short_lives += 1
        self._false_starts += not was_ready
        how, where = _ending(code), f"see {self.log_path}"
        # With ports of an earlier life the complaint may be that one was taken meanwhile; without any it is about the settings themselves.
        if code == MUST_BE_SEEN_TO or (code == WRONG_USAGE and (was_ready or not self._ports)):
            said = self._last_words()
            self.failure = SupervisorError(
                f"{self.name} {how} and is not started again: {f'{said}, {where}' if said else where}", exit_code=code
            )
            return
        if self._false_starts >= _FALSE_STARTS or self._short_lives >= _SHORT_LIVES:
            again = (
                f"does not start: {how}" if not was_ready else f"{how}, {self._short_lives} times soon after its start"
            )
            self.failure = SupervisorError(f"{self.name} {again}, {where}")
            return
        self._log(f"{self.name}: {how}, starting it again ({where})")
        # A port may have been taken meanwhile: after a false start let the process choose again.
        if not was_ready:
            self._ports = {}
        wait = min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS * 2 ** min(self._short_lives - 1, 10))
        self._due_at = now + wait * random.uniform(0.5, 1.0)  # noqa: S311 (spreads restarts; nothing secret)

    def _last_words(self) -> str:
        """The line with which this life explained its end (`goldthread.app.cli`), without personal data; empty if there is none."""
        with self.log_path.open("rb") as log:
            end = log.seek(0, 2)
            log.seek(max(self._log_start, end - _LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        return next((line.removeprefix(_OUR_LINE) for line in reversed(lines) if line.startswith(_OUR_LINE)), "")


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


class Supervisor:
    """Runs children, given in the order in which they are stopped. `changed` is called from the supervisor's own thread."""

    def __init__(self, children: Sequence[Child], *, changed: Callable[[], None]) -> None:
        self._children = tuple(children)
        self._changed = changed
        self._stopping = threading.Event()
        self._round_done = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def start(self, *, seconds: float) -> None:
        """Starts every child and returns once all are ready; raises `SupervisorError` if that takes longer or one is given up."""
        self._thread.start()
        deadline = time.monotonic() + seconds
        with self._round_done:
            while not all(child.ready for child in self._children):
                self.check()
                if self._stopping.is_set():
                    raise SupervisorError("the start was cancelled")
                self._round_done.wait(_WAKE_SECONDS)
                if time.monotonic() >= deadline:
                    late = ", ".join(child.name for child in self._children if not child.ready)
                    raise SupervisorError(f"not ready after {seconds:.0f} s: {late}")

    def cancel(self) -> None:
        """Makes a running `start` give up soon, and starts nothing more. Safe from any thread."""
        self._stopping.set()

    def check(self) -> None:
        """Raises `SupervisorError` if a child was given up."""
        for child in self._children:
            if child.failure is not None:
                raise child.failure

    def pids(self) -> dict[str, int]:
        """Process ids of the children that run now."""
        found = {child.name: child.pid for child in self._children}
        return {name: pid for name, pid in found.items() if pid is not None}

    def ports(self) -> dict[str, Mapping[str, int]]:
        """Bound ports of every child, by its name."""
        return {child.name: child.ports for child in self._children}

    def stop(self, *, grace: float) -> None:
        """Stops the children one after another, each within `grace` seconds or by force. Harmless if nothing runs."""
        self._stopping.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
        for child in self._children:
            child.stop(grace)

    def _run(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            now = time.monotonic()
            changes = [child.tend(now) for child in self._children]
            if any(changes):
                self._changed()
            with self._round_done:
                self._round_done.notify_all()
