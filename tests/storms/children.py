"""Forked children. The parent holds no connection and runs no thread, so a child is a whole process of its own from its first line on."""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, NoReturn

__all__ = ["Progress", "ask", "die", "ended", "fork"]


def fork(work: Callable[[], object]) -> int:
    """Runs `work` in a child and gives its process id; the child ends with 0, or 1 if it raised. Raises `RuntimeError` beside other threads."""
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads must not fork")
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - a child must not return into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Not through the parent's clean-up, which is the parent's.
        os._exit(code)


def ended(pid: int) -> bool:
    """Waits for a child: True if SIGKILL ended it, False if it came to its end. Raises `RuntimeError` if it failed."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise RuntimeError(f"a child failed with {code}")
    return code != 0


def ask(work: Callable[[], Any]) -> Any:
    """What `work` gives, worked out in a child; must be JSON."""
    out, into = os.pipe()

    def answer() -> None:
        with os.fdopen(into, "w") as pipe:
            json.dump(work(), pipe)

    pid = fork(answer)
    os.close(into)
    with os.fdopen(out) as pipe:
        said = pipe.read()
    if ended(pid):
        raise RuntimeError("a child was killed that was not to be")
    return json.loads(said)


def die() -> NoReturn:
    """Ends this process as a fault would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("survived SIGKILL")


class Progress:
    """A number that parent and children share; one writes, all read."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8)

    @property
    def value(self) -> float:
        """The number."""
        return float(struct.unpack("d", self._memory[:8])[0])

    @value.setter
    def value(self, value: float) -> None:
        self._memory[:8] = struct.pack("d", value)
