"""Twins of queries/stored_answers.sql: answers that are kept under their callers' request ids."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from memory.tables import Tables, require

__all__ = ["forget_answers", "store_answers", "stored_answers"]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]

_STANDS = timedelta(days=1)


def stored_answers(at: Tables, given: Given) -> Rows:
    held = ((request_id, at.stored_answer.get(request_id)) for request_id in given["request_ids"])
    return [(name, row[0], row[1]) for name, row in held if row is not None and row[2] > at.now - _STANDS]


def store_answers(at: Tables, given: Given) -> Rows:
    for name, digest, answer in zip(given["request_ids"], given["digests"], given["answers"], strict=True):
        require(len(digest) == 32, "stored_answer_digest_length")
        held = at.stored_answer.get(name)
        if held is None or held[2] <= at.now - _STANDS:
            at.put(at.stored_answer, name, (digest, answer, at.now))
    return []


def forget_answers(at: Tables, given: Given) -> Rows:
    over = sorted((row[2], name) for name, row in at.stored_answer.items() if row[2] <= at.now - _STANDS)
    gone = [name for _, name in over[: given["limit"]]]
    for name in gone:
        at.drop(at.stored_answer, name)
    return [(name,) for name in gone]
