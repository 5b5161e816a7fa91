"""Twins of queries/steward.sql: operations, assertions and what stewards look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from memory.rows import Assertion, Journal, Operation, Review
from memory.tables import Tables, require

__all__ = [
    "addresses_of_records",
    "assertions_of_operation",
    "begin_operation",
    "changed_by_operation",
    "claim_of_review",
    "claim_review",
    "different_among",
    "insert_assertions",
    "journal_entry",
    "journal_of_operation",
    "journal_of_profiles",
    "keep_answer",
    "last_moving_entry",
    "members_of_profiles",
    "members_written",
    "operation_marks",
    "operation_of_request",
    "operation_rank",
    "operation_said",
    "operations_pending",
    "outranking",
    "places_of_births",
    "release_review",
    "retract_assertions",
    "review_page",
    "review_page_by_value",
    "review_profiles",
    "review_records",
    "versions_of_profiles",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]


def begin_operation(at: Tables, given: Given) -> Rows:
    if given["request_id"] in at.operation_by_request:
        return []
    row = Operation(**given, done_at=at.now, answer=None)
    require(row.operation_id not in at.operation, "operation_pkey")
    at.put(at.operation, row.operation_id, row)
    at.put(at.operation_by_request, row.request_id, row.operation_id)
    return [(row.operation_id,)]


def operation_of_request(at: Tables, given: Given) -> Rows:
    operation_id = at.operation_by_request.get(given["request_id"])
    if operation_id is None:
        return []
    row = at.operation[operation_id]
    return [(row.operation_id, row.request_sha256, row.actor_rank, row.answer)]


def operation_rank(at: Tables, given: Given) -> Rows:
    row = at.operation.get(given["operation_id"])
    return [] if row is None else [(row.actor_rank,)]


def keep_answer(at: Tables, given: Given) -> Rows:
    row = at.operation[given["operation_id"]]
    if row.answer is None:
        row = row._replace(answer=given["answer"])
        at.put(at.operation, row.operation_id, row)
    return [(row.answer,)]


def insert_assertions(at: Tables, given: Given) -> Rows:
    said_at = at.clock()
    require(given["operation_id"] in at.operation, "assertion_operation_fkey")
    columns = (given[name] for name in ("lows", "highs", "sames", "ranks", "bases"))
    for low, high, same, rank, basis in zip(*columns, strict=True):
        require(low < high, "assertion_ordered")
        assertion_id = at.next("assertion")
        row = Assertion(assertion_id, given["operation_id"], low, high, same, rank, said_at, basis, None)
        at.put(at.assertion, assertion_id, row)
        at.link(at.assertions_of, row.operation_id, assertion_id)
        for end in (low, high):
            at.link(at.assertions_at, end, assertion_id)
    return []


def retract_assertions(at: Tables, given: Given) -> Rows:
    for assertion_id in given["assertion_ids"]:
        row = at.assertion[assertion_id]
        if row.retracted_by is None:
            at.put(at.assertion, assertion_id, row._replace(retracted_by=given["operation_id"]))
            for end in (row.low, row.high):
                at.unlink(at.assertions_at, end, assertion_id)
    return []


def assertions_of_operation(at: Tables, given: Given) -> Rows:
    asked = given["operation_id"]
    return [
        (row.assertion_id, row.low, row.high, row.same, row.actor_rank, row.basis, row.operation_id == asked)
        for row in at.assertion.values()
        if (row.operation_id == asked and row.retracted_by is None)
        or (row.retracted_by == asked and not _said_again(at, row))
    ]


def _said_again(at: Tables, said: Assertion) -> bool:
    others = (at.assertion[other] for other in at.assertions_at.get(said.low, ()))
    return any(
        (other.low, other.high, other.same, other.basis) == (said.low, said.high, said.same, said.basis)
        and other.actor_rank >= said.actor_rank
        for other in others
    )


def operation_said(at: Tables, given: Given) -> Rows:
    asked = given["operation_id"]
    return [(any(asked in (row.operation_id, row.retracted_by) for row in at.assertion.values()),)]


def different_among(at: Tables, given: Given) -> Rows:
    inside = set(given["record_ids"])
    rows = (at.assertion[assertion_id] for assertion_id in at.among(at.assertions_at, inside))
    return list({(row.low, row.high) for row in rows if not row.same and inside.issuperset((row.low, row.high))})


def outranking(at: Tables, given: Given) -> Rows:
    rows: Rows = []
    for assertion_id in at.assertions_of.get(given["operation_id"], ()):
        said = at.assertion[assertion_id]
        others = (at.assertion[other] for other in at.assertions_at.get(said.low, ()))
        rows += [
            (said.low, said.high, other.basis)
            for other in others
            if (other.low, other.high) == (said.low, said.high)
            and other.same != said.same
            and other.actor_rank > said.actor_rank
        ]
    return rows


def places_of_births(at: Tables, given: Given) -> Rows:
    rows = (at.record[at.record_by_birth[birth]] for birth in given["birth_ids"] if birth in at.record_by_birth)
    return [(row.birth_id, row.record_id, row.sightings > 0, at.membership[row.record_id].profile_id) for row in rows]


def members_of_profiles(at: Tables, given: Given) -> Rows:
    held = (
        (profile_id, at.record[record_id])
        for profile_id in given["profile_ids"]
        for record_id in at.members.get(profile_id, ())
    )
    rows = [(profile_id, row.birth_id, row.record_id) for profile_id, row in held if row.sightings > 0]
    return sorted(rows, key=lambda row: row[1])


def versions_of_profiles(at: Tables, given: Given) -> Rows:
    return [(key, at.profile[key].version) for key in given["profile_ids"] if key in at.profile]


def addresses_of_records(at: Tables, given: Given) -> Rows:
    return [(record_id, at.record[record_id].address) for record_id in given["record_ids"]]


def review_profiles(at: Tables, given: Given) -> Rows:
    row = at.review.get(given["review_id"])
    return [] if row is None else [(row.low_profile, row.high_profile, row.closed_at is None)]


def review_records(at: Tables, given: Given) -> Rows:
    row = at.review.get(given["review_id"])
    return [] if row is None else [(row.low_record, row.high_record)]


def operation_marks(at: Tables, given: Given) -> Rows:
    return [(row.mark_id,) for row in at.mark.values() if row.operation_id == given["operation_id"]]


def operations_pending(at: Tables, given: Given) -> Rows:
    marks = at.among(at.marks_at, given["record_ids"])
    return [(any(at.mark[mark_id].operation_id is not None for mark_id in marks),)]


def changed_by_operation(at: Tables, given: Given) -> Rows:
    mine = (row for row in at.journal.values() if row.operation_id == given["operation_id"])
    return [
        (row.profile_id, row.version, row.live, list(row.after_records), list(row.successors)) for row in _last(mine)
    ]


def _last(rows: Iterable[Journal]) -> list[Journal]:
    """The last of these entries of each profile, by profile."""
    found: dict[UUID, Journal] = {}
    for row in sorted(rows, key=lambda row: row.version):
        found[row.profile_id] = row
    return [found[profile_id] for profile_id in sorted(found)]


def journal_view(at: Tables, row: Journal) -> tuple[Any, ...]:
    """A journal entry as every query about entries has it."""
    reason = "" if row.operation_id is None else at.operation[row.operation_id].reason
    return (
        *row[:3],
        *(list(value) for value in row[3:6]),
        row.cause,
        row.actor,
        row.source,
        row.event_id,
        row.operation_id,
        reason,
        at.model[row.model_id].version,
        row.written_at,
    )


def _moving(row: Journal) -> bool:
    return row.before_records != row.after_records


def journal_entry(at: Tables, given: Given) -> Rows:
    row = at.journal.get(given["version"])
    return [] if row is None else [journal_view(at, row)]


def journal_of_operation(at: Tables, given: Given) -> Rows:
    rows = [row for row in at.journal.values() if row.operation_id == given["operation_id"] and _moving(row)]
    return [journal_view(at, row) for row in sorted(rows, key=lambda row: row.version)]


def _entries(at: Tables, profile_ids: Iterable[UUID]) -> list[Journal]:
    return [at.journal[version] for version in at.among(at.entries_of, profile_ids)]


def journal_of_profiles(at: Tables, given: Given) -> Rows:
    rows = [row for row in _entries(at, given["profile_ids"]) if row.version < given["before"]]
    return [journal_view(at, row) for row in sorted(rows, key=lambda row: -row.version)[: given["limit"]]]


def members_written(at: Tables, given: Given) -> Rows:
    rows = (row for row in _entries(at, given["profile_ids"]) if row.written_at in given["times"] and _moving(row))
    return [(row.profile_id, list(row.after_records)) for row in _last(rows)]


def last_moving_entry(at: Tables, given: Given) -> Rows:
    rows = (row for row in _entries(at, given["profile_ids"]) if row.version > given["version"] and _moving(row))
    return [(max((row.version for row in rows), default=None),)]


def _value(at: Tables, row: Review) -> int:
    return min(at.profile[side].purchase_total_minor for side in (row.low_profile, row.high_profile))


def _claim(at: Tables, row: Review, moment: datetime) -> tuple[str, datetime] | None:
    """Who has a review at a moment, and until when."""
    if row.claimed_by is None or row.claimed_until is None or row.claimed_until <= moment:
        return None
    return row.claimed_by, row.claimed_until


def _shown(at: Tables, row: Review) -> tuple[Any, ...]:
    pair = at.pair.get((row.low_record, row.high_record))
    low, high = at.profile[row.low_profile], at.profile[row.high_profile]
    sides = row.low_profile, low.version, row.high_profile, high.version
    evidence = (None, None, None) if pair is None else (pair.score, pair.levels, list(pair.weights))
    claim = _claim(at, row, at.now) or (None, None)
    shown = row.review_id, *sides, row.strength, row.opened_at, row.low_record, row.high_record, *evidence
    return (*shown, _value(at, row), *claim)


def _free(at: Tables, given: Given) -> list[Review]:
    """Open reviews without those that others than the claimant have."""
    rows = (at.review[key] for key in at.open_review.values())
    claims = ((row, _claim(at, row, at.now)) for row in rows)
    return [row for row, claim in claims if claim is None or given["claimant"] in (None, claim[0])]


def review_page(at: Tables, given: Given) -> Rows:
    rows = sorted(_free(at, given), key=lambda row: (-row.strength, row.review_id))
    after = -given["strength"], given["review_id"]
    later = [row for row in rows if (-row.strength, row.review_id) > after]
    return [_shown(at, row) for row in later[: given["limit"]]]


def review_page_by_value(at: Tables, given: Given) -> Rows:
    def place(row: Review) -> tuple[int, int, int]:
        return -_value(at, row), -row.strength, row.review_id

    after = -given["value"], -given["strength"], given["review_id"]
    later = [row for row in sorted(_free(at, given), key=place) if place(row) > after]
    return [_shown(at, row) for row in later[: given["limit"]]]


def claim_review(at: Tables, given: Given) -> Rows:
    row, now = at.review.get(given["review_id"]), at.clock()
    if row is None or row.closed_at is not None:
        return []
    claim = _claim(at, row, now)
    if claim is not None and claim[0] != given["actor"]:
        return []
    until = now + timedelta(seconds=given["seconds"])
    at.put(at.review, row.review_id, row._replace(claimed_by=given["actor"], claimed_until=until))
    return [(until,)]


def release_review(at: Tables, given: Given) -> Rows:
    row = at.review.get(given["review_id"])
    if row is not None and row.claimed_by == given["actor"]:
        at.put(at.review, row.review_id, row._replace(claimed_by=None, claimed_until=None))
    return []


def claim_of_review(at: Tables, given: Given) -> Rows:
    row = at.review.get(given["review_id"])
    claim = None if row is None else _claim(at, row, at.clock())
    return [] if claim is None else [claim]
