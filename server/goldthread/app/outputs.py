"""Files that commands write: looked at before the work is done, and whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from goldthread.domain.errors import SettingsError

__all__ = ["check_outputs", "write_text"]


def check_outputs(outputs: Iterable[tuple[str, Path | None]], *, inputs: Iterable[Path | None]) -> None:
    """Refuses outputs that would overwrite another file of the run, and folders that cannot be written to: long work shall not be lost at its end.

    `outputs` are options and their files. Raises `SettingsError` naming the option.
    """
    taken = {path.resolve(): path for path in inputs if path is not None}
    for option, path in outputs:
        if path is None or str(path) == "-":
            continue
        place = path.resolve()
        if place in taken:
            raise SettingsError(option, f"must not be another file of this run, which {taken[place]} is")
        taken[place] = path
        if place.is_dir():
            raise SettingsError(option, f"{path} is a directory")
        if not place.parent.is_dir():
            raise SettingsError(option, f"there is no directory {path.parent}")
        if not os.access(place.parent, os.W_OK):
            raise SettingsError(option, f"{path.parent} cannot be written to")


def write_text(option: str, path: Path, text: str) -> None:
    """Writes a file that appears whole or not at all. Raises `SettingsError` naming the option."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise SettingsError(option, f"{path.name} cannot be written ({type(error).__name__})") from None
    finally:
        draft.unlink(missing_ok=True)
