"""Statements about key states, candidates, pairs, components and marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from goldthread.ledger.rows import ComponentRows, PairRow, RecordRow
from goldthread.ledger.statements import Statements

__all__ = ["EvidenceStatements"]


class EvidenceStatements(Statements):
    """The evidence half of a transaction."""

    def add_carriers(
        self, rows: Iterable[tuple[int, str | None]], *, limits: Sequence[int], max_records: int
    ) -> list[tuple[int, int]]:
        """Counts new carriers, `(token, name key)` each, and gives `(token, type)` of the tokens that became generic by them.

        Generic are tokens with more distinct name keys than `limits` allows for their type (from 1), or more records than `max_records`.
        """
        records: dict[int, int] = defaultdict(int)
        named: set[tuple[int, str]] = set()
        for token_id, name_key in rows:
            records[token_id] += 1
            if name_key is not None:
                named.add((token_id, name_key))
        if not records:
            return []
        pairs = sorted(named)
        names: dict[int, int] = defaultdict(int)
        for (token_id,) in self._rows(
            "insert_token_names", token_ids=[t for t, _ in pairs], name_keys=[n for _, n in pairs]
        ):
            names[token_id] += 1
        token_ids = sorted(records)
        closed = self._rows(
            "count_token_carriers",
            token_ids=token_ids,
            records=[records[t] for t in token_ids],
            names=[names[t] for t in token_ids],
            limits=list(limits),
            max_records=max_records,
        )
        done = {token_id for token_id, _ in closed}
        rest = [token_id for token_id in token_ids if token_id not in done]
        if rest:
            self._run("grow_tokens", token_ids=rest, records=[records[t] for t in rest], names=[names[t] for t in rest])
        return [(token_id, type_) for token_id, type_ in closed]

    def token_carriers(self, token_ids: Collection[int]) -> set[int]:
        """Records that carry any of the tokens."""
        return {row[0] for row in self._rows("token_carriers", token_ids=list(token_ids))}

    def crowded_keys(self, keys: Collection[int]) -> set[int]:
        """Those of the blocking keys that are crowded."""
        return {row[0] for row in self._rows("crowded_keys", keys=list(keys))}

    def add_blocks(
        self, rows: Iterable[tuple[int, int]], *, rules: Mapping[int, tuple[int, int]], limit: int
    ) -> set[int]:
        """Hangs `(key, record)` rows and gives the keys that became crowded by it; `rules` gives rule and depth by key."""
        asked = sorted(set(rows))
        if not asked:
            return set()
        gained: dict[int, int] = defaultdict(int)
        for key, _ in self._rows("insert_record_blocks", keys=[k for k, _ in asked], record_ids=[r for _, r in asked]):
            gained[key] += 1
        keys = sorted(gained)
        if not keys:
            return set()
        counted = self._rows(
            "count_blocks",
            keys=keys,
            rules=[rules[key][0] for key in keys],
            depths=[rules[key][1] for key in keys],
            records=[gained[key] for key in keys],
            limit=limit,
        )
        return {key for key, records, crowded in counted if crowded and records - gained[key] <= limit}

    def block_carriers(self, keys: Collection[int]) -> set[int]:
        """Records that carry any of the blocking keys."""
        return {row[0] for row in self._rows("block_carriers", keys=list(keys))}

    def candidates(self, record_ids: Collection[int]) -> set[tuple[int, int]]:
        """Candidate pairs `(low, high)` in which at least one of the records stands."""
        rows = self._rows("candidates", record_ids=sorted(record_ids))
        return {(a, b) if a < b else (b, a) for a, b in rows}

    def load_records(self, record_ids: Collection[int]) -> list[RecordRow]:
        """Records with the tokens that mean something, in record order."""
        wanted = sorted(record_ids)
        tokens: dict[int, list[tuple[int, str, int, bytes]]] = defaultdict(list)
        for record_id, type_, namespace, form, token in self._rows("load_tokens", record_ids=wanted):
            tokens[record_id].append((type_, namespace, form, bytes(token)))
        return [
            RecordRow(row[0], bytes(row[1]), row[2], row[3], tuple(row[4:12]), tuple(tokens[row[0]]))
            for row in self._rows("load_records", record_ids=wanted)
        ]

    def pairs_of(self, record_ids: Collection[int]) -> set[tuple[int, int]]:
        """Kept pairs that touch the records."""
        return {(low, high) for low, high in self._rows("pairs_of", record_ids=sorted(record_ids))}

    def delete_pairs(self, pairs: Collection[tuple[int, int]]) -> None:
        """Takes pairs back."""
        if pairs:
            rows = sorted(pairs)
            self._run("delete_pairs", lows=[low for low, _ in rows], highs=[high for _, high in rows])

    def upsert_pairs(self, pairs: Collection[PairRow], *, model_id: int) -> None:
        """Keeps scored pairs."""
        if not pairs:
            return
        rows = sorted(pairs, key=lambda row: (row.low, row.high))
        self._run(
            "upsert_pairs",
            lows=[row.low for row in rows],
            highs=[row.high for row in rows],
            scores=[row.score for row in rows],
            levels=[row.levels for row in rows],
            weights=[weight for row in rows for weight in row.weights],
            width=len(rows[0].weights),
            model_id=model_id,
        )

    def component(self, record_ids: Collection[int]) -> list[int]:
        """Every record connected to these, these included, ascending."""
        return [row[0] for row in self._rows("component", record_ids=sorted(record_ids))]

    def closure(self, record_ids: Collection[int]) -> list[int]:
        """Whole components around these records, and those of every record that shares a profile with one of them, ascending.

        A profile reaches beyond its components only while marks of a split component are pending; settling a part of it would take the rest for gone.
        """
        members = set(self.component(record_ids)) if record_ids else set()
        while fellows := {row[0] for row in self._rows("fellow_members", record_ids=sorted(members))}:
            members.update(self.component(fellows))
        return sorted(members)

    def load_component(self, record_ids: Sequence[int]) -> ComponentRows:
        """Records, kept pairs and standing assertions of whole components."""
        pairs = [
            PairRow(low, high, score, bytes(levels), tuple(weights))
            for low, high, score, levels, weights in self._rows("load_pairs", record_ids=list(record_ids))
        ]
        assertions = self._rows("load_assertions", record_ids=list(record_ids))
        return ComponentRows(
            records=self.load_records(record_ids),
            pairs=pairs,
            same=[(low, high) for low, high, same in assertions if same],
            different=[(low, high) for low, high, same in assertions if not same],
        )

    def insert_dirty_marks(self, record_ids: Collection[int], reason: str) -> None:
        """Leaves durable marks."""
        if record_ids:
            self._run("insert_dirty_marks", record_ids=sorted(record_ids), reason=reason)

    def take_dirty_marks(self, limit: int) -> list[int]:
        """Takes the oldest marks; they come back if the transaction fails."""
        return [row[0] for row in self._rows("take_dirty_marks", limit=limit)]

    def drop_dirty_marks(self, record_ids: Collection[int]) -> None:
        """Forgets marks of records that were just settled."""
        self._run("drop_dirty_marks", record_ids=sorted(record_ids))

    def marks_among(self, record_ids: Collection[int]) -> set[int]:
        """Those of the records that carry a mark."""
        return {row[0] for row in self._rows("marks_among", record_ids=sorted(record_ids))}

    def count_dirty_marks(self) -> int:
        """Marks pending."""
        [(count,)] = self._rows("count_dirty_marks")
        return int(count)
