"""Key states: what new carriers, withdrawn ones and too much use do to identifiers and blocking keys.

Key states are functions of the records that carry a key (docs/matching.md section 6). A key that crosses its limit, either way, changes the evidence
of every record that carries it, so all of these are named for a look that scores them afresh.

One case would be missed by looking at the pairs of a closed key alone: a generic token counts as absent, so a pair of its carrier with *any* candidate
may score differently, also with a record that does not carry the token. Looking at a carrier means looking at all its candidates.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date

from goldthread.domain.words import ChangeCause, IdentifierType
from goldthread.ledger import Brought, Later, Ledger, LedgerTransaction, NewMark, RecordRow, Step, TokenRow
from goldthread.matching import BlockingKey, Matchable, Matcher, epoch_token
from goldthread.telemetry.metrics import Metrics

__all__ = [
    "KeyChanges",
    "NewRecord",
    "OverusedError",
    "close_by_use",
    "close_overused",
    "hang_again",
    "hang_keys",
    "matchable",
    "overused_by",
    "recount_tokens",
    "unhang_keys",
]


class OverusedError(Exception):
    """Tokens must be closed before a look goes on: those of `uses`, `(record, UTC day)`."""

    def __init__(self, uses: frozenset[tuple[int, date]], token_ids: Sequence[int]) -> None:
        super().__init__()
        self.uses = uses
        self.token_ids = token_ids


@dataclass(frozen=True, slots=True)
class NewRecord:
    """A record on which no event hung before: its surrogate, what the core compares (tokens at epoch 0), and its name key.

    `base_address` is given where other records may be of the same claim, because a phone of it changed hands.
    """

    record_id: int
    matchable: Matchable
    name_key: str | None
    base_address: bytes | None = None


@dataclass(slots=True)
class KeyChanges:
    """What crossed a limit: carriers to look at, tokens whose answer may be another now, and how many keys closed by kind."""

    carriers: set[int] = field(default_factory=set)
    tokens: set[int] = field(default_factory=set)
    closed: Counter[str] = field(default_factory=Counter)

    def add_token(self, tx: LedgerTransaction, token_ids: Collection[int]) -> None:
        """Names the carriers of tokens whose state changed."""
        if token_ids:
            self.tokens.update(token_ids)
            self.carriers |= tx.token_carriers(token_ids)

    def add(self, other: KeyChanges) -> None:
        """Adds what crossed a limit besides."""
        self.carriers |= other.carriers
        self.tokens |= other.tokens
        self.closed.update(other.closed)

    def count(self, metrics: Metrics) -> None:
        """Adds what closed to the metrics; called once the transaction has committed."""
        for kind, closed in self.closed.items():
            metrics.keys_closed.labels(kind).inc(closed)

    def publish(self, tx: LedgerTransaction) -> None:
        """Tells the relay of identifiers whose answer may be another now."""
        if self.tokens:
            [version] = tx.draw_versions(1)
            tx.write_outbox([(None, version, True, b"", sorted(self.tokens))])


def matchable(row: RecordRow) -> Matchable:
    """What the core compares of a stored record: phones that changed hands as the epoch has them at which it carries them."""
    if not row.epochs:
        return Matchable(row.address, row.attributes, row.tokens)
    tokens = [
        (type_, namespace, form, epoch_token(token, row.epochs.get(place, 0)))
        for place, (type_, namespace, form, token) in enumerate(row.tokens)
    ]
    return Matchable(row.address, row.attributes, tokens)


def hang_keys(tx: LedgerTransaction, matcher: Matcher, new: Sequence[NewRecord]) -> KeyChanges:
    """Writes the tokens and blocking keys of new records and counts them. Locks both, in order, until the transaction ends."""
    changes = KeyChanges()
    if not new:
        return changes
    rows = [
        TokenRow(token, kind, namespace, form)
        for record in new
        for kind, namespace, form, token in record.matchable.tokens
    ]
    by_token = tx.lock_tokens(
        rows,
        key_version=matcher.key_version,
        normalizer_version=matcher.normalizer_version,
        brought=_brought(matcher, new),
    )
    carried = [(record, by_token[token].token_id) for record in new for _, _, _, token in record.matchable.tokens]
    counted = _once_a_claim(tx, new)
    tx.insert_record_tokens({(record.record_id, token_id) for record, token_id in carried})
    handed = {state.token_id for state in by_token.values() if state.epochs}
    if handed:
        tx.renew_epochs(record_ids={record.record_id for record, token_id in carried if token_id in handed})
    closed = tx.add_carriers(
        ((token_id, record.name_key) for record, token_id in carried if record.record_id in counted),
        states={state.token_id: state for state in by_token.values()},
        limits=matcher.generic_limits,
        max_records=matcher.generic_records,
    )
    changes.add_token(tx, {state.token_id for state in closed})
    changes.closed.update(_label(state.type) for state in closed)
    carriers, closed_blocks = _hang_blocks(tx, matcher, new)
    changes.carriers |= carriers
    changes.closed["block"] += closed_blocks
    return changes


def unhang_keys(
    tx: LedgerTransaction, matcher: Matcher, touched: Collection[int], withdrawn: Collection[int]
) -> KeyChanges:
    """Takes the keys off withdrawn records and works out the states of every token that the touched records carry. Needs `own_evidence`."""
    changes = KeyChanges()
    token_ids = tx.tokens_of_records(touched)
    if withdrawn:
        opened = tx.unhang_keys(withdrawn, limit=matcher.max_block)
        changes.carriers |= tx.block_carriers(opened) if opened else set()
        # Answers about these change even where their state does not: they lost a carrier.
        changes.tokens.update(token_ids)
    if token_ids:
        changes.add(recount_tokens(tx, matcher, token_ids))
        # No mark on a withdrawn record tells a look of the phones that it carried.
        changes.carriers |= tx.witnesses(token_ids) if withdrawn else set()
    return changes


def recount_tokens(tx: LedgerTransaction, matcher: Matcher, token_ids: Collection[int]) -> KeyChanges:
    """Works the states of tokens out from their carriers. Needs `own_evidence`."""
    changes = KeyChanges()
    changed = tx.recount_tokens(
        token_ids,
        limits=matcher.generic_limits,
        max_records=matcher.generic_records,
        purchases_per_day=matcher.purchases_per_day,
        stores_per_day=matcher.stores_per_day,
    )
    changes.add_token(tx, {token_id for token_id, _, _ in changed})
    changes.closed.update(_label(type_) for _, type_, generic in changed if generic)
    return changes


def hang_again(tx: LedgerTransaction, matcher: Matcher, record_ids: Collection[int]) -> KeyChanges:
    """Gives stored records, but for withdrawn ones, the blocking keys of the matcher's model, beside what they carry."""
    rows = [row for row in tx.load_records(record_ids) if row.active]
    carriers, closed = _hang_blocks(tx, matcher, [NewRecord(row.record_id, matchable(row), None) for row in rows])
    return KeyChanges(carriers=carriers, closed=Counter({"block": closed}))


