"""Runs the embedded servers by hand: ``python -m goldthread.app.embedded DIR``, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from goldthread.app.embedded.failure import EmbeddedServerCancelledError, EmbeddedServerError
from goldthread.app.embedded.stack import EmbeddedStack

__all__ = ["main"]

_WATCH_SECONDS = 1.0


def main(arguments: list[str]) -> int:
    """Starts the servers, prints one line per endpoint (passwords included) and ``ready``, and stops on a signal.

    Gives the exit code: 0 after a signal, 1 if a server failed, 2 if `arguments` is not one directory.
    """
    if len(arguments) != 1:
        print("usage: python -m goldthread.app.embedded DIR", file=sys.stderr)
        return 2
    leave = threading.Event()
    stack = EmbeddedStack(Path(arguments[0]), log=lambda line: print(line, file=sys.stderr, flush=True))

    def on_signal(number: int, frame: FrameType | None) -> None:
        del number, frame
        leave.set()
        stack.cancel()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_signal)
    try:
        with stack:
            endpoints = stack.endpoints
            print(f"postgres {endpoints.postgres_dsn}")
            print(f"redis {endpoints.redis_url}")
            print(f"kafka {endpoints.kafka_bootstrap}")
            print("ready", flush=True)
            while not leave.wait(_WATCH_SECONDS):
                ended = stack.exited()
                if ended:
                    print(f"{', '.join(ended)}: ended by itself", file=sys.stderr)
                    return 1
    except EmbeddedServerCancelledError:
        return 0
    except EmbeddedServerError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
