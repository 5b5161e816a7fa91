"""The error of files that cannot be read or written."""

from __future__ import annotations

from pathlib import Path

from goldthread.domain.errors import GoldthreadError

__all__ = ["FileFormatError"]


class FileFormatError(GoldthreadError):
    """A file is not what its name or its mapping promises; says which file, what is wrong, and where. Never shows a value."""

    reason = "INVALID_FILE"

    def __init__(self, path: Path, message: str, *, line: int | None = None) -> None:
        place = f"{path.name}, line {line}" if line is not None else path.name
        metadata = {"file": path.name} | ({"line": str(line)} if line is not None else {})
        super().__init__(f"{place}: {message}", metadata=metadata)
        self.line = line
