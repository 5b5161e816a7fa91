"""Gathering in chunks gives what the functions of single columns give row by row, however the rows are cut or packed."""

from __future__ import annotations

import random
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

from goldthread import _core
from goldthread.app.settings import Settings
from goldthread.domain.columns import PackedTexts, TextColumn
from goldthread.domain.words import ATTRIBUTE_NAMES, IdentifierType
from goldthread.flows.match import batch_keys, birth_id_of

KEYS = batch_keys()
MODEL = _core.Model.parse(Settings().model_text())

VALUES: Mapping[str, Sequence[str | None]] = {
    "source": (None, "", "crm", "pos", " crm"),
    "email": (
        None,
        "",
        "test@test.com",
        "Ann.Lee@gmail.com",
        "annlee@gmail.com",
        "annlee@googlemail.com",
        "x",
        "a" * 600,
    ),
    "phone": (None, "n/a", "(360) 671-8751", "+1 360 671 8751", "12", "000-000-0000"),
    "loyalty_card": (None, "L-1 2", "l12", "0", "-"),
    "customer_number": (None, "47 11", "4711", "0815"),
    "given_name": (None, "Ann", "ANN", "ann jr", "Bill", "n/a", "Anne-Marie", "é" * 600),
    "middle_name": (None, "B.", "b", "Beth"),
    "family_name": (None, "Lee", "lee II", "O'Brien", "o brien", "xxx"),
    "name_suffix": (None, "Jr", "2nd", "none"),
    "full_name": (None, "Lee, Ann Beth", "Dr. Ann de la Lee III", "-", "y" * 600),
    "birth_date": (None, "1980-05-12", "5/12/1980", "19800512", "1980-02-31", "soon"),
    "street": (None, "12 Main Street #4", "12 main st apt 4", "n/a"),
    "city": (None, "St. Louis", "saint louis", "?"),
    "postcode": (None, "98204-1234", "98204", "00000"),
    "sex": (None, "M", "m.", "none", "z" * 600),
}
IDENTIFIERS = {kind.label: kind for kind in IdentifierType}

Table = Mapping[str, Sequence[str | None]]


@dataclass(frozen=True)
class RowByRow:
    """What the functions of single columns make of a table."""

    addresses: list[bytes | None]
    records: _core.Records
    invalid: dict[str, int]
    placeholders: dict[str, int]


def table(rows: int, seed: int) -> dict[str, list[str | None]]:
    dice = random.Random(seed)
    return {
        name: [dice.choice(values) if dice.random() < 0.6 else None for _ in range(rows)]
        for name, values in VALUES.items()
    }


def row_by_row(columns: Table) -> RowByRow:
    rows = len(columns["source"])
    sources = [source or "file" for source in columns["source"]]
    attributes = {name: columns[name] for name in (*ATTRIBUTE_NAMES, "full_name")}
    clean, invalid_rows = _core.normalize_attributes(attributes, region="US")
    extras = {"sex": _core.normalize_extras(columns["sex"])}
    invalid: dict[str, int] = {}
    placeholders: dict[str, int] = {}
    for _, name in invalid_rows:
        invalid[name] = invalid.get(name, 0) + 1
    found: list[list[tuple[int, str, int, bytes]]] = [[] for _ in range(rows)]
    for name, kind in sorted(IDENTIFIERS.items(), key=lambda item: item[1]):
        if name not in columns:
            continue
        statuses, canonical, folded = _core.normalize_identifiers([kind] * rows, columns[name], region="US")
        invalid[name], placeholders[name] = statuses.count(3), statuses.count(2)
        for row, digests in enumerate(zip(canonical, folded, strict=True)):
            namespace = sources[row] if kind is IdentifierType.CUSTOMER_NUMBER else ""
            found[row] += [(kind, namespace, form, digest) for form, digest in enumerate(digests, start=1) if digest]

    def flat(picked: Sequence[int]) -> tuple[list[int], list[int], list[str], list[int], list[bytes]]:
        offsets = [0]
        for row in picked:
            offsets.append(offsets[-1] + len(found[row]))
        items = [item for row in picked for item in found[row]]
        return offsets, [i[0] for i in items], [i[1] for i in items], [i[2] for i in items], [i[3] for i in items]

    offsets, *identifiers = flat(range(rows))
    addresses = _core.address_records(KEYS.address, sources, offsets, *identifiers, clean, [0] * rows, extras=extras)
    said = [*clean.values(), extras["sex"]]
    usable = [bool(found[row]) or any(column[row] is not None for column in said) for row in range(rows)]
    firsts: dict[bytes, int] = {}
    for row, address in enumerate(addresses):
        if usable[row]:
            firsts.setdefault(address, row)
    picked = list(firsts.values())
    offsets, types, namespaces, forms, digests = flat(picked)
    tokens = _core.tokenize(KEYS.token, types, namespaces, forms, digests)
    records = _core.Records(
        list(firsts),
        {name: [column[row] for row in picked] for name, column in clean.items()},
        offsets,
        types,
        namespaces,
        forms,
        tokens,
        extras={"sex": [extras["sex"][row] for row in picked]},
    )
    return RowByRow(
        [address if used else None for address, used in zip(addresses, usable, strict=True)],
        records,
        invalid,
        placeholders,
    )


