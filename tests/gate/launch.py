"""`python -m gate.launch --bug NAME COMMAND …`: the service's command line with one known bug planted in it."""

from __future__ import annotations

import sys

from gate.sabotage import plant

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Plants the bug and runs the command; gives its exit code."""
    flag, name, *command = arguments
    if flag != "--bug":
        raise SystemExit("usage: python -m gate.launch --bug NAME COMMAND …")
    plant(name)
    from goldthread.app.cli import main as run

    return run(command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
