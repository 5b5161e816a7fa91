"""The one way from claims to profiles: which model is taken, what it compares, and that order shows nowhere."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator, Mapping

import pytest

from fixtures.written_people import written_people
from goldthread.app.settings import Settings
from goldthread.domain.errors import ModelFileError
from goldthread.files import Mapping as ColumnMapping
from goldthread.flows.batch import BatchRun, ModelOrigin, ModelWish, run_batch
from goldthread.flows.match import MatchStage, batch_keys, claim_columns, profile_ids
from goldthread.flows.train import LEAST_RECORDS, train_gathered
from goldthread.matching.batch import ClaimColumns, match_gathered
from goldthread.matching.model_file import restated

SHIPPED = Settings().model_text()
COLOUR = '\n[[extra]]\nname = "colour"\nkind = "person"\nlevels = { exact = 900, near = 0, different = -90000 }\n'
MANY = written_people(31, homes=120)
FEW = written_people(32, homes=20)
Table = Mapping[str, list[str | None]]


class People:
    """Written people as a source of claims, batch by batch."""

    provenance = "people.csv"

    def __init__(self, table: Table, *, kinds: Mapping[str, str] | None = None, rows: int = 97) -> None:
        self._table = table
        self._rows = rows
        self.extra_kinds = {} if kinds is None else kinds
        self.asked: list[frozenset[str]] = []

    def claims(self, extras: Collection[str]) -> Iterator[ClaimColumns]:
        self.asked.append(frozenset(extras))
        flat = ColumnMapping.automatic(self._table).table(self._table)
        flat.pop("truth")
        total = len(self._table["id"])
        for start in range(0, total, self._rows):
            part = {name: column[start : start + self._rows] for name, column in flat.items()}
            further = {name: self._table[name][start : start + self._rows] for name in extras}
            yield claim_columns(part, rows=min(self._rows, total - start), extras=further)


class Told:
    """Remembers the stages and how far reading went."""

    def __init__(self) -> None:
        self.begun: list[MatchStage] = []
        self.read: list[int] = []

    def begin(self, stage: MatchStage) -> None:
        self.begun.append(stage)

    def report(self, step: str, done: int, total: int) -> None:
        if step == MatchStage.READ:
            self.read.append(done)


def run(people: People, given: str | None = None, progress: Told | None = None) -> BatchRun:
    wish = ModelWish(given=given, shipped=SHIPPED)
    return run_batch(people, keys=batch_keys(), region="US", wish=wish, progress=progress)


@pytest.fixture(scope="module")
def trained() -> BatchRun:
    return run(People(MANY, kinds={"colour": "person"}))


def test_without_a_model_one_is_trained_on_the_records_themselves(trained: BatchRun) -> None:
    assert len(trained.gathered.records) >= LEAST_RECORDS
    assert trained.model.origin is ModelOrigin.TRAINED
    assert trained.model.training is not None
    assert trained.model.training.comparisons[-1].name == "colour"
    assert trained.result.calibrated
    again = train_gathered(trained.gathered, extras={"colour": "person"}, provenance="people.csv")
    assert again.model_text == trained.model.text
    assert trained.result.model_version == again.version


def test_order_and_batches_show_neither_in_the_model_nor_in_the_ids(trained: BatchRun) -> None:
    order = list(range(len(MANY["id"])))
    random.Random(5).shuffle(order)
    turned = {name: [column[row] for row in order] for name, column in MANY.items()}
    again = run(People(turned, kinds={"colour": "person"}, rows=1_000))
    assert again.model.text == trained.model.text
    ids = profile_ids(trained.result)
    assert profile_ids(again.result) == [ids[row] for row in order]
    assert len(set(ids)) < len(ids)


def test_too_few_records_are_matched_under_the_shipped_model() -> None:
    people = People(FEW, kinds={"colour": "person"})
    few = run(people)
    assert few.model.origin is ModelOrigin.TOO_FEW
    small = restated(SHIPPED, LEAST_RECORDS)
    assert (few.model.text, few.model.training) == (small, None)
    # The shipped model compares no colour: read again without it, equal claims are one record.
    assert people.asked == [{"colour"}, frozenset()]
    assert profile_ids(few.result) == profile_ids(run(People(FEW), small).result)


def strangers(*, titles: bool) -> dict[str, list[str | None]]:
    """People who are all there once; many have a title where a name belongs."""
    draw = random.Random(8)

    def word() -> str:
        return "".join(draw.choice("bcdfghklmnprstvz") + draw.choice("aeiou") for _ in range(4))

    ranks = [(word(), word()) for _ in range(15)]
    rows: list[tuple[str, ...]] = []
    for row in range(900):
        name = ranks[row // 3 % 15] if titles and row % 3 == 0 else (word(), word())
        date = f"{draw.randint(1700, 1900)}-{draw.randint(1, 12):02}-{draw.randint(1, 28):02}"
        rows.append((str(row), *name, date, word(), f"p{row}"))
    columns = ("id", "first_name", "last_name", "dob", "city", "truth")
    return {name: [row[place] for row in rows] for place, name in enumerate(columns)}


def test_likenesses_of_strangers_are_not_taken_for_persons() -> None:
    plain = run(People(strangers(titles=False)))
    assert plain.model.origin is ModelOrigin.TRAINED
    assert plain.result.profiles == 900
    titled = run(People(strangers(titles=True)))
    assert titled.model.origin is ModelOrigin.NOT_CREDIBLE
    assert titled.model.training is not None
    assert titled.model.training.matches > 500
    assert titled.result.model_version.endswith("-for-900")
    believed = match_gathered(titled.gathered, model_text=titled.model.training.model_text)
    assert believed.profiles < 620
    assert titled.result.profiles > 850


def test_a_given_model_is_taken_and_gets_the_columns_it_compares() -> None:
    told, people = Told(), People(MANY, kinds={"colour": "person", "id": "person"})
    given = run(people, SHIPPED + COLOUR, told)
    assert given.model.origin is ModelOrigin.GIVEN
    assert people.asked == [{"colour"}]
    assert told.begun == [MatchStage.READ, MatchStage.GATHER, MatchStage.MATCH]
    assert told.read[-1] == len(MANY["id"])
    assert profile_ids(given.result) != profile_ids(run(People(MANY), SHIPPED).result)


def test_progress_tells_of_training_and_changes_nothing(trained: BatchRun) -> None:
    told = Told()
    again = run(People(MANY, kinds={"colour": "person"}), progress=told)
    assert told.begun == list(MatchStage)
    assert profile_ids(again.result) == profile_ids(trained.result)


def test_no_claims_and_broken_models() -> None:
    nothing = run(People({name: [] for name in FEW}))
    assert (nothing.model.origin, nothing.result.profiles) == (ModelOrigin.TOO_FEW, 0)
    with pytest.raises(ModelFileError):
        run(People(FEW), "version = 1")


def test_nothing_of_a_person_is_shown(trained: BatchRun) -> None:
    assert "okafor" not in repr(trained)
