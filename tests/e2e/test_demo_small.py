"""`goldthread demo` at a small size, as a user runs it: the same line, the same checks, the same report."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from goldthread.app.embedded.process import identify
from goldthread.app.generate import GenerateOptions, generate_events
from goldthread.app.settings import process_environment


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """A place for the demo's own temporary directory that other accounts can pass through."""
    folder = Path(tempfile.mkdtemp(prefix="goldthread-demo-test-"))
    folder.chmod(0o711)
    yield folder
    assert list(folder.iterdir()) == [], "the demo left something behind"
    folder.rmdir()


def start(temporary: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "goldthread.app.cli", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**process_environment(), "TMPDIR": str(temporary)},
    )


def run(temporary: Path, *arguments: str) -> tuple[str, str]:
    process = start(temporary, *arguments)
    out, errors = process.communicate(timeout=240)
    assert process.returncode == 0, f"{out}\n{errors}"
    return out, errors


def test_generated_customers(temporary: Path, tmp_path: Path) -> None:
    report_file = tmp_path / "report.json"
    arguments = ("--events", "2500", "--people", "600", "--no-febrl", "--probes", "15", "--json", str(report_file))
    out, errors = run(temporary, *arguments)
    report: dict[str, Any] = json.loads(report_file.read_text(encoding="utf-8"))

    assert report["ok"] is True
    assert "FAIL" not in out
    assert [check["name"] for check in report["checks"] if not check["holds"]] == []
    events = report["events"]
    assert events["messages"] == 2_500 + 8
    assert events["duplicates"] == 25
    assert events["distinct"] == events["inbox"] + sum(events["dead_letters"].values()) == 2_475 + 8
    assert report["ledger"]["ended_profiles"] > 0
    assert report["ledger"]["reviews"] > 0
    assert report["quality"]["retail"]["rows"] == 2_475
    assert report["quality"]["retail"]["precision"] > 0.9
    assert report["lookups"]["equal"] == report["lookups"]["identifiers"] > 1_000
    assert report["lookups"]["found"] > 1_000
    assert report["lookups"]["cached_share"] >= 0.99
    assert report["event_to_card"]["timing"]["count"] == 15
    assert report["transcript"]["same"] is True
    assert 'raw: "(masked)"' in out
    review = report["review"]
    assert (review["decision"], review["confirmed"], review["repeated"]) == ("review", "recorded", True)
    assert review["by_email"]["question"] == "phone"
    assert review["by_email_after"]["tier"] == "gold"
    assert any("said on" in line for line in review["why_one"])

    # Neither the report nor the progress shows a raw identifier.
    said = out + errors + report_file.read_text(encoding="utf-8")
    for event in generate_events(GenerateOptions(events=2_500, people=600)):
        values = (event.claim.email, event.claim.phone, event.claim.loyalty_card)
        assert not any(len(value) > 6 and value in said for value in values)
    assert "marfa-mail" not in said
    assert "729 4018" not in said


def test_any_file(temporary: Path, tmp_path: Path) -> None:
    path, mapping, report_file = tmp_path / "shop.csv", tmp_path / "mapping.toml", tmp_path / "report.json"
    mapping.write_text(
        'given_name = "vorname"\nfamily_name = "name"\nemail = "post"\npostcode = "plz"\n[constants]\nsource = "shop"\n',
        encoding="utf-8",
    )
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("vorname", "name", "post", "plz", "person"))
        for person in range(150):
            name = f"Zoe{chr(97 + person % 26)}{chr(97 + person // 26)}"
            writer.writerow((name, "Quist", f"z{person}@shop-mail.net", f"{20000 + person}", person))
            writer.writerow((name, "", f"z{person}@shop-mail.net", "", person))
        writer.writerow(("", "", "n/a", "", 999))
    arguments = ("--input", str(path), "--mapping", str(mapping), "--truth", "person", "--probes", "5")
    run(temporary, *arguments, "--json", str(report_file))
    report = json.loads(report_file.read_text(encoding="utf-8"))

    assert report["ok"] is True
    assert report["events"]["left_out"] == {"file": 1}
    assert report["events"]["inbox"] == 300
    assert report["ledger"]["records"] == 300
    assert report["quality"]["file"] == {
        "rows": 300,
        "absent": 1,
        "true_persons": 150,
        "clusters": 150,
        **dict.fromkeys(("precision", "recall", "f1", "bcubed_precision", "bcubed_recall", "bcubed_f1", "exact"), 1.0),
    }


def test_sigterm_stops_everything_it_started(temporary: Path) -> None:
    process = start(temporary, "--events", "20000", "--no-febrl")
    folder = None
    deadline = time.monotonic() + 60
    while folder is None or not (folder / "endpoints.json").exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
        folder = next(temporary.glob("goldthread-demo-*"), None)
    pids = json.loads((folder / "endpoints.json").read_text(encoding="utf-8"))["pids"]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert all(identify(pid) is None for pid in pids.values())


def test_a_wrong_command_is_refused_before_anything_starts(temporary: Path) -> None:
    process = start(temporary, "--truth", "person")
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "--mapping and --truth belong to --input" in errors
