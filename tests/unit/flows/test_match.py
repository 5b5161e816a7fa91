from __future__ import annotations

import random
from importlib.resources import files
from uuid import UUID

import pytest

from goldthread.domain.errors import ModelFileError
from goldthread.flows.match import (
    batch_keys,
    birth_id_of,
    gather_columns,
    match_rows,
    profile_ids,
    summarize,
)
from goldthread.matching.batch import BatchResult, match_gathered
from goldthread.matching.keys import Keys

MODEL = files("goldthread").joinpath("models/retail-persons-1.toml").read_text(encoding="utf-8")

ROWS = [
    {
        "source": "crm",
        "given_name": "Robert",
        "family_name": "Okafor",
        "email": "Rob.Okafor@gmail.com",
        "postcode": "98204",
    },
    {"source": "pos", "given_name": "Bob", "family_name": "Okafor", "email": "robokafor+shop@gmail.com"},
    {"source": "pos", "given_name": "Bob", "family_name": "Okafor", "email": " robokafor+shop@gmail.com "},
    {"source": "pos", "given_name": "Ingrid", "family_name": "Vasquez", "phone": "(360) 671-8751"},
    {"source": "web", "given_name": "Ingrid", "family_name": "Vasquez", "phone": "+1 360 671 8751"},
    {"source": "pos", "email": "test@test.com", "phone": "n/a"},
    {"source": "pos", "given_name": "", "phone": "12"},
]


def run(rows: list[dict[str, str]], keys: Keys | None = None) -> BatchResult:
    return match_rows(rows, keys=keys or batch_keys(), model_text=MODEL, region="US")


def partition(result: BatchResult) -> set[frozenset[bytes]]:
    clusters: dict[int, set[bytes]] = {}
    for address, cluster in zip(result.record_addresses, result.record_clusters, strict=True):
        clusters.setdefault(cluster, set()).add(address)
    return {frozenset(members) for members in clusters.values()}


def test_links_by_identifier_and_keeps_strangers_apart() -> None:
    result = run(ROWS)
    clusters = result.clusters
    assert clusters[0] == clusters[1] == clusters[2]
    assert clusters[3] == clusters[4]
    assert clusters[0] != clusters[3]
    assert result.profiles == 2


def test_identical_claims_of_one_source_are_one_record() -> None:
    result = run(ROWS)
    assert result.row_records[1] == result.row_records[2]
    assert len(result.record_addresses) == 4
    assert result.addresses[1] == result.addresses[2] != result.addresses[0]


def test_the_same_claim_of_another_source_is_another_record() -> None:
    claim = {"given_name": "Ana", "family_name": "Lindqvist", "email": "ana@lindqvist.se"}
    result = run([{"source": "a", **claim}, {"source": "b", **claim}])
    assert len(result.record_addresses) == 2
    assert result.profiles == 1


def test_rows_without_usable_claim_get_no_profile_and_are_counted() -> None:
    result = run(ROWS)
    assert profile_ids(result)[5:] == [None, None]
    assert result.addresses[5] is None
    summary = summarize(result)
    assert (summary.rows, summary.unusable, summary.records, summary.profiles) == (7, 2, 4, 2)
    assert summary.placeholders == {"email": 1, "phone": 1}
    assert summary.invalid == {"phone": 1}
    assert summary.largest_profile == 2
    assert summary.merged_records == 4


def test_customer_numbers_link_within_their_source_only() -> None:
    rows = [
        {"source": "crm", "customer_number": "4711", "family_name": "Abernathy"},
        {"source": "crm", "customer_number": "4711", "given_name": "Lena", "family_name": "Abernathy"},
        {"source": "shop", "customer_number": "4711", "given_name": "Otto", "family_name": "Zimmer"},
    ]
    clusters = run(rows).clusters
    assert clusters[0] == clusters[1] != clusters[2]


def test_order_of_rows_changes_neither_partition_nor_profile_ids() -> None:
    order = list(range(len(ROWS)))
    random.Random(7).shuffle(order)
    straight, shuffled = run(ROWS), run([ROWS[row] for row in order])
    assert partition(straight) == partition(shuffled)
    ids, shuffled_ids = profile_ids(straight), profile_ids(shuffled)
    assert [ids[row] for row in order] == shuffled_ids


def test_columns_and_rows_agree_and_chunks_do_not_show() -> None:
    names = sorted({name for row in ROWS for name in row})
    columns = {name: [row.get(name) for row in ROWS] for name in names}
    expected = profile_ids(run(ROWS))
    by_two = gather_columns(columns, keys=batch_keys(), region="US", chunk_rows=2)
    assert profile_ids(match_gathered(by_two, model_text=MODEL)) == expected
    whole = gather_columns(columns, keys=batch_keys(), region="US")
    assert profile_ids(match_gathered(whole, model_text=MODEL)) == expected
    by_three = match_rows(ROWS, keys=batch_keys(), model_text=MODEL, region="US", chunk_rows=3)
    assert profile_ids(by_three) == expected


def test_other_keys_change_ids_but_not_the_partition() -> None:
    mine, other = run(ROWS), run(ROWS, Keys.derive(b"k" * 32))
    assert set(mine.record_addresses).isdisjoint(other.record_addresses)
    assert mine.record_clusters != []
    rows_of = [
        {frozenset(i for i, c in enumerate(result.clusters) if c == cluster) for cluster in set(result.clusters)}
        for result in (mine, other)
    ]
    assert rows_of[0] == rows_of[1]


def test_rows_without_source_belong_to_the_default_source() -> None:
    claim = {"email": "kay@lindqvist.se"}
    named = run([{"source": "file", **claim}, claim, {"source": "", **claim}])
    assert len(named.record_addresses) == 1


def test_no_rows_give_an_empty_result() -> None:
    result = run([])
    assert profile_ids(result) == []
    assert summarize(result).profiles == 0


def test_birth_id_is_a_version_8_uuid_that_keeps_the_address_order() -> None:
    low, high = bytes(32), b"\x01" + bytes(31)
    assert birth_id_of(low) == UUID("00000000-0000-8000-8000-000000000000")
    assert birth_id_of(low) < birth_id_of(high) < birth_id_of(b"\xff" * 32)
    assert birth_id_of(b"\xff" * 32) == UUID("ffffffff-ffff-8fff-bfff-ffffffffffff")


def test_profile_id_is_the_smallest_birth_id_of_the_members() -> None:
    result = run(ROWS[:2])
    smallest = min(birth_id_of(address) for address in result.record_addresses)
    assert profile_ids(result) == [f"GP-{smallest}"] * 2


def test_a_broken_model_is_a_typed_error() -> None:
    with pytest.raises(ModelFileError):
        match_rows([], keys=batch_keys(), model_text="version = 1", region="US")


def test_results_and_claims_hide_personal_data_in_repr() -> None:
    result = run(ROWS)
    assert "kafor" not in repr(result)
