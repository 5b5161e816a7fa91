"""A memory twin of the ledger: the real `Ledger` and `LedgerTransaction` over plain dicts in the place of PostgreSQL.

Only the statements are twinned, one Python function for each named query of `goldthread.ledger.queries`, with the query as its specification. What
Python does between a flow and a statement is the product's own code, on the twin as on the server. One writer at a time: locks do nothing, and every
transaction sees one snapshot because nobody else is there.
"""

from __future__ import annotations

from memory.connection import STATEMENTS
from memory.ledger import MemoryLedger
from memory.tables import ConstraintError, Tables

__all__ = ["STATEMENTS", "ConstraintError", "MemoryLedger", "Tables"]
