"""Runs the commands that a docs page shows, against a running service with an empty ledger, and compares what they print, or writes it.

`python tools/pages.py PAGE --target HOST:PORT` compares; with `--write` the page then shows what was printed. A page has

- files: a line of nothing but a name in backticks and a colon, then a block of any language: written into an empty directory;
- commands: blocks of `console`, each command behind `$ ` (and behind `> ` where it goes on), then what it prints.

Ids, moments and versions differ with every run. They may, if they do so consistently: what stands for an id on the page is the same one wherever it
stands, in commands too. A moment that stands in one of the files is what it says. A command that only reads is run again for a while where its output
is another one, for what it shows follows a write within moments.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["DifferenceError", "Player", "Shown", "blocks", "files", "rewritten"]

_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^`([\w./-]+)`:\n\n?```\w*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?"
_DAY = r"\d{1,2} (?:January|February|March|April|May|June|July|August|September|October|November|December) \d{4}"
_VERSION = r"(?i:(?<=version)[\": ]+)\d+"
_VARIABLE = re.compile(f"(?P<id>{_UUID})|(?P<moment>{_MOMENT}|{_DAY})|(?P<version>{_VERSION})")
_WRITES = re.compile(r"\bgoldthread (?:resolve|reviews decide)\b|/v1/resolve\b")
_SECONDS = 30.0
_SETTLED = 1.5
_PAUSE = 0.3


class DifferenceError(Exception):
    """A command printed something else than the page shows."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A command of a page, and what it is shown to print."""

    command: str
    output: str


@dataclass(slots=True)
class Player:
    """Runs commands in one directory, and remembers what stands for what."""

    folder: Path
    target: str
    fixed: frozenset[str] = frozenset()
    seconds: float = _SECONDS
    settled: float = _SETTLED
    _ids: dict[str, str] = field(default_factory=dict)

    def run(self, shown: Shown) -> str:
        """What the command prints. Raises `DifferenceError` if that is not what is shown, however often it is run."""
        deadline = time.monotonic() + (0.0 if _WRITES.search(shown.command) else self.seconds)
        while True:
            printed = self.printed(shown.command)
            problem = self.learn(shown.output, printed)
            if problem is None:
                return printed
            if time.monotonic() > deadline:
                raise DifferenceError(f"$ {shown.command}\n{printed}\nis not what is shown: {problem}")
            time.sleep(_PAUSE)

    def printed(self, command: str) -> str:
        """What a command prints, errors too; its exit code is its own affair."""
        environ = {**os.environ, "GOLDTHREAD_TARGET": self.target}
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
        command = self.translated(command)
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        return "".join(f"{line.rstrip()}\n" for line in done.stdout.splitlines())

    def translated(self, command: str) -> str:
        """A command of the page with the ids of this run."""
        return re.sub(_UUID, lambda found: self._ids.get(found[0], found[0]), command)

    def learn(self, shown: str, printed: str) -> str | None:
        """Takes ids from equal places, or says what differs; then nothing is learnt."""
        if _VARIABLE.sub(_kind, shown) != _VARIABLE.sub(_kind, printed):
            return "other words"
        ids = dict(self._ids)
        for one, other in zip(_VARIABLE.finditer(shown), _VARIABLE.finditer(printed), strict=True):
            if one["version"] is not None:
                continue
            if one[0] in self.fixed:
                if one[0] != other[0]:
                    return f"{other[0]} where it says {one[0]}"
            elif one["id"] is not None and ids.setdefault(one[0], other[0]) != other[0]:
                return f"{other[0]} for {one[0]}, which was {ids[one[0]]}"
        if len(set(ids.values())) < len(ids):
            return "one id for two"
        self._ids = ids
        return None


def blocks(text: str) -> Iterator[list[Shown]]:
    """The commands of each block of a page."""
    for found in _BLOCK.finditer(text):
        yield list(_commands(found[1]))


def files(text: str) -> dict[str, str]:
    """The files of a page by their names."""
    return {found[1]: found[2] for found in _FILE.finditer(text)}


def player(text: str, folder: Path, target: str) -> Player:
    """Somebody with the files of a page."""
    for name, content in files(text).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, encoding="utf-8")
    fixed = frozenset(found[0] for content in files(text).values() for found in re.finditer(_MOMENT, content))
    return Player(folder, target, fixed)


def rewritten(text: str, somebody: Player) -> str:
    """The page with what its commands print now."""

    def replaced(found: re.Match[str]) -> str:
        lines = []
        for shown in _commands(found[1]):
            time.sleep(somebody.settled)
            printed = somebody.printed(shown.command)
            somebody.learn(shown.output, printed)
            first, *more = somebody.translated(shown.command).split("\n")
            lines.append("".join([f"$ {first}\n", *(f"> {line}\n" for line in more), printed]))
        return "```console\n" + "".join(lines) + "```"

    return _BLOCK.sub(replaced, text)


def _commands(block: str) -> Iterator[Shown]:
    command: list[str] = []
    output: list[str] = []
    for line in block.splitlines():
        if line.startswith("$ "):
            if command:
                yield Shown("\n".join(command), "".join(output))
            command, output = [line[2:]], []
        elif line.startswith("> ") and not output:
            command.append(line[2:])
        else:
            output.append(f"{line}\n")
    if command:
        yield Shown("\n".join(command), "".join(output))


def _kind(found: re.Match[str]) -> str:
    return f"<{found.lastgroup}>"


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=Path)
    parser.add_argument("--target", required=True, help="host:port of a service with an empty ledger")
    parser.add_argument("--write", action="store_true", help="let the page show what was printed")
    arguments = parser.parse_args()
    text = arguments.page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        somebody = player(text, Path(folder), arguments.target)
        if arguments.write:
            arguments.page.write_text(rewritten(text, somebody), encoding="utf-8")
            return 0
        try:
            for block in blocks(text):
                for shown in block:
                    somebody.run(shown)
        except DifferenceError as difference:
            print(difference, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
