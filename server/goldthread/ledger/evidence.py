"""Statements about key states, candidates, pairs, components and marks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import Any
from uuid import UUID

from goldthread.ledger.rows import (
    AssertionRow,
    ComponentRows,
    Mark,
    NewMark,
    PairRow,
    PairState,
    RecordRow,
    Step,
    TokenState,
)
from goldthread.ledger.statements import Later, Statements, later

__all__ = ["EvidenceStatements"]

_MOST_COUNTED = 100_000
_NONE: Mapping[int, int] = MappingProxyType({})


class EvidenceStatements(Statements):
    """The evidence half of a transaction."""

    def add_carriers(
        self,
        rows: Iterable[tuple[int, str | None]],
        *,
        states: Mapping[int, TokenState],
        limits: Sequence[int],
        max_records: int,
    ) -> list[TokenState]:
        """Counts new carriers, `(token, name key)` each, and gives the tokens that became generic by them, as they were before.

        `states` are those of `lock_tokens`, whose locks make the counts exact. Generic are tokens with more distinct name keys than `limits` allows for
        their type (from 1), or more records than `max_records`. Tokens that are generic already are not counted any further; the rows of those that were
        brought with their carriers stay as they are.
        """
        records: dict[int, int] = defaultdict(int)
        named: set[tuple[int, str]] = set()
        for token_id, name_key in rows:
            if states[token_id].generic:
                continue
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
        grown_records = [states[token_id].records + records[token_id] for token_id in token_ids]
        grown_names = [states[token_id].name_keys + names[token_id] for token_id in token_ids]
        generic = [
            count > max_records or distinct > limits[states[token_id].type - 1]
            for token_id, count, distinct in zip(token_ids, grown_records, grown_names, strict=True)
        ]
        grown = [
            row
            for row in zip(token_ids, grown_records, grown_names, generic, strict=True)
            if not states[row[0]].counted
        ]
        if grown:
            self._run(
                "grow_tokens",
                token_ids=[row[0] for row in grown],
                records=[row[1] for row in grown],
                names=[row[2] for row in grown],
                generic=[row[3] for row in grown],
            )
        return [states[token_id] for token_id, closed in zip(token_ids, generic, strict=True) if closed]

    def ask_overused(
        self, uses: Collection[tuple[int, date]], *, purchases_per_day: int, stores_per_day: int
    ) -> Later[list[int]]:
        """Tokens, not generic yet, that were used too much on one of the days; `uses` are `(record, UTC day)`."""
        if not uses:
            return list
        asked = sorted(uses)
        rows = self._ask(
            "overused_tokens",
            record_ids=[record_id for record_id, _ in asked],
            days=[day for _, day in asked],
            purchases_per_day=purchases_per_day,
            stores_per_day=stores_per_day,
        )
        return later(rows, lambda rows: sorted(row[0] for row in rows))

    def close_overused(self, token_ids: Collection[int]) -> list[tuple[int, int]]:
        """Makes tokens generic; gives `(token, type)` of those that were not."""
        ordered = sorted(token_ids)
        self._run("lock_token_ids", token_ids=ordered)
        return [(token_id, type_) for token_id, type_ in self._rows("close_overused", token_ids=ordered)]

    def token_carriers(self, token_ids: Collection[int]) -> set[int]:
        """Records that carry any of the tokens."""
        return {row[0] for row in self._rows("token_carriers", token_ids=list(token_ids))}

    def ask_crowded(self, keys: Collection[int]) -> Later[set[int]]:
        """Those of the blocking keys that are crowded."""
        return later(self._ask("crowded_keys", keys=list(keys)), lambda rows: {row[0] for row in rows})

    def add_blocks(
        self, rows: Iterable[tuple[int, int]], *, rules: Mapping[int, tuple[int, int]], limit: int
    ) -> Later[set[int]]:
        """Hangs `(key, record)` rows and gives the keys that became crowded by it; `rules` gives rule and depth by key."""
        asked = sorted(set(rows))
        if not asked:
            return set
        keys = sorted({key for key, _ in asked})
        closed = self._ask(
            "hang_blocks",
            keys=[key for key, _ in asked],
            record_ids=[record_id for _, record_id in asked],
            told=keys,
            rules=[rules[key][0] for key in keys],
            depths=[rules[key][1] for key in keys],
            limit=limit,
        )
        return later(closed, lambda rows: {row[0] for row in rows})

    def block_carriers(self, keys: Collection[int]) -> set[int]:
        """Records that carry any of the blocking keys."""
        return {row[0] for row in self._rows("block_carriers", keys=list(keys))}

    def ask_candidates(self, record_ids: Collection[int]) -> Later[set[tuple[int, int]]]:
        """Candidate pairs `(low, high)` in which at least one of the records stands."""
        rows = self._ask("candidates", record_ids=sorted(set(record_ids)))
        return later(rows, lambda rows: {(a, b) if a < b else (b, a) for a, b in rows})

    def load_records(self, record_ids: Collection[int]) -> list[RecordRow]:
        """Records with the tokens that mean something, in record order."""
        return self._ask_records(record_ids)()

    def _ask_records(self, record_ids: Collection[int]) -> Later[list[RecordRow]]:
        wanted = sorted(set(record_ids))
        if not wanted:
            return list
        tokens = self._ask("load_tokens", record_ids=wanted)
        rows = self._ask("load_records", record_ids=wanted)
        return lambda: _record_rows(rows(), tokens())

    def ask_pairs_of(self, record_ids: Collection[int]) -> Later[dict[tuple[int, int], PairState]]:
        """Kept pairs that touch the records."""
        rows = self._ask("pairs_of", record_ids=sorted(record_ids))
        return later(
            rows,
            lambda rows: {
                (low, high): PairState(score, bytes(levels), model_id) for low, high, score, levels, model_id in rows
            },
        )

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

    def _reached(self, record_ids: Collection[int], *, most: int | None) -> tuple[set[int], set[int]]:
        """Every record connected to these, these included, and the records outside that share a profile with one of it.

        Beyond `most` some are left out, and the first set is larger than `most`.
        """
        limit = None if most is None else most + 1
        inside: set[int] = set()
        fellows: set[int] = set()
        for record_id, connected in self._rows("component", record_ids=sorted(record_ids), limit=limit):
            (inside if connected else fellows).add(record_id)
        return inside, fellows

    def closure(self, record_ids: Collection[int], *, most: int | None = None) -> list[int]:
        """Whole components around these records, and those of every record that shares a profile with one of them, ascending.

        A profile reaches beyond its components only while marks of a split component are pending; settling a part of it would take the rest for gone.
        As soon as more than `most` are found, what has been found is given.
        """
        members: set[int] = set()
        ahead = set(record_ids)
        while ahead and (most is None or len(members) <= most):
            found, fellows = self._reached(ahead, most=most)
            members |= found
            ahead = fellows - members
        return sorted(members)

    def marks_of_component(self, mark_id: int) -> list[int]:
        """Every mark on the components around a mark's record, this one included; none if it is gone."""
        records = [row[0] for row in self._rows("record_of_mark", mark_id=mark_id)]
        if not records:
            return []
        return self.marks_on(self.closure(records))

    def marks_on(self, record_ids: Collection[int]) -> list[int]:
        """Every mark on these records."""
        return [row[0] for row in self._rows("marks_on", record_ids=sorted(record_ids))]

    def ask_component(self, record_ids: Sequence[int], *, known: Mapping[int, RecordRow]) -> Later[ComponentRows]:
        """Records, kept pairs and standing assertions of whole components; of the records those that are not `known` are read."""
        pairs = self._ask("load_pairs", record_ids=list(record_ids))
        assertions = self._ask("load_assertions", record_ids=list(record_ids))
        missing = self._ask_records([record_id for record_id in record_ids if record_id not in known])

        def rows() -> ComponentRows:
            read = {row.record_id: row for row in missing()}
            return ComponentRows(
                records=[read.get(record_id) or known[record_id] for record_id in sorted(record_ids)],
                pairs=[
                    PairRow(low, high, score, bytes(levels), tuple(weights))
                    for low, high, score, levels, weights in pairs()
                ],
                assertions=[
                    AssertionRow(assertion_id, low, high, same, rank, at, None if basis is None else bytes(basis))
                    for assertion_id, low, high, same, rank, at, basis in assertions()
                ],
            )

        return rows

    def lock_members(self, record_ids: Collection[int]) -> dict[int, UUID | None]:
        """The same as `ask_members`, at once."""
        return self.ask_members(record_ids)()

    def ask_members(self, record_ids: Collection[int]) -> Later[dict[int, UUID | None]]:
        """Locks the places of records, in record order, and gives the profile that holds each.

        In a look this fails (`LedgerUnavailableError`, worth a retry) where another look has changed one of them since the snapshot.
        """
        return later(self._ask("lock_members", record_ids=sorted(record_ids)), dict)

    def count_looks(self, record_ids: Collection[int]) -> None:
        """Makes looks with an older snapshot fail at these records."""
        if record_ids:
            self._run("count_looks", record_ids=sorted(record_ids))

    def leave_marks(
        self,
        marks: Collection[NewMark],
        *,
        cause: str,
        actor: str,
        operation_id: UUID | None = None,
        grace: float = 0,
    ) -> Later[list[int]]:
        """Leaves durable marks and gives their ids; redo takes them from `grace` seconds on."""
        if not marks:
            return list
        rows = sorted(marks, key=lambda mark: (mark.record_id, mark.step))
        found = self._ask(
            "insert_marks",
            record_ids=[mark.record_id for mark in rows],
            steps=[int(mark.step) for mark in rows],
            days=[mark.used_on for mark in rows],
            sources=[mark.source for mark in rows],
            event_ids=[mark.event_id for mark in rows],
            cause=cause,
            actor=actor,
            operation_id=operation_id,
            grace=grace,
        )
        return later(found, lambda rows: [row[0] for row in rows])

    def ask_marks(self, mark_ids: Sequence[int]) -> Later[list[Mark]]:
        """Holds marks for this look; those that are gone or that another look holds are left out."""
        return later(self._ask("take_marks", mark_ids=list(mark_ids)), _marks)

    def ask_operation_marks(self, record_ids: Collection[int]) -> Later[list[Mark]]:
        """Marks of operations on these records, whoever will look at them."""
        if not record_ids:
            return list
        return later(self._ask("operation_marks_on", record_ids=sorted(record_ids)), _marks)

    def due_marks(self, limit: int) -> list[int]:
        """Marks that wait for redo, longest due first."""
        return [row[0] for row in self._rows("due_marks", limit=limit)]

    def drop_marks(self, mark_ids: Sequence[int]) -> None:
        """Forgets marks that were looked at."""
        self._run("drop_marks", mark_ids=list(mark_ids))

    def push_marks_back(self, mark_ids: Sequence[int], *, base: float, most: float, jitter: float) -> None:
        """Lets failed marks wait `base` seconds, doubled with each failure, at most `most`, times `jitter`."""
        self._run("push_marks_back", mark_ids=list(mark_ids), base=base, most=most, jitter=jitter)

    def ask_marked_around(self, record_ids: Collection[int]) -> Later[set[int]]:
        """Those of the records in whose closure (`closure`) a mark is pending. One statement; what it reads grows with the closures' sizes."""
        rows = self._ask("marked_around", record_ids=sorted(record_ids))
        return later(rows, lambda rows: {row[0] for row in rows})

    def pending_marks(self) -> tuple[int, float]:
        """Marks pending, counted up to 100,000, and the age of the oldest in seconds."""
        [(count, age)] = self._rows("pending_marks", most=_MOST_COUNTED)
        return int(count), float(age)


def _marks(rows: Iterable[tuple[Any, ...]]) -> list[Mark]:
    return [Mark(mark_id, record_id, Step(step), *rest) for mark_id, record_id, step, *rest in rows]


def _record_rows(
    rows: Iterable[tuple[Any, ...]], carried: Iterable[tuple[int, int, str, int, bytes, int]]
) -> list[RecordRow]:
    tokens: dict[int, list[tuple[int, str, int, bytes]]] = defaultdict(list)
    epochs: dict[int, dict[int, int]] = {}
    for record_id, type_, namespace, form, token, epoch in carried:
        if epoch:
            epochs.setdefault(record_id, {})[len(tokens[record_id])] = epoch
        tokens[record_id].append((type_, namespace, form, bytes(token)))
    return [
        RecordRow(
            *(row[0], bytes(row[1]), row[2], row[3], row[4], tuple(row[5:13])),
            tokens=tuple(tokens[row[0]]),
            epochs=epochs.get(row[0], _NONE),
        )
        for row in rows
    ]
