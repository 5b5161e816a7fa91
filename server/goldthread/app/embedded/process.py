"""Child processes that are known by id and start time, outlive a Ctrl-C meant for us, and end when told.

A process id alone may have been given to somebody else since. So beside every child lies a file with its id and start
time, and before an orphan is ended its command line must name our data directory too.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from goldthread.app.embedded.accounts import Account
from goldthread.app.embedded.memory import write_private

__all__ = ["Child", "ProcessIdentity", "end_orphan", "identify"]

_PROC = Path("/proc")
_POLL_SECONDS = 0.05
_KILL_SECONDS = 10.0
_TAIL_BYTES = 4_000
_LOG_LIMIT_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ProcessIdentity:
    """Tells one process from any other that has or had its id. `started` is opaque and only compared."""

    pid: int
    started: str
    command: str


def identify(pid: int) -> ProcessIdentity | None:
    """Gives the identity of the live process `pid`; None if there is none or it has ended, all of it, and awaits its parent."""
    if not _PROC.joinpath("self").exists():
        return _identify_by_ps(pid)
    try:
        fields = (
            _PROC.joinpath(str(pid), "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        )
        command = _PROC.joinpath(str(pid), "cmdline").read_bytes()
        # After the parenthesised name: state is the first field, start time in clock ticks since boot the twentieth.
        # A process is called a zombie once its first thread has ended; files and ports are held until the last one has, as one that waits for a disk.
        if fields[0] == "X" or (fields[0] == "Z" and len(list(_PROC.joinpath(str(pid), "task").iterdir())) <= 1):
            return None
    except OSError:
        return None
    return ProcessIdentity(pid=pid, started=fields[19], command=os.fsdecode(command.replace(b"\0", b" ")))


def _identify_by_ps(pid: int) -> ProcessIdentity | None:
    """Does the same where there is no /proc (macOS)."""
    command = ["ps", "-o", "stat=,lstart=,command=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    fields = found.stdout.split(maxsplit=6)
    if found.returncode != 0 or len(fields) < 7 or fields[0].startswith("Z"):
        return None
    return ProcessIdentity(pid=pid, started=" ".join(fields[1:6]), command=fields[6])


def end_orphan(pid_path: Path, *, marker: str, first_signal: signal.Signals, grace: float) -> int | None:
    """Ends the server that a killed parent left behind, and gives its process id; None if there was none.

    Only a process whose id and start time stand in `pid_path` and whose command line holds `marker` is touched; one that is ending already has
    no command line any more. It gets `first_signal`, after `grace` seconds SIGKILL. Raises TimeoutError if it is still there after that.
    """
    try:
        recorded = json.loads(pid_path.read_text(encoding="utf-8"))
        pid, started = int(recorded["pid"]), str(recorded["started"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

    def is_there() -> bool:
        found = identify(pid)
        return found is not None and found.started == started

    found = identify(pid)
    if found is None or found.started != started or (found.command and marker not in found.command):
        pid_path.unlink(missing_ok=True)
        return None
    # From here on id and start time tell.
    for number, seconds in ((first_signal, grace), (signal.SIGKILL, _KILL_SECONDS)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + seconds
        while is_there() and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        if not is_there():
            break
    if is_there():
        raise TimeoutError(f"process {pid} of an earlier run does not end")
    pid_path.unlink(missing_ok=True)
    return pid


class Child:
    """One started server process and the log that it writes."""

    def __init__(self, process: subprocess.Popen[bytes], *, log_path: Path, log_start: int, pid_path: Path) -> None:
        self._process = process
        self._log_path = log_path
        self._log_start = log_start
        self._pid_path = pid_path

    @classmethod
    def spawn(
        cls,
        command: Sequence[str],
        *,
        log_path: Path,
        pid_path: Path,
        cwd: Path,
        env: Mapping[str, str],
        account: Account | None,
    ) -> Child:
        """Starts `command` in a session of its own, under `account` if one is given, and records its id.

        Raises OSError if it cannot be started at all.
        """
        if log_path.exists() and log_path.stat().st_size > _LOG_LIMIT_BYTES:
            log_path.replace(log_path.with_name(log_path.name + ".1"))
        with log_path.open("ab") as log:
            log_start = log.tell()
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=dict(env),
                start_new_session=True,
                user=None if account is None else account.uid,
                group=None if account is None else account.gid,
                extra_groups=None if account is None else [],
            )
        child = cls(process, log_path=log_path, log_start=log_start, pid_path=pid_path)
        identity = identify(process.pid)
        if identity is not None:
            write_private(pid_path, json.dumps({"pid": identity.pid, "started": identity.started}) + "\n")
        return child

    @property
    def pid(self) -> int:
        """Gives the process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Tells whether the process still runs."""
        return self._process.poll() is None

    def log_since_start(self) -> str:
        """Gives everything that this process (not an earlier one) has logged."""
        with self._log_path.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode("utf-8", errors="replace")

    def log_tail(self) -> str:
        """Gives the last few thousand bytes of what this process has logged."""
        return self.log_since_start()[-_TAIL_BYTES:].strip()

    def stop(self, first_signal: signal.Signals, *, grace: float) -> bool:
        """Asks the process to end, kills it after `grace` seconds, and reaps it. Tells whether asking was enough."""
        asked = True
        if self.alive():
            self._process.send_signal(first_signal)
            try:
                self._process.wait(grace)
            except subprocess.TimeoutExpired:
                asked = False
                self.kill()
        self._pid_path.unlink(missing_ok=True)
        return asked

    def kill(self) -> None:
        """Ends the process at once, without any chance to tidy up, and reaps it."""
        self._process.kill()
        self._process.wait(_KILL_SECONDS)
