"""Twins of queries/profiles.sql: profiles, reviews, households, the journal and the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

from memory.rows import Journal, Outbox, Profile, Record, Relation, Review
from memory.tables import Tables, require

__all__ = [
    "as_of",
    "close_reviews",
    "delete_contenders",
    "delete_households",
    "draw_versions",
    "homes_around",
    "households_of",
    "insert_changes",
    "insert_contenders",
    "insert_households",
    "insert_journal",
    "insert_journal_links",
    "insert_outbox",
    "lock_profiles",
    "move_records",
    "open_reviews",
    "open_reviews_of",
    "pairs_with",
    "profiles_of_records",
    "standings",
    "survey_profiles",
    "survey_profiles_by_policy",
    "touch_profiles",
    "update_reviews",
    "write_profiles",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]

TIERED_AS_OF = date(2026, 1, 1)
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_GIVEN, _FAMILY, _BIRTH, _STREET, _CITY, _POSTCODE = 0, 2, 4, 5, 6, 7


def lock_profiles(at: Tables, given: Given) -> Rows:
    return [tuple(at.profile[key]) for key in sorted(given["profile_ids"]) if key in at.profile]


def move_records(at: Tables, given: Given) -> Rows:
    for record_id, profile_id in zip(given["record_ids"], given["profile_ids"], strict=True):
        row = at.membership[record_id]
        at.must_exist("membership_profile_fkey", profile_id)
        if row.profile_id is not None:
            at.unlink(at.members, row.profile_id, record_id)
        at.link(at.members, profile_id, record_id)
        at.put(at.membership, record_id, row._replace(profile_id=profile_id, looks=row.looks + 1))
    return []


def survey_profiles(at: Tables, given: Given) -> Rows:
    return survey_profiles_by_policy(
        at, {**given, "names": [1, 2], "addresses": [1, 2], "birth_dates": [2], "trusted": []}
    )


def survey_profiles_by_policy(at: Tables, given: Given) -> Rows:
    found: Rows = []
    for profile_id in sorted(given["profile_ids"]):
        rows = [at.record[record_id] for record_id in at.members.get(profile_id, ())]
        if any(row.sightings for row in rows):
            found.append((profile_id, *_survey(rows, given)))
    return found


def _survey(rows: list[Record], policy: Given) -> tuple[Any, ...]:
    last_at, last_store = max(
        ((row.last_purchase_at or _LONG_AGO, row.last_purchase_store) for row in rows), default=(_LONG_AGO, "")
    )
    trust = {source: -place for place, source in enumerate(policy["trusted"])}
    address = (_STREET, _CITY, _POSTCODE)
    return (
        sorted(row.birth_id for row in rows),
        _survivor(rows, policy["names"], trust, asked=(_GIVEN, _FAMILY), counted=(_GIVEN, _FAMILY)),
        _survivor(rows, policy["addresses"], trust, asked=address, counted=(_STREET, _POSTCODE)),
        _survivor(rows, policy["birth_dates"], trust, asked=(_BIRTH,), counted=()),
        sum(row.purchase_count for row in rows),
        sum(row.purchase_total_minor for row in rows),
        None if last_at is _LONG_AGO else last_at,
        last_store,
    )


def _survivor(
    rows: Iterable[Record],
    order: list[int],
    trust: Mapping[str, int],
    *,
    asked: tuple[int, ...],
    counted: tuple[int, ...],
) -> int | None:
    def parts(row: Record, places: tuple[int, ...]) -> int:
        return sum(row.attributes[place] is not None for place in places)

    def spoken(row: Record, rule: int) -> Any:
        return (parts(row, counted), row.last_seen, row.sightings, trust.get(row.source, -len(trust)))[rule - 1]

    fitting = [row for row in rows if parts(row, asked) and row.sightings]
    best = max(fitting, key=lambda row: (*(spoken(row, rule) for rule in order), row.address), default=None)
    return None if best is None else best.record_id


def draw_versions(at: Tables, given: Given) -> Rows:
    return [(at.next("ledger_version"),) for _ in range(given["count"])]


def write_profiles(at: Tables, given: Given) -> Rows:
    names = ("profile_ids", "versions", "lives", "ambiguous", "name_records", "address_records", "birth_date_records")
    totals = ("purchase_counts", "purchase_totals", "last_purchases", "last_stores")
    for columns in zip(*(given[name] for name in (*names, *totals)), strict=True):
        row = Profile(*columns)
        assert row.version not in at.profile_by_version, "a version was drawn twice"
        if (kept := at.profile.get(row.profile_id)) is not None:
            at.drop(at.profile_by_version, kept.version)
        at.put(at.profile_by_version, row.version, row.profile_id)
        at.put(at.profile, row.profile_id, row)
    return []


def touch_profiles(at: Tables, given: Given) -> Rows:
    """Nobody looks beside."""
    return []


def open_reviews_of(at: Tables, given: Given) -> Rows:
    return [at.review[review_id][:6] for review_id in sorted(at.among(at.reviews_at, given["profile_ids"]))]


def close_reviews(at: Tables, given: Given) -> Rows:
    for review_id in given["review_ids"]:
        row = at.review[review_id]
        at.put(at.review, review_id, row._replace(closed_at=at.now))
        at.drop(at.open_review, (row.low_profile, row.high_profile))
        for side in (row.low_profile, row.high_profile):
            at.unlink(at.reviews_at, side, review_id)
    return []


def open_reviews(at: Tables, given: Given) -> Rows:
    names = ("low_profiles", "high_profiles", "low_records", "high_records", "strengths")
    for low, high, *rest in zip(*(given[name] for name in names), strict=True):
        require(low < high, "review_ordered")
        require((low, high) not in at.open_review, "review_open_key")
        at.must_exist("review_low_fkey", low)
        at.must_exist("review_high_fkey", high)
        review_id = at.next("review")
        at.put(at.review, review_id, Review(review_id, low, high, *rest, given["model_id"], at.now, None))
        at.put(at.open_review, (low, high), review_id)
        for side in (low, high):
            at.link(at.reviews_at, side, review_id)
    return []


def update_reviews(at: Tables, given: Given) -> Rows:
    names = ("review_ids", "low_records", "high_records", "strengths")
    for review_id, low, high, strength in zip(*(given[name] for name in names), strict=True):
        row = at.review[review_id]._replace(
            low_record=low, high_record=high, strength=strength, model_id=given["model_id"]
        )
        at.put(at.review, review_id, row)
    return []


def delete_contenders(at: Tables, given: Given) -> Rows:
    for profile_id in given["profile_ids"]:
        for other in list(at.contenders.get(profile_id, ())):
            at.unlink(at.contenders, profile_id, other)
    return []


def insert_contenders(at: Tables, given: Given) -> Rows:
    for profile_id, contender_id in zip(given["profile_ids"], given["contender_ids"], strict=True):
        at.must_exist("contender_profile_fkey", profile_id)
        at.must_exist("contender_contender_fkey", contender_id)
        at.link(at.contenders, profile_id, contender_id)
    return []


def insert_journal(at: Tables, given: Given) -> Rows:
    written_at = at.clock()
    ids = given["ids"]
    for place, version in enumerate(given["versions"]):
        require(version not in at.journal, "journal_version_key")
        cuts = [given[name][place] - 1 for name in ("before_from", "after_from", "successors_from")]
        before, after, successors = map(tuple, (ids[slice(*cut)] for cut in pairwise([*cuts, given["ends"][place]])))
        survivors = [
            tuple(given[f"{when}_{part}"][place] for part in ("names", "addresses", "birth_dates"))
            for when in ("before", "after")
        ]
        told = (given[name][place] for name in ("causes", "actors", "sources", "event_ids", "operation_ids"))
        cause, actor, source, event_id, operation_id = told
        row = Journal(
            version,
            given["profile_ids"][place],
            given["lives"][place],
            before,
            after,
            successors,
            survivors[0],
            survivors[1],
            cause,
            actor,
            source,
            event_id,
            operation_id,
            given["model_id"],
            written_at,
        )
        at.put(at.journal, row.version, row)
        at.link(at.entries_of, row.profile_id, row.version)
    return []


def insert_journal_links(at: Tables, given: Given) -> Rows:
    for version, low, high in zip(given["versions"], given["lows"], given["highs"], strict=True):
        if (pair := at.pair.get((low, high))) is not None and (version, low, high) not in at.journal_link:
            at.put(at.journal_link, (version, low, high), pair)
    return []


def insert_outbox(at: Tables, given: Given) -> Rows:
    columns = ("profile_ids", "versions", "lives", "changes", "firsts", "lasts")
    for profile_id, version, live, change, first, last in zip(*(given[name] for name in columns), strict=True):
        outbox_id = at.next("outbox")
        tokens = tuple(given["token_ids"][first - 1 : last])
        at.put(at.outbox, outbox_id, Outbox(outbox_id, profile_id, version, live, change, tokens, at.now))
    return []


def insert_changes(at: Tables, given: Given) -> Rows:
    columns = ("profile_ids", "versions", "lives", "changes")
    for profile_id, version, live, change in zip(*(given[name] for name in columns), strict=True):
        outbox_id = at.next("outbox")
        tokens = tuple(sorted(at.among(at.tokens_of, at.members.get(profile_id, ())))) if live else ()
        at.put(at.outbox, outbox_id, Outbox(outbox_id, profile_id, version, live, change, tokens, at.now))
    return []


def as_of(at: Tables, given: Given) -> Rows:
    return [(TIERED_AS_OF, at.now)]


def homes_around(at: Tables, given: Given) -> Rows:
    ends = {end for key in at.among(at.pairs_at, given["record_ids"]) for end in key}
    around = sorted(ends.union(given["record_ids"]))
    return [(one, at.record[one].birth_id, at.membership[one].profile_id) for one in around]


def standings(at: Tables, given: Given) -> Rows:
    return [(record_id, *_standing(at, record_id)) for record_id in given["record_ids"]]


def _standing(at: Tables, record_id: int) -> tuple[Any, ...]:
    profile_id = at.membership[record_id].profile_id
    row = None if profile_id is None else at.profile[profile_id]
    if row is None or not row.live:
        return None, 0, False, 0, None
    strengths = [at.review[review_id].strength for review_id in at.reviews_at.get(row.profile_id, ())]
    members = sum(at.record[member].sightings > 0 for member in at.members.get(row.profile_id, ()))
    return profile_id, row.version, row.ambiguous, members, max(strengths, default=None)


def profiles_of_records(at: Tables, given: Given) -> Rows:
    found = ((record_id, at.membership[record_id].profile_id) for record_id in given["record_ids"])
    return [row for row in found if row[1] is not None]


def households_of(at: Tables, given: Given) -> Rows:
    return [tuple(at.household[key]) for key in at.among(at.households_at, given["profile_ids"])]


def delete_households(at: Tables, given: Given) -> Rows:
    for key in zip(given["low_profiles"], given["high_profiles"], strict=True):
        at.drop(at.household, key)
        for side in key:
            at.unlink(at.households_at, side, key)
    return []


def insert_households(at: Tables, given: Given) -> Rows:
    names = ("low_profiles", "high_profiles", "low_records", "high_records", "strengths")
    for columns in zip(*(given[name] for name in names), strict=True):
        row = Relation(*columns)
        key = row.low_profile, row.high_profile
        require(row.low_profile < row.high_profile, "household_ordered")
        at.must_exist("household_low_fkey", row.low_profile)
        at.must_exist("household_high_fkey", row.high_profile)
        at.put(at.household, key, row)
        for side in key:
            at.link(at.households_at, side, key)
    return []


def pairs_with(at: Tables, given: Given) -> Rows:
    rows = ((key, at.pair[key]) for key in at.among(at.pairs_at, given["record_ids"]))
    return [(*key, row.score, row.levels, list(row.weights)) for key, row in rows]
