"""How far a file was sent: a small file beside it, so that a run that was killed goes on where it was.

A line is noted only after Kafka has acknowledged everything up to it, so nothing is lost. What was sent after the last note is sent again with the same
event ids, and takes effect once. The note holds digests and numbers, no value of the file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from goldthread.app.produce_rows import RowDefaults
from goldthread.domain.errors import SettingsError
from goldthread.files import Mapping as ColumnMapping

__all__ = ["SentLines", "way_of"]

_ENDING = ".produced"


def way_of(
    file_digest: str, mapping: ColumnMapping, defaults: RowDefaults, *, cluster: str, topic: str
) -> Mapping[str, str]:
    """What must be the same for a run to go on where another was: the file, where it goes, and all that makes its events what they are."""
    reading = mapping.reading
    read_as = [
        sorted(mapping.columns.items()),
        sorted(mapping.constants.items()),
        sorted(mapping.firsts),
        [sorted(reading.missing), reading.apostrophes, str(reading.zone), reading.decimals],
        [mapping.passing.needs, mapping.passing.unless],
        [defaults.region, defaults.currency, defaults.source, str(defaults.occurred_at), defaults.strict],
    ]
    return {
        "file": file_digest,
        "cluster": cluster,
        "topic": topic,
        "read_as": hashlib.sha256(json.dumps(read_as).encode()).hexdigest(),
    }


class SentLines:
    """The note of one file. Raises `SettingsError` naming `--progress-file` where it cannot be kept."""

    def __init__(self, path: Path, way: Mapping[str, str], *, again: bool = False) -> None:
        self._path = path
        self._way = dict(way)
        self.line = 0
        """The last line that was sent, with all before it."""
        self.done = False
        """Whether the whole file was."""
        if not again:
            self._read()

    @staticmethod
    def beside(path: Path) -> Path:
        """Where the note of a file is kept unless somebody says otherwise."""
        return path.with_name(path.name + _ENDING)

    def note(self, line: int, *, done: bool = False) -> None:
        """Remembers a line; once this returns, a killed process or machine does not make it forgotten."""
        self.line, self.done = line, done
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            with partial.open("w", encoding="utf-8") as stream:
                json.dump({**self._way, "line": line, "done": done}, stream, indent=1)
                stream.flush()
                os.fsync(stream.fileno())
            partial.replace(self._path)
        except OSError as error:
            raise SettingsError(
                "progress-file", f"{self._path.name} cannot be written ({type(error).__name__}); name another place"
            ) from None

    def _read(self) -> None:
        try:
            said = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if not isinstance(said, dict) or any(said.get(name) != value for name, value in self._way.items()):
            return
        line, done = said.get("line"), said.get("done")
        if isinstance(line, int) and isinstance(done, bool):
            self.line, self.done = line, done
