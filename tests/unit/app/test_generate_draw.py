from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
from rapidfuzz.distance import OSA

import goldthread
from goldthread.app.generate import noise
from goldthread.app.generate.atlas import atlas_of, nicknames
from goldthread.app.generate.contacts import Contacts
from goldthread.app.generate.draw import Dice, Seen, WeightedTable


def test_a_weighted_table_draws_in_proportion() -> None:
    dice, table = Dice(1), WeightedTable([("often", 9), ("seldom", 1)])
    drawn = Counter(dice.weighted(table) for _ in range(20_000))
    assert drawn["seldom"] / drawn.total() == pytest.approx(0.1, abs=0.01)


@pytest.mark.parametrize("pairs", [[], [("never", 0)]])
def test_a_table_of_nothing_is_refused(pairs: list[tuple[str, int]]) -> None:
    with pytest.raises(ValueError, match="positive weights"):
        WeightedTable(pairs)


def test_used_values_are_never_called_fresh() -> None:
    seen = Seen(1_000)
    fresh = [seen.add(str(number)) for number in range(1_000)]
    assert sum(fresh) > 980
    assert not any(seen.add(str(number)) for number in range(1_000))


def test_emails_stay_unique_for_people_of_one_name() -> None:
    contacts, mail = Contacts(Dice(1), 5_000), WeightedTable([("gmail.com", 1)])
    emails = [contacts.email("Mary-Ann", "O'Brien", "1980", mail) for _ in range(5_000)]
    assert len(set(emails)) == 5_000
    assert emails[0].split("@")[0].strip("0123456789") in {
        "maryann.obrien",
        "mobrien",
        "maryannobrien",
        "maryann_obrien",
        "obrien.m",
    }


def test_loyalty_cards_end_in_a_luhn_digit() -> None:
    contacts = Contacts(Dice(1), 10)
    for _ in range(200):
        digits = [int(digit) for digit in contacts.card()]
        doubled = [sum(divmod(digit * 2, 10)) for digit in digits[-2::-2]]
        assert len(digits) == 12
        assert (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def test_a_slip_is_one_mistake() -> None:
    dice = Dice(1)
    slips = [noise.slip(dice, "Elizabeth") for _ in range(500)]
    distances = Counter(OSA.distance("Elizabeth", wrong) for wrong in slips)
    assert set(distances) <= {0, 1, 2}
    assert distances[1] > 400
    assert noise.slip(dice, "Al") == "Al"


def test_a_date_slip_is_another_date() -> None:
    dice = Dice(1)
    assert noise.date_slip(dice, "1980-03-07") == "1980-07-03"
    assert noise.date_slip(dice, "1980-02-29") == "1980-02-28"
    for day in ("1980-05-05", "1999-12-28", "1975-01-31"):
        wrong = noise.date_slip(dice, day)
        assert abs(date.fromisoformat(wrong).year - int(day[:4])) == 1


def test_variants_are_nicknames_initials_and_slips() -> None:
    dice = Dice(1)
    variants = Counter(noise.given_variant(dice, "Robert") for _ in range(4_000))
    assert variants["Robert", "Robert"] / 4_000 == pytest.approx(0.845, abs=0.03)
    assert variants["R", "R"] > 0
    assert all(plain == "Robert" for (shown, plain) in variants if shown in nicknames()["Robert"])


@pytest.mark.parametrize(("region", "smiths", "names"), [("US", 0.0083, 5_000), ("GB", 0.045, 120)])
def test_names_are_as_frequent_as_in_life(region: str, smiths: float, names: int) -> None:
    atlas, dice = atlas_of(region), Dice(1)
    families = Counter(atlas.family_name(dice) for _ in range(20_000))
    assert families.most_common(1)[0][0] == "Smith"
    assert families["Smith"] / families.total() == pytest.approx(smiths, rel=0.3)
    assert len(families) > names
    assert all(len(atlas.given[sex].values) > 200 for sex in ("F", "M"))


@pytest.mark.parametrize("code", ["98204", "SW1A 2AA", "M1 1AE"])
def test_a_slip_in_a_postal_code_leaves_its_shape(code: str) -> None:
    dice = Dice(2)
    slips = Counter(noise.code_slip(dice, code) for _ in range(500))
    assert {"".join("9" if mark.isdigit() else mark for mark in slip) for slip in slips} == {
        "".join("9" if mark.isdigit() else mark for mark in code)
    }
    assert slips.total() - slips[code] > 400
    assert all(slip[0] == code[0] for slip in slips)


def test_the_bytes_do_not_depend_on_the_process() -> None:
    program = (
        "import hashlib; from goldthread.app.generate import GenerateOptions, generate_events\n"
        "events = generate_events(GenerateOptions(people=400, events=1500, locale_mix={'GB': 1, 'US': 2}))\n"
        "print(hashlib.sha256(repr([event.row() for event in events]).encode()).hexdigest())"
    )
    root = str(Path(next(iter(goldthread.__path__))).parent)
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": root},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64
