"""Twins of queries/history.sql: the journal as a history of records, and what records say."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from memory.rows import Journal, Record
from memory.steward import journal_view
from memory.tables import Tables

__all__ = [
    "carriers_of_tokens",
    "entry_links",
    "entry_time",
    "identifier_counts",
    "journal_between",
    "journal_end",
    "last_join",
    "last_leave",
    "left_with",
    "profile_entries",
    "profiles_now",
    "record_details",
    "statements_about",
    "totals_taken",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]
_FOLDED = 2


def _entries_of(at: Tables, profile_id: UUID) -> list[Journal]:
    """Entries of a profile, latest first."""
    return sorted((at.journal[version] for version in at.entries_of.get(profile_id, ())), key=lambda row: -row.version)


def profile_entries(at: Tables, given: Given) -> Rows:
    moment: datetime | None = given["at"]
    found: Rows = []
    for profile_id in given["profile_ids"]:
        written = (row for row in _entries_of(at, profile_id) if moment is None or row.written_at <= moment)
        for row in written:
            lists = list(row.after_records), list(row.after_survivors)
            found.append((profile_id, row.version, row.live, *lists, row.written_at))
            break
    return found


def last_join(at: Tables, given: Given) -> Rows:
    birth_id = given["birth_id"]
    rows = (
        row
        for row in _entries_of(at, given["profile_id"])
        if row.version < given["below"] and birth_id in row.after_records and birth_id not in row.before_records
    )
    return [(row.version, row.written_at) for row in rows][:1]


def _leaves(at: Tables, birth_id: UUID) -> list[Journal]:
    """Entries with which a record left, latest first."""
    rows = (row for row in at.journal.values() if birth_id in row.before_records and birth_id not in row.after_records)
    return sorted(rows, key=lambda row: (row.written_at, row.version), reverse=True)


def left_with(at: Tables, given: Given) -> Rows:
    rows = (row for row in _leaves(at, given["birth_id"]) if row.written_at == given["written_at"])
    return [(row.profile_id, row.version) for row in rows][:1]


def last_leave(at: Tables, given: Given) -> Rows:
    return [(row.profile_id, row.version, row.written_at) for row in _leaves(at, given["birth_id"])][:1]


def entry_time(at: Tables, given: Given) -> Rows:
    row = at.journal.get(given["version"])
    return [] if row is None else [(row.written_at,)]


def profiles_now(at: Tables, given: Given) -> Rows:
    return [tuple(at.profile[key]) for key in given["profile_ids"] if key in at.profile]


def _born(at: Tables, birth_ids: Iterable[UUID]) -> list[Record]:
    return [at.record[at.record_by_birth[birth]] for birth in sorted(birth_ids) if birth in at.record_by_birth]


def totals_taken(at: Tables, given: Given) -> Rows:
    bought = [
        at.purchase[key]
        for record in _born(at, given["birth_ids"])
        for key in at.purchases_of.get(record.record_id, ())
        if at.inbox[key].taken_at <= given["at"]
    ]
    if not bought:
        return [(0, 0, None, "")]
    last = max(bought, key=lambda row: (row.occurred_at, row.store))
    return [(len(bought), sum(row.amount_minor for row in bought), last.occurred_at, last.store)]


def record_details(at: Tables, given: Given) -> Rows:
    named = {record_id for record_id in given["record_ids"] if record_id in at.record}
    rows = [at.record[key] for key in named.union(row.record_id for row in _born(at, given["birth_ids"]))]
    return [
        (
            row.record_id,
            row.birth_id,
            row.source,
            *row.attributes,
            row.first_seen,
            row.last_seen,
            row.sightings,
            row.purchase_count,
        )
        for row in rows
    ]


def identifier_counts(at: Tables, given: Given) -> Rows:
    carried: dict[tuple[UUID | None, int, str], set[int]] = defaultdict(set)
    for record in _born(at, given["birth_ids"]):
        for token_id in at.tokens_of.get(record.record_id, ()):
            token = at.token[token_id]
            if token.form != _FOLDED:
                whose = None if given["together"] else record.birth_id
                carried[whose, token.type, token.namespace].add(token_id)
    return [
        (*key, len(tokens), sum(at.token[token_id].generic for token_id in tokens))
        for key, tokens in sorted(carried.items(), key=lambda item: (str(item[0][0]), *item[0][1:]))
    ]


def entry_links(at: Tables, given: Given) -> Rows:
    asked = set(given["versions"])
    rows = [(key, pair) for key, pair in at.journal_link.items() if key[0] in asked]
    rows.sort(key=lambda row: (row[0][0], -row[1].score, *row[0][1:]))
    return [
        (version, at.record[low].birth_id, at.record[high].birth_id, pair.score, pair.levels, list(pair.weights))
        for (version, low, high), pair in rows
    ]


def journal_end(at: Tables, given: Given) -> Rows:
    # One writer at a time: nothing is ever under way.
    return [(max(at.journal, default=0), at.commits + 1, at.commits + 1)]


def journal_between(at: Tables, given: Given) -> Rows:
    versions = sorted(version for version in at.journal if given["after"] < version <= given["upto"])
    return [journal_view(at, at.journal[version]) for version in versions[: given["limit"]]]


def carriers_of_tokens(at: Tables, given: Given) -> Rows:
    tokens = {at.token_by_value[token] for token in given["tokens"] if token in at.token_by_value}
    rows = {at.record[record_id] for token_id in tokens for record_id in at.carriers.get(token_id, ())}
    found = sorted((row.birth_id, row.record_id) for row in rows if row.sightings > 0)
    return [*found][: given["limit"]]


def statements_about(at: Tables, given: Given) -> Rows:
    inside = set(given["record_ids"])
    rows = [at.assertion[key] for key in at.among(at.assertions_at, inside)]
    rows = [row for row in rows if inside.issuperset((row.low, row.high)) and row.retracted_by is None]
    rows.sort(key=lambda row: (row.asserted_at, row.assertion_id), reverse=True)
    said_by = {row.operation_id: at.operation[row.operation_id] for row in rows}
    return [
        (
            row.low,
            row.high,
            row.same,
            said_by[row.operation_id].actor,
            said_by[row.operation_id].reason,
            row.asserted_at,
            row.operation_id,
        )
        for row in rows
    ]
