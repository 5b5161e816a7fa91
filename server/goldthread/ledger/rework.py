"""Statements that take evidence back: events whose content lost, records without events, the key states that follow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from goldthread.ledger.rows import InboxRow
from goldthread.ledger.statements import Statements

__all__ = ["ReworkStatements"]


class ReworkStatements(Statements):
    """The part of a transaction that needs the evidence for itself (`own_evidence`), but for `insert_conflicts`."""

    def insert_conflicts(self, rows: Sequence[InboxRow]) -> None:
        """Keeps contents that lost against one that counts; their records are not written."""
        if rows:
            ordered = sorted(rows, key=lambda row: (row.source, row.event_id, row.payload_digest))
            self._run(
                "insert_conflicts",
                sources=[row.source for row in ordered],
                event_ids=[row.event_id for row in ordered],
                digests=[row.payload_digest for row in ordered],
                kinds=[row.kind for row in ordered],
                occurred=[row.occurred_at for row in ordered],
            )

    def unhang_events(self, keys: Collection[tuple[str, str]]) -> None:
        """Takes events that counted out again and keeps them as losers; their records must then be recounted."""
        ordered = sorted(keys)
        asked = {"sources": [source for source, _ in ordered], "event_ids": [event_id for _, event_id in ordered]}
        for statement in ("quarantine_events", "unhang_purchases", "unhang_consents", "unhang_events"):
            self._run(statement, **asked)

    def recount_records(self, record_ids: Collection[int]) -> set[int]:
        """Sums records up from the events that hang on them; gives those that have none left."""
        rows = self._rows("recount_records", record_ids=sorted(record_ids))
        return {record_id for record_id, sightings in rows if sightings == 0}

    def tokens_of_records(self, record_ids: Collection[int]) -> list[int]:
        """Tokens that any of the records carries."""
        return [row[0] for row in self._rows("tokens_of_records", record_ids=sorted(record_ids))]

    def unhang_keys(self, record_ids: Collection[int], *, limit: int) -> set[int]:
        """Takes tokens and blocking keys off withdrawn records; gives the blocking keys that are no longer crowded."""
        ordered = sorted(record_ids)
        self._run("unhang_tokens", record_ids=ordered)
        lost = Counter(row[0] for row in self._rows("unhang_blocks", record_ids=ordered))
        if not lost:
            return set()
        keys = sorted(lost)
        rows = self._rows("shrink_blocks", keys=keys, records=[lost[key] for key in keys], limit=limit)
        return {key for key, crowded, was in rows if was and not crowded}

    def recount_tokens(
        self,
        token_ids: Collection[int],
        *,
        limits: Sequence[int],
        max_records: int,
        purchases_per_day: int,
        stores_per_day: int,
    ) -> list[tuple[int, int, bool]]:
        """Works the states of tokens out anew; gives `(token, type, generic now)` of those that changed."""
        asked = sorted(token_ids)
        rows = self._rows(
            "recount_tokens",
            token_ids=asked,
            limits=list(limits),
            max_records=max_records,
            purchases_per_day=purchases_per_day,
            stores_per_day=stores_per_day,
        )
        self._run("forget_token_names", token_ids=asked)
        self._run("renew_token_names", token_ids=asked)
        return [(token_id, type_, generic) for token_id, type_, was, generic in rows if was != generic]
