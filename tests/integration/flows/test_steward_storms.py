"""Many stewards at once, beside intake: one survivor, no deadlock, and nothing said is lost."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Collection, Sequence
from uuid import UUID

import pytest

from fixtures.stewards import action, births, homes, judge_everything
from fixtures.story import Story, customer
from goldthread.domain.errors import EndedIdError, LedgerUnavailableError, NotAMemberError
from goldthread.domain.steward import AssertRecords, MergeProfiles, RevertOperation, SplitProfile, StewardRequest
from goldthread.ledger import LedgerTransaction, NewMark, Step

PEOPLE = 12
WORKERS = 6


def several_people(story: Story) -> list[UUID]:
    for number in range(PEOPLE):
        story.ingest(customer(f"e{number}", email=f"p{number}@acme.com", amount=1))
    ids = homes(story, *(f"e{number}" for number in range(PEOPLE)))
    assert len(set(ids)) == PEOPLE
    return ids


def together(work: Sequence[Callable[[], None]]) -> None:
    """Runs the work on a few threads at once; fails if any of it did."""
    failed: list[BaseException] = []
    left = iter(work)
    taking = threading.Lock()

    def worker() -> None:
        while True:
            with taking:
                task = next(left, None)
            if task is None:
                return
            try:
                task()
            except BaseException as error:  # noqa: BLE001  # told below
                failed.append(error)

    threads = [threading.Thread(target=worker) for _ in range(WORKERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def operate(story: Story, request: StewardRequest, name: str) -> None:
    """Does an operation as a client does: again under the same request id while the ledger has no time for it."""
    for _ in range(20):
        try:
            story.steward.operate(action(name), request)
        except LedgerUnavailableError:
            continue
        return
    pytest.fail("the ledger never had time")


def glance(story: Story, request: StewardRequest) -> None:
    """Previews an operation, as often as it takes."""
    for _ in range(20):
        try:
            story.steward.operate(action(preview=True), request)
        except LedgerUnavailableError:
            continue
        return
    pytest.fail("the ledger never had time")


def test_previews_and_looks_at_one_profile_never_wait_in_a_circle(story: Story) -> None:
    ids = several_people(story)
    merged = story.steward.operate(action(), MergeProfiles(profile_ids=tuple(ids)))
    assert merged.operation_id is not None
    records = [row[0] for row in story.rows("SELECT birth_id FROM record ORDER BY record_id")]
    [[lowest]] = story.rows("SELECT min(record_id) FROM record")
    highest = AssertRecords(record_id=records[-1], other_record_id=records[-2], same=True)
    undo = RevertOperation(operation_id=merged.operation_id)

    def look() -> None:
        with story.ledger.transaction() as tx:
            marks = tx.leave_marks([NewMark(lowest, Step.PLACE)], cause="redo", actor="test")()
        story.looker.look(marks)

    tasks: list[Callable[[], None]] = []
    for number in range(60):
        tasks += [look, look, lambda: glance(story, highest), lambda: glance(story, undo)]
        tasks.append(lambda number=number: operate(story, highest, f"say-{number}"))  # type: ignore[misc]
    together(tasks)
    # Every deadlock is noted, whoever is tried again: in the previews' transactions too.
    assert (
        story.rows(
            "SELECT pg_stat_force_next_flush(), deadlocks FROM pg_stat_database WHERE datname = current_database()"
        )[0][1]
        == 0
    )
    assert len(set(homes(story, *(f"e{number}" for number in range(PEOPLE))))) == 1


def shape(kind: str, ids: Sequence[UUID]) -> list[tuple[UUID, UUID]]:
    chain = list(itertools.pairwise(ids))
    return {
        "chain": chain,
        "ring": [*chain, (ids[-1], ids[0])],
        "star": [(ids[5], other) for other in ids if other != ids[5]],
    }[kind]


@pytest.mark.parametrize("kind", ["chain", "ring", "star"])
def test_a_storm_of_merges_leaves_one_survivor(story: Story, kind: str) -> None:
    ids = several_people(story)
    pairs = shape(kind, ids)
    random.Random(3).shuffle(pairs)
    together(
        [
            lambda number=number, pair=pair: operate(story, MergeProfiles(profile_ids=pair), f"merge-{number}")  # type: ignore[misc]
            for number, pair in enumerate(pairs)
        ]
    )
    story.settle()
    assert story.rows("SELECT count(*) FROM profile WHERE live") == [(1,)]
    assert {story.ledger.profile_of(birth_id) for birth_id in ids} == {min(ids)}
    assert story.rows("SELECT purchase_count, purchase_total_minor FROM profile WHERE live") == [(PEOPLE, PEOPLE)]
    assert story.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
    assert story.rows("SELECT count(*) FROM operation") == [(len(pairs),)]


def overtake(story: Story, monkeypatch: pytest.MonkeyPatch, faster: StewardRequest) -> None:
    """Whoever asks next for the members of profiles is overtaken by this operation, just before."""
    real, asked = LedgerTransaction.members_of, 0

    def overtaken(tx: LedgerTransaction, profile_ids: Collection[UUID]) -> dict[UUID, dict[UUID, int]]:
        nonlocal asked
        asked += 1
        if asked == 1:
            story.steward.operate(action("faster"), faster)
        return real(tx, profile_ids)

    monkeypatch.setattr(LedgerTransaction, "members_of", overtaken)


def test_a_merge_whose_profile_ends_before_its_records_are_locked_begins_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be done, and have said nothing."""
    ids = several_people(story)
    overtake(story, monkeypatch, MergeProfiles(profile_ids=(ids[0], ids[1])))
    done = story.steward.operate(action("slower"), MergeProfiles(profile_ids=(ids[1], ids[2])))
    assert not done.provisional
    assert {story.ledger.profile_of(birth_id) for birth_id in ids[:3]} == {min(ids[:3])}
    assert story.rows("SELECT count(*) FROM operation") == [(2,)]


