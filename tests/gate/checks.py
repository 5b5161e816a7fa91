"""What must hold of the ledger once everything has settled: checks (i) to (iii) and (vi) of the harness, against the oracle and the gate's journal.

A check gives its violations in words that name rows, never what a person said. `gate.outside` holds the checks of what is not in the ledger.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import asdict, dataclass
from typing import TypeVar
from uuid import UUID

from gate.expectation import Expectation
from gate.view import Profile, View
from oracle.evidence import Golden
from oracle.partition import Cluster, Household, Review

__all__ = ["LEDGER_CHECKS", "Check", "Violation", "check_ledger", "differences"]

_T = TypeVar("_T")
_SHOWN = 5

Check = Callable[[View, Expectation], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Violation:
    """A check that failed, how often, and the first few failures in words."""

    check: str
    count: int
    shown: tuple[str, ...]


def collected(check: str, failures: Iterable[str]) -> list[Violation]:
    """One violation for all failures of a check; none if there are none."""
    found = list(failures)
    return [Violation(check, len(found), tuple(found[:_SHOWN]))] if found else []


def differences(what: str, expected: Set[_T], found: Set[_T]) -> Iterator[str]:
    """Words for what is missing and what is there too much."""
    for one in sorted(expected - found, key=repr):
        yield f"{what} missing: {_words(one)}"
    for one in sorted(found - expected, key=repr):
        yield f"{what} too much: {_words(one)}"


def check_ledger(view: View, expectation: Expectation) -> list[Violation]:
    """Every check of the ledger."""
    return [one for name, check in LEDGER_CHECKS.items() for one in collected(name, check(view, expectation))]


def _left(view: View, _: Expectation) -> Iterator[str]:
    for name, count in view.left.items():
        if count:
            yield f"{count} {name} left after everything had settled"


def _events(view: View, expectation: Expectation) -> Iterator[str]:
    addresses = {row.record_id: row.address for row in view.records}
    found = {key: (digest, addresses[record]) for key, (digest, record) in view.events.items()}
    yield from differences("event", expectation.events.keys(), found.keys())
    for key in expectation.events.keys() & found.keys():
        if expectation.events[key][0] != found[key][0]:
            yield f"event {key}: the payload with the higher digest counts"
        elif expectation.events[key][1] != found[key][1]:
            yield f"event {key} hangs on another record"


def _purchases(view: View, expectation: Expectation) -> Iterator[str]:
    addresses = {row.record_id: row.address for row in view.records}
    found = {key: (addresses[record], amount, store) for key, (record, amount, store) in view.purchases.items()}
    yield from differences("purchase", set(expectation.purchases.items()), set(found.items()))


def _conflicts(view: View, expectation: Expectation) -> Iterator[str]:
    yield from differences("quarantined payload", expectation.quarantined, set(view.conflicts))


def _records(view: View, expectation: Expectation) -> Iterator[str]:
    found = {row.address: row for row in view.standing()}
    yield from differences("record", expectation.records.keys(), found.keys())
    for address in expectation.records.keys() & found.keys():
        wanted = asdict(expectation.records[address])
        wrong = [f"{name} is {getattr(found[address], name)}, not {value}" for name, value in wanted.items()
                 if getattr(found[address], name) != value]  # fmt: skip
        if wrong:
            yield f"record {address.hex()[:16]}: {'; '.join(wrong)}"


def _keys(view: View, expectation: Expectation) -> Iterator[str]:
    yield from differences("generic token", expectation.generic, set(view.generic))
    wanted = {
        (phone, epoch, *one)
        for phone, found in expectation.hand_overs.items()
        for epoch, one in enumerate(found, start=1)
    }
    yield from differences("hand-over", wanted, set(view.hand_overs))


def _partition(view: View, expectation: Expectation) -> Iterator[str]:
    yield from differences("cluster", expectation.clusters.keys(), set(view.clusters().values()))


def _ambiguity(view: View, expectation: Expectation) -> Iterator[str]:
    clusters = view.clusters()
    wanted = {(one, other) for one, others in expectation.ambiguous.items() for other in others}
    found = {(clusters.get(one, frozenset()), clusters.get(other, frozenset())) for one, other in view.contenders}
    yield from differences("contender", wanted, found)
    flagged = {
        clusters.get(row.profile_id, frozenset()) for row in view.profiles.values() if row.live and row.ambiguous
    }
    yield from differences("ambiguous cluster", set(expectation.ambiguous), flagged)


def _reviews(view: View, expectation: Expectation) -> Iterator[str]:
    yield from differences("review", _relations(expectation.reviews), _stored(view, view.reviews))


def _households(view: View, expectation: Expectation) -> Iterator[str]:
    yield from differences("household", _relations(expectation.households), _stored(view, view.households))


Relation = tuple[frozenset[Cluster], int, frozenset[bytes]]


def _relations(ones: Iterable[Review | Household]) -> set[Relation]:
    return {(frozenset({one.x, one.y}), one.strength, frozenset({one.left, one.right})) for one in ones}


def _stored(view: View, rows: Iterable[tuple[UUID, UUID, int, int, int]]) -> set[Relation]:
    clusters = view.clusters()
    addresses = {row.record_id: row.address for row in view.records}
    nobody: Cluster = frozenset()
    return {
        (
            frozenset({clusters.get(low, nobody), clusters.get(high, nobody)}),
            strength,
            frozenset({addresses[one], addresses[other]}),
        )
        for low, high, strength, one, other in rows
    }


def _profiles(view: View, expectation: Expectation) -> Iterator[str]:
    clusters = view.clusters()
    ids = {row.record_id: row.address for row in view.records}
    births = {row.address: row.birth_id for row in view.records}
    live = {row.profile_id for row in view.profiles.values() if row.live}
    yield from differences("live profile", clusters.keys(), live)
    for profile_id in clusters.keys() & live:
        row, cluster = view.profiles[profile_id], clusters[profile_id]
        if profile_id != min(births[address] for address in cluster):
            yield f"profile {profile_id} is not named by its smallest birth id"
        golden = expectation.clusters.get(cluster)
        if golden is not None and (wrong := list(_wrong(row, golden, ids))):
            yield f"profile {profile_id}: {'; '.join(wrong)}"


def _wrong(row: Profile, golden: Golden, addresses: Mapping[int, bytes]) -> Iterator[str]:
    for name, value in asdict(golden.totals).items():
        if getattr(row, name) != value:
            yield f"{name} is {getattr(row, name)}, not {value}"
    for name in ("name_record", "address_record", "birth_date_record"):
        record = getattr(row, name)
        if (None if record is None else addresses[record]) != getattr(golden, name):
            yield f"{name} is another record's"


def _journal(view: View, _: Expectation) -> Iterator[str]:
    """There is no hash chain yet. What is checked: versions are unique and grow per profile, each entry begins where the last one of its profile
    ended, and the last one ends at the profile's members."""
    yield from (f"version {version} has {count} entries" for version, count in _twice(view).items())
    last: dict[UUID, tuple[int, list[UUID]]] = {}
    for entry in view.journal:
        version, members = last.get(entry.profile_id, (0, []))
        if entry.version <= version:
            yield f"profile {entry.profile_id}: entry {entry.version} was written after {version}"
        if sorted(entry.before_records) != sorted(members):
            yield f"profile {entry.profile_id}: entry {entry.version} does not begin where {version} ended"
        last[entry.profile_id] = (entry.version, entry.after_records)
    held = _members(view)
    for profile_id, row in view.profiles.items():
        version, members = last.get(profile_id, (0, []))
        if sorted(members) != sorted(held.get(profile_id, ())):
            yield f"profile {profile_id}: its last entry {version} does not end at its members"
        if row.version < version:
            yield f"profile {profile_id} has version {row.version}, below its entry {version}"


