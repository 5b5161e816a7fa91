"""What one embedded server must remember between starts: its ports, its password, where its data lies.

One small JSON file per part, readable by its owner only, replaced atomically: a crash leaves the old or the new one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

__all__ = ["PartMemory", "load_memory", "save_memory", "write_private"]


@dataclass(frozen=True, kw_only=True)
class PartMemory:
    """Holds the remembered ports and named facts of one part. Facts may be secret, so repr leaves them out."""

    ports: tuple[int, ...] = ()
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)

    def with_ports(self, ports: tuple[int, ...]) -> PartMemory:
        """Gives a copy that remembers `ports`."""
        return replace(self, ports=ports)

    def with_fact(self, name: str, value: str) -> PartMemory:
        """Gives a copy in which the fact `name` is `value`."""
        return replace(self, facts=MappingProxyType({**self.facts, name: value}))


def load_memory(path: Path) -> PartMemory:
    """Gives what `path` remembers, or an empty memory if there is no such file.

    Raises ValueError if the file is there but is not one that `save_memory` wrote.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return PartMemory()
    try:
        raw = json.loads(text)
        ports = tuple(int(port) for port in raw["ports"])
        facts = {str(name): str(value) for name, value in raw["facts"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        # The text may hold a password, so neither it nor the parser's message is repeated.
        raise ValueError(f"{path} is not a state file of an embedded server ({type(error).__name__})") from None
    return PartMemory(ports=ports, facts=MappingProxyType(facts))


def save_memory(path: Path, memory: PartMemory) -> None:
    """Writes `memory` to `path`, durably and all or nothing."""
    write_private(path, json.dumps({"ports": list(memory.ports), "facts": dict(memory.facts)}, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    """Replaces `path` by a file that holds `text` and that only its owner can read. Durable when it returns."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
