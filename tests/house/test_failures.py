"""What failed is told last, whatever else was printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fixtures.repository import ROOT

_TESTS = """
import pytest

@pytest.fixture
def broken():
    raise RuntimeError("no server")

def test_good(): pass
def test_bad(): assert 1 == 2
def test_without(broken): pass
"""


def test_every_failure_and_every_run_that_did_not_end_is_told(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(_TESTS, encoding="utf-8")
    report = tmp_path / "some.xml"
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", "test_some.py"]
    assert subprocess.run(run, cwd=tmp_path, capture_output=True, check=False).returncode == 1
    told = subprocess.run(
        [sys.executable, str(ROOT / "tools/failures.py"), str(report), str(tmp_path / "other.xml")],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "FAILURE test_some::test_bad\n" in told
    assert "E   assert 1 == 2" in told.replace("E       ", "E   ")
    assert "ERROR test_some::test_without\n" in told
    assert "no server" in told
    assert "test_good" not in told
    assert "other.xml: no report" in told
