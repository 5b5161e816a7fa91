"""Ten known bugs, each a wrong line that somebody might write one day. `gate.launch` plants one in a process of the service before it starts.

They live here alone: the product has no switch for any of them. Each replaces one query, function or class of the product by name, so a bug that no
longer finds what it replaces fails loudly instead of changing nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

__all__ = ["BUGS", "plant"]


def _query(name: str, old: str, new: str) -> None:
    """Replaces a part of a named query; raises `LookupError` if it is not there."""
    from goldthread.ledger import queries

    texts: dict[str, str] = queries._queries()
    if old not in texts[name]:
        raise LookupError(f"query {name} has no {old!r} any more")
    texts[name] = texts[name].replace(old, new)


def _method(owner: object, name: str, make: Callable[[Any], Any]) -> None:
    """Replaces a method or function by what `make` makes of it; raises `AttributeError` if there is none."""
    setattr(owner, name, make(getattr(owner, name)))


def offset_outside() -> None:
    """Offsets move in a transaction of their own, before the one with the effect."""
    from goldthread.flows.ingest import IngestFlow

    def make(original: Any) -> Any:
        def commit(self: Any, batch: Any, events: Any, rejections: Any) -> Any:
            with self._ledger.transaction() as tx:
                for move in batch.offsets:
                    tx.advance_offset(batch.group, move)
            return original(self, dataclasses.replace(batch, offsets=()), events, rejections)

        return commit

    _method(IngestFlow, "_commit", make)


def relay_by_id() -> None:
    """The relay remembers the greatest id that it has published and reads what is above it."""
    from goldthread.ledger import Ledger

    last = 0

    def reading(original: Any) -> Any:
        def outbox(self: Any, limit: int) -> Any:
            rows = sorted(original(self, 20_000), key=lambda row: row.outbox_id)
            return [row for row in rows if row.outbox_id > last][:limit]

        return outbox

    def done(original: Any) -> Any:
        def outbox_done(self: Any, outbox_ids: Sequence[int]) -> None:
            nonlocal last
            original(self, outbox_ids)
            last = max(last, *outbox_ids)

        return outbox_done

    _method(Ledger, "outbox", reading)
    _method(Ledger, "outbox_done", done)


def unsorted_locks() -> None:
    """Every writer inserts and locks identifiers in an order of its own."""
    _query("insert_tokens", "ON CONFLICT", "ORDER BY md5(asked.token || pg_backend_pid()::text::bytea) ON CONFLICT")
    _query("lock_tokens", "ORDER BY token", "ORDER BY md5(token || pg_backend_pid()::text::bytea)")


def no_second_look() -> None:
    """What a worker marked and did not live to look at is forgotten instead of being looked at by somebody else."""
    from goldthread.flows.look import Looker

    def make(_: Any) -> Any:
        def redo(self: Any, limit: int) -> int:
            with self._ledger.transaction() as tx:
                due: list[int] = tx.due_marks(limit)
                tx.drop_marks(due)
            return 0

        return redo

    _method(Looker, "redo", make)


def survivors_by_arrival() -> None:
    """The name, address and birth date that came last survive, whenever they were said."""
    _query("survey_profiles", "last_seen DESC, address DESC", "record_id DESC")


def blind_cache_writes() -> None:
    """The cache takes every card, however old."""
    from goldthread.cache.script import CompareAndSet

    def make(original: Any) -> Any:
        def init(self: Any, *arguments: Any) -> None:
            original(self, *arguments)
            if "if #stored == 8 then" not in self.text:
                raise LookupError("the script compares in another way")
            self.text = self.text.replace("if #stored == 8 then", "if false then")
            self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()

        return init

    _method(CompareAndSet, "__init__", make)


def token_without_type() -> None:
    """Tokens are made of the value alone, so two numbers that look alike are one identifier."""
    from goldthread import _core

    def make(original: Any) -> Any:
        def tokenize(key: bytes, types: Sequence[int], *rest: Any) -> Any:
            return original(key, [1] * len(types), *rest)

        return tokenize

    _method(_core, "tokenize", make)


def plain_union_find() -> None:
    """Whoever is linked with somebody is the same person as everybody linked with them."""
    from goldthread.matching import Clustering, Matcher

    def make(_: Any) -> Any:
        def partition(
            self: Any, records: Sequence[Any], pairs: Sequence[tuple[int, int, int]], **asserted: Any
        ) -> Clustering:
            head = list(range(len(records)))

            def root(row: int) -> int:
                while head[row] != row:
                    row = head[row]
                return row

            links = [(low, high) for low, high, score in pairs if score >= self.link]
            for low, high in (*links, *asserted["same"]):
                head[root(high)] = root(low)
            return Clustering([root(row) for row in range(len(records))], {}, [], [])

        return partition

    _method(Matcher, "partition", make)


def blocks_not_rejudged() -> None:
    """A blocking key that crowds is refined for whoever comes next; the pairs it made before stay."""
    from goldthread.flows import keys

    def make(original: Any) -> Any:
        def hang(*arguments: Any) -> tuple[Collection[int], int]:
            _, closed = original(*arguments)
            return set(), closed

        return hang

    _method(keys, "_hang_blocks", make)


def stale_id_after_revert() -> None:
    """What a steward's operation does to profiles is written and never told: cards keep the id from before."""
    from goldthread.flows import look

    def make(original: Any) -> Any:
        def queue_changes(tx: Any, settlement: Any, **told: Any) -> None:
            if not any(mark.operation_id is not None for mark in settlement.causes.values()):
                original(tx, settlement, **told)

        return queue_changes

    _method(look, "queue_changes", make)


BUGS: Mapping[str, Callable[[], None]] = {
    "offset-outside": offset_outside,
    "relay-by-id": relay_by_id,
    "unsorted-locks": unsorted_locks,
    "no-second-look": no_second_look,
    "survivors-by-arrival": survivors_by_arrival,
    "blind-cache-writes": blind_cache_writes,
    "token-without-type": token_without_type,
    "plain-union-find": plain_union_find,
    "blocks-not-rejudged": blocks_not_rejudged,
    "stale-id-after-revert": stale_id_after_revert,
}


def plant(name: str) -> None:
    """Plants a bug in this process. Raises `KeyError` for one that is not known, and whatever tells that the product has changed."""
    BUGS[name]()
