"""Twins of queries/intake.sql, gaps.sql and the keys' table: what writes evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from memory.rows import Consent, DeadLetter, Inbox, Member, Offset, Purchase, Record, Token
from memory.tables import EventKey, Tables, require

__all__ = [
    "advance_offset",
    "insert_consents",
    "insert_dead_letters",
    "insert_gap",
    "insert_inbox",
    "insert_members",
    "insert_offset",
    "insert_purchases",
    "insert_record_tokens",
    "insert_tokens",
    "known_offsets",
    "limit_statements",
    "lock_timeout",
    "lock_token_ids",
    "lock_tokens",
    "offsets",
    "own_evidence",
    "seen_events",
    "set_lock_timeout",
    "share_evidence",
    "upsert_records",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]

_ATTRIBUTES = (
    "given_names",
    "middle_names",
    "family_names",
    "name_suffixes",
    "birth_dates",
    "streets",
    "cities",
    "postcodes",
)


def columns_of(given: Given, *names: str) -> Iterable[tuple[Any, ...]]:
    """Rows of parallel columns."""
    return zip(*(given[name] for name in names), strict=True)


def keys_of(given: Given) -> list[EventKey]:
    """Event keys of parallel columns."""
    return list(columns_of(given, "sources", "event_ids"))  # type: ignore[arg-type]


def share_evidence(at: Tables, given: Given) -> Rows:
    """Nobody else is there."""
    return [(None,)]


def own_evidence(at: Tables, given: Given) -> Rows:
    """Nobody else is there."""
    return [(None,)]


def limit_statements(at: Tables, given: Given) -> Rows:
    """Nothing waits."""
    return [(given["milliseconds"],)]


def lock_timeout(at: Tables, given: Given) -> Rows:
    """Nothing waits."""
    return [("0",)]


def set_lock_timeout(at: Tables, given: Given) -> Rows:
    """Nothing waits."""
    return [(given["setting"],)]


def insert_offset(at: Tables, given: Given) -> Rows:
    key = given["group"], given["topic"], given["partition"]
    if key not in at.offset:
        at.put(at.offset, key, Offset(given["start"], given["topic_id"]))
    return []


def advance_offset(at: Tables, given: Given) -> Rows:
    key = given["group"], given["topic"], given["partition"]
    row = at.offset.get(key)
    if row is None or row.next_offset != given["start"] or row.topic_id not in ("", given["held"]):
        return []
    at.put(at.offset, key, Offset(given["end"], given["topic_id"] or row.topic_id))
    return [(given["end"],)]


def insert_gap(at: Tables, given: Given) -> Rows:
    require(given["held"] != given["topic_id"] or given["start"] < given["first"], "offset_gap_forward")
    names = ("group", "topic", "partition", "start", "first", "held", "topic_id")
    at.put(at.gap, at.next("gap"), tuple(given[name] for name in names))
    return []


def offsets(at: Tables, given: Given) -> Rows:
    return [row[:2] for row in known_offsets(at, given)]


def known_offsets(at: Tables, given: Given) -> Rows:
    return [
        (partition, row.next_offset, row.topic_id)
        for (group, topic, partition), row in at.offset.items()
        if (group, topic) == (given["group"], given["topic"])
    ]


def seen_events(at: Tables, given: Given) -> Rows:
    return [
        (*key, row.payload_digest, row.record_id) for key in keys_of(given) if (row := at.inbox.get(key)) is not None
    ]


def insert_inbox(at: Tables, given: Given) -> Rows:
    for source, event_id, *rest in columns_of(
        given, "sources", "event_ids", "digests", "record_ids", "kinds", "occurred"
    ):
        key, row = (source, event_id), Inbox(*rest, at.now)
        require(key not in at.inbox, "inbox_pkey")
        require(row.record_id in at.record, "inbox_record_fkey")
        at.put(at.inbox, key, row)
        at.link(at.events_of, row.record_id, key)
    return []


def insert_dead_letters(at: Tables, given: Given) -> Rows:
    columns = columns_of(
        given,
        *(
            "topics",
            "partitions",
            "offsets",
            "reasons",
            "violations",
            "sources",
            "event_ids",
            "digests",
            "sizes",
            "sealed",
        ),
    )
    for topic, partition, offset, reason, violations, *rest in columns:
        if (topic, partition, offset) not in at.dead_letter:
            row = DeadLetter(
                at.next("dead_letter"),
                topic,
                partition,
                offset,
                reason,
                violations.obj,
                *rest,
                given["key_version"],
                at.now,
                None,
            )
            at.put(at.dead_letter, (topic, partition, offset), row)
    return []


def upsert_records(at: Tables, given: Given) -> Rows:
    attributes = list(columns_of(given, *_ATTRIBUTES))
    columns = columns_of(
        given,
        *("addresses", "birth_ids", "sources", "name_keys", "first_seen", "last_seen", "sightings"),
        *("purchase_counts", "purchase_totals", "last_purchases", "last_stores", "openers", "base_addresses"),
    )
    found: Rows = []
    for said, (address, birth_id, source, *rest) in zip(attributes, columns, strict=True):
        record_id = at.record_by_address.get(address)
        if record_id is None:
            require(birth_id not in at.record_by_birth, "record_birth_id_key")
            record_id = at.next("record")
            row = Record(record_id, address, birth_id, source, said, *rest)
            add_record(at, row)
        else:
            row = _seen_again(at.record[record_id], Record(record_id, address, birth_id, source, said, *rest))
        at.put(at.record, record_id, row)
        found.append((address, record_id, row.sightings))
    return found


def add_record(at: Tables, row: Record) -> None:
    """Writes a new record, with what finds it."""
    require((row.opener is None) == (row.base_address is None), "record_base_address_of_later_epoch")
    at.put(at.record, row.record_id, row)
    at.put(at.record_by_address, row.address, row.record_id)
    at.put(at.record_by_birth, row.birth_id, row.record_id)
    if row.base_address is not None:
        at.link(at.epochs_of, row.base_address, row.record_id)


def _seen_again(kept: Record, new: Record) -> Record:
    withdrawn = kept.sightings == 0
    bought = [
        (row.last_purchase_at, row.last_purchase_store) for row in (kept, new) if row.last_purchase_at is not None
    ]
    last_at, last_store = max(bought, default=(None, kept.last_purchase_store))
    return kept._replace(
        first_seen=new.first_seen if withdrawn else min(kept.first_seen, new.first_seen),
        last_seen=new.last_seen if withdrawn else max(kept.last_seen, new.last_seen),
        sightings=kept.sightings + new.sightings,
        purchase_count=kept.purchase_count + new.purchase_count,
        purchase_total_minor=kept.purchase_total_minor + new.purchase_total_minor,
        last_purchase_at=last_at,
        last_purchase_store=last_store,
    )


def insert_members(at: Tables, given: Given) -> Rows:
    for record_id in given["record_ids"]:
        if record_id not in at.membership:
            at.put(at.membership, record_id, Member(None, 0))
    return []


def insert_tokens(at: Tables, given: Given) -> Rows:
    found: Rows = []
    told = columns_of(given, "tokens", "types", "namespaces", "forms", "records", "name_keys", "generic")
    for token, type_, namespace, form, records, name_keys, generic in told:
        if token not in at.token_by_value:
            token_id = at.next("token")
            versions = given["key_version"], given["normalizer_version"]
            row = Token(token_id, token, type_, namespace, form, *versions, name_keys, records, generic)
            at.put(at.token, token_id, row)
            at.put(at.token_by_value, token, token_id)
            found.append((token, token_id))
    return found


def lock_tokens(at: Tables, given: Given) -> Rows:
    rows = [at.token[at.token_by_value[token]] for token in sorted(given["tokens"]) if token in at.token_by_value]
    return [(row.token, row.token_id, row.type, row.records, row.name_keys, row.generic, row.epochs) for row in rows]


def lock_token_ids(at: Tables, given: Given) -> Rows:
    rows = [at.token[token_id] for token_id in given["token_ids"]]
    return [(row.token_id,) for row in sorted(rows, key=lambda row: row.token)]


def insert_record_tokens(at: Tables, given: Given) -> Rows:
    for record_id, token_id in columns_of(given, "record_ids", "token_ids"):
        at.link(at.tokens_of, record_id, token_id)
        at.link(at.carriers, token_id, record_id)
    return []


def insert_purchases(at: Tables, given: Given) -> Rows:
    columns = ("sources", "event_ids", "record_ids", "occurred", "amounts", "currencies", "stores")
    for source, event_id, *rest in columns_of(given, *columns):
        key, row = (source, event_id), Purchase(*rest)
        require(key not in at.purchase, "purchase_pkey")
        at.put(at.purchase, key, row)
        at.link(at.purchases_of, row.record_id, key)
    return []


def insert_consents(at: Tables, given: Given) -> Rows:
    for source, event_id, *rest in columns_of(
        given, "sources", "event_ids", "record_ids", "occurred", "purposes", "granted"
    ):
        require((source, event_id) not in at.consent, "consent_event_pkey")
        at.put(at.consent, (source, event_id), Consent(*rest))
    return []
