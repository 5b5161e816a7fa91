"""Exit codes of the command line, by which parents and service managers tell what starting a process again can do."""

from __future__ import annotations

from goldthread.domain.errors import (
    GoldthreadError,
    InvalidArgumentError,
    ModelFileError,
    OffsetGapError,
    PoisonLimitError,
    SchemaVersionError,
    SettingsError,
    SurvivorshipFileError,
)

__all__ = ["DONE", "FAILED", "INTERRUPTED", "MUST_BE_SEEN_TO", "WRONG_USAGE", "exit_code_of"]

DONE = 0
FAILED = 1
"""Starting again may help."""

WRONG_USAGE = 2
"""The command line, the environment or the model is wrong."""

MUST_BE_SEEN_TO = 3
"""The process stopped on purpose (POISON_LIMIT, OFFSET_GAP, SCHEMA_VERSION) and must not be started again before somebody has looked."""

INTERRUPTED = 130


def exit_code_of(error: GoldthreadError) -> int:
    """Exit code of a command that ends with an error."""
    match error:
        case SettingsError() | ModelFileError() | SurvivorshipFileError() | InvalidArgumentError():
            return WRONG_USAGE
        case PoisonLimitError() | OffsetGapError() | SchemaVersionError():
            return MUST_BE_SEEN_TO
        case _:
            return FAILED
