"""What Resolve answers: where the records of events stand, and the evidence for it, all of one snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from goldthread.domain.errors import EventIdConflictError
from goldthread.domain.ports import ContributionBits, PairEvidence, ResolveResult
from goldthread.domain.words import Decision, Event, profile_public_id
from goldthread.ledger import Later, LedgerTransaction, PairRow, RecordHome, Standing
from goldthread.matching import Matcher

__all__ = ["AskedEvent", "MovedError", "ask_answers", "follow"]

_EVIDENCE_LIMIT = 20


@dataclass(frozen=True, slots=True)
class AskedEvent:
    """An event that was taken, the digest of its content, whether it had been taken before, and the record that it hung on when last seen."""

    event: Event
    digest: bytes
    repeated: bool
    record_id: int

    @property
    def key(self) -> tuple[str, str]:
        """What names it."""
        return self.event.source, self.event.event_id


class MovedError(Exception):
    """Events hang on other records than was thought, since a look found that they belong to another epoch: `records` are those, by event."""

    def __init__(self, records: Mapping[tuple[str, str], int]) -> None:
        super().__init__()
        self.records = records


def ask_answers(
    tx: LedgerTransaction, matcher: Matcher, asked: Sequence[AskedEvent], *, made: Collection[int] | None = None
) -> Later[list[ResolveResult | EventIdConflictError]]:
    """Where each event's record stands, or that another content has come to count meanwhile; in their order.

    `made` is None outside previews, else the records that nobody will find afterwards. The number of statements does not grow with that of events,
    and all of them are asked together. What fetches the answers raises `MovedError` where they would be about other records.
    """
    seen = tx.ask_seen([one.event for one in asked])
    surroundings = _Surroundings.ask(tx, {one.record_id for one in asked}, made=made)

    def answers() -> list[ResolveResult | EventIdConflictError]:
        found = seen()
        around = surroundings()
        counting = [one for one in asked if found[one.key].payload_digest == one.digest]
        moved = {one.key: at for one in counting if (at := found[one.key].record_id) != one.record_id}
        if moved:
            raise MovedError(moved)
        return [
            around.answer(matcher, one.record_id, repeated=one.repeated)
            if found[one.key].payload_digest == one.digest
            else EventIdConflictError(source=one.event.source, event_id=one.event.event_id)
            for one in asked
        ]

    return answers


def follow(asked: Sequence[AskedEvent], moved: MovedError) -> list[AskedEvent]:
    """The same events where they hang now."""
    return [replace(one, record_id=moved.records.get(one.key, one.record_id)) for one in asked]


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What is told of some records; `covered` are those in whose closures marks are pending."""

    standings: dict[int, Standing]
    pairs: dict[int, list[PairRow]]
    homes: dict[int, RecordHome]
    made: Collection[int] | None
    covered: set[int]
    stamp: int

    @classmethod
    def ask(cls, tx: LedgerTransaction, record_ids: set[int], *, made: Collection[int] | None) -> Later[_Surroundings]:
        """Asks it of all of them at once."""
        standings, rows = tx.ask_standings(record_ids), tx.ask_pairs_with(record_ids)
        homes, stamp = tx.ask_homes_around(record_ids.union(made or ())), tx.ask_stamp() if made is None else None
        covered = tx.ask_marked_around(record_ids)

        def read() -> _Surroundings:
            pairs: dict[int, list[PairRow]] = defaultdict(list)
            for pair in sorted(rows(), key=lambda pair: (-pair.score, pair.low, pair.high)):
                for end in {pair.low, pair.high} & record_ids:
                    pairs[end].append(pair)
            return cls(
                standings=standings(),
                pairs=pairs,
                homes=homes(),
                made=made,
                covered=covered(),
                stamp=0 if stamp is None else stamp(),
            )

        return read

    def answer(self, matcher: Matcher, record_id: int, *, repeated: bool) -> ResolveResult:
        """The answer about one of them."""
        standing, pairs = self.standings[record_id], self.pairs[record_id]
        if standing.ambiguous:
            decision = Decision.AMBIGUOUS
        elif standing.members > 1:
            decision = Decision.LINK
        elif standing.review is not None:
            decision = Decision.REVIEW
        else:
            decision = Decision.SEPARATE
        linked = decision is Decision.LINK
        best = next((pair for pair in pairs if self._within(pair) == linked), None)
        score = None if best is None else best.score
        if decision is Decision.REVIEW:
            score = standing.review
        elif linked and score is not None and score < matcher.link <= score + matcher.once:
            # No pair of records links, but their clusters do, which count once (ADR 0024): by this at least.
            score = matcher.link
        probability = 0.0 if score is None else matcher.probabilities([score])[0]
        # A profile bears the id of one of its records: not to be shown if that one will have had another.
        named = standing.profile_id is not None and all(
            self.homes[made].birth_id != standing.profile_id for made in self.made or ()
        )
        return ResolveResult(
            profile_id=profile_public_id(standing.profile_id) if named and standing.profile_id is not None else "",
            decision=decision,
            probability=probability,
            evidence=self._evidence(matcher, pairs[:_EVIDENCE_LIMIT]),
            version=standing.version if self.made is None else 0,
            ledger_version=self.stamp,
            provisional=record_id in self.covered,
            duplicate=repeated,
            model_version=matcher.model_version,
            calibrated=matcher.calibrated,
        )

    def _within(self, pair: PairRow) -> bool:
        """Whether one profile holds both ends."""
        home = self.homes[pair.low].profile_id
        return home is not None and home == self.homes[pair.high].profile_id

    def _evidence(self, matcher: Matcher, pairs: Sequence[PairRow]) -> tuple[PairEvidence, ...]:
        probabilities = matcher.probabilities([pair.score for pair in pairs])
        return tuple(
            PairEvidence(
                record_id=str(self.homes[pair.low].birth_id),
                other_record_id=str(self.homes[pair.high].birth_id),
                score=pair.score,
                probability=probability,
                nearest_rival=matcher.nearest_rival(pair.score, pair.weights),
                contributions=tuple(
                    ContributionBits(*part) for part in matcher.contributions(pair.levels, pair.weights)
                ),
            )
            for pair, probability in zip(pairs, probabilities, strict=True)
        )
