"""The error of files that cannot be read or written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldthread.domain.errors import GoldthreadError

__all__ = ["FileFormatError", "arrow_errors"]


class FileFormatError(GoldthreadError):
    """A file is not what its name or its mapping promises; says which file, what is wrong, and where. Never shows a value."""

    reason = "INVALID_FILE"

    def __init__(self, path: Path, message: str, *, line: int | None = None) -> None:
        place = f"{path.name}, line {line}" if line is not None else path.name
        metadata = {"file": path.name} | ({"line": str(line)} if line is not None else {})
        super().__init__(f"{place}: {message}", metadata=metadata)
        self.line = line
        self.complaint = message


@contextmanager
def arrow_errors(path: Path, complaint: str) -> Iterator[None]:
    """Turns what Arrow and the file system raise into the error of a file, which never shows a value."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise FileFormatError(path, f"{complaint} ({type(error).__name__})") from None
