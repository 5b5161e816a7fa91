from __future__ import annotations

import csv
import random
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from fixtures.written_people import written_people
from goldthread.app.match import command
from goldthread.app.match_files import PROFILE_COLUMN, MatchFiles, match_files
from goldthread.app.settings import Settings
from goldthread.app.train import TrainFiles, train_files
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


@pytest.fixture(params=["csv", "csv.gz", "parquet", "arrow"])
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


@pytest.mark.parametrize("ending", ["csv", "parquet", "arrow"])
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
        "candidates  2 pairs (1.0 for each record)",
        "profiles    2 (largest: 2 records)",
        "invalid     birth_date 1",
        "placeholder phone 1",
        "(the shipped one, for few records: it takes 300 to learn from",
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


def test_several_files_are_linked_and_written_one_by_one(people: Path, tmp_path: Path) -> None:
    other = tmp_path / "clients.parquet"
    write_table(
        other,
        {"Nom": ["Okafor", "Vasquez"], "Prénom": ["Bob", "Ingrid"], "Courriel": ["bobokafor@gmail.com", "i.v@x.org"]},
    )
    out, reviews = tmp_path / "out", tmp_path / "reviews.csv"
    result = run(people, other, "--out", out, "--reviews", reviews)
    assert result.exit_code == 0, result.output
    assert "rows        7" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == ["clients.parquet", "people.csv"]
    first, second = read_table(out / "people.csv"), read_table(out / "clients.parquet")
    assert list(second) == ["Nom", "Prénom", "Courriel", PROFILE_COLUMN]
    assert second[PROFILE_COLUMN][0] == first[PROFILE_COLUMN][2]
    assert list(read_table(reviews))[:5] == ["kind", "profile_id", "other_profile_id", "file", "row"]


def test_rows_of_several_files_belong_to_sources_of_their_names(tmp_path: Path) -> None:
    people = {
        "customer_number": ["4711", "4711"],
        "email": ["a@x.org", "b@x.org"],
        "first_name": ["Ann", "Bob"],
        "last_name": ["Zimmer", "Okafor"],
    }
    for name in ("crm", "shop"):
        write_table(tmp_path / f"{name}.csv", people)
    tables = [tmp_path / "crm.csv", tmp_path / "shop.csv"]
    out = tmp_path / "out"
    assert run(*tables, "--out", out).exit_code == 0
    ids = [read_table(out / path.name)[PROFILE_COLUMN] for path in tables]
    assert ids[0][0] == ids[1][0]
    assert run(*tables, "--out", out, "--source", "one").stderr.count("records     2") == 1


_NAMES = ("Otto", "Ingrid", "Lena", "Zebulon", "Ana", "Bruno")


def test_files_are_linked_by_cards_that_each_has_once(tmp_path: Path) -> None:
    """Households share a card; with the given name beside it there is no doubt."""
    cards: list[str | None] = [f"77{row:04}" for row in range(40)]
    names: list[str | None] = [_NAMES[row % len(_NAMES)] for row in range(40)]
    for name, turn in (("crm", 0), ("shop", 7)):
        turned = {"loyalty_id": [*cards[turn:], *cards[:turn]], "first_name": [*names[turn:], *names[:turn]]}
        write_table(tmp_path / f"{name}.csv", {**turned, f"{name}_note": ["x"] * 40})
    tables, out = [tmp_path / "crm.csv", tmp_path / "shop.csv"], tmp_path / "out"
    assert run(*tables, "--out", out).exit_code == 0
    first, second = (read_table(out / path.name) for path in tables)
    ids = dict(zip(first["loyalty_id"], first[PROFILE_COLUMN], strict=True))
    assert [ids[card] for card in second["loyalty_id"]] == second[PROFILE_COLUMN]
    assert len(set(ids.values())) == 40


def test_customers_of_two_files_of_one_name_are_not_one(tmp_path: Path) -> None:
    table: dict[str, list[str | None]] = {"customer_number": ["1", "1"], "email": ["a@x.org", "b@x.org"]}
    paths = [tmp_path / "people.csv", tmp_path / "people.parquet"]
    for path in paths:
        write_table(path, table)
    result = run(*paths, "--out", tmp_path / "out")
    assert isinstance(result.exception, SettingsError)
    assert result.exception.metadata["key"] == "source"
    assert run(*paths, "--out", tmp_path / "out", "--source", "crm").exit_code == 0


