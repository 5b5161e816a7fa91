"""Phones that change hands: what was said without a name belongs to whoever had the phone at that time (docs/matching.md section 6a).

Whether and when a phone changed hands is a function of the names and times of the records that carry it. The ledger stores the moments, and under
`share_evidence` nobody changes them: whoever takes an event without a name reads where it belongs and hangs it there. Every look compares what
is stored with what the carriers say, of all phones that its marked records carry; where they differ, it ends, and the events of these phones
are hung anew by a transaction of its own that has the evidence for itself.

Why nobody is missed is ADR 0010's argument for pairs. What changes a phone's moments is an event of a named record that carries it, which leaves a
mark on that record; a change of the phone's own state, which leaves marks on all carriers; or the withdrawal of a carrier, which leaves one
on another carrier. Of two such transactions, the look that takes the later one's mark sees both. What hangs a record's events elsewhere marks the
records to which they go, which carry the same phones.

A record keeps the epochs of its phones in line with its first event: events without a name hang where their epoch is, and the events of a named record
lie within one epoch of each phone, or else its moments are others. What takes events away works them out afresh.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from goldthread.domain.ids import BirthIds
from goldthread.domain.words import Claim, IdentifierType
from goldthread.flows.keys import KeyChanges, hang_again, unhang_keys
from goldthread.ledger import ClonedRecord, LedgerTransaction, MisplacedEvent, NewMark, PhoneState, Step
from goldthread.matching import Matcher, NamedSpan, hand_overs

__all__ = ["HandOver", "hang_anew", "moments_of", "outdated"]


@dataclass(frozen=True, slots=True)
class HandOver:
    """What hanging events anew did: how many phones changed hands at other moments than before, and what follows for keys."""

    phones: int
    keys: KeyChanges

    @property
    def marks(self) -> list[NewMark]:
        """Marks to leave: every record whose events or phones are others now."""
        return [NewMark(record_id, Step.JUDGE) for record_id in self.keys.carriers]


def moments_of(tx: LedgerTransaction, matcher: Matcher, claims: Mapping[bytes, Claim]) -> dict[bytes, list[datetime]]:
    """Moments, ascending, at which phones of these claims changed hands, by what names the claim; claims without any are left out.

    Of two phones that changed hands at one moment that moment is given twice, so the moments that have come count the epoch.
    """
    calling = {
        name: claim
        for name, claim in claims.items()
        if any(identifier.type is IdentifierType.PHONE for identifier in claim.identifiers)
    }
    if not calling:
        return {}
    carried = {
        name: {token for type_, _, _, token in tokens if type_ == IdentifierType.PHONE}
        for name, tokens in zip(calling, matcher.tokens(list(calling.values())), strict=True)
    }
    known = tx.hand_overs_of(set().union(*carried.values()))
    if not known:
        return {}
    found = {name: sorted(at for token in tokens for at in known.get(token, ())) for name, tokens in carried.items()}
    return {name: moments for name, moments in found.items() if moments}


def outdated(matcher: Matcher, phones: Sequence[PhoneState]) -> dict[int, tuple[datetime, ...]]:
    """When phones changed hands, by token, of those of which the ledger says otherwise."""
    gap = timedelta(days=matcher.phone_gap_days)
    told = {
        phone.token_id: () if phone.generic else hand_overs([NamedSpan(*span) for span in phone.named], gap)
        for phone in phones
    }
    return {phone.token_id: told[phone.token_id] for phone in phones if told[phone.token_id] != phone.began}


def hang_anew(tx: LedgerTransaction, matcher: Matcher, birth_ids: BirthIds, token_ids: Collection[int]) -> HandOver:
    """Writes when these phones changed hands, and hangs events without a name on the records of the epochs in which they occurred.

    Needs `own_evidence`. The caller leaves the marks and publishes the keys.
    """
    moments = outdated(matcher, tx.phones(token_ids=token_ids))
    changes = KeyChanges()
    if not moments:
        return HandOver(0, changes)
    tx.write_hand_overs(moments)
    changes.add_token(tx, moments)
    touched = _move(tx, matcher, birth_ids, tx.misplaced_events(moments))
    if touched:
        # Before some of them lose theirs: answers about all of these may be others.
        changes.tokens.update(tx.tokens_of_records(touched))
        withdrawn = tx.recount_records(touched)
        changes.add(unhang_keys(tx, matcher, touched, withdrawn))
        changes.add(hang_again(tx, matcher, touched - withdrawn))
        changes.carriers |= touched
    tx.renew_epochs(record_ids=touched, token_ids=moments)
    return HandOver(len(moments), changes)


def _move(tx: LedgerTransaction, matcher: Matcher, birth_ids: BirthIds, events: Sequence[MisplacedEvent]) -> set[int]:
    """Hangs events where they belong, on records that are made for it where there are none; gives those that lost and those that gained some."""
    if not events:
        return set()
    addresses = [matcher.epoch_address(event.base_address, event.epoch) for event in events]
    known = tx.records_at(set(addresses))
    # Any record of the claim will do to make another one of: they differ in events alone.
    missing = {address: event for address, event in zip(addresses, events, strict=True) if address not in known}
    made = tx.clone_records(
        [
            ClonedRecord(
                address=address,
                birth_id=birth_ids.new(),
                epoch=event.epoch,
                base_address=event.base_address if event.epoch else None,
                origin=event.record_id,
            )
            for address, event in sorted(missing.items(), key=itemgetter(0))
        ]
    )
    tx.insert_members(list(made.values()))
    places = known | made
    moves = {
        (event.source, event.event_id): (event.record_id, places[address])
        for address, event in zip(addresses, events, strict=True)
    }
    tx.move_events(moves)
    return {record_id for way in moves.values() for record_id in way}
