from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from goldthread.app.evaluate import command
from goldthread.app.match_files import MatchFiles, match_files
from goldthread.app.settings import Settings
from goldthread.domain.errors import ModelFileError, SettingsError
from goldthread.files import FileFormatError, write_table

PEOPLE = {
    "id": ["1", "2", "3", "4", "5", "6"],
    "first_name": ["Ingrid", "Ingrid", "Bob", "Robert", "Wei", "Wei"],
    "last_name": ["Vasquez", "Vasquez", "Okafor", "Okafor", "Zhang", "Lindqvist"],
    "email": ["ingrid@mail.test", "ingrid@mail.test", "bob@mail.test", "bob@mail.test", None, None],
    "zip": ["98101", "98101", "60601", "60601", "10001", "73301"],
    "who": ["a", "a", "b", "b", "c", "d"],
}


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASTER_KEY", "MASTER_KEY_FILE", "MODEL", "REGION"):
        monkeypatch.delenv(f"GOLDTHREAD_{name}", raising=False)


def table(folder: Path, name: str = "rows.csv", **columns: list[str | None]) -> Path:
    path = folder / name
    write_table(path, {**PEOPLE, **columns})
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [*(str(argument) for argument in arguments), "--resamples", "50"])


def systems(result: Result) -> list[dict[str, object]]:
    assert result.exit_code == 0, result.output
    found: list[dict[str, object]] = json.loads(result.stdout)["systems"]
    return found


def refused(result: Result) -> str:
    assert result.exit_code != 0
    assert isinstance(result.exception, SettingsError | FileFormatError | ModelFileError), result.exception
    return str(result.exception)


def test_clusters_of_a_file_are_measured(tmp_path: Path) -> None:
    path = table(tmp_path, profile_id=["x", "x", "x", "y", None, None])
    [system] = systems(run(path, "--truth", "who", "--json", "-"))
    assert system["name"] == "profile_id"
    counts = system["counts"]
    assert counts == {
        "rows": 6,
        "true_persons": 4,
        "clusters": 4,
        "true_pairs": 2,
        "predicted_pairs": 3,
        "correct_pairs": 1,
        "over_merged": 1,
        "under_merged": 1,
        "splits": 1,
        "merges": 1,
    }
    assert system["measures"]["recall"]["value"] == 0.5  # type: ignore[index]
    assert system["calibration"] is None
    assert system["blocking"] is None


def test_the_table_names_measures_with_intervals_and_no_value_of_a_row(tmp_path: Path) -> None:
    path = table(tmp_path, profile_id=["x", "x", "z", "z", "u", "v"])
    result = run(path, "--truth", "who")
    assert result.exit_code == 0, result.output
    assert re.search(r"^F1 +1\.000 \[1\.000, 1\.000\]$", result.stdout, re.MULTILINE)
    assert re.search(r"^clusters of several persons +0$", result.stdout, re.MULTILINE)
    assert "50 draws of true persons, seed 1" in result.stdout
    assert "kafor" not in result.output


def test_what_match_writes_is_what_evaluate_reads(tmp_path: Path) -> None:
    path, out, reviews = table(tmp_path), tmp_path / "out.csv", tmp_path / "reviews.csv"
    match_files(MatchFiles(tables=(path,), out=out, reviews=reviews, ignored=frozenset({"who"})), settings=Settings())
    [written] = systems(run(out, "--truth", "who", "--reviews", reviews, "--json", "-"))
    [matched] = systems(run(path, "--truth", "who", "--match", "--json", "-"))
    assert written["counts"] == matched["counts"]
    assert written["reviews_per_thousand"] == matched["reviews_per_thousand"]
    blocking, calibration = matched["blocking"], matched["calibration"]
    assert blocking["records"] == 5  # type: ignore[index]  (two rows are one claim)
    assert blocking["direct"] == blocking["through_cluster"] == 1.0  # type: ignore[index]
    assert blocking["kept_pairs"] == blocking["findable_pairs"] == 1  # type: ignore[index]
    assert matched["measures"]["blocking_kept_direct"]["value"] == 1.0  # type: ignore[index]
    assert calibration["pairs"] >= 1  # type: ignore[index]
    assert str(matched["version"]).startswith("retail-persons-")


