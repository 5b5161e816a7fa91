from __future__ import annotations

import re
import tomllib
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fixtures.written_people import written_people
from goldthread import _core
from goldthread.app.match_files import MatchFiles, match_files
from goldthread.app.settings import Settings
from goldthread.app.train import TrainFiles, command, train_files
from goldthread.domain.errors import ModelFileError, SettingsError
from goldthread.files import read_table, write_table

PEOPLE = written_people(21, homes=60)


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_KEY", "MASTER_KEY_FILE", "MODEL", "REGION"):
        monkeypatch.delenv(f"GOLDTHREAD_{name}", raising=False)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    write_table(path, PEOPLE)
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments])


def test_a_model_and_a_report_are_written(people: Path, tmp_path: Path) -> None:
    out, report = tmp_path / "model.toml", tmp_path / "report.html"
    result = run(people, "--out", out, "--report", report, "--name", "people", "--seed", "3", "--population", "5000")
    assert result.exit_code == 0, result.output
    model = _core.Model.parse(out.read_text(encoding="utf-8"))
    assert model.version.startswith("people-")
    assert model.population == 5000
    assert 'provenance = "people.csv"' in out.read_text(encoding="utf-8")
    for line in (
        "records  ",
        "estimated  ",
        "calibration slope",
        "votes of third records",
        f"model       {model.version}",
    ):
        assert line in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.toml", "people.csv", "report.html"]