def test_json_keys_that_come_late_are_matched_by_and_written(tmp_path: Path) -> None:
    path, out = tmp_path / "people.jsonl", tmp_path / "out.csv"
    rows = [f'{{"email": "p{row}@x.org"}}' for row in range(1_100)] + ['{"phone": "+1 360 671 8751"}'] * 2
    path.write_text("\n".join(rows))
    assert run(path, "--out", out, "--model", "shipped").exit_code == 0
    written = read_table(out)
    assert list(written) == ["email", "phone", PROFILE_COLUMN]
    assert written[PROFILE_COLUMN][-1] == written[PROFILE_COLUMN][-2] is not None


def test_outputs_that_cannot_be_are_refused_before_the_work(people: Path, tmp_path: Path) -> None:
    tagged = tmp_path / "tagged.parquet"
    pq.write_table(pa.table({"email": ["a@x.org"], "tags": [["a"]]}), tagged)
    for arguments, complaint in (
        ((people, "--out", tmp_path / "nodir" / "x.csv"), "out: there is no directory"),
        ((people, "--out", tmp_path / "x.csv", "--reviews", tmp_path / "nodir" / "r.csv"), "reviews: there is no"),
        ((tagged, "--out", tmp_path / "x.csv"), "cannot hold column 'tags'"),
    ):
        result = run(*arguments)
        assert complaint in str(result.exception)
    assert run(tagged, "--out", tmp_path / "x.parquet").exit_code == 0


def test_the_keys_of_a_ledger_are_for_claims_as_the_ledger_has_them(tmp_path: Path) -> None:
    people, key, mapping = tmp_path / "people.csv", tmp_path / "key", tmp_path / "mapping.toml"
    key.write_text("5a" * 32)
    write_table(people, {"email": ["a@x.org"] * 3, "sex": ["f", "m", "f"]})
    plain, out = tmp_path / "plain.csv", tmp_path / "out.csv"
    mapping.write_text('email = "email"\n')
    assert run(people, "--out", out, "--master-key-file", key).stderr.count("records     1 ") == 1
    assert run(people, "--out", plain, "--master-key-file", key, "--mapping", mapping).exit_code == 0
    assert read_table(out)[PROFILE_COLUMN] == read_table(plain)[PROFILE_COLUMN]
    mapping.write_text('email = "email"\n[extras]\nsex = "person"\n')
    result = run(people, "--out", out, "--master-key-file", key, "--mapping", mapping)
    assert isinstance(result.exception, SettingsError)
    assert result.exception.metadata["key"] == "mapping"


