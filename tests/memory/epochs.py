"""Twins of queries/epochs.sql: phones that change hands, and records that events are hung on anew.

`Tables.began` has when each phone changed hands and who opened that epoch, `Tables.epoch` the epoch at which a record carries a token, 0 left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from memory.intake import add_record, columns_of
from memory.rows import Record, Token
from memory.tables import EventKey, Index, Tables, require

__all__ = [
    "clone_records",
    "copy_record_tokens",
    "count_hand_overs",
    "forget_hand_overs",
    "hand_overs_of",
    "hung_claims",
    "insert_hand_overs",
    "misplaced_events",
    "move_consents",
    "move_events",
    "move_purchases",
    "phones",
    "records_at",
    "renew_epochs",
    "witnesses",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]

_PHONE = 2


def _asked(row: Token) -> bool:
    """Whether a token is a phone that changed hands, or may have."""
    return row.type == _PHONE and (row.epochs > 0 or (row.name_keys > 1 and not row.generic))


def _come(at: Tables, token_id: int, moment: datetime) -> list[tuple[datetime, bytes]]:
    return [one for one in at.began.get(token_id, ()) if one[0] <= moment]


def _arrays(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any] | None]:
    """Columns as array_agg gives them: NULL for no rows."""
    return [[row[place] for row in rows] or None for place in range(width)]


def hand_overs_of(at: Tables, given: Given) -> Rows:
    ids = ((token, at.token_by_value.get(token)) for token in given["tokens"])
    return [(token, *one) for token, token_id in ids if token_id is not None for one in at.began.get(token_id, ())]


def hung_claims(at: Tables, given: Given) -> Rows:
    found: Rows = []
    for base in given["bases"]:
        first = at.record_by_address.get(base)
        claim = [*at.epochs_of.get(base, ()), *([] if first is None else [first])]
        if any(at.tokens_of.get(record_id) for record_id in claim):
            found.append((base,))
    return found


def phones(at: Tables, given: Given) -> Rows:
    found: Rows = []
    for token_id in sorted({*at.among(at.tokens_of, given["record_ids"]), *given["token_ids"]}):
        row = at.token[token_id]
        if _asked(row):
            carriers = [] if row.generic else [at.record[record_id] for record_id in at.carriers.get(token_id, ())]
            named = [
                (one.name_key, one.first_seen, one.last_seen, one.address)
                for one in carriers
                if one.name_key is not None
            ]
            found.append((token_id, row.generic, *_arrays(at.began.get(token_id, ()), 2), *_arrays(named, 4)))
    return found


def witnesses(at: Tables, given: Given) -> Rows:
    carriers = (at.carriers.get(token_id) for token_id in given["token_ids"] if _asked(at.token[token_id]))
    return [(record_id,) for record_id in {min(held) for held in carriers if held}]


def forget_hand_overs(at: Tables, given: Given) -> Rows:
    for token_id in given["token_ids"]:
        at.drop(at.began, token_id)
    return []


def insert_hand_overs(at: Tables, given: Given) -> Rows:
    for token_id, _, *one in sorted(columns_of(given, "token_ids", "epochs", "moments", "openers")):
        require(len(one[1]) == 32, "token_epoch_opener_length")
        at.put(at.began, token_id, (*at.began.get(token_id, ()), tuple(one)))
    return []


def count_hand_overs(at: Tables, given: Given) -> Rows:
    for token_id in given["token_ids"]:
        at.put(at.token, token_id, at.token[token_id]._replace(epochs=len(at.began.get(token_id, ()))))
    return []


def misplaced_events(at: Tables, given: Given) -> Rows:
    found: Rows = []
    for record_id in at.among(at.carriers, given["token_ids"]):
        row = at.record[record_id]
        for key in at.events_of.get(record_id, ()) if row.name_key is None else ():
            occurred_at = at.inbox[key].occurred_at
            come = [one for token_id in at.tokens_of[record_id] for one in _come(at, token_id, occurred_at)]
            last = max((moment for moment, _ in come), default=None)
            opener = min((opener for moment, opener in come if moment == last), default=None)
            if opener != row.opener:
                found.append((*key, record_id, row.base, opener))
    return sorted(found, key=lambda row: row[:2])


def records_at(at: Tables, given: Given) -> Rows:
    known = at.record_by_address
    return [(address, known[address]) for address in given["addresses"] if address in known]


def clone_records(at: Tables, given: Given) -> Rows:
    found: Rows = []
    columns = columns_of(given, "addresses", "birth_ids", "openers", "base_addresses", "origins")
    for address, birth_id, opener, base_address, origin in sorted(columns, key=lambda row: row[0]):
        kept = at.record[origin]
        said = kept.source, kept.attributes, None, kept.first_seen, kept.last_seen
        row = Record(at.next("record"), address, birth_id, *said, 0, 0, 0, None, "", opener, base_address)
        add_record(at, row)
        found.append((address, row.record_id))
    return found


def copy_record_tokens(at: Tables, given: Given) -> Rows:
    for origin, record_id in columns_of(given, "origins", "record_ids"):
        for token_id in list(at.tokens_of.get(origin, ())):
            at.link(at.tokens_of, record_id, token_id)
            at.link(at.carriers, token_id, record_id)
    return []


def _move(at: Tables, table: dict[EventKey, Any], index: Index | None, given: Given) -> Rows:
    for source, event_id, record_id in columns_of(given, "sources", "event_ids", "record_ids"):
        key = source, event_id
        if key in table:
            if index is not None:
                at.unlink(index, table[key].record_id, key)
                at.link(index, record_id, key)
            at.put(table, key, table[key]._replace(record_id=record_id))
    return []


def move_events(at: Tables, given: Given) -> Rows:
    return _move(at, at.inbox, at.events_of, given)


def move_purchases(at: Tables, given: Given) -> Rows:
    return _move(at, at.purchase, at.purchases_of, given)


def move_consents(at: Tables, given: Given) -> Rows:
    return _move(at, at.consent, None, given)


def renew_epochs(at: Tables, given: Given) -> Rows:
    carried = {(record_id, key) for record_id in given["record_ids"] for key in at.tokens_of.get(record_id, ())}
    carried |= {(record_id, key) for key in given["token_ids"] for record_id in at.carriers.get(key, ())}
    found: Rows = []
    for record_id, token_id in carried:
        epoch = len(_come(at, token_id, at.record[record_id].first_seen))
        if at.epoch.get((record_id, token_id), 0) != epoch:
            at.put(at.epoch, (record_id, token_id), epoch)
            found.append((record_id, token_id))
    return found