def close_overused(tx: LedgerTransaction, token_ids: Collection[int]) -> KeyChanges:
    """Makes tokens generic that were used too much on one day."""
    changes = KeyChanges()
    closed = tx.close_overused(token_ids)
    changes.add_token(tx, {token_id for token_id, _ in closed})
    changes.closed.update(_label(type_) for _, type_ in closed)
    return changes


def overused_by(tx: LedgerTransaction, matcher: Matcher, uses: frozenset[tuple[int, date]]) -> Later[list[int]]:
    """Tokens, not generic yet, that were used too much on one of these days, with what these records carry: `(record, UTC day)`."""
    return tx.ask_overused(uses, purchases_per_day=matcher.purchases_per_day, stores_per_day=matcher.stores_per_day)


def close_by_use(ledger: Ledger, matcher: Matcher, uses: frozenset[tuple[int, date]]) -> KeyChanges:
    """Closes tokens that were used too much in a transaction of its own, as evidence: with marks on all their carriers.

    Looks again first: since the snapshot that told, purchases may have been taken back.
    """
    with ledger.transaction() as tx:
        tx.share_evidence()
        tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)
        changes = close_overused(tx, overused_by(tx, matcher, uses)())
        marks = [NewMark(record_id, Step.JUDGE) for record_id in changes.carriers]
        tx.leave_marks(marks, cause=ChangeCause.REDO, actor="overused")
        changes.publish(tx)
    return changes