def test_a_run_without_names_says_so(people: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    write_table(bare, {"a": ["1", "2"], "email": ["a@x.org", "b@x.org"]})
    assert f"no names    in {bare}: say by --mapping" in run(bare, "--out", tmp_path / "out.csv").stderr
    assert "no names" not in run(people, "--out", tmp_path / "out.csv").stderr


def test_columns_are_explained_without_values(people: Path, tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('family_name = "last_name"\ndetect = true\n[constants]\nsource = "crm"\n')
    result = run(people, "--explain-columns", "--mapping", mapping, "--ignore", "phone")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert lines[0] == "people.csv"
    assert "last_name family_name mapping" in lines
    assert any(line.startswith("first_name given_name header 80%") for line in lines)
    assert any(line.startswith("phone left out ignored, as asked") for line in lines)
    assert "source = 'crm' mapping" in lines
    assert not any(value in result.stdout for value in ("kafor", "gmail", "671"))


def test_ignored_columns_are_not_matched_by(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run(people, "--out", out, "--ignore", "phone", "--ignore", "email", "--ignore", "dob").exit_code == 0
    ids = read_table(out)[PROFILE_COLUMN]
    assert ids[3] is None
    assert list(read_table(out)) == [*TABLE, PROFILE_COLUMN]


def test_further_columns_are_compared_by_a_model_that_knows_them(tmp_path: Path) -> None:
    people, model, out = tmp_path / "people.csv", tmp_path / "model.toml", tmp_path / "out.csv"
    trades = ["baker", "nurse"] * 20
    write_table(
        people,
        {
            "email": [f"person{row % 20}@shop.org" for row in range(40)],
            "surname": ["Vasquez"] * 20 + ["Okafor"] * 20,
            "occupation": trades,
        },
    )
    extra = '\n[[extra]]\nname = "{}"\nkind = "person"\nlevels = {{ exact = 900, near = 0, different = -90000 }}\n'
    model.write_text(Settings().model_text() + extra.format("occupation"))
    assert run(people, "--out", out, "--model", "shipped").exit_code == 0
    shipped = read_table(out)[PROFILE_COLUMN]
    assert run(people, "--out", out, "--model", model).exit_code == 0
    knowing = read_table(out)[PROFILE_COLUMN]
    assert set(shipped) != set(knowing)


PEOPLE = written_people(41, homes=120)


def unlabelled(table: dict[str, list[str | None]]) -> dict[str, list[str | None]]:
    return {name: column for name, column in table.items() if name != "truth"}


def test_without_a_model_one_is_trained_on_the_file_whatever_its_order(tmp_path: Path) -> None:
    straight, turned, out, again = (tmp_path / name for name in ("p.csv", "q/p.csv", "out.csv", "again.csv"))
    turned.parent.mkdir()
    order = list(range(len(PEOPLE["id"])))
    random.Random(2).shuffle(order)
    write_table(straight, PEOPLE)
    write_table(turned, {name: [column[row] for row in order] for name, column in PEOPLE.items()})
    result = run(straight, "--out", out)
    assert result.exit_code == 0, result.output
    assert "(trained on these records, with about " in result.stderr
    assert "train " in result.stderr.splitlines()[-1]
    ids = read_table(out)[PROFILE_COLUMN]
    assert run(turned, "--out", again).exit_code == 0
    assert read_table(again)[PROFILE_COLUMN] == [ids[row] for row in order]
    linked = {(a, b) for a in range(len(ids)) for b in range(a) if ids[a] == ids[b]}
    true = {(a, b) for a in range(len(ids)) for b in range(a) if PEOPLE["truth"][a] == PEOPLE["truth"][b]}
    assert len(linked & true) / len(linked) > 0.97
    assert len(linked & true) / len(true) > 0.8


def test_the_model_is_what_the_command_train_makes_of_the_same_files(tmp_path: Path) -> None:
    half = len(PEOPLE["id"]) // 2
    parts = tmp_path / "a.csv", tmp_path / "b.parquet"
    write_table(parts[0], {name: column[:half] for name, column in unlabelled(PEOPLE).items()})
    write_table(parts[1], {name: column[half:] for name, column in unlabelled(PEOPLE).items()})
    model = tmp_path / "model.toml"
    training = train_files(TrainFiles(tables=parts, out=model), settings=Settings())
    own = match_files(MatchFiles(tables=parts, out=tmp_path / "own"), settings=Settings())
    given = match_files(MatchFiles(tables=parts, out=tmp_path / "given"), settings=Settings(model=model))
    assert own.model.text == model.read_text()
    assert own.model_version == given.model_version == training.version
    for path in parts:
        assert read_table(tmp_path / "own" / path.name) == read_table(tmp_path / "given" / path.name)


def test_a_small_file_and_whoever_asks_get_the_shipped_model(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    small, asked = run(people, "--out", out), run(people, "--out", out, "--model", "shipped")
    shipped = tomllib.loads(Settings().model_text())["version"]
    assert (
        f"model       {shipped}-for-300 (the shipped one, for few records: it takes 300 to learn from" in small.stderr
    )
    assert f"model       {shipped} (as asked" in asked.stderr


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
    def attempt(
        *, tables: tuple[Path, ...] = (people,), out: Path = tmp_path / "out.csv", reviews: Path | None = None
    ) -> None:
        match_files(MatchFiles(tables=tables, out=out, reviews=reviews), settings=Settings())

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
        attempt(tables=(tmp_path / "out.csv",), out=tmp_path / "again.csv")
    other = tmp_path / "other.csv"
    other.write_text("colour\nred\n")
    with pytest.raises(SettingsError, match=r"no column of .*other\.csv is an identifier"):
        attempt(tables=(other,))
    with pytest.raises(SettingsError, match="must be a directory"):
        attempt(tables=(people, other), out=people)
    with pytest.raises(SettingsError, match="named twice"):
        attempt(tables=(people, people), out=tmp_path / "outs")
    with pytest.raises(SettingsError, match="out: must not be another file"):
        attempt(tables=(people, other), out=tmp_path)
    assert people.read_bytes() == before
    assert not (tmp_path / "again.csv").exists()


def test_a_broken_model_writes_nothing(people: Path, tmp_path: Path) -> None:
    model = tmp_path / "model.toml"
    model.write_text("a =\n")
    files = MatchFiles(tables=(people,), out=tmp_path / "out.csv")
    with pytest.raises(ModelFileError, match="not valid: string values must be quoted"):
        match_files(files, settings=Settings(model=model))
    assert not files.out.exists()