def test_truth_may_lie_in_a_file_by_rows_or_by_id(tmp_path: Path) -> None:
    path = table(tmp_path, profile_id=["x", "x", "z", "z", "u", "v"])
    by_rows, by_id = tmp_path / "rows_truth.csv", tmp_path / "id_truth.csv"
    write_table(by_rows, {"truth": PEOPLE["who"]})
    write_table(by_id, {"id": ["6", "2", "1", "4", "3"], "person": ["d", "a", "a", "b", "b"]})
    [first] = systems(run(path, "--truth", by_rows, "--json", "-"))
    [second] = systems(run(path, "--truth", by_id, "--id", "id", "--json", "-"))
    assert first["measures"]["f1"]["value"] == second["measures"]["f1"]["value"] == 1.0  # type: ignore[index]
    assert (first["unlabelled"], second["unlabelled"]) == (0, 1)


def test_several_files_are_one(tmp_path: Path) -> None:
    first = table(tmp_path, profile_id=["x", "x", "z", "z", "u", "v"])
    second = table(tmp_path, "more.csv", profile_id=["x", "x", "z", "z", "u", "v"], note=["n"] * 6)
    [system] = systems(run(first, second, "--truth", "who", "--json", "-"))
    assert system["counts"]["rows"] == 12  # type: ignore[index]
    assert system["measures"]["exact"]["value"] == 1.0  # type: ignore[index]


def test_pairs_and_candidates_of_another_run(tmp_path: Path) -> None:
    path = table(tmp_path, profile_id=["x", "x", "z", "z", "u", "v"])
    pairs, candidates = tmp_path / "pairs.csv", tmp_path / "candidates.csv"
    write_table(pairs, {"row": ["1", "3"], "other_row": ["2", "5"], "probability": ["0.95", "0.25"]})
    write_table(candidates, {"row": ["1", "3", "5"], "other_row": ["2", "5", "6"]})
    [system] = systems(run(path, "--truth", "who", "--pairs", pairs, "--candidates", candidates, "--json", "-"))
    assert system["measures"]["expected_calibration_error"]["value"] == pytest.approx(0.15)  # type: ignore[index]
    assert system["blocking"]["direct"] == 0.5  # type: ignore[index]
    assert system["blocking"]["per_record"] == 1.0  # type: ignore[index]
    assert system["precision_recall"] == [[0.95, 1.0, 0.5], [0.25, 0.5, 0.5]]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    path = table(tmp_path, profile_id=["x", "x", "x", "y", None, None])
    first, second, other = (
        run(path, "--truth", "who", "--json", "-", "--seed", seed).stdout for seed in ("7", "7", "8")
    )
    assert first == second
    assert json.loads(first)["systems"] != json.loads(other)["systems"]


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "line", "circle", "rect", "polyline"}:
            self.open.append(tag)
        self.links += [str(value) for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1] == tag:
            self.open.pop()


