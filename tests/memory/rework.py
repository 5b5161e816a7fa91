"""Twins of what queries/intake.sql has for taking evidence back, and for key states that are worked out anew."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC
from typing import Any

from memory.intake import columns_of, keys_of
from memory.tables import Tables

__all__ = [
    "close_overused",
    "forget_token_names",
    "insert_conflicts",
    "quarantine_events",
    "recount_records",
    "recount_tokens",
    "renew_token_names",
    "shrink_blocks",
    "tokens_of_records",
    "unhang_blocks",
    "unhang_consents",
    "unhang_events",
    "unhang_purchases",
    "unhang_tokens",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]


def insert_conflicts(at: Tables, given: Given) -> Rows:
    for source, event_id, digest, kind, occurred in columns_of(
        given, "sources", "event_ids", "digests", "kinds", "occurred"
    ):
        if (source, event_id, digest) not in at.conflict:
            at.put(at.conflict, (source, event_id, digest), (None, kind, occurred))
    return []


def quarantine_events(at: Tables, given: Given) -> Rows:
    for key in keys_of(given):
        row = at.inbox.get(key)
        if row is not None and (*key, row.payload_digest) not in at.conflict:
            at.put(at.conflict, (*key, row.payload_digest), (row.record_id, row.kind, row.occurred_at))
    return []


def unhang_purchases(at: Tables, given: Given) -> Rows:
    for key in keys_of(given):
        if key in at.purchase:
            at.unlink(at.purchases_of, at.purchase[key].record_id, key)
            at.drop(at.purchase, key)
    return []


def unhang_consents(at: Tables, given: Given) -> Rows:
    for key in keys_of(given):
        at.drop(at.consent, key)
    return []


def unhang_events(at: Tables, given: Given) -> Rows:
    for key in keys_of(given):
        if key in at.inbox:
            at.unlink(at.events_of, at.inbox[key].record_id, key)
            at.drop(at.inbox, key)
    return []


def recount_records(at: Tables, given: Given) -> Rows:
    found: Rows = []
    for record_id in given["record_ids"]:
        row = at.record[record_id]
        seen = [at.inbox[key].occurred_at for key in at.events_of.get(record_id, ())]
        bought = [at.purchase[key] for key in at.purchases_of.get(record_id, ())]
        last_at, last_store = max(((one.occurred_at, one.store) for one in bought), default=(None, ""))
        row = row._replace(
            sightings=len(seen),
            first_seen=min(seen, default=row.first_seen),
            last_seen=max(seen, default=row.last_seen),
            purchase_count=len(bought),
            purchase_total_minor=sum(one.amount_minor for one in bought),
            last_purchase_at=last_at,
            last_purchase_store=last_store,
        )
        at.put(at.record, record_id, row)
        found.append((record_id, row.sightings))
    return found


def tokens_of_records(at: Tables, given: Given) -> Rows:
    return [(token_id,) for token_id in sorted(at.among(at.tokens_of, given["record_ids"]))]


def unhang_tokens(at: Tables, given: Given) -> Rows:
    for record_id in given["record_ids"]:
        for token_id in list(at.tokens_of.get(record_id, ())):
            at.unlink(at.tokens_of, record_id, token_id)
            at.unlink(at.carriers, token_id, record_id)
            at.drop(at.epoch, (record_id, token_id))
    return []


def unhang_blocks(at: Tables, given: Given) -> Rows:
    lost: Rows = []
    for record_id in given["record_ids"]:
        for key in list(at.blocks_of.get(record_id, ())):
            at.unlink(at.blocks_of, record_id, key)
            at.unlink(at.blocked, key, record_id)
            lost.append((key,))
    return lost


def shrink_blocks(at: Tables, given: Given) -> Rows:
    found: Rows = []
    for key, lost in columns_of(given, "keys", "records"):
        if (row := at.block.get(key)) is not None:
            left = row.records - lost
            at.put(at.block, key, row._replace(records=left, crowded=left > given["limit"]))
            found.append((key, left > given["limit"], row.records > given["limit"]))
    return found


def recount_tokens(at: Tables, given: Given) -> Rows:
    found: Rows = []
    for token_id in given["token_ids"]:
        row = at.token[token_id]
        carriers = at.carriers.get(token_id, {})
        names = {name for record_id in carriers if (name := at.record[record_id].name_key) is not None}
        claims = {at.record[record_id].base for record_id in carriers}
        overused = used_too_much(at, token_id, given)
        generic = overused or len(claims) > given["max_records"] or len(names) > given["limits"][row.type - 1]
        changed = row._replace(records=len(claims), name_keys=len(names), overused=overused, generic=generic)
        at.put(at.token, token_id, changed)
        found.append((token_id, row.type, row.generic, generic))
    return found


def used_too_much(at: Tables, token_id: int, given: Given, day: object = None) -> bool:
    """Whether the token's carriers made too many purchases, or in too many stores, on one UTC day: this one, or any."""
    purchases: dict[object, int] = {}
    stores: dict[object, set[str]] = {}
    for record_id in at.carriers.get(token_id, ()):
        for key in at.purchases_of.get(record_id, ()):
            row = at.purchase[key]
            on = row.occurred_at.astimezone(UTC).date()
            purchases[on] = purchases.get(on, 0) + 1
            stores.setdefault(on, set()).update({row.store} - {""})
    return any(
        count > given["purchases_per_day"] or len(stores[on]) > given["stores_per_day"]
        for on, count in purchases.items()
        if day is None or on == day
    )


def forget_token_names(at: Tables, given: Given) -> Rows:
    for token_id in given["token_ids"]:
        for name in list(at.names.get(token_id, ())):
            at.unlink(at.names, token_id, name)
    return []


def renew_token_names(at: Tables, given: Given) -> Rows:
    for token_id in given["token_ids"]:
        for record_id in at.carriers.get(token_id, ()):
            if (name := at.record[record_id].name_key) is not None:
                at.link(at.names, token_id, name)
    return []


def close_overused(at: Tables, given: Given) -> Rows:
    found: Rows = []
    for token_id in given["token_ids"]:
        row = at.token[token_id]
        if not row.generic:
            at.put(at.token, token_id, row._replace(overused=True, generic=True))
            found.append((token_id, row.type))
    return found
