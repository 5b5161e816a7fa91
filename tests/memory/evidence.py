"""Twins of queries/evidence.sql: key states, candidates, pairs, components and marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from memory.rework import used_too_much
from memory.rows import Block, MarkRow, Pair
from memory.tables import Tables, require

__all__ = [
    "block_carriers",
    "candidates",
    "component",
    "count_looks",
    "crowded_keys",
    "delete_pairs",
    "drop_marks",
    "due_marks",
    "grow_tokens",
    "hang_blocks",
    "insert_marks",
    "insert_token_names",
    "load_assertions",
    "load_pairs",
    "load_records",
    "load_tokens",
    "lock_members",
    "marked_around",
    "marks_on",
    "operation_marks_on",
    "overused_tokens",
    "pairs_of",
    "pending_marks",
    "push_marks_back",
    "record_of_mark",
    "take_marks",
    "token_carriers",
    "upsert_pairs",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]


def insert_token_names(at: Tables, given: Given) -> Rows:
    rows = zip(given["token_ids"], given["name_keys"], strict=True)
    return [(token_id,) for token_id, name in rows if at.link(at.names, token_id, name)]


def grow_tokens(at: Tables, given: Given) -> Rows:
    columns = (given[name] for name in ("token_ids", "records", "names", "generic"))
    for token_id, records, names, generic in zip(*columns, strict=True):
        row = at.token[token_id]._replace(records=records, name_keys=names, generic=generic)
        at.put(at.token, token_id, row)
    return []


def overused_tokens(at: Tables, given: Given) -> Rows:
    touched = {
        (token_id, day)
        for record_id, day in zip(given["record_ids"], given["days"], strict=True)
        for token_id in at.tokens_of.get(record_id, ())
        if not at.token[token_id].generic
    }
    return [
        (token_id,) for token_id in {token_id for token_id, day in touched if used_too_much(at, token_id, given, day)}
    ]


def token_carriers(at: Tables, given: Given) -> Rows:
    return [(record_id,) for record_id in at.among(at.carriers, given["token_ids"])]


def crowded_keys(at: Tables, given: Given) -> Rows:
    return [(key,) for key in given["keys"] if key in at.block and at.block[key].crowded]


def hang_blocks(at: Tables, given: Given) -> Rows:
    gained: Counter[int] = Counter()
    for key, record_id in zip(given["keys"], given["record_ids"], strict=True):
        if at.link(at.blocked, key, record_id):
            at.link(at.blocks_of, record_id, key)
            gained[key] += 1
    closed: Rows = []
    for key, rule, depth in zip(given["told"], given["rules"], given["depths"], strict=True):
        if key not in gained:
            continue
        kept = at.block.get(key) or Block(rule, depth, 0, False)
        records = kept.records + gained[key]
        crowded = kept.crowded or records > given["limit"]
        at.put(at.block, key, kept._replace(records=records, crowded=crowded))
        if crowded and kept.records <= given["limit"]:
            closed.append((key,))
    return closed


def block_carriers(at: Tables, given: Given) -> Rows:
    return [(record_id,) for record_id in at.among(at.blocked, given["keys"])]


def candidates(at: Tables, given: Given) -> Rows:
    found: set[tuple[int, int]] = set()
    for mine in given["record_ids"]:
        for token_id in at.tokens_of.get(mine, ()):
            if not at.token[token_id].generic:
                epoch = at.epoch.get((mine, token_id), 0)
                found.update(
                    (mine, other)
                    for other in at.carriers[token_id]
                    if other != mine and at.epoch.get((other, token_id), 0) == epoch
                )
        for key in at.blocks_of.get(mine, ()):
            if not at.block[key].crowded:
                found.update((mine, other) for other in at.blocked[key] if other != mine)
    return list(found)


def load_records(at: Tables, given: Given) -> Rows:
    rows = [at.record[record_id] for record_id in sorted(given["record_ids"]) if record_id in at.membership]
    return [
        (
            row.record_id,
            row.address,
            row.birth_id,
            at.membership[row.record_id].profile_id,
            row.sightings > 0,
            *row.attributes,
        )
        for row in rows
    ]


def load_tokens(at: Tables, given: Given) -> Rows:
    return [
        (record_id, row.type, row.namespace, row.form, row.token, at.epoch.get((record_id, token_id), 0))
        for record_id in sorted(given["record_ids"])
        for token_id in sorted(at.tokens_of.get(record_id, ()))
        if not (row := at.token[token_id]).generic
    ]


def _pairs_at(at: Tables, record_ids: Any) -> list[tuple[int, int]]:
    return list(at.among(at.pairs_at, record_ids))


def pairs_of(at: Tables, given: Given) -> Rows:
    rows = ((key, at.pair[key]) for key in _pairs_at(at, given["record_ids"]))
    return [(*key, row.score, row.levels, row.model_id) for key, row in rows]


def delete_pairs(at: Tables, given: Given) -> Rows:
    for key in zip(given["lows"], given["highs"], strict=True):
        at.drop(at.pair, key)
        for end in key:
            at.unlink(at.pairs_at, end, key)
    return []


def upsert_pairs(at: Tables, given: Given) -> Rows:
    width, weights = given["width"], given["weights"]
    columns = (given[name] for name in ("lows", "highs", "scores", "levels"))
    for place, (low, high, score, levels) in enumerate(zip(*columns, strict=True)):
        require(low < high, "pair_ordered")
        own = tuple(weights[place * width : (place + 1) * width])
        at.put(at.pair, (low, high), Pair(score, levels, own, given["model_id"]))
        for end in (low, high):
            at.link(at.pairs_at, end, (low, high))
    return []


def component(at: Tables, given: Given) -> Rows:
    """Breadth first, as the query goes; without a limit all of it."""
    reached: dict[int, None] = {}
    front = dict.fromkeys(given["record_ids"])
    while front and (given["limit"] is None or len(reached) < given["limit"]):
        reached.update(front)
        pairs = at.among(at.pairs_at, front)
        said = (at.assertion[assertion_id] for assertion_id in at.among(at.assertions_at, front))
        ends = (end for key in (*pairs, *((one.low, one.high) for one in said)) for end in key)
        front = {end: None for end in ends if end not in reached}
    found = list(reached)[: given["limit"]]
    return [(record_id, True) for record_id in found] + [(record_id, False) for record_id in _fellows(at, found)]


def load_pairs(at: Tables, given: Given) -> Rows:
    inside = set(given["record_ids"])
    keys = sorted(key for key in _pairs_at(at, given["record_ids"]) if inside.issuperset(key))
    rows = ((key, at.pair[key]) for key in keys)
    return [(*key, row.score, row.levels, list(row.weights)) for key, row in rows]


def load_assertions(at: Tables, given: Given) -> Rows:
    inside = set(given["record_ids"])
    rows = (at.assertion[assertion_id] for assertion_id in sorted(at.among(at.assertions_at, inside)))
    return [
        (row.assertion_id, row.low, row.high, row.same, row.actor_rank, row.asserted_at, row.basis)
        for row in rows
        if inside.issuperset((row.low, row.high))
    ]


def _fellows(at: Tables, record_ids: Iterable[int]) -> list[int]:
    """Records that stand in a profile with one of these, and are none of them."""
    inside = set(record_ids)
    profiles = {at.membership[record_id].profile_id for record_id in inside} - {None}
    return [record_id for record_id in at.among(at.members, profiles) if record_id not in inside]


def lock_members(at: Tables, given: Given) -> Rows:
    return [(record_id, at.membership[record_id].profile_id) for record_id in sorted(given["record_ids"])]


def count_looks(at: Tables, given: Given) -> Rows:
    for record_id in given["record_ids"]:
        row = at.membership[record_id]
        at.put(at.membership, record_id, row._replace(looks=row.looks + 1))
    return []


def insert_marks(at: Tables, given: Given) -> Rows:
    columns = (given[name] for name in ("record_ids", "steps", "days", "sources", "event_ids"))
    wait = timedelta(seconds=given["grace"])
    return [(_mark(at, given, row, wait),) for row in zip(*columns, strict=True)]


def _mark(at: Tables, given: Given, asked: tuple[Any, ...], wait: timedelta) -> int:
    record_id, step, day, source, event_id = asked
    require(1 <= step <= 3, "dirty_mark_step_known")
    mark_id = at.next("mark")
    asker = given["cause"], given["actor"], source, event_id, given["operation_id"]
    at.put(at.mark, mark_id, MarkRow(mark_id, record_id, step, day, *asker, at.now, at.now + wait, 0))
    at.link(at.marks_at, record_id, mark_id)
    return mark_id


def take_marks(at: Tables, given: Given) -> Rows:
    rows = (at.mark[mark_id] for mark_id in sorted(given["mark_ids"]) if mark_id in at.mark)
    return [(row if at.record[row.record_id].sightings else row._replace(step=3))[:9] for row in rows]


def due_marks(at: Tables, given: Given) -> Rows:
    due = sorted((row.due_at, row.mark_id) for row in at.mark.values() if row.due_at <= at.now)
    return [(mark_id,) for _, mark_id in due[: given["limit"]]]


def record_of_mark(at: Tables, given: Given) -> Rows:
    row = at.mark.get(given["mark_id"])
    return [] if row is None else [(row.record_id,)]


def operation_marks_on(at: Tables, given: Given) -> Rows:
    rows = (at.mark[mark_id] for mark_id in sorted(at.among(at.marks_at, given["record_ids"])))
    return [row[:9] for row in rows if row.operation_id is not None]


def marks_on(at: Tables, given: Given) -> Rows:
    return [(mark_id,) for mark_id in sorted(at.among(at.marks_at, given["record_ids"]))]


def drop_marks(at: Tables, given: Given) -> Rows:
    for mark_id in given["mark_ids"]:
        if mark_id in at.mark:
            at.unlink(at.marks_at, at.mark[mark_id].record_id, mark_id)
            at.drop(at.mark, mark_id)
    return []


def push_marks_back(at: Tables, given: Given) -> Rows:
    for mark_id in given["mark_ids"]:
        if (row := at.mark.get(mark_id)) is not None:
            wait = min(given["most"], given["base"] * 2 ** min(row.attempts, 20)) * given["jitter"]
            at.put(at.mark, mark_id, row._replace(attempts=row.attempts + 1, due_at=at.now + timedelta(seconds=wait)))
    return []


def marked_around(at: Tables, given: Given) -> Rows:
    return [(asked,) for asked in given["record_ids"] if any(map(at.marks_at.get, _closure(at, asked)))]


def _closure(at: Tables, record_id: int) -> set[int]:
    reached: set[int] = set()
    front = {record_id}
    while front:
        told = component(at, {"record_ids": front, "limit": None})
        reached.update(one for one, connected in told if connected)
        front = {one for one, connected in told if not connected} - reached
    return reached


def pending_marks(at: Tables, given: Given) -> Rows:
    oldest = min((row.marked_at for row in at.mark.values()), default=at.now)
    return [(min(len(at.mark), given["most"]), (at.now - oldest).total_seconds())]
