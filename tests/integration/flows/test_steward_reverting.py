"""Every operation, and everything that evidence did, can be taken back; or the refusal says why not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fixtures.stewards import births, done, entry_of, homes, people, two_people
from fixtures.story import NOON, Story, customer
from goldthread.domain.errors import (
    LaterEntryError,
    NotRevertibleError,
    OutrankedError,
    UnknownIdError,
)
from goldthread.domain.steward import (
    AssertRecords,
    MergeProfiles,
    RevertEntry,
    RevertOperation,
    SplitProfile,
)


def test_merge_then_revert_restores_everything_but_versions(story: Story) -> None:
    two_people(story)
    before, cards = people(story), [story.answer("email", raw) for raw in ("mary@acme.com", "jose@other.org")]
    mary, jose = homes(story, "m1", "j1")
    merged = done(story, MergeProfiles(profile_ids=(mary, jose)))
    assert {profile.profile_id: profile.live for profile in merged.changed} == {mary: True, jose: False}
    alive = next(profile for profile in merged.changed if profile.live)
    ended = next(profile for profile in merged.changed if not profile.live)
    assert alive.record_ids == births(story, "m1", "m2", "j1", "j2")
    assert (ended.record_ids, ended.successor_ids) == ((), (mary,))
    assert set(homes(story, "m1", "m2", "j1", "j2")) == {mary}
    assert story.rows("SELECT purchase_count, purchase_total_minor FROM profile WHERE live") == [(4, 1955)]
    card = story.answer("phone", "512 478 9999")
    assert card.card is not None
    assert card.card.last_purchase_at == NOON + timedelta(days=1)
    entry = story.steward.entry(alive.version)
    assert (entry.cause, entry.actor, entry.reason) == ("merge", "ann", "called the customer")
    assert entry.operation_id == merged.operation_id
    reverted = done(story, RevertEntry(entry_version=alive.version))
    assert {profile.profile_id: profile.live for profile in reverted.changed} == {mary: True, jose: True}
    assert people(story) == before
    after = [story.answer("email", raw) for raw in ("mary@acme.com", "jose@other.org")]
    assert [(answer.outcome, answer.card) for answer in after] == [(answer.outcome, answer.card) for answer in cards]
    assert all(new.version > old.version for new, old in zip(after, cards, strict=True))
    assert story.rows("SELECT count(*) FROM assertion WHERE retracted_by IS NULL") == [(0,)]


def test_the_changes_topic_hears_of_a_merge_and_of_its_revert(story: Story) -> None:
    two_people(story)
    story.ledger.outbox_done([row.outbox_id for row in story.ledger.outbox(100)])
    mary, jose = homes(story, "m1", "j1")
    merged = done(story, MergeProfiles(profile_ids=(mary, jose)))
    queued = story.ledger.outbox(100)
    assert {(row.version, row.live) for row in queued} == {(row.version, row.live) for row in merged.changed}
    assert sum(len(row.token_ids) for row in queued) == 4
    story.ledger.outbox_done([row.outbox_id for row in queued])
    reverted = done(story, RevertEntry(entry_version=merged.changed[0].version))
    queued = story.ledger.outbox(100)
    assert {(row.version, row.live) for row in queued} == {(row.version, True) for row in reverted.changed}


def test_split_then_revert_restores_everything(story: Story) -> None:
    two_people(story)
    before = people(story)
    split = done(story, SplitProfile(profile_id=homes(story, "m1")[0], record_ids=births(story, "m1")))
    assert homes(story, "m1") != homes(story, "m2")
    versions = [profile.version for profile in split.changed]
    done(story, RevertEntry(entry_version=versions[-1]))
    assert people(story) == before


@pytest.mark.parametrize("undone", ["survivor", "ended"])
def test_reverting_what_evidence_did_parts_the_records_for_good(story: Story, undone: str) -> None:
    story.ingest(customer("e1", email="mary@acme.com", amount=10))
    story.ingest(customer("e2", phone="512 478 1234", amount=2, source="webshop"))
    mary, other = homes(story, "e1", "e2")
    bridge = customer("e3", source="crm", email="mary@acme.com", phone="512 478 1234", given_name="Mary")
    story.ingest(bridge)
    [home] = set(homes(story, "e1", "e2", "e3"))
    entry = story.steward.entry(entry_of(story, home if undone == "survivor" else max(mary, other)))
    assert entry.operation_id is None
    done(story, RevertEntry(entry_version=entry.version))
    assert homes(story, "e1", "e2") == [mary, other]
    mine = "e1" if undone == "survivor" else "e2"
    assert births(story, mine)[0] == homes(story, mine)[0]
    assert homes(story, "e3")[0] == homes(story, "e2" if undone == "survivor" else "e1")[0]
    settled = people(story)["members"]
    story.ingest(bridge, customer("e4", source="crm", email="mary@acme.com", phone="512 478 1234", given_name="Mary"))
    assert people(story)["members"] == settled
    again = done(story, RevertEntry(entry_version=entry.version))
    assert again.already_gone
    assert again.changed == ()


def test_reverting_a_departure_brings_the_record_back(story: Story) -> None:
    two_people(story)
    [mary, jose] = homes(story, "m1", "j1")
    one, other = births(story, "m1")[0], births(story, "m2")[0]
    done(story, AssertRecords(record_id=one, other_record_id=other, same=False), actor_rank=0)
    split = homes(story, "m1", "m2")
    assert len({*split, jose}) == 3
    before = people(story)
    # The entry looks as if evidence had caused it: only the operation tells the two apart.
    version = entry_of(story, mary)
    story.rows("UPDATE journal SET operation_id = NULL, cause = 'redo' WHERE version = %s RETURNING version", version)
    done(story, RevertEntry(entry_version=version))
    assert len(set(homes(story, "m1", "m2"))) == 1
    assert people(story)["members"] != before["members"]


def test_a_revert_on_which_a_later_entry_depends_is_refused_naming_it(story: Story) -> None:
    two_people(story)
    story.ingest(customer("x1", email="x@else.net"))
    mary, other = homes(story, "m1", "x1")
    merged = done(story, MergeProfiles(profile_ids=(mary, other)))
    first = next(profile.version for profile in merged.changed if profile.live)
    story.ingest(customer("m3", email="mary@acme.com", phone="512 478 1234", given_name="Mary", family_name="Smith"))
    later = entry_of(story, mary)
    assert later > first
    content = story.content()
    with pytest.raises(LaterEntryError) as caught:
        done(story, RevertEntry(entry_version=first))
    assert caught.value.metadata == {"entry_version": str(first), "later_version": str(later)}
    assert story.content() == content
    # Latest first it goes, and a revert does not stand in the way of the next.
    done(story, RevertEntry(entry_version=later))
    assert homes(story, "m3") != homes(story, "m1")
    done(story, RevertEntry(entry_version=first))
    assert homes(story, "m1", "x1") == [mary, other]


def test_a_revert_can_be_reverted(story: Story) -> None:
    two_people(story)
    apart = people(story)
    mary, jose = homes(story, "m1", "j1")
    merged = done(story, MergeProfiles(profile_ids=(mary, jose)))
    together = people(story)
    reverted = done(story, RevertEntry(entry_version=merged.changed[0].version))
    assert people(story) == apart
    again = done(story, RevertEntry(entry_version=reverted.changed[0].version))
    assert people(story) == together
    assert done(story, RevertEntry(entry_version=reverted.changed[0].version)).already_gone
    done(story, RevertEntry(entry_version=again.changed[0].version))
    assert people(story) == apart


def test_what_is_said_again_keeps_its_rank_and_its_expiry(story: Story) -> None:
    two_people(story)
    one, other = births(story, "m1")[0], births(story, "j1")[0]
    said = AssertRecords(record_id=one, other_record_id=other, same=True)
    first = done(story, said, expire_on_change=True, actor_rank=10)
    row = "SELECT actor_rank, basis FROM assertion WHERE retracted_by IS NULL"
    before = story.rows(row)
    taken_back = done(story, RevertEntry(entry_version=first.changed[0].version), actor_rank=90)
    done(story, RevertEntry(entry_version=taken_back.changed[0].version), actor_rank=90)
    assert story.rows(row) == before
    assert before[0][0] == 10
    assert before[0][1] is not None


def test_an_operation_without_an_entry_is_taken_back_by_its_id(story: Story) -> None:
    two_people(story)
    one, other = births(story, "m1")[0], births(story, "j1")[0]
    said = done(story, AssertRecords(record_id=one, other_record_id=other, same=False), actor_rank=50)
    assert (said.changed, said.operation_id is None) == ((), False)
    assert said.operation_id is not None
    undo = RevertOperation(operation_id=said.operation_id)
    with pytest.raises(OutrankedError):
        done(story, undo, actor_rank=49)
    with pytest.raises(UnknownIdError) as unknown:
        done(story, RevertOperation(operation_id=one))
    assert unknown.value.metadata == {"field": "operation_id"}
    back = done(story, undo, actor_rank=50)
    assert (back.already_gone, back.outranked) == (False, 0)
    assert story.rows("SELECT count(*) FROM assertion WHERE retracted_by IS NULL") == [(0,)]
    assert done(story, undo, actor_rank=50).already_gone
    assert back.operation_id is not None
    again = RevertOperation(operation_id=back.operation_id)
    assert not done(story, again, actor_rank=50).already_gone
    assert story.rows("SELECT same FROM assertion WHERE retracted_by IS NULL") == [(False,)]
    assert done(story, again, actor_rank=50).already_gone


def test_an_operation_named_by_its_id_is_refused_where_its_entry_is(story: Story) -> None:
    two_people(story)
    story.ingest(customer("x1", email="x@else.net"))
    mary, other = homes(story, "m1", "x1")
    merged = done(story, MergeProfiles(profile_ids=(mary, other)))
    assert merged.operation_id is not None
    story.ingest(customer("m3", email="mary@acme.com", phone="512 478 1234", given_name="Mary", family_name="Smith"))
    with pytest.raises(LaterEntryError) as caught:
        done(story, RevertOperation(operation_id=merged.operation_id))
    assert caught.value.metadata["later_version"] == str(entry_of(story, mary))
    done(story, RevertEntry(entry_version=entry_of(story, mary)))
    done(story, RevertOperation(operation_id=merged.operation_id))
    assert homes(story, "m1", "x1") == [mary, other]


def test_a_merge_that_a_split_outvotes_is_taken_back_all_the_same(story: Story) -> None:
    two_people(story)
    mary, jose = homes(story, "m1", "j1")
    merged = done(story, MergeProfiles(profile_ids=(mary, jose)))
    split = done(story, SplitProfile(profile_id=mary, record_ids=births(story, "j1", "j2")), actor_rank=50)
    assert homes(story, "m1", "j1") == [mary, jose]
    back = done(story, RevertEntry(entry_version=merged.changed[0].version))
    assert (back.already_gone, back.changed) == (False, ())
    done(story, RevertEntry(entry_version=split.changed[0].version), actor_rank=50)
    assert homes(story, "m1", "j1") == [mary, jose]
    assert story.rows("SELECT count(*) FROM assertion WHERE retracted_by IS NULL") == [(0,)]


def test_what_cannot_be_reverted_says_why(story: Story) -> None:
    two_people(story)
    mary, jose = homes(story, "m1", "j1")
    with pytest.raises(UnknownIdError) as unknown:
        done(story, RevertEntry(entry_version=10**12))
    assert unknown.value.metadata == {"field": "entry_version"}
    [(first,)] = story.rows("SELECT min(version) FROM journal WHERE profile_id = %s", mary)
    with pytest.raises(NotRevertibleError):
        done(story, RevertEntry(entry_version=first))
    merged = done(story, MergeProfiles(profile_ids=(mary, jose)), actor_rank=50)
    with pytest.raises(OutrankedError):
        done(story, RevertEntry(entry_version=merged.changed[0].version), actor_rank=49)
    assert homes(story, "m1") == homes(story, "j1")
    done(story, RevertEntry(entry_version=merged.changed[0].version), actor_rank=50)
    assert homes(story, "m1", "j1") == [mary, jose]
