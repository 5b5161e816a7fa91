"""What the files of a batch command are taken for, before anything is matched."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from goldthread.app.tables import Tables
from goldthread.domain.errors import SettingsError
from goldthread.files import ExtraKind, FileFormatError, Mapping, write_table
from goldthread.files.mapping import ExtraColumn

NAMES = ["Ann", "Bob", "Carla", "Dirk"] * 10


def people(folder: Path, name: str = "people.csv", **columns: list[str | None]) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    write_table(path, {"first_name": [*NAMES], "loyalty_id": [f"L{row}" for row in range(40)], **columns})
    return path


def lines(text: str) -> list[str]:
    return [" ".join(line.split()) for line in text.splitlines()]


def test_files_are_linked_by_numbers_that_each_has_once(tmp_path: Path) -> None:
    paths = [people(tmp_path, "crm.csv"), people(tmp_path, "shop.csv")]
    for table in Tables.understood(paths).tables:
        assert table.mapping.columns["loyalty_card"] == ("loyalty_id",)
    assert "loyalty_card" not in Tables.understood(paths[:1]).tables[0].mapping.columns


def test_a_number_that_is_unique_in_the_first_rows_only_is_matched_by(tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    cards = [f"L{row}" for row in range(5_100)]
    write_table(path, {"first_name": ["Ann", "Bob"] * 5_100, "loyalty_id": cards * 2})
    assert "loyalty_card" in Tables.understood([path]).tables[0].mapping.columns


@pytest.mark.parametrize(
    ("names", "sources"),
    [
        (("crm.2023.csv", "crm.2024.csv.gz"), ["crm.2023", "crm.2024"]),
        ((".people.csv", "shop.parquet"), [".people", "shop"]),
    ],
)
def test_files_are_sources_of_their_names(tmp_path: Path, names: tuple[str, ...], sources: list[str]) -> None:
    tables = Tables.understood([people(tmp_path, name) for name in names])
    tables.check()
    assert [table.source for table in tables.tables] == sources


@pytest.mark.parametrize("names", [("people.csv", "people.parquet"), ("a/people.csv", "b/people.csv")])
def test_two_files_are_not_one_source_without_a_word(tmp_path: Path, names: tuple[str, str]) -> None:
    paths = [people(tmp_path, name) for name in names]
    with pytest.raises(SettingsError, match=r"source: .*people.csv and .* would have one source"):
        Tables.understood(paths).check()
    Tables.understood(paths, source="crm").check()
    Tables.understood(paths, mapping=Mapping({}, {"source": "crm"}, detect=True)).check()


def test_ignored_columns_are_not_looked_at_whoever_names_them(tmp_path: Path) -> None:
    path = people(tmp_path, work_email=[f"p{row}@x.org" for row in range(40)])
    for detect in (True, False):
        mapping = Mapping({"given_name": ("first_name",), "email": ("work_email",)}, detect=detect)
        [table] = Tables.understood([path], mapping=mapping, ignored=["work_email"]).tables
        assert "email" not in table.mapping.columns
        own = Mapping(mapping.columns, ignored=frozenset({"work_email"}), detect=detect)
        assert "email" not in Tables.understood([path], mapping=own).tables[0].mapping.columns
    with pytest.raises(SettingsError, match="ignore: the files have no column 'loyaltyid'"):
        Tables.understood([path], ignored=["loyaltyid"])


def test_files_together_have_no_more_extras_than_a_model(tmp_path: Path) -> None:
    def kinds(number: int, rows: int) -> list[str | None]:
        return [f"{number}{'abcd'[row % 4]}" if row < rows else None for row in range(40)]

    first = people(tmp_path, "a.csv", **{f"fa{n}": kinds(n, 40) for n in range(12)})
    second = people(tmp_path, "b.csv", **{f"fb{n}": kinds(n, 36) for n in range(12)})
    tables = Tables.understood([first, second])
    assert set(tables.extra_kinds) == {*(f"fa{n}" for n in range(12)), "fb0", "fb1", "fb10", "fb11"}
    told = lines(tables.explained())
    assert any(line.startswith("fb2 left out more than 16 further columns in all files") for line in told)
    named = Mapping({}, extras={"colour": ExtraColumn("fb9", ExtraKind.PERSON)}, detect=True)
    with_named = Tables.understood([second], mapping=named)
    assert with_named.extra_kinds["colour"] == "person"
    many = {f"x{n}": ExtraColumn("fb9", ExtraKind.PERSON) for n in range(17)}
    with pytest.raises(SettingsError, match="mapping: names 17 extras; a model has 16 at most"):
        Tables.understood([second], mapping=Mapping({}, extras=many, detect=True))


def test_the_explanation_says_what_a_model_compares_and_a_mapping_overrules(tmp_path: Path) -> None:
    mails: list[str | None] = [f"p{row}@x.org" for row in range(40)]
    path = people(tmp_path, email=mails, work_email=[*mails[1:], "z@x.org"], sex=["f", "m"] * 20)
    tables = Tables.understood([path], mapping=Mapping({"email": ("work_email",)}, detect=True))
    told = lines(tables.explained())
    assert "work_email email mapping" in told
    assert any(line.startswith("email left out another email; the mapping names one") for line in told)
    assert any(line.startswith("sex sex (person)") for line in told)
    shipped = lines(tables.explained(compared=()))
    assert any(line.startswith("sex left out the model does not compare it") for line in shipped)


def test_columns_of_lists_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "people.parquet"
    pq.write_table(pa.table({"first_name": NAMES, "tags": [["a"]] * 40}), path)
    tables = Tables.understood([path])
    tables.check()
    assert "tags left out values of type list 0% 0" in lines(tables.explained())


def test_refusals_name_the_file(tmp_path: Path) -> None:
    good, bad = people(tmp_path, "a/people.csv"), tmp_path / "b" / "people.csv"
    bad.parent.mkdir()
    write_table(bad, {"colour": ["red"]})
    with pytest.raises(SettingsError, match=r"no column of .*b/people.csv is an identifier"):
        Tables.understood([good, bad], source="crm").check()
    with pytest.raises(SettingsError, match=r"a/people.csv has a column first_name already"):
        Tables.understood([good], source="crm").check(taken={"first_name"})
    twice = tmp_path / "twice.parquet"
    pq.write_table(pa.table([["Ann"], ["Bob"]], names=["first_name", "first_name"]), twice)
    with pytest.raises(FileFormatError, match=r"twice.parquet: two columns are called 'first_name'"):
        Tables.understood([twice])


def test_with_the_keys_of_a_ledger_nothing_further_is_compared(tmp_path: Path) -> None:
    path = people(tmp_path, sex=["f", "m"] * 20)
    tables = Tables.understood([path])
    assert tables.extra_kinds == {"sex": "person"}
    bare = tables.without_extras()
    assert bare.extra_kinds == {}
    assert any(line.startswith("sex left out a ledger has no further columns") for line in lines(bare.explained()))
    named = Mapping({}, extras={"sex": ExtraColumn("sex", ExtraKind.PERSON)}, detect=True)
    with pytest.raises(SettingsError, match=r"mapping: extras\.sex cannot be compared"):
        Tables.understood([path], mapping=named).without_extras()


def test_files_without_names_are_told(tmp_path: Path) -> None:
    path = tmp_path / "cards.csv"
    write_table(path, {"loyalty_id": ["a", "a"]})
    assert Tables.understood([path, people(tmp_path)]).nameless == [str(path)]
