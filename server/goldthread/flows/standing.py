"""What Resolve answers: where the records of events stand, and the evidence for it, all of one snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from goldthread.domain.errors import EventIdConflictError
from goldthread.domain.ports import ContributionBits, PairEvidence, ResolveResult
from goldthread.domain.words import Decision, Event, profile_public_id
from goldthread.ledger import LedgerTransaction, PairRow, RecordHome, Standing
from goldthread.matching import Matcher

__all__ = ["AskedEvent", "answers"]

_EVIDENCE_LIMIT = 20


@dataclass(frozen=True, slots=True)
class AskedEvent:
    """An event that was taken, the digest of its content, and whether it had been taken before."""

    event: Event
    digest: bytes
    repeated: bool

    @property
    def key(self) -> tuple[str, str]:
        """What names it."""
        return self.event.source, self.event.event_id


def answers(
    tx: LedgerTransaction, matcher: Matcher, asked: Sequence[AskedEvent], *, made: Collection[int] | None = None
) -> list[ResolveResult | EventIdConflictError]:
    """Where each event's record stands, or that another content has come to count meanwhile; in their order.

    `made` is None outside previews, else the records that nobody will find afterwards. The number of statements does not grow with that of events.
    """
    # Asked for again: a look may have found that the event belongs to another epoch, and so to another record.
    seen = tx.ask_seen([one.event for one in asked])()
    stands = [seen[one.key] for one in asked]
    counting = {row.record_id for row, one in zip(stands, asked, strict=True) if row.payload_digest == one.digest}
    around = _Surroundings.read(tx, counting, made=made) if counting else None
    return [
        EventIdConflictError(source=one.event.source, event_id=one.event.event_id)
        if around is None or row.payload_digest != one.digest
        else around.answer(matcher, row.record_id, repeated=one.repeated)
        for one, row in zip(asked, stands, strict=True)
    ]


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
    def read(cls, tx: LedgerTransaction, record_ids: set[int], *, made: Collection[int] | None) -> _Surroundings:
        """Reads it of all of them at once."""
        standings, rows, stamp = (
            tx.ask_standings(record_ids),
            tx.ask_pairs_with(record_ids),
            tx.ask_stamp() if made is None else None,
        )
        covered = tx.ask_marked_around(record_ids)
        pairs: dict[int, list[PairRow]] = defaultdict(list)
        ends: set[int] = set()
        for pair in sorted(rows(), key=lambda pair: (-pair.score, pair.low, pair.high)):
            for end in {pair.low, pair.high} & record_ids:
                pairs[end].append(pair)
            ends.update((pair.low, pair.high))
        return cls(
            standings=standings(),
            pairs=pairs,
            homes=tx.homes_of(ends.union(made or ())),
            made=made,
            covered=covered(),
            stamp=0 if stamp is None else stamp(),
        )

    def answer(self, matcher: Matcher, record_id: int, *, repeated: bool) -> ResolveResult:
        """The answer about one of them."""
        standing, pairs = self.standings[record_id], self.pairs[record_id]
        if standing.ambiguous:
            decision = Decision.AMBIGUOUS
        elif standing.members > 1:
            decision = Decision.LINK
        elif standing.in_review:
            decision = Decision.REVIEW
        else:
            decision = Decision.SEPARATE
        linked = decision is Decision.LINK
        best = next((pair for pair in pairs if self._within(pair) == linked), None)
        probability = matcher.probabilities([best.score])[0] if best is not None else 0.0
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