def test_a_split_whose_profile_ends_before_its_records_are_locked_begins_again(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = several_people(story)
    story.steward.operate(action("first"), MergeProfiles(profile_ids=(ids[1], ids[2])))
    overtake(story, monkeypatch, MergeProfiles(profile_ids=(ids[0], ids[1])))
    story.steward.operate(action("slower"), SplitProfile(profile_id=ids[1], record_ids=(ids[2],)))
    assert story.ledger.profile_of(ids[0]) == story.ledger.profile_of(ids[1]) != story.ledger.profile_of(ids[2])


def test_merges_splits_and_intake_at_once_end_as_the_assertions_say(story: Story) -> None:
    ids = several_people(story)
    records = births(story, *(f"e{number}" for number in range(PEOPLE)))
    draw = random.Random(11)
    tasks: list[Callable[[], None]] = []
    for number in range(24):
        one, other = draw.sample(records, 2)
        if number % 4 == 3:
            tasks.append(
                lambda number=number: story.resolve(customer(f"n{number}", email=f"p{number % PEOPLE}@acme.com"))
            )  # type: ignore[misc]
            continue
        request: StewardRequest = AssertRecords(record_id=one, other_record_id=other, same=number % 3 > 0)
        if number % 4 == 1:
            request = MergeProfiles(profile_ids=(one, other))
        if number % 4 == 2:
            request = SplitProfile(profile_id=one, record_ids=(one,))

        def task(number: int = number, request: StewardRequest = request) -> None:
            try:
                operate(story, request, f"storm-{number}")
            except (NotAMemberError, EndedIdError):
                return
            except Exception as error:
                if getattr(error, "reason", "") != "INVALID_ARGUMENT":  # a split that would take everything
                    raise

        tasks.append(task)
    together(tasks)
    story.settle()
    settled = story.ledger.partition()
    # What stands is a function of the evidence: looking at all of it again changes nothing.
    assert judge_everything(story) > 0
    assert story.ledger.partition() == settled
    assert {story.ledger.profile_of(birth_id) for birth_id in ids} <= set(settled.values())
    assert story.rows("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") == [(0,)]
