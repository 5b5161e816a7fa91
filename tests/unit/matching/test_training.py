"""Training in Python: what the model file says, what may start it, and what a second implementation of the estimation finds."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from itertools import pairwise
from math import log2

import pytest

from fixtures.estimation import Reference, patterns
from fixtures.written_people import written_people
from goldthread import _core
from goldthread.app.settings import Settings
from goldthread.domain.errors import ModelFileError, SettingsError
from goldthread.domain.words import IdentifierType
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.match import batch_keys, gather_columns
from goldthread.flows.train import train_gathered
from goldthread.matching.batch import GatheredRecords, match_gathered
from goldthread.matching.model_file import Blueprint, restated
from goldthread.matching.training import Training, default_blueprint, train

LARGE = written_people(11, homes=150)
SMALL = written_people(12, homes=60)
OFTEN = written_people(13, homes=50, persons=2, copies=5)
Table = Mapping[str, Sequence[str | None]]


def gathered_of(table: Table, *extras: str) -> GatheredRecords:
    columns = ColumnMapping.automatic(table).table(table)
    columns.pop("truth")
    return gather_columns(columns, keys=batch_keys(), region="US", extras={name: table[name] for name in extras})


def trained(table: Table, *, extras: Mapping[str, str] | None = None, **options: object) -> Training:
    return train_gathered(gathered_of(table, *(extras or {})), extras=extras, **options)  # type: ignore[arg-type]


def persons_of(table: Table) -> list[int]:
    return [-1 if name is None else int(name[1:]) for name in table["truth"]]


@pytest.fixture(scope="module")
def training() -> Training:
    return trained(LARGE)


def test_the_model_tells_where_it_comes_from(training: Training) -> None:
    content = tomllib.loads(training.model_text)
    assert content["version"] == training.version
    assert content["calibrated"] is True
    assert content["prior"]["population"] == training.records
    assert content["training"]["seed"] == 1
    assert content["training"]["records"] == training.records
    assert content["training"]["normalizer"] == _core.NORMALIZER_VERSION
    assert set(content["training"]["shares"]) == {found.name for found in training.comparisons if found.levels}
    model = _core.Model.parse(training.model_text)
    assert (model.version, model.calibrated, model.population) == (training.version, True, training.records)
    rules = {rule["name"] for rule in content["blocking"]["rules"]}
    assert {found.name for found in training.passes if found.kept} - set(_core.COMPARISONS[:8]) <= rules


def test_what_nothing_was_held_against_is_not_called_calibrated() -> None:
    lonely = gathered_of(written_people(12, homes=60, copies=1))
    silent = train_gathered(lonely)
    assert (silent.votes, silent.labels, silent.slope, silent.intercept, silent.calibrated) == (0, 0, 1, 0, False)
    content = tomllib.loads(silent.model_text)
    assert content["calibrated"] is False
    assert "calibration" not in content
    assert not match_gathered(lonely, model_text=silent.model_text).calibrated
    told = train_gathered(lonely, labels=[(0, row, False) for row in range(1, 40)])
    assert (told.labels > 0, told.calibrated) == (True, True)
    assert "calibration" in tomllib.loads(told.model_text)


def test_the_version_is_that_of_what_was_learned_whatever_the_files_were_called() -> None:
    gathered = gathered_of(SMALL)
    first, second = (train(gathered.records, provenance=name) for name in ("a.csv, b.csv", "b.csv, a.csv"))
    assert first.version == second.version
    assert first.model_text != second.model_text
    assert train(gathered.records, seed=2).version != first.version


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("foo = 3", "foo"),
        ("extra = 3", "extra"),
        ("training = 3", "training"),
        ("[training]\nshares = 3", "training.shares"),
        ("[training.shares]\nemail = 3", "training.shares.email"),
        ('[[extra]]\nname = "sex"', "extra"),
        ('[[extra]]\nname = "sex"\nkind = ["person"]', "extra"),
        ("[deep.er]\na = 1", "deep.er"),
        ("[blocking]\nrules = 3", "blocking.rules"),
        ("[thresholds]\nlink = 2024-01-01", "thresholds.link"),
    ],
)
def test_what_is_no_blueprint_is_refused_by_its_key(text: str, key: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        Blueprint.read(text)
    assert caught.value.metadata == {"key": key}


def test_the_model_holds_no_name_that_few_have(training: Training) -> None:
    listed = tomllib.loads(training.model_text)["frequency"]
    names = [name for name in SMALL["first_name"] + LARGE["first_name"] if name]
    for table in ("given_name", "family_name"):
        assert listed[table]["per_million"]
    rare = {name for name in names if LARGE["first_name"].count(name) < 20}
    assert rare
    assert not rare & set(listed["given_name"]["per_million"])


def test_equal_records_give_an_equal_model_whatever_their_order(training: Training) -> None:
    turned = {name: list(reversed(column)) for name, column in LARGE.items()}
    assert trained(turned).model_text == training.model_text
    assert trained(LARGE, seed=2).version != training.version


def test_it_matches_what_it_was_trained_on(training: Training) -> None:
    clusters = match_gathered(gathered_of(LARGE), model_text=training.model_text).clusters
    linked = {(a, b) for a, b in pairs(clusters) if clusters[a] == clusters[b] is not None}
    true = {(a, b) for a, b in pairs(LARGE["truth"]) if LARGE["truth"][a] == LARGE["truth"][b]}
    assert len(linked & true) / len(linked) > 0.97
    assert len(linked & true) / len(true) > 0.8


def pairs(column: Sequence[object]) -> list[tuple[int, int]]:
    return [(a, b) for b in range(len(column)) for a in range(b)]


def test_a_trained_model_is_a_blueprint(training: Training) -> None:
    again = trained(SMALL, blueprint=training.model_text)
    plain = trained(SMALL)
    assert again.model_text != plain.model_text
    stated = tomllib.loads(again.model_text)
    assert stated["thresholds"] == tomllib.loads(training.model_text)["thresholds"]
    assert Blueprint.read(training.model_text).shares.keys() == {c.name for c in training.comparisons if c.levels}


def test_a_pass_made_mostly_of_households_is_told(training: Training) -> None:
    distrusted = {found.name for found in training.passes if found.distrusted}
    assert "street" in distrusted
    assert not distrusted & {"email", "birth", "names"}
    for found in training.passes:
        assert found.distrusted == (found.households > found.matches and found.households + found.matches >= 50)


def test_extras_join_and_weigh(training: Training) -> None:
    with_colour = trained(LARGE, extras={"colour": "person"})
    assert training.comparisons[-1].name == "place"
    colour = with_colour.comparisons[-1]
    exact, _, different = colour.levels
    assert colour.name == "colour"
    assert exact.stranger_weight > 1000 > different.stranger_weight
    assert exact.household_weight == 0
    assert _core.Model.parse(with_colour.model_text).extras == [("colour", "person")]


def test_labels_are_told_from_votes(training: Training) -> None:
    told = trained(LARGE, persons=persons_of(LARGE))
    assert training.labels == 0 < training.votes
    assert told.labels > 100
    judged = trained(LARGE, labels=[(0, 1, True), (0, 5, False), (3, 3, True)])
    assert judged.labels == 2


def test_a_level_that_no_pair_shows_weighs_what_it_would_without_the_file(training: Training) -> None:
    street = next(found for found in training.comparisons if found.name == "street")
    weights = {level.name: level.stranger_weight for level in street.levels}
    assert weights["different_none"] < -2000
    assert weights["near_none"] > 2000
    given = {level.name: level.stranger_weight for level in training.comparisons[8].levels}
    assert given["crossed"] > 1000


def test_priors_speak_of_the_population(training: Training) -> None:
    wide = trained(LARGE, population=training.records * 16)
    before, after = (tomllib.loads(one.model_text)["prior"] for one in (training, wide))
    # Sixteen times the records are four bits less, as calibrated; an identifier makes up for them.
    shift = 4000 / training.slope
    assert after["stranger"] == pytest.approx(before["stranger"] - shift, abs=20)
    assert after["household"] == before["household"]
    mail, wider = (tomllib.loads(one.model_text)["comparisons"]["email"] for one in (training, wide))
    assert wider["agree"] == pytest.approx([weight + shift for weight in mail["agree"]], abs=20)
    assert wider["differ"] == mail["differ"]


def test_a_model_restated_for_more_records_is_that_trained_for_them(training: Training) -> None:
    wide = trained(LARGE, population=training.records * 16, version="wide")
    again = tomllib.loads(restated(training.model_text, training.records * 16))
    stated = tomllib.loads(wide.model_text)
    assert again.pop("version") == f"{training.version}-for-{training.records * 16}"
    stated.pop("version")
    for key in ("stranger", "household"):
        assert again["prior"].pop(key) == pytest.approx(stated["prior"].pop(key), abs=2)
    assert again == stated
    few = tomllib.loads(restated(training.model_text, 1))["prior"]
    assert -3000 < few["stranger"] <= 2000
    assert _core.Model.parse(restated(training.model_text, 5)).population == 5


def test_priors_stay_true_however_often_they_are_restated() -> None:
    shipped = Settings().model_text()
    content = tomllib.loads(shipped)
    population = content["prior"]["population"]
    back = tomllib.loads(restated(restated(shipped, 2_000), population))
    assert back["prior"].pop("stranger") == pytest.approx(content["prior"].pop("stranger"), abs=2)
    assert {**back, "version": ""} == {**content, "version": ""}
    with pytest.raises(ModelFileError):
        restated("version = 1", 5)


def test_the_estimated_curve_falls_from_precision_to_recall(training: Training) -> None:
    points = training.precision_recall()
    assert all(one[0] > other[0] and one[2] <= other[2] for one, other in pairwise(points))
    assert points[0][1] > 0.99
    assert points[-1][2] == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[thresholds", "Expected"),
        (default_blueprint().replace("link = 3970", "link = -1"), "thresholds.link"),
        (default_blueprint().replace('"given_initial"', '"shoe"', 1), "blocking.rules"),
        (default_blueprint() + "\n[training.shares.name_suffix]\nsame = [2.0, 0.0]\n", "training.shares.name_suffix"),
    ],
)
def test_a_blueprint_that_is_not_valid_is_named(text: str, key: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        trained(SMALL, blueprint=text)
    assert caught.value.metadata["key"].startswith(key)


def test_nothing_to_learn_from_is_refused() -> None:
    with pytest.raises(SettingsError, match="usable"):
        trained({"first_name": [None, " "], "truth": ["p1", "p2"]})
    with pytest.raises(_core.InputError):
        train(gathered_of({"first_name": [None], "truth": ["p1"]}).records)


def test_one_record_trains_a_model_that_reads() -> None:
    one = trained({name: column[:1] for name, column in SMALL.items()})
    assert (one.records, one.candidates) == (1, 0)
    assert _core.Model.parse(one.model_text).population == 1
    rules = tomllib.loads(default_blueprint())["blocking"]["rules"]
    assert tomllib.loads(one.model_text)["blocking"]["rules"] == rules


def alone(model_text: str, **column: str) -> bool:
    """Whether a record with nothing but an identifier joins the one of somebody with a name who carries it."""
    table: dict[str, list[str | None]] = {name: [value, value] for name, value in column.items()}
    named: dict[str, list[str | None]] = {"first_name": ["Ada", None], "last_name": ["Osei", None]}
    found = match_gathered(gathered_of({**table, **named, "truth": [None, None]}), model_text=model_text)
    assert len(found.record_clusters) == 2
    return len(set(found.record_clusters)) == 1


def test_deterministic_identifiers_link_alone_in_a_ledger_of_any_size() -> None:
    shipped = Settings().model_text()
    for text in (shipped, restated(shipped, 300), restated(shipped, 100_000_000)):
        assert alone(text, email="ada.osei@mail.example")
        assert alone(text, loyalty_card="7700123456")
        assert not alone(text, phone="(360) 671-8751")


def test_a_deterministic_identifier_is_no_match_for_what_contradicts_it() -> None:
    table: dict[str, list[str | None]] = {
        "loyalty_card": ["7700123456"] * 2,
        "first_name": ["Ada", "Bruno"],
        "last_name": ["Osei", "Osei"],
        "truth": [None, None],
    }
    assert len(set(match_gathered(gathered_of(table), model_text=Settings().model_text()).record_clusters)) == 2


def test_only_what_the_blueprint_names_is_deterministic_and_only_as_far_as_it_must() -> None:
    plan = Blueprint.read(default_blueprint())
    assert plan.deterministic == (IdentifierType.LOYALTY_CARD, IdentifierType.EMAIL)
    weights = [[(3000, 2500)] * len(levels) for _, levels in plan.levels()]
    email, card = (_core.COMPARISONS.index(name) for name in ("email", "loyalty_card"))
    weights[card] = [(30_000, 29_000), (-1000, 0)]
    found = plan.decided(weights, priors=(-20_000, 500), calibration=(1250, -30))
    # (3,970 + 3 + 30) / 1.25 = 3,202.4
    assert found[email] == [(23_203, 2500), *weights[email][1:]]
    assert found[card] == [(30_000, 27_297), (-1000, 0)]
    assert [row for place, row in enumerate(found) if place not in {email, card}] == [
        row for place, row in enumerate(weights) if place not in {email, card}
    ]
    assert plan.decided(found, priors=(-20_000, 500), calibration=(2000, -30)) == found
    weights[card] = [(0, 0), (0, 0)]
    assert plan.decided(weights, priors=(-20_000, 500), calibration=(1250, -30))[card] == weights[card]
    assert "deterministic" in trained(SMALL).model_text


@pytest.mark.parametrize("said", ['"phone"', '["telephone"]', "[2]"])
def test_what_is_no_identifier_is_not_deterministic(said: str) -> None:
    with pytest.raises(ModelFileError) as caught:
        Blueprint.read(default_blueprint().replace('["loyalty_card", "email"]', said))
    assert caught.value.metadata["key"] == "training.deterministic"


def test_the_shipped_model_begins_where_others_do_but_for_its_blocking() -> None:
    models = files("goldthread") / "models"
    retail, shipped = (
        tomllib.loads((models / name).read_text(encoding="utf-8"))
        for name in ("blueprint-retail.toml", "retail-persons-1.toml")
    )
    persons = tomllib.loads(default_blueprint())
    rules = [rule["name"] for rule in retail["blocking"]["rules"]]
    kept = [rule["name"] for rule in shipped["blocking"]["rules"]]
    rows = [
        sum(1 + len(rule["refinements"]) for rule in one["blocking"].pop("rules")) for one in (shipped, retail, persons)
    ]
    assert rows[0] <= rows[1] <= rows[2] / 4, "a ledger keeps a row for every depth"
    assert 0 < retail["blocking"].pop("max_block") <= 60
    persons["blocking"].pop("max_block")
    assert retail == persons
    assert kept == [name for name in rules if name in kept]
    assert (shipped["calibrated"], shipped["prior"]["population"]) == (True, 2_400_000)
    assert shipped["training"]["labels"] == 0
    for section in ("thresholds", "partition", "generic", "epochs"):
        assert shipped[section] == retail[section]


def test_a_second_implementation_finds_the_same_shares() -> None:
    plan = Blueprint.read(default_blueprint())
    gathered = gathered_of(OFTEN)
    model, records, count = _core.Model.parse(plan.draft()), gathered.records, len(gathered.records)
    assert count * (count - 1) // 2 <= 400_000
    every = pairs(range(count))
    training = trained(OFTEN)
    distrusted = {found.name for found in training.passes if found.distrusted}
    assert distrusted
    assert training.households > 30
    trusted = _core.Model.parse(
        replace(plan, rules=[rule for rule in plan.rules if rule["name"] not in distrusted]).draft()
    )
    holders = len({record for record, mail in zip(gathered.row_records, OFTEN["email"], strict=True) if mail})
    days = {record: day for record, day in zip(gathered.row_records, OFTEN["dob"], strict=True) if day}
    width = len(model.comparisons)
    reference = Reference(
        patterns(_core.count_candidates(records, model), width),
        patterns(_core.count_candidates(records, trusted), width),
        patterns(_core.count_pairs(records, [a for a, _ in every], [b for _, b in every], model), width),
        count,
        holders={0: holders},
        days=list(days.values()),
    )
    for _ in range(training.rounds):
        reference.step()
    assert training.matches == pytest.approx(reference.lm * reference.total, rel=1e-6)
    assert training.households == pytest.approx(reference.lh * reference.total, rel=1e-6)
    same = [p for p, _ in reference.posteriors(reference.found)]
    rest = [1 - p - q for p, q in reference.posteriors(reference.drawn)]
    seen = {
        c: [
            a + b
            for a, b in zip(
                reference.sums(reference.found, c, size, same),
                reference.sums(reference.drawn, c, size, rest),
                strict=True,
            )
        ]
        for c, _, size in reference.names
    }
    assert sum(count > 1000 for counts in seen.values() for count in counts) > 8
    for c, name, _ in reference.names:
        found = next(one for one in training.comparisons if one.name == name)
        for place, level in enumerate(found.levels):
            expected = reference.m[c][place], reference.h[c][place], reference.u[c][place]
            assert level.same == pytest.approx(expected[0], rel=1e-6), (name, level.name)
            if seen[c][place] >= 20:
                assert (level.household, level.strangers) == pytest.approx(expected[1:], rel=1e-6), (name, level.name)
            if seen[c][place] > 1000:
                assert level.stranger_weight == pytest.approx(1000 * log2(expected[0] / expected[2]), rel=0.005, abs=10)
