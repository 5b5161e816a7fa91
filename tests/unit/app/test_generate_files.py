from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from goldthread.app.generate import COLUMNS, EventSort, GenerateOptions, command, generate_events, write_events

OPTIONS = GenerateOptions(people=300, events=1_000, seed=3)


def test_csv_has_every_column_in_order(tmp_path: Path) -> None:
    write_events(generate_events(OPTIONS), tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as lines:
        header, *rows = csv.reader(lines)
    assert tuple(header) == COLUMNS
    assert [tuple(row) for row in rows] == [event.row() for event in generate_events(OPTIONS)]


def test_json_lines_leave_out_what_is_empty(tmp_path: Path) -> None:
    write_events(generate_events(OPTIONS), tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    expected = [
        {column: value for column, value in zip(COLUMNS, event.row(), strict=True) if value}
        for event in generate_events(OPTIONS)
    ]
    assert rows == expected
    assert all(isinstance(value, str) and value for row in rows for value in row.values())


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.jsonl.gz", "a.csv.gz"])
def test_equal_options_give_equal_bytes(tmp_path: Path, name: str) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_events(generate_events(OPTIONS), tmp_path / folder / name)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert [path.name for path in (tmp_path / "one").iterdir()] == [name]


def test_compressed_lines_are_the_plain_ones(tmp_path: Path) -> None:
    write_events(generate_events(OPTIONS), tmp_path / "a.jsonl")
    write_events(generate_events(OPTIONS), tmp_path / "a.jsonl.gz")
    assert gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()) == (tmp_path / "a.jsonl").read_bytes()


def test_truth_apart_leaves_none_in_the_events(tmp_path: Path) -> None:
    write_events(generate_events(OPTIONS), tmp_path / "a.csv", tmp_path / "truth.csv")
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as lines:
        assert "truth" not in next(csv.reader(lines))
    with (tmp_path / "truth.csv").open(encoding="utf-8", newline="") as lines:
        truths = list(csv.DictReader(lines))
    expected = [
        {"source": event.claim.source, "event_id": event.event_id, "truth": str(event.truth)}
        for event in generate_events(OPTIONS)
        if event.sort is not EventSort.DUPLICATE
    ]
    assert truths == expected


def test_a_failing_stream_leaves_no_file(tmp_path: Path) -> None:
    def failing() -> object:
        yield from generate_events(GenerateOptions(people=5, events=5))
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write_events(failing(), tmp_path / "a.csv")  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must end in"):
        write_events(generate_events(OPTIONS), tmp_path / "a.parquet")


def test_the_command_writes_the_file_and_tells_the_counts(tmp_path: Path) -> None:
    out = tmp_path / "a.jsonl"
    result = CliRunner().invoke(command, ["--people", "300", "--events", "1000", "--seed", "3", "--out", str(out)])
    assert result.exit_code == 0, result.output
    write_events(generate_events(OPTIONS), tmp_path / "b.jsonl")
    assert out.read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    told = {line.rsplit(maxsplit=1)[0]: line.rsplit(maxsplit=1)[1] for line in result.stderr.splitlines()}
    assert told["people"] == "300"
    assert told["events"] == "1,000"
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--out", "a.parquet"], "must end in"),
        (["--out", "a.csv", "--locale-mix", "US"], "REGION=SHARE"),
        (["--out", "a.csv", "--locale-mix", "FR=1"], "locale_mix"),
        (["--out", "a.csv", "--households-share", "2"], "households_share"),
    ],
)
def test_the_command_names_what_is_wrong(arguments: list[str], complaint: str) -> None:
    result = CliRunner().invoke(command, ["--events", "10", *arguments])
    assert result.exit_code == 2
    assert complaint in result.output
