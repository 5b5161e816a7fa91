"""Resident memory of processes and their children."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = ["resident_mebibytes"]

_PROC = Path("/proc")


def resident_mebibytes(pids: Mapping[str, int]) -> dict[str, int]:
    """Resident memory by name, in MiB; a process that is gone has 0.

    Of a family of processes, memory that several may share (files, shared segments) counts once, as much as the largest of them has; so
    PostgreSQL's buffers are not counted for every connection. A child that is named itself does not count for its parent. Where there is
    no /proc, it is the process alone, as `ps` says.
    """
    if not _PROC.joinpath("self", "status").exists():
        return {name: _by_ps(pid) for name, pid in pids.items()}
    children = _children()
    apart = frozenset(pids.values())
    return {name: _family(pid, children, apart=apart - {pid}) for name, pid in pids.items()}


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for folder in _PROC.iterdir():
        if folder.name.isdecimal() and (parent := _status(int(folder.name)).get("PPid")) is not None:
            found.setdefault(parent, []).append(int(folder.name))
    return found


def _family(pid: int, children: Mapping[int, Iterable[int]], *, apart: frozenset[int]) -> int:
    family, waiting = [], [pid]
    while waiting:
        member = waiting.pop()
        family.append(_status(member))
        waiting.extend(child for child in children.get(member, ()) if child not in apart)
    own = sum(status.get("RssAnon", 0) for status in family)
    shared = [status.get("RssFile", 0) + status.get("RssShmem", 0) for status in family]
    return round((own + max(shared)) / 1024)


def _status(pid: int) -> dict[str, int]:
    """Numbers of a process's status; sizes in KiB. Empty if it is gone."""
    try:
        text = _PROC.joinpath(str(pid), "status").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    lines = (line.split() for line in text.splitlines())
    return {
        line[0].rstrip(":"): int(line[1])
        for line in lines
        if len(line) > 1 and line[1].isdecimal() and line[0][-1] == ":"
    }


def _by_ps(pid: int) -> int:
    answer = subprocess.run(["ps", "-o", "rss=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return round(int(answer.stdout.strip() or 0) / 1024)
