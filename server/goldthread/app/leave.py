"""The wish to stop a process: by SIGTERM, SIGINT, or the end of its standard input.

Processes that serve listen for it (`Leave`); commands that carry something out, and have started servers for it, unwind (`leave_in_order`).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

__all__ = ["Leave", "leave_in_order"]

_SIGNALS = frozenset({signal.SIGTERM, signal.SIGINT})
_TERMINATED = 128 + signal.SIGTERM


def leave_in_order() -> None:
    """From now on SIGTERM ends this process as Ctrl-C does, by an exception: servers have sessions of their own and would outlive it. Main thread only."""
    signal.signal(signal.SIGTERM, _unwind)


def _unwind(*_: object) -> None:
    # A second signal, as of somebody who tells the whole group of processes, must not cut short what the first one began.
    signal.signal(signal.SIGTERM, lambda *_: None)
    sys.exit(_TERMINATED)


class Leave:
    """Calls to make when the wish comes, and an event that is set after them.

    Both happen on a thread of their own: a Python signal handler runs between two instructions of the main thread, which may just then hold
    the very lock that setting an event needs.
    """

    def __init__(self) -> None:
        self.event = threading.Event()
        self._calls: list[Callable[[], object]] = []
        self._left = False
        self._lock = threading.Lock()

    def on_leave(self, call: Callable[[], object]) -> None:
        """Makes `call` when the wish comes, at once if it is there."""
        with self._lock:
            if not self._left:
                self._calls.append(call)
                return
        call()

    def leave(self) -> None:
        """Makes the wish; a second time changes nothing."""
        with self._lock:
            calls, self._calls, self._left = self._calls, [], True
        for call in calls:
            call()
        self.event.set()

    def listen(self, *, until_eof: bool = False) -> None:
        """Takes signals, and on demand the end of standard input, as the wish. Once, from the main thread."""
        reading, writing = socket.socketpair()
        writing.setblocking(False)
        for number in _SIGNALS:
            signal.signal(number, lambda *_: None)
        signal.set_wakeup_fd(writing.fileno())
        threading.Thread(target=self._hear, args=(reading, writing), name="signals", daemon=True).start()
        if until_eof:
            threading.Thread(target=self._read_to_end, name="stdin", daemon=True).start()

    def _hear(self, reading: socket.socket, _writing: socket.socket) -> None:
        # The writing end is kept here, because the interpreter knows only its number.
        while True:
            if _SIGNALS.intersection(reading.recv(64)):
                self.leave()

    def _read_to_end(self) -> None:
        # Below Python's buffered reader, whose lock a daemon thread must not hold while the interpreter ends.
        while os.read(sys.stdin.fileno(), 4096):
            pass
        self.leave()
