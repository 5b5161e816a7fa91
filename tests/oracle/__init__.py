"""A second implementation of docs/matching.md in plain Python, written from that page and sharing no code with the Rust core.

It compares what the core and the ledger computed with what the page says: `match(records, Model.load(path))`. Slow by design:
it scores every pair of a component and recomputes every step. Meant for at most 5,000 records.

`oracle.evidence` works out from plain events what reaches that page at all: which payloads count, which records exist, which
tokens their use closes, and what each golden profile then shows.
"""

from __future__ import annotations

from oracle.engine import kept_pairs, match
from oracle.model import Model
from oracle.normalizer import normalize_attributes, normalize_identifier
from oracle.partition import Household, Outcome, Review
from oracle.records import Identifier, Record

__all__ = [
    "Household",
    "Identifier",
    "Model",
    "Outcome",
    "Record",
    "Review",
    "kept_pairs",
    "match",
    "normalize_attributes",
    "normalize_identifier",
]
