"""How a process tells the one that started it that it is ready, and where it listens: a small file, replaced whole."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Status", "read_status", "write_private", "write_status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A process that is ready, and its bound ports by purpose (`grpc`, `metrics`)."""

    pid: int
    ports: Mapping[str, int] = field(default_factory=dict)


def write_private(path: Path, text: str) -> None:
    """Replaces a file at once by one that only its owner can read; a reader sees the old text or the new one."""
    scratch = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    scratch.unlink(missing_ok=True)
    with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    scratch.replace(path)


def write_status(path: Path, status: Status) -> None:
    """Says that the process is ready."""
    write_private(path, json.dumps({"pid": status.pid, "ports": dict(status.ports)}) + "\n")


def read_status(path: Path) -> Status | None:
    """What the process said; None before it did."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Status(pid=int(found["pid"]), ports={str(name): int(port) for name, port in found["ports"].items()})
