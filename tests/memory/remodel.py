"""Twins of queries/remodel.sql, and of what queries/intake.sql has about match models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from memory.rows import Model, ModelInUse
from memory.tables import Tables, require

__all__ = [
    "any_model",
    "begin_remodel",
    "claim_model",
    "find_model",
    "forget_blocks",
    "forget_record_blocks",
    "lock_remodel",
    "move_remodel",
    "no_statement_limit",
    "page_records",
    "page_tokens",
    "register_model",
    "remodel_progress",
    "set_survivorship",
    "survivorship",
]

Given = Mapping[str, Any]
Rows = list[tuple[Any, ...]]

_ONLY = True  # key of the one row


def register_model(at: Tables, given: Given) -> Rows:
    if not any(row.version == given["version"] for row in at.model.values()):
        model_id = at.next("model")
        at.put(at.model, model_id, Model(model_id, given["version"], given["sha256"], given["body"]))
    return []


def find_model(at: Tables, given: Given) -> Rows:
    used = at.model_in_use.get(_ONLY)
    return [
        (
            row.model_id,
            row.sha256,
            used is not None and used.model_id == row.model_id,
            used.survivorship if used else "",
        )
        for row in at.model.values()
        if row.version == given["version"]
    ]


def survivorship(at: Tables, given: Given) -> Rows:
    return [(row.survivorship,) for row in at.model_in_use.values()]


def set_survivorship(at: Tables, given: Given) -> Rows:
    for key, row in list(at.model_in_use.items()):
        at.put(at.model_in_use, key, row._replace(survivorship=given["text"]))
    return []


def claim_model(at: Tables, given: Given) -> Rows:
    if _ONLY not in at.model_in_use:
        for row in at.model.values():
            if row.version == given["version"]:
                at.put(at.model_in_use, _ONLY, ModelInUse(row.model_id, None, None))
    return []


def any_model(at: Tables, given: Given) -> Rows:
    return [(row.model_id,) for row in at.model_in_use.values()]


def begin_remodel(at: Tables, given: Given) -> Rows:
    require(given["model_id"] in at.model, "model_in_use_model_fkey")
    if _ONLY in at.model_in_use:
        at.put(
            at.model_in_use,
            _ONLY,
            at.model_in_use[_ONLY]._replace(model_id=given["model_id"], next_record=0, next_token=0),
        )
    return []


def no_statement_limit(at: Tables, given: Given) -> Rows:
    """Nothing is limited."""
    return [("0",)]


def forget_record_blocks(at: Tables, given: Given) -> Rows:
    for index in (at.blocked, at.blocks_of):
        for key, held in index.items():
            for member in list(held):
                at.unlink(index, key, member)
    return []


def forget_blocks(at: Tables, given: Given) -> Rows:
    for key in list(at.block):
        at.drop(at.block, key)
    return []


def remodel_progress(at: Tables, given: Given) -> Rows:
    return [(row.next_record, row.next_token) for row in at.model_in_use.values()]


def lock_remodel(at: Tables, given: Given) -> Rows:
    return remodel_progress(at, given)


def page_records(at: Tables, given: Given) -> Rows:
    later = sorted(row.record_id for row in at.record.values() if row.record_id >= given["start"])
    return [(record_id,) for record_id in later[: given["limit"]]]


def page_tokens(at: Tables, given: Given) -> Rows:
    later = sorted(token_id for token_id in at.token if token_id >= given["start"])
    return [(token_id,) for token_id in later[: given["limit"]]]


def move_remodel(at: Tables, given: Given) -> Rows:
    for key, row in at.model_in_use.items():
        at.put(at.model_in_use, key, row._replace(**given))
    return []
