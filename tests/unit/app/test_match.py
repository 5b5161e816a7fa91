from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from goldthread.app.match import PROFILE_COLUMN, MatchFiles, command, match_file
from goldthread.app.settings import Settings
from goldthread.domain.errors import ModelFileError, SettingsError
from goldthread.files import FileFormatError, read_table, write_table

TABLE = {
    "first_name": ["Ingrid", "Ingrid", "Bob", None, "Robert"],
    "last_name": ["Vasquez", "Vasquez", "Okafor", None, "Okafor"],
    "phone": ["(360) 671-8751", "+1 360 671 8751", None, "n/a", None],
    "email": [None, None, "Bob.Okafor@gmail.com", None, "bobokafor@gmail.com"],
    "dob": [None, "1980-02-30", None, None, None],
    "note": ["first", 'é, "quoted"', None, "x", "y"],
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_KEY", "MASTER_KEY_FILE", "MODEL", "REGION"):
        monkeypatch.delenv(f"GOLDTHREAD_{name}", raising=False)


@pytest.fixture(params=["csv", "csv.gz", "parquet"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / f"people.{request.param}"
    write_table(path, TABLE)
    return path


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    write_table(path, TABLE)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_output_is_the_input_plus_profile_ids_in_order(table: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"out.{ending}"
    result = run(table, "--out", out)
    assert result.exit_code == 0, result.output
    written = read_table(out)
    assert list(written) == [*TABLE, PROFILE_COLUMN]
    assert {name: written[name] for name in TABLE} == TABLE
    ids = written[PROFILE_COLUMN]
    assert ids[0] == ids[1] is not None
    assert ids[2] == ids[4] not in {None, ids[0]}
    assert ids[3] is None
    assert all(profile is None or profile.startswith("GP-") for profile in ids)


def test_summary_counts_and_names_no_values(people: Path, tmp_path: Path) -> None:
    result = run(people, "--out", tmp_path / "out.csv")
    assert result.stdout == ""
    for line in (
        "rows        5 (1 without a usable claim)",
        "records     4 distinct claims",
        "profiles    2 (largest: 2 records)",
        "invalid     birth_date 1",
        "placeholder phone 1",
        "(uncalibrated",
    ):
        assert line in result.stderr
    assert "seconds     read" in result.stderr
    assert "kafor" not in result.stderr


def test_mapping_file_chooses_the_columns(people: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('given_name = "first_name"\n[constants]\nsource = "crm"\n')
    out = tmp_path / "out.csv"
    assert run(people, "--out", out, "--mapping", mapping).exit_code == 0
    ids = read_table(out)[PROFILE_COLUMN]
    assert len(set(ids)) == 4
    assert ids[0] == ids[1]


def test_reviews_are_written_with_rows_to_compare(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    # A phone shared by two contradicting people and a third record that says only the family name.
    phone = ["(360) 671-8751"] * 3
    write_table(people, {"given_name": ["Ingrid", "Walter", None], "family_name": ["Vasquez"] * 3, "phone": phone})
    reviews = tmp_path / "reviews.csv"
    result = run(people, "--out", tmp_path / "out.csv", "--reviews", reviews)
    assert result.exit_code == 0, result.output
    ids = read_table(tmp_path / "out.csv")[PROFILE_COLUMN]
    assert len(set(ids)) == 3
    with reviews.open(newline="") as stream:
        found = list(csv.DictReader(stream))
    assert {(row["kind"], row["row"], row["other_row"]) for row in found if row["kind"] == "ambiguous"} == {
        ("ambiguous", "3", "1"),
        ("ambiguous", "3", "2"),
    }
    for row in found:
        assert row["profile_id"] == ids[int(row["row"]) - 1]
        assert row["other_profile_id"] == ids[int(row["other_row"]) - 1]
    assert "asquez" not in reviews.read_text()


def test_a_master_key_gives_other_ids_and_the_same_partition(people: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("5a" * 32)
    plain, keyed = tmp_path / "plain.csv", tmp_path / "keyed.csv"
    assert run(people, "--out", plain).exit_code == 0
    assert run(people, "--out", keyed, "--master-key-file", key).exit_code == 0
    first, second = (read_table(path)[PROFILE_COLUMN] for path in (plain, keyed))
    assert len(set(first)) == len(set(second)) == 3
    assert len(set(zip(first, second, strict=True))) == 3
    assert set(first) & set(second) == {None}


def test_a_table_without_rows_stays_empty(tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("email,phone\n")
    out = tmp_path / "out.csv"
    assert run(people, "--out", out).exit_code == 0
    assert read_table(out) == {"email": [], "phone": [], PROFILE_COLUMN: []}


def test_refuses_what_would_lose_data_or_make_no_sense(people: Path, tmp_path: Path) -> None:
    def attempt(**changes: Path) -> None:
        match_file(MatchFiles(**({"table": people, "out": tmp_path / "out.csv"} | changes)), settings=Settings())

    before = people.read_bytes()
    with pytest.raises(SettingsError, match="out: must not be another file"):
        attempt(out=people)
    with pytest.raises(SettingsError, match="reviews: must not be another file"):
        attempt(reviews=tmp_path / "out.csv")
    with pytest.raises(SettingsError, match="must be a"):
        attempt(out=tmp_path / "out.jsonl")
    with pytest.raises(FileFormatError, match="must end in"):
        attempt(out=tmp_path / "out.xlsx")
    attempt()
    with pytest.raises(SettingsError, match="profile_id already"):
        attempt(table=tmp_path / "out.csv", out=tmp_path / "again.csv")
    other = tmp_path / "other.csv"
    other.write_text("colour\nred\n")
    with pytest.raises(SettingsError, match="no column of the file"):
        attempt(table=other)
    assert people.read_bytes() == before
    assert not (tmp_path / "again.csv").exists()


def test_a_broken_model_writes_nothing(people: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.toml"
    model.write_text("a =\n")
    files = MatchFiles(table=people, out=tmp_path / "out.csv")
    with pytest.raises(ModelFileError, match="not valid: string values must be quoted"):
        match_file(files, settings=Settings(model=model))
    assert not files.out.exists()
