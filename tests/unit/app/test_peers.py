from __future__ import annotations

import math
import os
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goldthread.app.peers import (
    GoldenmatchPlan,
    Peer,
    PeerError,
    RecordlinkagePlan,
    SplinkPlan,
    automatic_plan,
    peak_mebibytes,
    prepared,
    run_apart,
    run_peer,
)
from goldthread.app.peers.closure import closure
from goldthread.domain.errors import SettingsError
from goldthread.domain.words import IdentifierType

NAMES = ("ana", "ben", "cleo", "dora", "emil", "fay", "gus", "hana", "ivo", "jana", "kai", "lena")


@settings(deadline=None)
@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 11), st.integers(0, 11)), max_size=15))
def test_closure_joins_what_a_chain_of_links_joins(rows: int, drawn: list[tuple[int, int]]) -> None:
    links = [(a % rows, b % rows) for a, b in drawn]
    home = list(range(rows))
    for _ in range(rows):
        for a, b in links:
            home[a] = home[b] = min(home[a], home[b])
    assert closure(rows, links) == home


def test_a_plan_uses_the_columns_there_are() -> None:
    plan = automatic_plan(Peer.SPLINK, ["given_name", "family_name", "email", "postcode"])
    assert isinstance(plan, SplinkPlan)
    assert [one.columns[0] for one in plan.comparisons] == ["given_name", "family_name", "email", "postcode"]
    assert plan.blocking == (
        ("given_name", "family_name"),
        ("family_name", "postcode"),
        ("given_name", "postcode"),
        ("email",),
    )
    assert plan.training == (("given_name", "family_name"), ("email",))
    linkage = automatic_plan(Peer.RECORDLINKAGE, ["given_name", "family_name", "loyalty_card"])
    assert linkage == RecordlinkagePlan(
        blocking=(("given_name", "family_name"), ("loyalty_card",)),
        near=("given_name", "family_name"),
        exact=("loyalty_card",),
    )
    assert automatic_plan(Peer.GOLDENMATCH, ["full_name"]) == GoldenmatchPlan()


def test_splink_is_asked_for_typing_errors_only_in_numbers_that_people_type() -> None:
    numbers = [kind.label for kind in IdentifierType if kind is not IdentifierType.EMAIL]
    plan = automatic_plan(Peer.SPLINK, ["given_name", "family_name", *numbers])
    assert isinstance(plan, SplinkPlan)
    kinds = {one.columns[0]: one.kind for one in plan.comparisons}
    assert {name for name in numbers if kinds[name] == "damerau_levenshtein"} == {"phone", "loyalty_card"}
    assert {name for name in numbers if kinds[name] == "exact"} == {*numbers} - {"phone", "loyalty_card"}


@pytest.mark.parametrize("peer", [Peer.SPLINK, Peer.RECORDLINKAGE])
def test_too_few_columns_are_said_before_anything_runs(peer: Peer) -> None:
    with pytest.raises(SettingsError, match=f"mapping: {peer.value} needs"):
        automatic_plan(peer, ["full_name", "city"])


def test_values_are_prepared_as_anybody_would() -> None:
    table = prepared({"phone": ["+1 (360) 671-8751", "n/a", None], "email": [" A@B.test ", "", None]})
    assert table == {"phone": ["3606718751", None, None], "email": ["a@b.test", None, None]}


def test_work_apart_returns_its_answer() -> None:
    assert run_apart("sum", math.factorial, 5, timeout_seconds=120) == 120


def test_work_apart_that_fails_is_told_by_its_type_alone() -> None:
    with pytest.raises(PeerError, match=r"reader failed \(ValueError\)") as caught:
        run_apart("reader", int, "secret value", timeout_seconds=120)
    assert "secret" not in str(caught.value)
    assert caught.value.metadata == {"peer": "reader", "error": "ValueError"}
    assert caught.value.__cause__ is None


def test_work_apart_that_dies_or_never_ends_is_an_error() -> None:
    with pytest.raises(PeerError, match="dying ended without an answer"):
        run_apart("dying", os._exit, 3, timeout_seconds=120)
    with pytest.raises(PeerError, match=r"sleeper was not done in 0\.2 s"):
        run_apart("sleeper", time.sleep, 60, timeout_seconds=0.2)


def test_what_work_apart_has_started_ends_with_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    work = f"echo $$ > {pid}.part; mv {pid}.part {pid}; exec sleep 600"
    with pytest.raises(PeerError, match="was not done"):
        run_apart("sleeper", subprocess.run, ["/bin/sh", "-c", work], timeout_seconds=5)
    child = Path("/proc") / pid.read_text().strip() / "stat"
    deadline = time.monotonic() + 30
    # Gone, or a zombie that whoever adopted it has yet to collect.
    while child.exists() and child.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_peak_memory_is_that_of_this_process() -> None:
    assert 10 < peak_mebibytes() < 100_000


def test_a_peer_that_is_not_installed_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    # The path on which packages are looked up is emptied, whether or not the extra is there.
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(SettingsError, match="compare: splink is not installed; it comes with the extra `compare`"):
        run_peer(Peer.SPLINK, {"given_name": ["a"]}, GoldenmatchPlan(), timeout_seconds=1)


def people() -> dict[str, list[str | None]]:
    """Each person twice, once with another town; no two persons share a name, a day or a mail."""
    rows = [
        (name, f"{name}sen", f"19{50 + n}-0{1 + n % 9}-1{n % 9}", f"{name}@mail.test") for n, name in enumerate(NAMES)
    ]
    table: dict[str, list[str | None]] = {
        "given_name": [],
        "family_name": [],
        "birth_date": [],
        "email": [],
        "city": [],
    }
    for given_name, family_name, birth_date, email in rows:
        for city in ("york", "leeds"):
            for name, value in zip(table, (given_name, family_name, birth_date, email, city), strict=True):
                table[name].append(value)
    return table


@pytest.mark.timeout(1_200)
@pytest.mark.parametrize("peer", list(Peer))
def test_peers_find_people_who_write_all_alike(peer: Peer) -> None:
    pytest.importorskip(peer.value, reason="the extra `compare` is not installed")
    pytest.importorskip("polars", reason="the extra `compare` is not installed")
    table = people()
    result = run_peer(peer, table, automatic_plan(peer, table), timeout_seconds=1_000)
    clusters = list(result.found.clusters)
    assert len(clusters) == 2 * len(NAMES)
    assert [clusters[2 * n] == clusters[2 * n + 1] for n in range(len(NAMES))].count(True) >= len(NAMES) - 2
    assert result.seconds > 0
    assert result.peak_mebibytes > 50
    assert result.version
    if peer is Peer.SPLINK:
        assert len(result.found.left) == len(result.found.right) == len(result.found.probabilities) > 0
        assert all(0.01 <= value <= 1 for value in result.found.probabilities)
