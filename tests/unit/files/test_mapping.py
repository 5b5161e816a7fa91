from __future__ import annotations

import pytest

from goldthread.files import FileFormatError, Mapping

FEBRL = """
given_name = "given_name"
family_name = "surname"
street = ["street_number", "address_1"]
[constants]
source = "febrl"
"""


def test_a_file_names_columns_joins_them_and_sets_constants(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(FEBRL)
    mapping = Mapping.read(path)
    row = {"given_name": "Ann", "surname": "Li", "street_number": " 7 ", "address_1": "Main St", "truth": "1"}
    assert mapping.row(row) == {"source": "febrl", "given_name": "Ann", "family_name": "Li", "street": "7 Main St"}
    assert mapping.row({"address_1": "Main St"}) == {"source": "febrl", "street": "Main St"}
    assert mapping.row({}) == {"source": "febrl"}


def test_a_table_is_mapped_as_its_rows_are(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(FEBRL)
    table = {
        "given_name": ["Ann", None],
        "surname": ["Li", "Wu"],
        "street_number": ["7", None],
        "address_1": ["Main St", None],
        "other": ["x", "y"],
    }
    assert Mapping.read(path).table(table) == {
        "source": ["febrl", "febrl"],
        "given_name": ["Ann", None],
        "family_name": ["Li", "Wu"],
        "street": ["7 Main St", None],
    }


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("given_name = ", "TOML"),
        ('shoe_size = "x"', "shoe_size"),
        ("given_name = 5", "given_name"),
        ("given_name = []", "given_name"),
        ('given_name = ["a", ""]', "given_name"),
        ("constants = 5", "constants"),
        ("[constants]\nsource = 5", "source"),
        ('[constants]\nshoe_size = "x"', "shoe_size"),
        ('source = "a"\n[constants]\nsource = "x"', "twice"),
        ('[extras]\nplace = "person"', "place"),
        ('[extras]\ncity = "household"', "city"),
    ],
)
def test_a_mapping_that_says_something_else_is_refused(tmp_path, text, complaint):
    path = tmp_path / "m.toml"
    path.write_text(text)
    with pytest.raises(FileFormatError, match=complaint):
        Mapping.read(path)


def test_columns_are_taken_out_of_whatever_they_are_part_of(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(
        FEBRL.replace("[constants]", 'birth_date = ["y", "m"]\n[constants]')
        + '[extras]\nstate = "household"\nsex = "person"\n'
    )
    rest = Mapping.read(path).without({"surname", "street_number", "m", "sex"})
    assert rest.columns == {"given_name": ("given_name",), "street": ("address_1",)}
    assert set(rest.extras) == {"state"}
    assert rest.constants == {"source": "febrl"}
    assert rest.ignored == {"surname", "street_number", "m", "sex"}


def test_a_column_that_the_file_lacks_is_named(tmp_path):
    path = tmp_path / "m.toml"
    path.write_text(FEBRL)
    with pytest.raises(FileFormatError, match="'surname'"):
        Mapping.read(path).check(tmp_path / "t.csv", ["given_name", "street_number", "address_1"])


def test_common_names_are_known_whatever_their_case_and_punctuation():
    mapping = Mapping.automatic(["First Name", "LAST-NAME", "E-mail", "Zip Code", "dob", "Shoe size", "truth"])
    assert mapping.columns == {
        "email": ("E-mail",),
        "given_name": ("First Name",),
        "family_name": ("LAST-NAME",),
        "birth_date": ("dob",),
        "postcode": ("Zip Code",),
        "truth": ("truth",),
    }


def test_a_house_number_of_its_own_goes_before_the_street():
    mapping = Mapping.automatic(["street_number", "address_1", "suburb"])
    assert mapping.columns == {"street": ("street_number", "address_1"), "city": ("suburb",)}


def test_the_flat_format_s_own_names_win():
    assert Mapping.automatic(["surname", "family_name"]).columns == {"family_name": ("family_name",)}


def test_names_are_read_as_where_columns_are_understood():
    names = ["Vorname", "Nachname", "E-Mail", "PLZ", "Straße", "Hausnummer", "Shipping City", "cluster", "timestamp"]
    assert Mapping.automatic(names).columns == {
        "occurred_at": ("timestamp",),
        "email": ("E-Mail",),
        "given_name": ("Vorname",),
        "family_name": ("Nachname",),
        "street": ("Hausnummer", "Straße"),
        "postcode": ("PLZ",),
    }
