"""What pages show is what their commands print, on a whole service with an empty ledger."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from fixtures.repository import ROOT
from goldthread.app.up import Up


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Any:
    """tools/pages.py."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module("pages")


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("page", "least"), [("concepts.md", 9), ("rest.md", 4)])
def test_what_a_page_shows_is_what_is_printed(service: Up, tmp_path: Path, played: Any, page: str, least: int) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not on PATH, and pages show calls by it")
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    folder = tmp_path / "somebody"
    folder.mkdir()
    somebody = played.player(text, folder, service.endpoints.grpc)
    shown = [command for block in played.blocks(text) for command in block]
    assert len(shown) >= least
    assert [command.command for command in shown if not command.output] == []
    for command in shown:
        somebody.run(command)
