"""A run that was killed is gone on with: nothing lost, and nothing sent twice but what was sent since the last note."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from goldthread.app import produce
from goldthread.app.produce import command, produce_file
from goldthread.app.produce_rows import ProduceReport, RowDefaults, file_digest
from goldthread.app.produce_state import SentLines, way_of
from goldthread.domain.errors import SettingsError
from goldthread.files import Mapping as ColumnMapping

DEFAULTS = RowDefaults(region="US", currency="USD", source="file", occurred_at=datetime(2026, 1, 1, tzinfo=UTC))
ROWS = 300
BROKEN = {10, 150, 290}


class KilledError(Exception):
    """Stands for the end of the process."""


class Sink:
    """Kafka that keeps what was flushed; what was queued when the process dies may have arrived or not."""

    def __init__(self, dies_after: int | None, *, arrives: bool) -> None:
        self.acknowledged: Counter[bytes] = Counter()
        self._queued: list[bytes] = []
        self._dies_after = dies_after
        self._arrives = arrives
        self._sent = 0

    def send(self, topic: str, *, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> None:
        assert key
        if self._sent == self._dies_after:
            if self._arrives:
                self.flush()
            raise KilledError
        self._sent += 1
        self._queued.append(key)

    def flush(self) -> None:
        self.acknowledged.update(self._queued)
        self._queued.clear()


def written(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    lines = [f"e-{n},jane{n}@shop.org" + (",odd" if n in BROKEN else "") for n in range(ROWS)]
    path.write_text("event_id,email\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def run(path: Path, sink: Sink, *, again: bool = False, defaults: RowDefaults = DEFAULTS) -> ProduceReport:
    def note(mapping: ColumnMapping) -> SentLines:
        way = way_of(file_digest(path), mapping, defaults, cluster="c", topic="t")
        return SentLines(SentLines.beside(path), way, again=again)

    return produce_file(path, sink, topic="t", defaults=defaults, note=note)


@pytest.mark.parametrize("arrives", [True, False])
def test_nothing_is_lost_and_little_repeated_wherever_it_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arrives: bool
) -> None:
    monkeypatch.setattr(produce, "_NOTE_EVENTS", 40)
    path = written(tmp_path)
    expected = {f"file/e-{n}".encode() for n in range(ROWS) if n not in BROKEN}
    for dies_after in (0, 1, 39, 40, 41, 200, 296):
        SentLines.beside(path).unlink(missing_ok=True)
        first, second = Sink(dies_after, arrives=arrives), Sink(None, arrives=arrives)
        with pytest.raises(KilledError):
            run(path, first)
        report = run(path, second)
        both = first.acknowledged + second.acknowledged
        assert both.keys() == expected
        assert sum(count - 1 for count in both.values()) <= 40
        noted = dies_after // 40 * 40
        assert report.events == len(expected) - noted
        lines = {line for line, _ in report.unusable}
        assert lines == {n + 2 for n in BROKEN if n - sum(other < n for other in BROKEN) >= noted}
        assert run(path, Sink(0, arrives=True)) == ProduceReport()


def test_what_makes_other_events_begins_anew(tmp_path: Path) -> None:
    path = written(tmp_path)
    run(path, Sink(None, arrives=True))
    other = RowDefaults(region="GB", currency="USD", source="other", occurred_at=DEFAULTS.occurred_at)
    for again, defaults in ((True, DEFAULTS), (False, other)):
        sink = Sink(None, arrives=True)
        run(path, sink, again=again, defaults=defaults)
        assert len(sink.acknowledged) == ROWS - len(BROKEN)


def test_a_note_that_is_no_note_is_passed_over_and_one_that_cannot_be_kept_is_said(tmp_path: Path) -> None:
    path = written(tmp_path)
    for text in ("", "[1]", '{"line": 7}', '{"line": "x", "done": 3}'):
        SentLines.beside(path).write_text(text)
        assert SentLines(SentLines.beside(path), {"file": "a"}).line == 0
    with pytest.raises(SettingsError, match="progress-file"):
        SentLines(tmp_path / "nowhere" / "note", {"file": "a"}).note(5)


def test_the_way_tells_apart_all_that_makes_events(tmp_path: Path) -> None:
    path = tmp_path / "m.toml"
    texts = [
        'email = "a"', 'email = "b"', 'email = ["a", "b"]', 'email = { first = ["a", "b"] }', 'email = "a"\n[constants]\nsource = "s"',
        'email = "a"\n[values]\nzone = "UTC"', 'email = "a"\n[values]\ndecimals = 2', 'email = "a"\n[rows]\nneeds = ["a"]',
    ]  # fmt: skip
    ways = []
    for text in texts:
        path.write_text(text)
        ways.append(way_of("f", ColumnMapping.read(path), DEFAULTS, cluster="c", topic="t"))
    assert all(one != other for one, other in itertools.combinations(ways, 2))


def test_explain_says_how_each_column_was_understood(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    rows = "\n".join(f"{n},2026-01-01T00:00:00Z,Jane{n},jane{n}@shop.org,x,red" for n in range(60))
    path.write_text(f"event_id,timestamp,Vorname,Kontakt,truth,colour\n{rows}\nbroken\n", encoding="utf-8")
    done = CliRunner().invoke(command, [str(path), "--explain"])
    assert done.exit_code == 0, done.output
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert lines[0] == "rows.csv"
    assert "event_id event_id header" in lines
    assert "timestamp occurred_at header" in lines
    assert any(line.startswith("Vorname given_name header") for line in lines)
    assert any(line.startswith("Kontakt email values: ") for line in lines)
    assert any(line.startswith("truth left out header: the answer, never matched by") for line in lines)
    assert any(line.startswith("colour left out") for line in lines)
    assert "jane" not in done.output.lower()
