"""Exit codes of the command line, by which parents and service managers tell what starting a process again can do."""

from __future__ import annotations

__all__ = ["DONE", "FAILED", "INTERRUPTED", "MUST_BE_SEEN_TO", "WRONG_USAGE"]

DONE = 0
FAILED = 1
"""Starting again may help."""

WRONG_USAGE = 2
"""The command line, the environment or the model is wrong."""

MUST_BE_SEEN_TO = 3
"""The process stopped on purpose (POISON_LIMIT, OFFSET_GAP, SCHEMA_VERSION) and must not be started again before somebody has looked."""

INTERRUPTED = 130
