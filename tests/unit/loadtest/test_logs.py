"""What is kept of a run's logs, and what is read there."""

from __future__ import annotations

from pathlib import Path

from loadtest.locust.logs import keep_logs, slow_statements

SERVER_LOG = """\
2026-01-01 00:00:00.000 UTC [7] LOG:  duration: 512.250 ms  execute goldthread_1: SELECT $1
2026-01-01 00:00:01.000 UTC [7] LOG:  checkpoint complete: write=0.086 s, sync=0.019 s, total=0.110 s
2026-01-01 00:00:02.000 UTC [8] LOG:  duration: 1900.001 ms  execute goldthread_2: SELECT $1
"""


def test_logs_outlive_the_data_and_those_of_a_run_before_go(tmp_path: Path) -> None:
    data, kept = tmp_path / "data", tmp_path / "kept"
    for folder, name, text in (("logs", "serve.log", "{}"), ("postgres", "server.log", SERVER_LOG)):
        (data / folder).mkdir(parents=True)
        (data / folder / name).write_text(text, encoding="utf-8")
    kept.mkdir()
    (kept / "consume.log").write_text("of a run before", encoding="utf-8")
    keep_logs(data, kept)
    assert sorted(path.name for path in kept.iterdir()) == ["postgres.log", "serve.log"]
    assert slow_statements(kept) == [512.25, 1900.001]


def test_a_run_that_never_had_a_server_has_no_slow_statements(tmp_path: Path) -> None:
    keep_logs(tmp_path / "data", tmp_path / "kept")
    assert slow_statements(tmp_path / "kept") == []