def packed(values: Sequence[str | None]) -> PackedTexts:
    data, offsets, bits = b"", [0], bytearray((len(values) + 7) // 8)
    for row, value in enumerate(values):
        data += (value or "").encode()
        offsets.append(len(data))
        bits[row // 8] |= (value is not None) << row % 8
    return PackedTexts(_words(offsets), data, bytes(bits))


def _words(numbers: Sequence[int]) -> bytes:
    return array("i", numbers).tobytes()


def read(columns: Table, *, pack: bool) -> _core.Claims:
    def column(name: str) -> TextColumn:
        return packed(columns[name]) if pack else columns[name]

    return _core.Claims.read(
        KEYS.address,
        KEYS.token,
        column("source"),
        {int(kind): column(name) for name, kind in IDENTIFIERS.items() if name in columns},
        {name: column(name) for name in (*ATTRIBUTE_NAMES, "full_name")},
        {"sex": column("sex")},
        default_source="file",
        region="US",
    )


def gathered(columns: Table, *, cut: int, pack: bool) -> tuple[list[_core.Claims], _core.Records, list[int]]:
    rows = len(columns["source"])
    parts = [{name: column[start : start + cut] for name, column in columns.items()} for start in range(0, rows, cut)]
    chunks = [read(part, pack=pack) for part in parts]
    records, row_records = _core.gather(chunks)
    return chunks, records, memoryview(row_records).cast("i").tolist()


@pytest.mark.parametrize(
    ("rows", "cut", "pack"), [(1, 1, False), (400, 400, True), (400, 37, True), (3000, 1100, False)]
)
def test_chunks_give_what_single_columns_give(rows: int, cut: int, pack: bool) -> None:
    columns = table(rows, seed=rows + cut)
    expected = row_by_row(columns)
    chunks, records, row_records = gathered(columns, cut=cut, pack=pack)
    assert [None if record < 0 else records.address(record) for record in row_records] == expected.addresses
    assert len(records) == len(expected.records)
    assert sum(chunk.rows for chunk in chunks) == rows
    for name, count in expected.invalid.items():
        assert sum(chunk.invalid()[name] for chunk in chunks) == count, name
    for name, count in expected.placeholders.items():
        assert sum(chunk.placeholders()[name] for chunk in chunks) == count, name
    left = [a for a in range(min(len(records), 60)) for _ in range(60)]
    right = [b % len(records) for _ in range(min(len(records), 60)) for b in range(60)]
    assert _core.score_pairs(records, left, right, MODEL) == _core.score_pairs(expected.records, left, right, MODEL)
    assert _core.blocking_keys(KEYS.blocking, records, MODEL) == _core.blocking_keys(
        KEYS.blocking, expected.records, MODEL
    )
    ours, theirs = _core.match_records(records, MODEL), _core.match_records(expected.records, MODEL)
    assert ours == theirs


def test_profile_ids_are_the_smallest_birth_ids() -> None:
    columns = table(500, seed=3)
    _, records, row_records = gathered(columns, cut=500, pack=False)
    clusters = _core.match_records(records, MODEL)[0]
    smallest: dict[int, str] = {}
    for record, cluster in enumerate(clusters):
        name = f"GP-{birth_id_of(records.address(record))}"
        smallest[cluster] = min(name, smallest.get(cluster, name))
    ids = PackedTexts(*_core.ProfileIds(records, clusters).column(_words(row_records))).texts()
    assert ids == [None if record < 0 else smallest[clusters[record]] for record in row_records]
    assert len(set(clusters)) < len(clusters)


def test_refusals_name_the_argument() -> None:
    columns = table(8, seed=1)
    for change, argument in (
        ({"email": columns["email"][:3]}, "identifiers"),
        ({"city": columns["city"][:3]}, "columns"),
        ({"sex": columns["sex"][:3]}, "extras"),
    ):
        with pytest.raises(_core.InputError) as refused:
            read({**columns, **change}, pack=False)
        assert refused.value.args[0] == argument
    broken = (
        PackedTexts(b"\0\0\0", b"", None),
        PackedTexts(b"", b"", None),
        PackedTexts(_words([0, 5]), b"abc", None),
        PackedTexts(_words([0, 1]), b"\xff", None),
        PackedTexts(_words([0] * 10), b"", b"\xff"),
    )
    for column in broken:
        with pytest.raises(_core.InputError):
            _core.Claims.read(KEYS.address, KEYS.token, column, {}, {}, {}, default_source="file", region="US")
    with pytest.raises(_core.InputError):
        _core.ProfileIds(_core.gather([])[0], []).column(b"\0\0\0")
    with pytest.raises(IndexError):
        _core.gather([])[0].address(0)
