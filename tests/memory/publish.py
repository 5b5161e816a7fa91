"""Twins of queries/publish.sql: what relay, register and audits read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from memory.profiles import TIERED_AS_OF
from memory.rows import DeadLetter, Outbox, Profile, Token
from memory.tables import Tables

__all__ = [
    "answers",
    "count_tokens",
    "counts",
    "dead_letters_before",
    "dead_letters_done",
    "dead_letters_named",
    "dead_letters_unpublished",
    "event_profiles",
    "known_tokens",
    "outbox",
    "outbox_done",
    "outbox_ids",
    "outbox_later",
    "outbox_later_done",
    "outbox_token_ids",
    "outbox_waiting",
    "partition",
    "ping",
    "relay_pending",
    "resolve_id",
    "stamp",
    "tokens_after",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]


def _in_order(at: Tables) -> list[Outbox]:
    return sorted(at.outbox.values(), key=lambda row: (row.version, row.outbox_id))


def outbox(at: Tables, given: Given) -> Rows:
    return [(*row[:5], row.created_at, list(row.token_ids)) for row in _in_order(at)[: given["limit"]]]


def relay_pending(at: Tables, given: Given) -> Rows:
    return [(bool(at.outbox) or bool(_unpublished(at)),)]


def outbox_ids(at: Tables, given: Given) -> Rows:
    places = [(row.version, row.outbox_id) for row in _in_order(at)]
    return [place for place in places if place > (given["version"], given["outbox_id"])][: given["limit"]]


def outbox_waiting(at: Tables, given: Given) -> Rows:
    return [(min(len(at.outbox), given["most"]),)]


def outbox_token_ids(at: Tables, given: Given) -> Rows:
    rows = (at.outbox[outbox_id] for outbox_id in given["outbox_ids"] if outbox_id in at.outbox)
    return [(token_id,) for token_id in {token_id for row in rows for token_id in row.token_ids}]


def outbox_done(at: Tables, given: Given) -> Rows:
    for outbox_id in given["outbox_ids"]:
        at.drop(at.outbox, outbox_id)
    return []


def outbox_later(at: Tables, given: Given) -> Rows:
    """Nobody fills a twin, so nothing waits in this lane."""
    return []


def outbox_later_done(at: Tables, given: Given) -> Rows:
    return []


def _unpublished(at: Tables) -> list[DeadLetter]:
    rows = (row for row in at.dead_letter.values() if row.published_at is None)
    return sorted(rows, key=lambda row: row.dead_letter_id)


def dead_letters_unpublished(at: Tables, given: Given) -> Rows:
    return [row[:-1] for row in _unpublished(at)[: given["limit"]]]


def dead_letters_done(at: Tables, given: Given) -> Rows:
    wanted = set(given["dead_letter_ids"])
    for row in list(at.dead_letter.values()):
        if row.dead_letter_id in wanted:
            place = row.topic, row.partition, row.message_offset
            at.put(at.dead_letter, place, row._replace(published_at=at.now))
    return []


def _kept(at: Tables, row: DeadLetter) -> tuple[object, ...]:
    return (*row[:-1], (row.source, row.event_id) in at.inbox)


def dead_letters_before(at: Tables, given: Given) -> Rows:
    rows = [
        row
        for row in at.dead_letter.values()
        if row.dead_letter_id < given["before"] and row.reason in given["reasons"]
    ]
    rows.sort(key=lambda row: -row.dead_letter_id)
    return [_kept(at, row) for row in rows[: given["limit"]]]


def dead_letters_named(at: Tables, given: Given) -> Rows:
    rows = [row for row in at.dead_letter.values() if row.dead_letter_id in given["dead_letter_ids"]]
    return [_kept(at, row) for row in sorted(rows, key=lambda row: row.dead_letter_id)]


def stamp(at: Tables, given: Given) -> Rows:
    return [(at.commits,)]


def answers(at: Tables, given: Given) -> Rows:
    by_value = (at.token_by_value.get(token) for token in given["tokens"])
    asked = [at.token[token_id] for token_id in (*by_value, *given["token_ids"]) if token_id is not None]
    homes = [_homes(at, token) for token in asked]
    named = {home for found in homes for home in found}
    held = zip(asked, homes, strict=True)
    return [
        *((token.token, token.type, token.generic, at.commits, found, *(None,) * 10) for token, found in held),
        *(_shown(at, at.profile[home]) for home in named if at.profile[home].live),
    ]


def _homes(at: Tables, token: Token) -> list[UUID]:
    carriers = at.carriers.get(token.token_id, ()) if not token.generic else ()
    homes = (
        at.membership[record_id].profile_id
        for record_id in carriers
        if at.epoch.get((record_id, token.token_id), 0) == token.epochs
    )
    return list(dict.fromkeys(home for home in homes if home is not None))


def _shown(at: Tables, row: Profile) -> tuple[Any, ...]:
    given_name, family_name = (None, None)
    if row.name_record is not None:
        said = at.record[row.name_record].attributes
        given_name, family_name = said[0], said[2]
    reviews = [at.review[review_id] for review_id in at.reviews_at.get(row.profile_id, ())]
    shown = min(reviews, key=lambda one: (one.low_profile, one.high_profile), default=None)
    review_id = None if shown is None else shown.review_id
    said_of = (row.profile_id, row.ambiguous, given_name, family_name, *row[7:11], review_id, TIERED_AS_OF)
    return (*(None,) * 5, *said_of)


def tokens_after(at: Tables, given: Given) -> Rows:
    later = sorted(token_id for token_id in at.token if token_id > given["token_id"])
    return [(token_id, at.token[token_id].token) for token_id in later[: given["limit"]]]


def known_tokens(at: Tables, given: Given) -> Rows:
    return [(token,) for token in given["tokens"] if token in at.token_by_value]


def count_tokens(at: Tables, given: Given) -> Rows:
    return [(len(at.token),)]


def counts(at: Tables, given: Given) -> Rows:
    live = sum(row.live for row in at.profile.values())
    held = len(at.inbox), len(at.dead_letter), len(at.record), live, len(at.open_review), len(at.review)
    return [(*held, len(at.profile) - live, len(at.mark), len(at.outbox), len(_unpublished(at)))]


def partition(at: Tables, given: Given) -> Rows:
    found = ((row.address, at.membership[row.record_id].profile_id) for row in at.record.values() if row.sightings > 0)
    return sorted(row for row in found if row[1] is not None)


def resolve_id(at: Tables, given: Given) -> Rows:
    record_id = at.record_by_birth.get(given["birth_id"])
    return [] if record_id is None else [(at.membership[record_id].profile_id,)]


def ping(at: Tables, given: Given) -> Rows:
    return [(1,)]


def event_profiles(at: Tables, given: Given) -> Rows:
    rows = ((*key, at.membership[row.record_id].profile_id) for key, row in at.inbox.items())
    return [row for row in rows if row[2] is not None]
