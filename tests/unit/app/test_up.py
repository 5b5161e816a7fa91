"""What `Up` does beside starting things; the embedded servers are a twin in memory."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import cast

import pytest

from goldthread.app.embedded import EmbeddedServerError, EmbeddedStack
from goldthread.app.embedded.endpoints import Endpoints
from goldthread.app.settings import Settings
from goldthread.app.up import Up, UpOptions


class Servers:
    """A stack of which Kafka ended by itself and answers at `port` once it was restarted."""

    def __init__(self, port: int, leave: threading.Event) -> None:
        self.endpoints = self._at(9092)
        self.restarted: list[str] = []
        self._port = port
        self._leave = leave

    @staticmethod
    def _at(port: int) -> Endpoints:
        return Endpoints(postgres_dsn="postgresql://h/d", redis_url="redis://h:1", kafka_bootstrap=f"127.0.0.1:{port}")

    def exited(self) -> tuple[str, ...]:
        return () if self.restarted else ("kafka",)

    def restart(self, part: str) -> None:
        self.restarted.append(part)
        self.endpoints = self._at(self._port)
        self._leave.set()


def watched(folder: Path, port: int) -> tuple[Servers, list[str]]:
    leave, told = threading.Event(), []
    up = Up(UpOptions(data_dir=folder), settings=Settings(), log=told.append)
    servers = Servers(port, leave)
    up.stack = cast("EmbeddedStack", servers)
    up.watch(leave)
    return servers, told


def test_a_server_that_ended_is_started_again(tmp_path: Path) -> None:
    servers, told = watched(tmp_path, 9092)
    assert servers.restarted == ["kafka"]
    assert told == ["kafka: ended by itself, starting it again"]


def test_a_server_that_came_back_elsewhere_ends_it_clearly(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="kafka: its port was taken meanwhile"):
        watched(tmp_path, 9093)