class _Page(HTMLParser):
    """Tags that are open, those that were seen, and what is fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.fetched += [value or "" for name, value in attributes if name in {"src", "href", "xlink:href"}]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_complete_in_itself_and_names_nobody(people: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    training = train_files(TrainFiles(tables=[people], out=tmp_path / "m.toml", report=report), settings=Settings())
    text = report.read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    assert page.open == []
    assert page.fetched == []
    assert "script" not in page.seen
    assert not re.search(r"url\(|@import|https?:", text)
    assert page.seen.count("svg") > 20
    for title in ("Histogram of match weights", "Calibration curve", "Estimated precision and recall", "birth_date"):
        assert title in text
    for name in (*filter(None, PEOPLE["first_name"]), *filter(None, PEOPLE["last_name"])):
        assert not re.search(rf"\b{name}\b", text)
    assert all(found.name in text for found in training.passes)


def test_a_file_that_says_nothing_still_has_a_report(tmp_path: Path) -> None:
    path, report = tmp_path / "one.csv", tmp_path / "r.html"
    write_table(path, {"first_name": ["Ann"], "last_name": ["Lee"]})
    result = run(path, "--out", tmp_path / "m.toml", "--report", report)
    assert result.exit_code == 0, result.output
    assert "No candidates." in report.read_text(encoding="utf-8")


def test_several_files_are_taken_together(people: Path, tmp_path: Path) -> None:
    half = len(PEOPLE["id"]) // 2
    parts = tmp_path / "a.csv", tmp_path / "b.parquet"
    write_table(parts[0], {name: column[:half] for name, column in PEOPLE.items()})
    write_table(parts[1], {name: column[half:] for name, column in PEOPLE.items() if name != "email"})
    whole = train_files(TrainFiles(tables=[people], out=tmp_path / "m.toml"), settings=Settings())
    both = train_files(TrainFiles(tables=parts, out=tmp_path / "n.toml"), settings=Settings())
    assert half < both.records <= whole.records
    assert 'provenance = "a.csv, b.parquet"' in both.model_text


def test_labels_truth_and_extras(people: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    write_table(labels, {"id_left": ["r0", "r1"], "id_right": ["r5", "r9"], "same": ["0", "yes"]})
    result = run(people, "--out", tmp_path / "m.toml", "--labels", labels)
    assert result.exit_code == 0, result.output
    assert "from 2 labels" in result.stderr
    assert _core.Model.parse((tmp_path / "m.toml").read_text(encoding="utf-8")).extras == [("colour", "household")]
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('detect = true\n[extras]\ncolour = "person"\n')
    result = run(people, "--out", tmp_path / "m.toml", "--truth", "truth", "--mapping", mapping)
    assert result.exit_code == 0, result.output
    assert re.search(r"from [\d,]{2,} labels", result.stderr)
    assert _core.Model.parse((tmp_path / "m.toml").read_text(encoding="utf-8")).extras == [("colour", "person")]


def test_the_truth_is_not_compared_whatever_it_is_called(people: Path, tmp_path: Path) -> None:
    named = tmp_path / "named.csv"
    write_table(
        named, {"first_name" if name == "truth" else name: PEOPLE[name] for name in PEOPLE if name != "first_name"}
    )
    plain, told = tmp_path / "plain.toml", tmp_path / "told.toml"
    assert run(named, "--out", plain, "--ignore", "first_name").exit_code == 0
    assert run(named, "--out", told, "--truth", "first_name").exit_code == 0
    # Not the weights: what `deterministic` raises them to depends on the calibration, and that the truth may correct.
    first, second = (tomllib.loads(path.read_text(encoding="utf-8")) for path in (plain, told))
    assert first["comparisons"].keys() == second["comparisons"].keys()
    assert first["training"]["shares"] == second["training"]["shares"]
    assert {tuple(weight) for weight in first["comparisons"]["given_name"].values()} == {(0, 0)}


def test_columns_are_explained_as_match_does(people: Path) -> None:
    result = run(people, "--explain-columns", "--truth", "truth")
    assert result.exit_code == 0, result.output
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert any(line.startswith("first_name given_name header") for line in lines)
    assert any(line.startswith("truth left out ignored, as asked") for line in lines)
    assert run(people).exit_code == 2


@pytest.mark.parametrize(
    ("table", "options", "key"),
    [
        ({"id_left": ["r0"], "id_right": ["r1"]}, [], "labels"),
        ({"id_left": ["r0"], "id_right": ["nobody"], "same": ["1"]}, [], "labels"),
        ({"id_left": ["r0"], "id_right": ["r1"], "same": ["perhaps"]}, [], "labels"),
        ({"id_left": ["r0"], "id_right": ["r1"], "same": ["1"]}, ["--id", "number"], "id"),
        (None, ["--truth", "who"], "truth"),
        ({"id_left": [None], "id_right": ["r1"], "same": ["1"]}, [], "labels"),
        ({"id_left": ["r0"], "id_right": ["r1"], "same": ["1"]}, ["--id", "truth", "--truth", "truth"], "id"),
    ],
)
def test_options_that_do_not_fit_are_named(
    people: Path, tmp_path: Path, table: dict[str, list[str | None]] | None, options: list[str], key: str
) -> None:
    if table is not None:
        write_table(tmp_path / "labels.csv", table)
        options = [*options, "--labels", str(tmp_path / "labels.csv")]
    result = run(people, "--out", tmp_path / "m.toml", *options)
    assert isinstance(result.exception, SettingsError), result.output
    assert result.exception.metadata["key"] == key
    assert not (tmp_path / "m.toml").exists()


def answered(reviews: Path, answers: dict[tuple[str, str], str]) -> int:
    """Writes decisions into a file of reviews, as a steward would."""
    table = read_table(reviews)
    places = list(zip(table["file"], table["row"], table["other_file"], table["other_row"], strict=True))
    table["decision"] = [
        None if a is None or b is None else "same" if answers[a, x or ""] == answers[b, y or ""] else "Different "
        for a, x, b, y in places
    ]
    write_table(reviews, table)
    return len(places)


def test_answered_reviews_of_a_match_are_labels(tmp_path: Path) -> None:
    rows = len(PEOPLE["id"])
    parts = {"a.csv": range(rows // 3), "b.csv": range(rows // 3, rows)}
    answers: dict[tuple[str, str], str] = {}
    for name, part in parts.items():
        write_table(tmp_path / name, {key: [PEOPLE[key][row] for row in part] for key in PEOPLE if key != "truth"})
        answers |= {(name, str(place)): str(PEOPLE["truth"][row]) for place, row in enumerate(part, start=1)}
    tables, reviews = [tmp_path / name for name in parts], tmp_path / "reviews.csv"
    files = MatchFiles(tables=tuple(tables), out=tmp_path / "out", reviews=reviews)
    match_files(files, settings=Settings(model=Path("shipped")))
    undecided = train_files(TrainFiles(tables=tables, out=tmp_path / "m.toml", labels=reviews), settings=Settings())
    assert undecided.labels == 0
    asked = answered(reviews, answers)
    assert asked > 1
    decided = train_files(TrainFiles(tables=tables, out=tmp_path / "m.toml", labels=reviews), settings=Settings())
    assert decided.labels == asked
    assert (decided.slope, decided.intercept) != (undecided.slope, undecided.intercept)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ({"file": "b.csv"}, "line 2 names a file that is none of these"),
        ({"row": "0"}, "line 2: rows are numbers from 1"),
        ({"row": "999"}, "line 2 names a row that its file does not have"),
        ({"decision": "perhaps"}, "line 2: decision must be 1 or 0, or same or different"),
        ({"file": None, "other_file": None}, "names a file that is none of these"),
    ],
)
def test_reviews_of_other_files_are_refused(
    people: Path, tmp_path: Path, line: dict[str, str | None], complaint: str
) -> None:
    other, reviews = tmp_path / "other.csv", tmp_path / "reviews.csv"
    write_table(other, {name: PEOPLE[name][:5] for name in PEOPLE})
    said = {"file": "other.csv", "row": "1", "other_file": "people.csv", "other_row": "2", "decision": "same"} | line
    write_table(reviews, {name: [value] for name, value in said.items()})
    result = run(people, other, "--out", tmp_path / "m.toml", "--labels", reviews)
    assert isinstance(result.exception, SettingsError)
    assert complaint in str(result.exception)
    write_table(reviews, {name: [value] for name, value in said.items() if "file" not in name})
    assert "does not say of which file" in str(
        run(people, other, "--out", tmp_path / "m.toml", "--labels", reviews).exception
    )


def test_outputs_are_files_of_their_own(people: Path, tmp_path: Path) -> None:
    for options in (["--out", people], ["--out", tmp_path / "m.toml", "--report", tmp_path / "m.toml"]):
        result = run(people, *options)
        assert isinstance(result.exception, SettingsError)
    for option in ("--out", "--report"):
        result = run(people, "--out", tmp_path / "m.toml", option, tmp_path / "nodir" / "x")
        assert isinstance(result.exception, SettingsError)
        assert result.exception.metadata["key"] == option.removeprefix("--")
    assert [path.name for path in tmp_path.iterdir()] == ["people.csv"]


def test_a_blueprint_that_is_no_model_is_refused(people: Path, tmp_path: Path) -> None:
    blueprint = tmp_path / "blueprint.toml"
    for text in ("[thresholds]\nlink = 1\n", "foo = 3\n"):
        blueprint.write_text(text, encoding="utf-8")
        result = run(people, "--out", tmp_path / "m.toml", "--blueprint", blueprint)
        assert isinstance(result.exception, ModelFileError)


def test_a_file_without_claims_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "shoes.csv"
    write_table(path, {"size": ["42"], "price": ["10"]})
    result = run(path, "--out", tmp_path / "m.toml")
    assert isinstance(result.exception, SettingsError)
    assert result.exception.metadata["key"] == "mapping"
