"""Sets parted by persons: nobody is in both halves, and what both halves give is measured as one."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest
from loadtest.quality.halves import UnlearnedHalfError, half_of, halves_of, households_of, report_halves
from loadtest.quality.sets import SETS

from goldthread.app.generate import GenerateOptions, generate_events, write_events
from goldthread.files import read_table
from goldthread.matching.evaluation import Resampling


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("halves") / "generated.csv.gz"
    write_events(generate_events(GenerateOptions(people=700, events=2_000, seed=5)), path)
    return path


def test_a_person_is_in_one_half_whatever_else_is_there(generated: Path) -> None:
    table = read_table(generated)
    first, second = halves_of(table)
    assert not set(first["truth"]) & set(second["truth"])
    assert sorted(first["event_id"] + second["event_id"]) == sorted(table["event_id"])
    assert 800 < len(first["truth"]) < 1_200
    rows = {event: [table[name][row] for name in table] for row, event in enumerate(table["event_id"])}
    assert all([first[name][row] for name in first] == rows[event] for row, event in enumerate(first["event_id"]))
    for half, part in enumerate((first, second)):
        again = halves_of({name: column[:50] for name, column in part.items()})
        assert again[half]["event_id"] == part["event_id"][:50]


def test_the_seed_parts_people_otherwise_and_nobody_known_is_in_the_first() -> None:
    drawn = {seed: [half_of(str(person), seed=seed) for person in range(200)] for seed in (1, 2)}
    assert drawn[1] != drawn[2]
    assert all(70 < sum(halves) < 130 for halves in drawn.values())
    assert half_of(None, seed=1) == half_of(None, seed=2) == 0


def test_who_ever_wrote_one_address_is_in_one_half() -> None:
    table = {
        "truth": ["d", "a", "b", "b", "c", "e", None, "f"],
        "street": ["1 Elm St", "1 ELM ST", "1 elm st", "9 Oak Rd", "9 oak rd", None, "9 Oak Rd", "1 Elm St"],
        "zip": ["10001", "10001", "10001", "20002", "20002", "10001", "20002", "10002"],
    }
    households = households_of(table, ("street", "zip"))
    assert households == {"a": "a", "b": "a", "c": "a", "d": "a", "e": "e", "f": "f"}
    assert households_of(table, ()) == {person: person for person in "abcdef"}
    for seed in range(20):
        homes = [set(half["truth"]) for half in halves_of(table, home=("street", "zip"), seed=seed)]
        assert any({"a", "b", "c", "d"} <= half for half in homes)


def test_a_half_that_teaches_nothing_is_not_measured_under_the_shipped_model(tmp_path: Path) -> None:
    [one] = [labelled for labelled in SETS if labelled.name == "generated"]
    path = tmp_path / "few.csv.gz"
    write_events(generate_events(GenerateOptions(people=200, events=400, seed=5)), path)
    with pytest.raises(UnlearnedHalfError, match="too few records"):
        report_halves(one, Resampling(resamples=0), path=path)


def test_both_halves_are_measured_together(generated: Path) -> None:
    [one] = [labelled for labelled in SETS if labelled.name == "generated"]
    report = report_halves(one, Resampling(resamples=0), path=generated)
    found, truth = report.evaluation, read_table(generated)["truth"]
    persons = Counter(person for person in truth if person is not None)
    assert found.counts.rows + found.unlabelled == len(truth) == 2_000
    assert found.counts.true_persons == len(persons)
    assert found.counts.true_pairs == sum(count * (count - 1) // 2 for count in persons.values())
    assert found.blocking is not None
    assert found.calibration is not None
    assert 700 < found.blocking.records <= 2_000
    assert found.measures["precision"].value > 0.85
    assert found.measures["blocking_through_cluster"].value > 0.9
    versions = report.version.split(" and ")
    assert len(versions) == 2
    assert all(first != second for first, second in combinations(versions, 2))
