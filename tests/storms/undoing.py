"""Stewards' operations, made and undone: each must show at once, undoing them must bring back what was, and a replay must change nothing.

Membership is followed by what the operations answer, so that each undoing is compared with the state before its operation, through the API alone;
whole snapshots are compared at the quiet moments in between.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gate.outside import check_cache, check_changes
from gate.view import read_view
from goldthread.app.demo.sets import EventKey, WantedIdentifier
from goldthread.app.settings import Settings
from goldthread.v1 import event_pb2
from goldthread.v1.lookup_service_pb2 import LOOKUP_OUTCOME_AMBIGUOUS
from goldthread.v1.steward_service_pb2 import OperationResult
from storms.desk import Desk, RefusedError
from storms.picks import Merge, Split, pick_merges, pick_splits
from storms.snapshots import AFTER_UNDOING, Snapshot, differences, take

__all__ = ["Service", "Trial", "Undone"]

_SHOWN_BY = ("records", "profiles", "cards", "cache", "topic")
"""Where an operation must be seen, and its undoing."""
_LOOKUPS_PER_OPERATION = 3


@dataclass(frozen=True, slots=True)
class Service:
    """What a trial works on. `send` puts the messages of these events on the topic again and returns once everything is quiet."""

    settings: Settings
    address: str
    desk: Desk
    messages: Mapping[EventKey, bytes]
    carried: Mapping[EventKey, tuple[WantedIdentifier, ...]]
    send: Callable[[Iterable[EventKey]], None]
    say: Callable[[str], None]


@dataclass(slots=True)
class Undone:
    """What a trial did and found: `wrong` holds what is not as it must be, in words."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def told(self) -> Iterator[str]:
        """Lines of a report."""
        yield "; ".join(f"{name} {count:,}" for name, count in self.counts.items())
        yield f"differences: {len(self.wrong)}"
        yield from self.wrong


@dataclass(slots=True)
class _Operation:
    """One that was made: its answer, and the members that the profiles which it changed had before; empty for those that were not there."""

    name: str
    watched: tuple[WantedIdentifier, ...]
    result: OperationResult
    before: Mapping[str, frozenset[str]]


