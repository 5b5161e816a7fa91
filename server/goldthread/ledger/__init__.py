"""The ledger: PostgreSQL, the only truth. The only importer of psycopg; Python holds no SQL text."""

from goldthread.ledger.ledger import Ledger, LedgerCounts
from goldthread.ledger.rows import (
    ComponentRows,
    InboxRow,
    JournalEntry,
    PairRow,
    ProfileRow,
    PurchaseRow,
    RecordRow,
    RecordSighting,
    RecordTokens,
    ReviewRow,
    SeenEvent,
    Standing,
    StoredRecord,
    TokenRow,
)
from goldthread.ledger.settings import LedgerSettings
from goldthread.ledger.transaction import LedgerTransaction

__all__ = [
    "ComponentRows",
    "InboxRow",
    "JournalEntry",
    "Ledger",
    "LedgerCounts",
    "LedgerSettings",
    "LedgerTransaction",
    "PairRow",
    "ProfileRow",
    "PurchaseRow",
    "RecordRow",
    "RecordSighting",
    "RecordTokens",
    "ReviewRow",
    "SeenEvent",
    "Standing",
    "StoredRecord",
    "TokenRow",
]
