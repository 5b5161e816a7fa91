"""One operation per request id whatever dies, previews that tell the truth, ids and limits."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from fixtures.stewards import NOBODY, REVIEW_EVENTS, action, births, decision, done, entry_of, homes, two_people
from fixtures.story import Story, customer
from goldthread.domain.errors import (
    EndedIdError,
    InvalidArgumentError,
    ModelFileError,
    NotAMemberError,
    OperationTooLargeError,
    RequestIdConflictError,
    StewardError,
    UnknownIdError,
)
from goldthread.domain.steward import (
    AssertRecords,
    MergeProfiles,
    OperationResult,
    RevertEntry,
    RevertOperation,
    SplitProfile,
    StewardRequest,
)
from goldthread.flows.looked import Look
from goldthread.ledger import LedgerTransaction


def operations(story: Story) -> list[StewardRequest]:
    """One of each kind, on the two people, a review beside them and a merge by evidence."""
    mary, jose = homes(story, "m1", "j1")
    one, other = births(story, "m1")[0], births(story, "j1")[0]
    story.ingest(customer("m4", phone="512 478 1234", given_name="Mary", family_name="Smith"))
    [review] = story.steward.reviews(size=10, after=None).reviews
    return [
        MergeProfiles(profile_ids=(mary, jose)),
        SplitProfile(profile_id=mary, record_ids=births(story, "m1")),
        AssertRecords(record_id=one, other_record_id=other, same=True),
        AssertRecords(record_id=one, other_record_id=births(story, "m2")[0], same=False),
        RevertEntry(entry_version=entry_of(story, mary)),
        decision(review, same=True),
        decision(review, same=False),
    ]


@pytest.mark.parametrize("number", range(7))
def test_a_preview_equals_the_real_thing_and_changes_nothing(story: Story, number: int) -> None:
    two_people(story)
    story.ingest(*REVIEW_EVENTS)
    request = operations(story)[number]
    content = story.content()
    preview = story.steward.operate(action(preview=True), request)
    assert story.content() == content
    real = done(story, request)
    assert real.changed
    assert (preview.operation_id, preview.ledger_version) == (None, 0)

    def shape(result: OperationResult) -> list[tuple[Any, ...]]:
        return [(row.profile_id, row.live, row.record_ids, row.successor_ids) for row in result.changed]

    assert shape(preview) == shape(real)
    assert {row.version for row in preview.changed} == {0}
    assert (preview.reviews_opened, preview.reviews_closed) == (real.reviews_opened, real.reviews_closed)
    assert real.ledger_version > 0


def test_each_merge_five_times_across_restarts_is_one_operation(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    two_people(story)
    mary, jose = homes(story, "m1", "j1")
    asked = action("merge-1")
    request = MergeProfiles(profile_ids=(mary, jose))

    class KilledError(Exception):
        """The process dies here."""

    def dies(*_: object, **__: object) -> None:
        raise KilledError

    # Killed between commit and look, then between look and answer.
    with monkeypatch.context() as patch:
        patch.setattr(story.looker, "look", dies)
        with pytest.raises(KilledError):
            story.steward.operate(asked, request)
    assert homes(story, "m1") != homes(story, "j1")
    with monkeypatch.context() as patch:
        patch.setattr(LedgerTransaction, "keep_answer", dies)
        with pytest.raises(KilledError):
            story.steward.operate(asked, request)
    assert homes(story, "m1") == homes(story, "j1")
    versions = story.rows("SELECT profile_id, version FROM profile ORDER BY 1")
    answers = [story.steward.operate(asked, request) for _ in range(3)]
    other = Story(story.ledger, story.metrics, dsn=story.dsn)
    answers.append(other.steward.operate(asked, request))
    assert len(set(answers)) == 1
    assert {row.profile_id: row.live for row in answers[0].changed} == {mary: True, jose: False}
    assert not answers[0].provisional
    assert story.rows("SELECT profile_id, version FROM profile ORDER BY 1") == versions
    assert story.rows("SELECT count(*) FROM operation") == [(1,)]
    assert story.rows("SELECT count(*) FROM journal WHERE cause = 'merge'") == [(2,)]
    assert story.rows("SELECT count(*) FROM assertion") == [(3,)]
    content = story.content()
    with pytest.raises(RequestIdConflictError):
        story.steward.operate(asked, SplitProfile(profile_id=mary, record_ids=births(story, "m1")))
    with pytest.raises(RequestIdConflictError):
        story.steward.operate(action("merge-1", reason="another"), request)
    assert story.content() == content


def test_redo_finishes_an_operation_whose_server_died(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    two_people(story)
    mary, jose = homes(story, "m1", "j1")
    asked, request = action("merge-1"), MergeProfiles(profile_ids=(mary, jose))
    with monkeypatch.context() as patch:
        patch.setattr(story.looker, "look", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            story.steward.operate(asked, request)
    assert story.drain() > 0
    assert homes(story, "m1") == homes(story, "j1")
    result = story.steward.operate(asked, request)
    assert {row.profile_id for row in result.changed} == {mary, jose}
    assert all(story.steward.entry(row.version).operation_id == result.operation_id for row in result.changed)


def test_one_request_id_from_many_threads_is_one_operation(story: Story) -> None:
    two_people(story)
    mary, jose = homes(story, "m1", "j1")
    asked, request = action("merge-1"), MergeProfiles(profile_ids=(mary, jose))
    answers: list[OperationResult] = []
    threads = [threading.Thread(target=lambda: answers.append(story.steward.operate(asked, request))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 6
    assert len({answer.operation_id for answer in answers}) == 1
    assert story.rows("SELECT count(*) FROM operation") == [(1,)]
    assert story.rows("SELECT count(*) FROM assertion") == [(3,)]
    story.drain()
    assert homes(story, "m1") == homes(story, "j1")


def test_an_old_id_stands_for_the_profile_that_holds_its_record(story: Story) -> None:
    two_people(story)
    story.ingest(customer("x", email="x@else.net", amount=1))
    mary, jose, lone = homes(story, "m1", "j1", "x")
    done(story, MergeProfiles(profile_ids=(mary, jose)))
    done(story, MergeProfiles(profile_ids=(jose, lone)))
    assert set(homes(story, "m1", "j1", "x")) == {mary}
    split = done(story, SplitProfile(profile_id=lone, record_ids=births(story, "x")))
    assert homes(story, "m1", "x") == [mary, lone]
    assert {row.profile_id for row in split.changed} == {mary, lone}
    page = story.steward.entries(jose, size=50, before=None)
    assert {entry.profile_id for entry in page.entries} == {mary, jose}
    assert page.next is None
    small = story.steward.entries(jose, size=2, before=None)
    rest = story.steward.entries(jose, size=50, before=small.next)
    assert small.entries + rest.entries == page.entries


def test_ids_that_lead_nowhere_name_their_field_and_nothing_is_left(story: Story) -> None:
    two_people(story)
    mary = homes(story, "m1")[0]
    record = births(story, "m1")[0]
    # Of two contents of one event id the lower digest counts: in one of the two orders a record was counted and is withdrawn.
    for event_id, addresses in (("w", ("w1@acme.com", "w2@acme.com")), ("v", ("w2@acme.com", "w1@acme.com"))):
        for address in addresses:
            story.ingest(customer(event_id, email=address))
    story.drain()
    withdrawn = [row[0] for row in story.rows("SELECT birth_id FROM record WHERE sightings = 0")]
    assert len(withdrawn) == 1
    content = story.content()
    wrong: list[tuple[StewardRequest, type[Exception], str]] = [
        (MergeProfiles(profile_ids=(mary, NOBODY)), UnknownIdError, "profile_ids[1]"),
        (SplitProfile(profile_id=NOBODY, record_ids=(record,)), UnknownIdError, "profile_id"),
        (SplitProfile(profile_id=mary, record_ids=(record, NOBODY)), UnknownIdError, "record_ids[1]"),
        (SplitProfile(profile_id=mary, record_ids=births(story, "j1")), NotAMemberError, "record_ids[0]"),
        (AssertRecords(record_id=record, other_record_id=NOBODY, same=True), UnknownIdError, "other_record_id"),
    ]
    for ended in withdrawn:
        wrong.append((MergeProfiles(profile_ids=(ended, mary)), EndedIdError, "profile_ids[0]"))
        wrong.append((AssertRecords(record_id=ended, other_record_id=record, same=True), EndedIdError, "record_id"))
    for request, kind, name in wrong:
        with pytest.raises(kind) as caught:
            done(story, request)
        assert isinstance(caught.value, StewardError)
        assert caught.value.metadata == {"field": name}
        assert str(NOBODY) not in str(caught.value)
    with pytest.raises(InvalidArgumentError):
        done(story, SplitProfile(profile_id=mary, record_ids=births(story, "m1", "m2")))
    with pytest.raises(UnknownIdError):
        story.steward.entry(10**12)
    with pytest.raises(UnknownIdError):
        story.steward.entries(NOBODY, size=5, before=None)
    assert story.content() == content
    refused = story.metrics.registry.get_sample_value(
        "goldthread_steward_operations_total", {"kind": "merge", "outcome": "refused"}
    )
    assert refused == 1 + len(withdrawn)


def test_limits_are_kept(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    two_people(story)
    mary, jose = homes(story, "m1", "j1")
    monkeypatch.setattr("goldthread.flows.statements.MAX_MERGE_RECORDS", 3)
    with pytest.raises(OperationTooLargeError) as merge:
        done(story, MergeProfiles(profile_ids=(mary, jose)))
    assert merge.value.metadata == {"limit": "records of a merge", "most": "3", "found": "4"}
    monkeypatch.setattr("goldthread.flows.statements.MAX_DIFFERENT_PAIRS", 0)
    with pytest.raises(OperationTooLargeError):
        done(story, SplitProfile(profile_id=mary, record_ids=births(story, "m1")))


def test_an_operation_on_a_huge_component_is_durable_and_provisional(story: Story, ledger_dsn: str) -> None:
    two_people(story)
    tight = Story(story.ledger, story.metrics, dsn=ledger_dsn, inline_records=2)
    mary, jose = homes(story, "m1", "j1")
    asked, request = action("merge-1"), MergeProfiles(profile_ids=(mary, jose))
    result = tight.steward.operate(asked, request)
    assert result.provisional
    assert result.changed == ()
    preview = tight.steward.operate(action(preview=True), request)
    assert (preview.provisional, preview.changed) == (True, ())
    assert story.drain() > 0
    assert homes(story, "m1") == homes(story, "j1")
    # Only now is there an answer to keep.
    final = tight.steward.operate(asked, request)
    assert not final.provisional
    assert {row.profile_id: row.live for row in final.changed} == {mary: True, jose: False}
    assert tight.steward.operate(asked, request) == final


def test_a_repeat_while_the_first_call_looks_does_not_spoil_the_answer(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_people(story)
    asked, request = action("merge-1"), MergeProfiles(profile_ids=tuple(homes(story, "m1", "j1")))
    repeated: list[OperationResult] = []
    drop_marks = LedgerTransaction.drop_marks

    def meanwhile(tx: LedgerTransaction, mark_ids: Sequence[int]) -> None:
        drop_marks(tx, mark_ids)
        if not repeated:
            thread = threading.Thread(target=lambda: repeated.append(story.steward.operate(asked, request)))
            thread.start()
            thread.join()

    monkeypatch.setattr(LedgerTransaction, "drop_marks", meanwhile)
    first = story.steward.operate(asked, request)
    assert [answer.provisional for answer in repeated] == [True]
    assert (first.provisional, len(first.changed)) == (False, 2)
    assert story.steward.operate(asked, request) == first


def test_the_stamp_of_an_answer_holds_the_commit_of_whoever_looked(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_people(story)
    look, marks_left = story.looker.look, LedgerTransaction.operation_marks
    looked: list[int] = []
    monkeypatch.setattr(story.looker, "look", lambda marks, **_: Look(deferred=len(marks)))

    def somebody_looks(tx: LedgerTransaction, operation_id: UUID) -> list[int]:
        # Somebody else's look commits just before the answer asks for what is left.
        look([mark_id for (mark_id,) in story.rows("SELECT mark_id FROM dirty_mark")])
        looked.append(story.ledger.stamp())
        return marks_left(tx, operation_id)

    monkeypatch.setattr(LedgerTransaction, "operation_marks", somebody_looks)
    result = story.steward.operate(action(), MergeProfiles(profile_ids=tuple(homes(story, "m1", "j1"))))
    assert not result.provisional
    assert result.ledger_version >= looked[0]
    assert homes(story, "m1") == homes(story, "j1")


def test_a_preview_locks_everything_at_once_before_it_writes(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    two_people(story)
    merged = done(story, MergeProfiles(profile_ids=tuple(homes(story, "m1", "j1"))))
    assert merged.operation_id is not None
    calls: list[tuple[str, set[int]]] = []

    def noted(name: str) -> None:
        real = getattr(LedgerTransaction, name)

        def call(tx: LedgerTransaction, *given: Any, **named: Any) -> Any:
            calls.append((name, set(given[0]) if name == "ask_members" else set()))
            return real(tx, *given, **named)

        monkeypatch.setattr(LedgerTransaction, name, call)

    for name in ("ask_members", "insert_assertions", "retract_assertions"):
        noted(name)
    story.steward.operate(action(preview=True), RevertOperation(operation_id=merged.operation_id))
    names, locked = [name for name, _ in calls], [records for name, records in calls if name == "ask_members"]
    assert names == ["ask_members", "insert_assertions", "retract_assertions", "ask_members"]
    assert locked[1] <= locked[0]
    assert len(locked[0]) == 4


def test_a_preview_of_resolve_is_bounded_like_the_real_thing(story: Story, ledger_dsn: str) -> None:
    two_people(story)
    tight = Story(story.ledger, story.metrics, dsn=ledger_dsn, inline_records=2)
    event = customer("m3", email="mary@acme.com", phone="512 478 1234", given_name="Mary")
    preview, real = tight.resolve(event, preview=True), tight.resolve(event)
    assert (preview.provisional, real.provisional) == (True, True)
    assert preview.decision is real.decision


def test_a_server_with_another_model_leaves_nothing_behind(story: Story) -> None:
    two_people(story)
    other = Story(
        story.ledger,
        story.metrics,
        dsn=story.dsn,
        model_text=story.matcher.model_text.replace('version = "', 'version = "x', 1),
    )
    content = story.content()
    for preview in (False, True):
        with pytest.raises(ModelFileError):
            other.steward.operate(action(preview=preview), MergeProfiles(profile_ids=tuple(homes(story, "m1", "j1"))))
    assert story.content() == content


def test_a_page_of_large_entries_ends_early_and_none_is_lost(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    two_people(story)
    home = homes(story, "m1")[0]
    for _ in range(6):
        done(story, SplitProfile(profile_id=home, record_ids=births(story, "m2")))
        done(story, MergeProfiles(profile_ids=tuple(homes(story, "m1", "m2"))))
    whole = story.steward.entries(home, size=200, before=None)
    assert whole.next is None
    assert len(whole.entries) > 11
    monkeypatch.setattr("goldthread.flows.steward_pages._PAGE_BYTES", 2 * 1_700)
    read, before, pages = [], None, 0
    while pages == 0 or before is not None:
        page = story.steward.entries(home, size=200, before=before)
        assert 1 <= len(page.entries) <= 2
        read, before, pages = [*read, *page.entries], page.next, pages + 1
    assert tuple(read) == whole.entries
    monkeypatch.setattr("goldthread.flows.steward_pages._PAGE_BYTES", 1)
    assert len(story.steward.entries(home, size=200, before=None).entries) == 1
