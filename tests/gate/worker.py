"""One process of the service over its lives: started again whenever it ends, wherever it was ended from."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from goldthread.app.status import read_status

__all__ = ["EndingError", "Worker"]

_RESTART_SECONDS = 0.3
_TERM_SECONDS = 30.0
_TAIL = 3_000


class EndingError(Exception):
    """A process ended in a way that no fault of ours explains; says which, and its last words."""


class Worker:
    """A child process. Its standard input is ours, so it ends when we do. Not thread-safe: the keeper's lock guards it.

    `excused` names reasons (as the command line prints them) for which it may give up by itself and be started again.
    """

    def __init__(
        self,
        name: str,
        *,
        command: Sequence[str],
        environ: Mapping[str, str],
        folder: Path,
        excused: Sequence[str] = ("LEDGER_UNAVAILABLE", "BUS_UNAVAILABLE", "CACHE_UNAVAILABLE"),
    ) -> None:
        self.name = name
        self.log_path = folder / f"{name}.log"
        self._status_path = folder / f"{name}.status"
        self._command = [*command, "--status-file", str(self._status_path), "--until-eof"]
        self._environ = dict(environ)
        self._excused = tuple(excused)
        self._process: subprocess.Popen[bytes] | None = None
        self._log_start = 0
        self._due = 0.0
        self._asked = False
        self._paused = False
        self.starts = 0
        self.gave_up: list[str] = []

    @property
    def pid(self) -> int | None:
        """Process id; None while it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    @property
    def ready(self) -> bool:
        """Whether this life said that it works."""
        status = read_status(self._status_path)
        return status is not None and status.pid == self.pid

    @property
    def ports(self) -> Mapping[str, int]:
        """Ports that this life said it listens on."""
        status = read_status(self._status_path)
        return status.ports if status is not None and status.pid == self.pid else {}

    @property
    def paused(self) -> bool:
        """Whether it is stopped by SIGSTOP."""
        return self._paused and self.pid is not None

    def start(self) -> None:
        """Starts it."""
        self._status_path.unlink(missing_ok=True)
        self._asked = self._paused = False
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                self._command, env=self._environ, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
            )
        self.starts += 1

    def tend(self) -> None:
        """Starts it again if it has ended. Raises `EndingError` if it ended by itself without an excuse."""
        if self._process is None:
            if time.monotonic() >= self._due:
                self.start()
            return
        code = self._process.poll()
        if code is None:
            return
        self._reap()
        if code != -signal.SIGKILL and not (self._asked and code == 0):
            self._excuse(code)
        self._due = time.monotonic() + _RESTART_SECONDS

    def kill(self) -> bool:
        """Ends it by SIGKILL; False if it does not run."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.kill()
        self._process.wait(10)
        return True

    def terminate(self) -> bool:
        """Asks it to end by SIGTERM and waits until it has, as a rolling restart does; False if it does not run.

        Raises `EndingError` if it does not end in time.
        """
        process = self._process
        if process is None or process.poll() is not None:
            return False
        self._asked = True
        if self._paused:
            process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            process.wait(_TERM_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
            raise EndingError(f"{self.name} did not end within {_TERM_SECONDS:.0f} s of SIGTERM") from None
        return True

    def pause(self) -> bool:
        """Stops it by SIGSTOP; False if it does not run."""
        if self._process is None or self._process.poll() is not None:
            return False
        self._process.send_signal(signal.SIGSTOP)
        self._paused = True
        return True

    def resume(self) -> None:
        """Lets it go on."""
        if self._paused and self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
        self._paused = False

    def stop(self) -> None:
        """Ends it for good: in order if it can, by force otherwise. Raises `EndingError` if it had ended badly, or does now."""
        if self._process is None:
            return
        self.terminate()
        code = self._process.poll()
        self._reap()
        if code not in (0, -signal.SIGKILL):
            self._excuse(code if code is not None else 0)

    def abandon(self) -> None:
        """Ends it at once, whatever that says."""
        self.resume()
        self.kill()
        self._reap()

    def _reap(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
        self._process = None

    def _excuse(self, code: int) -> None:
        with self.log_path.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        # Asked before the interpreter had come to our code, which is what takes the signal: it has done nothing, and left as any program does.
        if self._asked and code == -signal.SIGTERM and not lines and read_status(self._status_path) is None:
            self.gave_up.append("asked to end before it had begun")
            return
        said = next((line for line in reversed(lines) if line.startswith("goldthread: ")), "")
        if any(reason in said for reason in self._excused):
            self.gave_up.append(said)
            return
        crashed = next((line for line in reversed(lines) if _is_crash(line)), "")
        words = crashed or said or "\n".join(lines)[-_TAIL:]
        raise EndingError(f"{self.name} ended by itself with exit code {code}: {words}")


def _is_crash(line: str) -> bool:
    try:
        found = json.loads(line)
    except ValueError:
        return False
    return isinstance(found, dict) and found.get("event") == "crashed"