class Trial:
    """Merges and splits on a service that is quiet, and their undoing."""

    def __init__(self, service: Service, *, seed: int, sample: int) -> None:
        self._service = service
        self._desk = service.desk
        self._draw = random.Random(seed)
        self.found = Undone()
        quiet = self._take([])
        self._events: dict[str, list[EventKey]] = defaultdict(list)
        for event in sorted(service.messages.keys() & quiet.events.keys()):
            self._events[quiet.home(event)].append(event)
        self._known = {
            person: {one for event in events for one in service.carried.get(event, ())}
            for person, events in self._events.items()
        }
        everything = sorted({one for ones in service.carried.values() for one in ones})
        self._sample = set(self._draw.sample(everything, min(sample, len(everything))))
        self._began = {profile: frozenset(map(str, births)) for profile, births in quiet.members().items()}
        self._now = dict(self._began)
        self._changed_by: dict[str, set[str]] = defaultdict(set)
        self._plain = quiet

    def run(self, operations: int) -> Undone:
        """So many merges and so many splits, undone; gives what was found."""
        merges = pick_merges(self._plain, count=operations, draw=self._draw)
        splits = pick_splits(self._plain, count=operations, draw=self._draw)
        touched = {person for merge in merges for person in merge.people} | {split.profile_id for split in splits}
        wanted = sorted(self._sample.union(*(self._known[profile] for profile in touched)))
        self.found.counts["identifiers looked up"] = len(wanted)
        first = self._checked("first", wanted)
        self._merges(merges, first, wanted)
        self._splits(splits, first, wanted)
        self.found.counts["calls repeated"] = self._desk.retries
        return self.found

    def _merges(self, merges: Sequence[Merge], first: Snapshot, wanted: Sequence[WantedIdentifier]) -> None:
        self.found.counts.update(f"merges, {kind}" for kind in sorted(merge.kind for merge in merges))
        made = {place: one for place, merge in enumerate(merges) if (one := self._merge(merge, first)) is not None}
        self._service.send(())
        merged = self._checked("merged", wanted)
        self._must_show(first, merged, "merges")
        for merge in merges:
            self._resolve([event for person in merge.people for event in self._events[person][:2]], merged)
        # A merge on which another one builds is tried first.
        order = self._draw.sample(sorted(made), len(made))
        order.sort(key=lambda place: merges[place].kind == "chained")
        refused = self._undo([made[place] for place in order], first)
        self.found.counts["reverts refused for a later entry"] += refused
        chained = sum(merge.kind == "chained" for merge in merges)
        if refused < chained:
            self._wrong(f"only {refused} of {chained} merges with one that builds on them were refused")
        self._service.send(())
        self._must_be(first, self._checked("merges reverted", wanted), "merges reverted")

    def _splits(self, splits: Sequence[Split], first: Snapshot, wanted: Sequence[WantedIdentifier]) -> None:
        self._changed_by.clear()
        made = [one for split in splits if (one := self._split(split, first)) is not None]
        self.found.counts["splits"] = len(made)
        self._service.send(())
        parted = self._checked("split", wanted)
        self._must_show(first, parted, "splits")
        replayed = [event for split in splits for event in self._events[split.profile_id]]
        self._service.send(replayed)
        self._resolve(replayed, parted)
        self._service.send(())
        self.found.counts["events replayed by Kafka and by Resolve"] = len(replayed)
        after = self._checked("replayed", wanted)
        for line in differences(parted, after):
            self._wrong(f"replay: {line}")
        for split in splits:
            self._still_apart(split, after)
        self._undo(self._draw.sample(made, len(made)), first)
        self._service.send(())
        self._must_be(first, self._checked("splits reverted", wanted), "splits reverted")

    def _merge(self, merge: Merge, first: Snapshot) -> _Operation | None:
        made = self._make(f"merge of {' and '.join(merge.asked)}", merge.people, lambda: self._desk.merge(merge.asked))
        if made is None:
            return None
        records = frozenset[str]().union(*(self._began[person] for person in merge.people))
        holder = next((one for one in made.result.changed if records <= set(one.record_ids)), None)
        if holder is None or holder.profile_id != f"GP-{min(holder.record_ids)}":
            self._wrong(f"{made.name}: no profile holds the records of all under the smallest of its ids")
            return made
        # Somebody who fitted both may have joined them: what they become is no larger for it.
        self.found.counts["merges joined by others"] += (
            len(holder.record_ids) > len(records) and merge.builds_on is None
        )
        for other in made.result.changed:
            moved_on = other == holder or (not other.live and list(other.successor_ids) == [holder.profile_id])
            if other.profile_id in merge.people and not moved_on:
                self._wrong(f"{made.name}: {other.profile_id} did not end in {holder.profile_id}")
        self._read_back(made, dict.fromkeys(self._owned(made, first), holder.profile_id))
        return made

    def _split(self, split: Split, first: Snapshot) -> _Operation | None:
        name = f"split of {split.profile_id}"
        made = self._make(name, [split.profile_id], lambda: self._desk.split(split.profile_id, split.part))
        if made is None:
            return None
        homes = {record: one.profile_id for one in made.result.changed for record in one.record_ids}
        parts = [{homes.get(record, "") for record in part} for part in (split.part, split.rest)]
        if any(len(part) != 1 or "" in part for part in parts) or parts[0] == parts[1]:
            self._wrong(f"{name}: the parts are in {parts[0]} and {parts[1]}")
        sides: dict[WantedIdentifier, set[str]] = defaultdict(set)
        for event in self._events[split.profile_id]:
            for wanted in self._service.carried[event]:
                sides[wanted].add(homes.get(str(first.events[event][0]), ""))
        self._read_back(made, {one: next(iter(sides[one])) for one in self._owned(made, first) if len(sides[one]) == 1})
        return made

    def _make(self, name: str, people: Iterable[str], ask: Callable[[], OperationResult]) -> _Operation | None:
        """Does it, and writes down what was before; None if it was refused."""
        try:
            result = ask()
        except RefusedError as error:
            self._wrong(f"{name}: refused, {error.reason}")
            return None
        before = {one.profile_id: self._now.get(one.profile_id, frozenset()) for one in result.changed}
        self._follow(name, result)
        if not result.changed:
            self._wrong(f"{name}: it changed nothing")
        known = sorted({wanted for person in people for wanted in self._known[person]})
        watched = tuple(self._draw.sample(known, min(_LOOKUPS_PER_OPERATION, len(known))))
        return _Operation(name, watched, result, before)

    def _follow(self, name: str, result: OperationResult) -> None:
        for one in result.changed:
            self._changed_by[one.profile_id].add(name)
            self._now[one.profile_id] = frozenset(one.record_ids)

    def _undo(self, made: Sequence[_Operation], first: Snapshot) -> int:
        """Reverts all, in this order where it is allowed; how often it was refused because of a later entry."""
        standing = {one.result.operation_id: one for one in made}
        waiting = list(made)
        refused = 0
        while waiting and refused <= len(made) ** 2:
            one = waiting.pop(0)
            try:
                result = self._revert(one)
            except RefusedError as error:
                if self._rightly_refused(one, error, standing):
                    refused += 1
                    waiting.append(one)
                continue
            del standing[one.result.operation_id]
            self._follow(one.name, result)
            self.found.counts["reverts"] += 1
            # Where operations meet and are not undone latest first, what was before one of them need not come until all are.
            if all(self._changed_by[profile] == {one.name} for profile in one.before):
                self.found.counts["reverts compared at once"] += 1
                if any(self._now[profile] != births for profile, births in one.before.items()):
                    self._wrong(f"revert of {one.name}: members are not what they were before it")
            if all(self._now[profile] == self._began.get(profile, frozenset()) for profile in one.before):
                shown = {wanted: first.card(wanted).card.profile_id for wanted in one.watched}
                self._read_back(replace(one, name=f"revert of {one.name}", result=result), shown)
        for one in standing.values():
            self._wrong(f"{one.name}: it could not be reverted")
        return refused

    def _revert(self, one: _Operation) -> OperationResult:
        if self._draw.random() < 0.5:
            return self._desk.revert(operation_id=one.result.operation_id)
        # A profile of which only reviews or ambiguity changed has a new version, but no entry to name.
        entries = [
            changed.version
            for changed in one.result.changed
            if set(changed.record_ids) != one.before[changed.profile_id]
        ]
        return self._desk.revert(entry_version=self._draw.choice(entries))

    def _rightly_refused(self, one: _Operation, error: RefusedError, standing: Mapping[str, _Operation]) -> bool:
        """Whether the entry that is named is a later one, of an operation that still stands and changed the same profiles."""
        if error.reason != "LATER_ENTRY":
            self._wrong(f"revert of {one.name}: refused, {error.reason}")
            return False
        later = self._desk.entry(int(error.metadata["later_version"]))
        by = standing.get(later.operation_id)
        own = max(changed.version for changed in one.result.changed)
        if by is None or by is one or later.version <= own or by.before.keys().isdisjoint(one.before):
            self._wrong(f"revert of {one.name}: refused naming entry {later.version}, which does not build on it")
            return False
        return True

    def _read_back(self, made: _Operation, homes: Mapping[WantedIdentifier, str]) -> None:
        """A register that has read the operation's stamp is told of these profiles, if of one at all."""
        for wanted, home in homes.items():
            told = self._desk.lookup(wanted, min_version=made.result.ledger_version)
            self.found.counts["read back at once"] += 1
            if told.card.profile_id not in {home, ""}:
                self._wrong(f"{made.name}: a {wanted.type.label} is answered with {told.card.profile_id}, not {home}")
            elif not told.card.profile_id and told.outcome != LOOKUP_OUTCOME_AMBIGUOUS and home:
                self._wrong(f"{made.name}: a {wanted.type.label} is answered with nobody, not {home}")

    def _owned(self, made: _Operation, first: Snapshot) -> list[WantedIdentifier]:
        """Identifiers that led to one of those whom the operation changed: a phone, say, may lead to a later owner."""
        return [one for one in made.watched if first.card(one).card.profile_id in made.before]

    def _resolve(self, events: Iterable[EventKey], held: Snapshot) -> None:
        for event in events:
            answer = self._desk.resolve(event_pb2.CustomerEvent.FromString(self._service.messages[event]))
            home = held.home(event)
            self.found.counts["resolved again"] += 1
            if (answer.profile_id, answer.version, answer.duplicate) != (home, held.versions[home], True):
                self._wrong(f"Resolve of {'/'.join(event)}: {answer.profile_id} at {answer.version}, not {home}")

    def _still_apart(self, split: Split, held: Snapshot) -> None:
        homes = {str(birth_id): record.profile for birth_id, record in held.records.items()}
        if {homes[record] for record in split.part} & {homes[record] for record in split.rest}:
            self._wrong(f"split of {split.profile_id}: the replay has brought its parts together")

    def _must_show(self, before: Snapshot, after: Snapshot, what: str) -> None:
        """Each place must tell of the operations, or the comparison after their undoing would prove nothing."""
        seen = Counter(line.partition(":")[0] for line in differences(before, after, apart=AFTER_UNDOING))
        for part in _SHOWN_BY:
            self.found.counts[f"{part} changed by {what}"] = seen[part]
            if not seen[part]:
                self._wrong(f"{what} do not show in {part}")

    def _must_be(self, before: Snapshot, after: Snapshot, what: str) -> None:
        for line in differences(before, after, apart=AFTER_UNDOING, born=self._now):
            self._wrong(f"{what}: {line}")

    def _checked(self, when: str, wanted: Sequence[WantedIdentifier]) -> Snapshot:
        """A snapshot, and whether its parts agree with each other and with what the operations have answered."""
        self._service.say(f"snapshot: {when}")
        found = self._take(wanted)
        settings = self._service.settings
        view = read_view(settings.need("postgres_dsn"))
        for violation in (*check_cache(settings), *check_changes(settings, view)):
            self._wrong(f"{when}: {violation.check}: {violation.count}, {violation.shown}")
        for line in (*_disagreements(found), *self._astray(found)):
            self._wrong(f"{when}: {line}")
        members = {profile: frozenset(map(str, births)) for profile, births in found.members().items()}
        if members != {profile: births for profile, births in self._now.items() if births}:
            self._wrong(f"{when}: members are not what the operations have answered")
        return found

    def _astray(self, held: Snapshot) -> Iterator[str]:
        """Cards of profiles that hold no record with the identifier, unless the records that do are in profiles that fit several people."""
        homes: dict[WantedIdentifier, set[str]] = defaultdict(set)
        for event, ones in self._service.carried.items():
            if event in held.events:
                for wanted in ones:
                    homes[wanted].add(held.home(event))
        for wanted in held.cards:
            shown = held.card(wanted).card.profile_id
            if shown and shown not in homes[wanted] and not all(held.profiles[one].ambiguous for one in homes[wanted]):
                yield f"a {wanted.type.label} is answered with {shown}, not {sorted(homes[wanted])}"

    def _take(self, wanted: Sequence[WantedIdentifier]) -> Snapshot:
        return take(self._service.settings, self._desk, address=self._service.address, wanted=wanted)

    def _wrong(self, line: str) -> None:
        self.found.wrong.append(line)


def _disagreements(held: Snapshot) -> Iterator[str]:
    """Live profiles whose totals are not their records', or of which the changes topic says something else."""
    members = held.members()
    for profile, golden in held.profiles.items():
        told = held.topic.get(profile)
        births = tuple(sorted(map(str, members.get(profile, ()))))
        if told is None or not told.live or told.records != births:
            yield f"{profile}: the changes topic says other records"
        elif (told.purchases, told.total_minor) != (golden.purchases, golden.total_minor):
            yield f"{profile}: the changes topic says other totals"
        records = [held.records[birth_id] for birth_id in members.get(profile, ())]
        sums = (sum(one.purchases for one in records), sum(one.total_minor for one in records))
        if not golden.ambiguous and sums != (golden.purchases, golden.total_minor):
            yield f"{profile}: its totals are not those of its records"