def _once_a_claim(tx: LedgerTransaction, new: Sequence[NewRecord]) -> set[int]:
    """Those of the records with which their claim comes to carry its identifiers, of whatever epoch. Their tokens are locked."""
    known = tx.hung_claims({record.base_address for record in new if record.base_address is not None})
    counted: set[int] = set()
    for record in new:
        if record.base_address is None:
            counted.add(record.record_id)
        elif record.base_address not in known:
            known.add(record.base_address)
            counted.add(record.record_id)
    return counted


def _brought(matcher: Matcher, new: Sequence[NewRecord]) -> dict[bytes, Brought]:
    """What the records make of each of their identifiers, should it be new.

    Nobody carries it then, so no claim of theirs is known that does, and of several records of one claim the first counts, as in `_once_a_claim`.
    """
    types: dict[bytes, int] = {}
    records: Counter[bytes] = Counter()
    names: dict[bytes, set[str]] = defaultdict(set)
    claims: set[bytes] = set()
    for record in new:
        if record.base_address is not None:
            if record.base_address in claims:
                continue
            claims.add(record.base_address)
        for kind, _, _, token in record.matchable.tokens:
            types[token] = kind
            records[token] += 1
            if record.name_key is not None:
                names[token].add(record.name_key)
    limits = matcher.generic_limits
    return {
        token: Brought(
            carriers,
            distinct := len(names.get(token, ())),
            carriers > matcher.generic_records or distinct > limits[types[token] - 1],
        )
        for token, carriers in records.items()
    }


def _label(type_: int) -> str:
    return f"token_{IdentifierType(type_).label}"


def _hang_blocks(tx: LedgerTransaction, matcher: Matcher, new: Sequence[NewRecord]) -> tuple[set[int], int]:
    """Writes blocking keys, refinements only below crowded keys; gives the carriers of every key that closed, and how many closed."""
    by_record: dict[int, list[BlockingKey]] = {}
    _compute_keys(matcher, {record.record_id: record.matchable for record in new}, by_record)
    waiting = [(key, record_id) for record_id, keys in by_record.items() for key in keys if key.depth == 0]
    affected: set[int] = set()
    closed_blocks = 0
    for _ in range(matcher.block_depth + 1):
        if not waiting:
            break
        rules = {key.key: (key.rule, key.depth) for key, _ in waiting}
        hung = tx.add_blocks(((key.key, record_id) for key, record_id in waiting), rules=rules, limit=matcher.max_block)
        full = tx.ask_crowded(rules.keys())
        closed = hung()
        closed_blocks += len(closed)
        carriers = tx.block_carriers(closed) if closed else set()
        affected |= carriers
        unknown = carriers - by_record.keys()
        _compute_keys(
            matcher, {row.record_id: matchable(row) for row in tx.load_records(unknown)} if unknown else {}, by_record
        )
        crowded = full()
        waiting = [
            (key, record_id)
            for record_id in {record_id for _, record_id in waiting} | carriers
            for key in by_record[record_id]
            if key.depth > 0 and key.parent in crowded
        ]
    return affected, closed_blocks


def _compute_keys(matcher: Matcher, records: dict[int, Matchable], into: dict[int, list[BlockingKey]]) -> None:
    record_ids = sorted(records)
    grouped: dict[int, list[BlockingKey]] = defaultdict(list)
    if record_ids:
        for key in matcher.blocking_keys([records[record_id] for record_id in record_ids]):
            grouped[record_ids[key.row]].append(key)
    into.update({record_id: grouped[record_id] for record_id in record_ids})
