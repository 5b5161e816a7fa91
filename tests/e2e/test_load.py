"""`python -m loadtest.locust` at a small size, as `make load` runs it: what it finds, never how fast."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from goldthread.app.settings import process_environment

ROOT = Path(__file__).parents[2]
_SECONDS = 260


def run(out: Path, scenario: str, bounds: str) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    thresholds = out / "thresholds.toml"
    thresholds.write_text(bounds, encoding="utf-8")
    arguments = ("--scenario", scenario, "--seconds", "9", "--warm-up", "2", "--known", "1500", "--part", "0.1")
    command = [sys.executable, "-m", "loadtest.locust", *arguments, "--thresholds", str(thresholds), "--out", str(out)]
    with subprocess.Popen(
        command, cwd=ROOT, env=process_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        try:
            told, errors = started.communicate(timeout=_SECONDS)
        finally:
            # Not killed: it has servers to stop.
            started.terminate()
    process = subprocess.CompletedProcess(command, started.returncode, told, errors)
    report = out / scenario / "report.json"
    assert report.exists(), process.stderr
    return process, json.loads(report.read_text(encoding="utf-8"))


def test_answers_under_mixed_load_are_the_ledgers(tmp_path: Path) -> None:
    bounds = "[mixed.at_most]\nwrong = 0\nunknown = 0\nlost_events = 0\n[mixed.at_least]\nsampled = 20\n"
    process, report = run(tmp_path, "mixed", bounds)
    assert process.returncode == 0, f"{process.stdout}\n{process.stderr}"
    assert report["ok"] is True
    figures = report["figures"]
    assert figures["equal"] == figures["sampled"] >= 20
    assert (figures["wrong"], figures["unknown"], figures["lost_events"], figures["dead_letters"]) == (0, 0, 0, 0)
    assert figures["lookup.calls"] > 0
    assert figures["resolve.calls"] > 0
    assert figures["event.calls"] > 0
    assert figures["visible.calls"] == 7
    assert figures["visible.missed"] == 0
    assert 0 < figures["visible.p50_ms"] <= figures["visible.p99_ms"] <= figures["visible.longest_ms"]
    assert 0 <= figures["age.p99_ms"] <= figures["age.longest_ms"] < 10_000
    # What callers were not asked for is said, not passed over.
    assert any("REST" in note for note in report["notes"]) or "REST" in process.stdout
    page = (tmp_path / "mixed" / "report.html").read_text(encoding="utf-8")
    assert "the caller's clock and the server's" in page
    assert "What consume did" in page
    assert report["processes"]["consume"]["counters"]["looks_total{outcome=done}"] > 0
    assert report["processes"]["serve"]["stages"]["look"]["count"] > 0
    assert len(report["by_pace"]) == 4
    assert all(float(row["work_ms"].split()[0]) > 0 for row in report["by_pace"])
    logs = {path.stem for path in (tmp_path / "mixed" / "logs").iterdir()}
    assert logs == {"serve", "consume", "relay", "postgres"}
    told = (tmp_path / "mixed" / "logs" / "postgres.log").read_text(encoding="utf-8")
    assert 'parameter "log_min_duration_statement" changed to "500ms"' in told
    assert 'parameter "log_min_duration_statement" removed from configuration file, reset to default' in told
    assert (tmp_path / "mixed" / "locust.html").stat().st_size > 0


def test_without_the_cache_nobody_becomes_unknown_and_a_missed_bound_fails_the_run(tmp_path: Path) -> None:
    process, report = run(tmp_path, "redis-stopped", "[redis-stopped.at_least]\nsampled = 1_000_000\n")
    assert process.returncode == 1, f"{process.stdout}\n{process.stderr}"
    assert report["ok"] is False
    assert "FAIL sampled" in process.stdout
    figures = report["figures"]
    assert figures["equal"] == figures["sampled"] >= 10
    assert (figures["wrong"], figures["unknown"], figures["lost_events"]) == (0, 0, 0)
    assert figures["outage_seconds"] >= 2.9
    assert "outage.p99_ms" in figures


@pytest.mark.parametrize("bounds", ["", "[mixed.at_most]\nerrors = true\n"])
def test_no_run_without_thresholds(tmp_path: Path, bounds: str) -> None:
    thresholds = tmp_path / "thresholds.toml"
    thresholds.write_text(bounds, encoding="utf-8")
    process = subprocess.run(
        [sys.executable, "-m", "loadtest.locust", "--thresholds", str(thresholds), "--out", str(tmp_path)],
        cwd=ROOT,
        env=process_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert process.returncode == 2
    assert "thresholds.toml" in process.stderr
    assert not (tmp_path / "mixed").exists()
