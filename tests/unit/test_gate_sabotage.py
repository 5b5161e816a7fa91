"""Known bugs still find in the product what they replace."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fixtures.repository import ROOT
from gate.sabotage import BUGS
from goldthread.app.settings import process_environment


@pytest.mark.parametrize("name", BUGS)
def test_a_known_bug_can_be_planted(name: str) -> None:
    environ = process_environment() | {"PYTHONPATH": str(ROOT / "tests")}
    planting = f"from gate.sabotage import plant; plant({name!r})"
    subprocess.run([sys.executable, "-c", planting], env=environ, check=True)
