"""Phones that change hands: what was said without a name belongs to whoever had the phone at that time (docs/matching.md section 6a).

Whether, when and to whom a phone changed hands is a function of the names and times of the records that carry it. The ledger stores that, and under
`share_evidence` nobody changes it: whoever takes an event without a name reads where it belongs and hangs it there. Every look compares what
is stored with what the carriers say, of all phones that its marked records carry; where they differ, it ends, and the events of these phones
are hung anew by a transaction of its own that has the evidence for itself.

An epoch is named by whoever opened it and not by its number: a hand-over that is found late leaves the records of others what they are.

Why nobody is missed is ADR 0010's argument for pairs. What changes a phone's hand-overs is an event of a named record that carries it, which leaves a
mark on that record; a change of the phone's own state, which leaves marks on all carriers; or the withdrawal of a carrier, which leaves one
on another carrier. Of two such transactions, the look that takes the later one's mark sees both. What hangs a record's events elsewhere marks the
records to which they go, which carry the same phones.

A record keeps the epochs of its phones in line with its first event: events without a name hang where their epoch is, and the events of a named record
lie within one epoch of each phone, or else its hand-overs are others. What takes events away works them out afresh.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from operator import itemgetter

from goldthread.domain.ids import BirthIds
from goldthread.domain.words import ChangeCause, Claim, IdentifierType
from goldthread.flows.keys import KeyChanges, hang_again, unhang_keys
from goldthread.ledger import ClonedRecord, Ledger, LedgerTransaction, MisplacedEvent, NewMark, PhoneState, Step
from goldthread.matching import HandOver, Matcher, NamedSpan, hand_overs

__all__ = ["HandOverError", "HungAnew", "come_of", "hand_over", "hang_anew", "outdated"]


class HandOverError(Exception):
    """Phones changed hands otherwise than the ledger says: their events must be hung anew before a look goes on."""

    def __init__(self, token_ids: Collection[int]) -> None:
        super().__init__()
        self.token_ids = token_ids


@dataclass(frozen=True, slots=True)
class HungAnew:
    """What hanging events anew did: how many phones changed hands otherwise than before, records made for it, and what follows for keys."""

    phones: int
    made: frozenset[int]
    keys: KeyChanges

    @property
    def marks(self) -> list[NewMark]:
        """Marks to leave: every record whose events or phones are others now."""
        return [NewMark(record_id, Step.JUDGE) for record_id in self.keys.carriers]


def come_of(tx: LedgerTransaction, matcher: Matcher, claims: Mapping[bytes, Claim]) -> dict[bytes, list[HandOver]]:
    """Hand-overs of all phones of each of these claims, by what names the claim; claims without any are left out."""
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
    found = {
        name: [HandOver(*one) for token in tokens for one in known.get(token, ())] for name, tokens in carried.items()
    }
    return {name: come for name, come in found.items() if come}


def outdated(matcher: Matcher, phones: Sequence[PhoneState]) -> dict[int, tuple[HandOver, ...]]:
    """When phones changed hands and who opened that epoch, by token, of those of which the ledger says otherwise."""
    gap = timedelta(days=matcher.phone_gap_days)
    told = {
        phone.token_id: () if phone.generic else hand_overs([NamedSpan(*span) for span in phone.named], gap)
        for phone in phones
    }
    return {phone.token_id: told[phone.token_id] for phone in phones if told[phone.token_id] != phone.began}


def hand_over(
    ledger: Ledger, matcher: Matcher, birth_ids: BirthIds, token_ids: Collection[int], *, seconds: float, grace: float
) -> tuple[HungAnew, list[int]]:
    """Hangs the events of these phones anew in a transaction of its own, as evidence; gives its marks, which redo leaves to the caller for `grace` seconds."""
    with ledger.transaction(seconds=seconds) as tx:
        tx.limit_statements(seconds)
        tx.own_evidence()
        tx.model_id(version=matcher.model_version, sha256=matcher.model_sha256, body=matcher.model_text)
        done = hang_anew(tx, matcher, birth_ids, token_ids)
        marks = tx.leave_marks(done.marks, cause=ChangeCause.REDO, actor="handed over", grace=grace)()
        done.keys.publish(tx)
    return done, marks


def hang_anew(tx: LedgerTransaction, matcher: Matcher, birth_ids: BirthIds, token_ids: Collection[int]) -> HungAnew:
    """Writes when these phones changed hands, and hangs events without a name on the records of the epochs in which they occurred.

    Needs `own_evidence`, unless it is a preview, which nobody will see. The caller leaves the marks and publishes the keys.
    """
    found = outdated(matcher, tx.ask_phones(token_ids=token_ids)())
    changes = KeyChanges()
    if not found:
        return HungAnew(0, frozenset(), changes)
    tx.write_hand_overs(found)
    changes.add_token(tx, found)
    touched, made = _move(tx, matcher, birth_ids, tx.misplaced_events(found))
    if touched:
        # Before some of them lose theirs: answers about all of these may be others.
        changes.tokens.update(tx.tokens_of_records(touched))
        withdrawn = tx.recount_records(touched)
        changes.add(unhang_keys(tx, matcher, touched, withdrawn))
        changes.add(hang_again(tx, matcher, touched - withdrawn))
        changes.carriers |= touched
    tx.renew_epochs(record_ids=touched, token_ids=found)
    return HungAnew(len(found), made, changes)


def _move(
    tx: LedgerTransaction, matcher: Matcher, birth_ids: BirthIds, events: Sequence[MisplacedEvent]
) -> tuple[set[int], frozenset[int]]:
    """Hangs events where they belong, on records that are made for it where there are none; gives those that lost or gained some, and those made."""
    if not events:
        return set(), frozenset()
    addresses = [matcher.epoch_address(event.base_address, event.opener) for event in events]
    known = tx.records_at(set(addresses))
    # Any record of the claim will do to make another one of: they differ in events alone.
    missing = {address: event for address, event in zip(addresses, events, strict=True) if address not in known}
    made = tx.clone_records(
        [
            ClonedRecord(
                address=address,
                birth_id=birth_ids.new(),
                opener=event.opener,
                base_address=None if event.opener is None else event.base_address,
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
    return {record_id for way in moves.values() for record_id in way}, frozenset(made.values())