def _members(view: View) -> dict[UUID, list[UUID]]:
    held: dict[UUID, list[UUID]] = defaultdict(list)
    for row in view.standing():
        if row.profile_id is not None:
            held[row.profile_id].append(row.birth_id)
    return held


def _twice(view: View) -> dict[int, int]:
    counts = Counter(entry.version for entry in view.journal)
    return {version: count for version, count in counts.items() if count > 1}


def _words(one: object) -> str:
    match one:
        case bytes():
            return one.hex()[:16]
        case frozenset() | tuple() | set():
            inner = (
                sorted(_words(part) for part in one) if not isinstance(one, tuple) else [_words(part) for part in one]
            )
            return f"({', '.join(inner)})"
        case _:
            return str(one)


LEDGER_CHECKS: dict[str, Check] = {
    "settled: nothing is left to do": _left,
    "(ii) every event is taken once": _events,
    "(ii) every purchase counts once": _purchases,
    "(ii) payloads that lost are quarantined": _conflicts,
    "(ii) records add up": _records,
    "(iii) key states and hand-overs are the oracle's": _keys,
    "(iii) the partition is the oracle's": _partition,
    "(iii) ambiguity is the oracle's": _ambiguity,
    "(iii) reviews are the oracle's": _reviews,
    "(iii) households are the oracle's": _households,
    "(iii) profiles show what the oracle's do": _profiles,
    "(vi) the journal covers every change": _journal,
}
