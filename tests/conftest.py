"""Fixtures are plugins, one per concern (tests/fixtures); this page names them and keeps unit tests off the network."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

pytest_plugins = [
    "fixtures.proxy",
    "fixtures.relays",
    "fixtures.repository",
    "fixtures.servers",
    "fixtures.service",
    "fixtures.stateful",
    "fixtures.valkey",
]

_UNIT = Path(__file__).parent / "unit"


@pytest.fixture(autouse=True)
def _no_socket_in_unit_tests(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes `connect` and `bind` of Python's sockets fail below tests/unit; an event loop's own socket pair still works."""
    if not request.path.is_relative_to(_UNIT):
        return

    def refuse(*_: object) -> None:
        pytest.fail("unit tests open no socket")

    for name in ("bind", "connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
