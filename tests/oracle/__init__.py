"""A second implementation of docs/matching.md in plain Python, written from that page and sharing no code with the Rust core.

It compares what the core and the ledger computed with what the page says: `match(records, Model.load(path))`. Slow by design:
it scores every pair of a component and recomputes every step. Meant for at most 5,000 records.
"""

from __future__ import annotations

from oracle.engine import match
from oracle.model import Model
from oracle.normalizer import normalize_attributes, normalize_identifier
from oracle.partition import Outcome, Review
from oracle.records import Identifier, Record

__all__ = [
    "Identifier",
    "Model",
    "Outcome",
    "Record",
    "Review",
    "match",
    "normalize_attributes",
    "normalize_identifier",
]