def test_the_page_is_whole_has_plots_and_loads_nothing(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    result = run(table(tmp_path), "--truth", "who", "--match", "--report", page)
    assert result.exit_code == 0, result.output
    text = page.read_text(encoding="utf-8")
    seen = Page()
    seen.feed(text)
    assert seen.open == []
    assert seen.tags.count("svg") == 2
    assert "circle" in seen.tags
    assert seen.links == []
    assert "script" not in seen.tags
    assert "http" not in text
    assert "kafor" not in text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--truth", "nobody"], "truth: is neither a column of FILE nor a file"),
        (["--truth", "blank"], "truth: is empty in every row"),
        (["--truth", "who", "--clusters", "home"], "clusters: FILE has no column home"),
        (["--truth", "who", "--compare", "splink", "--mapping", "{none}"], "no column 'nope'"),
    ],
)
def test_errors_name_the_option(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    none = tmp_path / "none.toml"
    none.write_text('given_name = "nope"\n', encoding="utf-8")
    path = table(tmp_path, profile_id=["x"] * 6, blank=[None] * 6)
    assert complaint in refused(run(path, *(argument.format(none=none) for argument in arguments)))


def test_files_of_pairs_are_checked_line_by_line(tmp_path: Path) -> None:
    path, pairs = table(tmp_path, profile_id=["x"] * 6), tmp_path / "pairs.csv"
    for columns, complaint in (
        ({"row": ["1"], "other_row": ["2"]}, "has no column probability"),
        (
            {"row": ["1", "7"], "other_row": ["2", "3"], "probability": ["1", "1"]},
            "line 3: row must be a row number from 1 to 6",
        ),
        ({"row": ["1"], "other_row": ["0"], "probability": ["1"]}, "line 2: other_row must be a row number"),
        ({"row": ["4"], "other_row": ["4"], "probability": ["1"]}, "line 2: row and other_row are one row"),
        (
            {"row": ["1", "1", "2"], "other_row": ["2", "3", "1"], "probability": ["1"] * 3},
            "line 4: these two rows are a pair already",
        ),
        (
            {"row": ["1"], "other_row": ["2"], "probability": ["1.5"]},
            "line 2: probability must be a number from 0 to 1",
        ),
        ({"row": ["1"], "other_row": ["2"], "probability": ["often"]}, "line 2: probability must be a number"),
        ({"row": ["1"], "other_row": ["2"], "probability": ["nan"]}, "line 2: probability must be a number"),
    ):
        write_table(pairs, columns)
        assert complaint in refused(run(path, "--truth", "who", "--pairs", pairs))


def test_truth_files_are_checked(tmp_path: Path) -> None:
    path, truth = table(tmp_path, profile_id=["x"] * 6), tmp_path / "truth.csv"
    write_table(truth, {"id": ["1", "1"], "truth": ["a", "b"]})
    assert "truth: has 2 rows and FILE 6; join them with --id" in refused(run(path, "--truth", truth))
    assert "id: the truth file has one id for two persons" in refused(run(path, "--truth", truth, "--id", "id"))
    assert "id: FILE has no column key" in refused(run(path, "--truth", truth, "--id", "key"))
    write_table(truth, {"one": ["1"] * 6, "two": ["b"] * 6})
    assert "has no column truth" in refused(run(path, "--truth", truth))


def test_files_of_another_run_are_no_part_of_a_match(tmp_path: Path) -> None:
    path, reviews = table(tmp_path), tmp_path / "reviews.csv"
    write_table(reviews, {"row": ["1"]})
    assert "reviews: is for clusters of FILE" in refused(run(path, "--truth", "who", "--match", "--reviews", reviews))
    clustered = table(tmp_path, "clustered.csv", profile_id=["x"] * 6)
    assert "has no column kind" in refused(run(clustered, "--truth", "who", "--reviews", reviews))


def test_a_table_without_claims_cannot_be_matched(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    write_table(path, {"note": ["x", "y"], "who": ["a", "b"]})
    assert "rows.csv is an identifier" in refused(run(path, "--truth", "who", "--match"))


def test_reports_go_to_folders_that_are_there(tmp_path: Path) -> None:
    path = table(tmp_path, profile_id=["x"] * 6)
    for option in ("--json", "--report"):
        assert "there is no directory" in refused(run(path, "--truth", "who", option, tmp_path / "nodir" / "x"))
    assert "must not be another file" in refused(run(path, "--truth", "who", "--json", path))


def test_reviews_are_counted_by_rows_whoever_made_them(tmp_path: Path) -> None:
    # One name in one town: too little to link, enough to ask. Two of the rows are one record.
    path, out, reviews = tmp_path / "rows.csv", tmp_path / "out.csv", tmp_path / "reviews.csv"
    same = {"first_name": "Ingrid", "last_name": "Vasquez", "city": "Seattle"}
    write_table(
        path, {**{name: [value] * 3 for name, value in same.items()}, "source": ["a", "a", "b"], "who": ["x", "x", "y"]}
    )
    files = MatchFiles(tables=(path,), out=out, reviews=reviews, ignored=frozenset({"who"}))
    match_files(files, settings=Settings(model=Path("shipped")))
    [written] = systems(run(out, "--truth", "who", "--reviews", reviews, "--json", "-"))
    [matched] = systems(run(path, "--truth", "who", "--match", "--model", "shipped", "--json", "-"))
    assert written["reviews_per_thousand"] == matched["reviews_per_thousand"] == pytest.approx(1000 / 3)
    assert matched["reviews_per_thousand_records"] == pytest.approx(1000 / 2)


def test_truth_is_not_matched_by(tmp_path: Path) -> None:
    # A mapping that plays the truth column as a card would make every person whole; the column is gone before it is read.
    cards, names = tmp_path / "cards.toml", tmp_path / "names.toml"
    names.write_text('family_name = "last_name"\n', encoding="utf-8")
    cards.write_text('family_name = "last_name"\nloyalty_card = "who"\n', encoding="utf-8")
    path = table(tmp_path)
    [told], [plain] = (
        systems(run(path, "--truth", "who", "--match", "--mapping", mapping, "--json", "-"))
        for mapping in (cards, names)
    )
    assert told["counts"] == plain["counts"]
    cards.write_text('loyalty_card = "who"\n', encoding="utf-8")
    assert "rows.csv is an identifier" in refused(run(path, "--truth", "who", "--match", "--mapping", cards))
