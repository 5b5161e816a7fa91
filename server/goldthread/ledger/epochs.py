"""Statements about phones that change hands, and about the records that their events hang on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from goldthread.ledger.rows import ClonedRecord, MisplacedEvent, PhoneState
from goldthread.ledger.statements import Later, Statements, later

__all__ = ["EpochStatements"]


class EpochStatements(Statements):
    """The epochs of phones and of records. What writes needs the evidence for itself (`own_evidence`), but for `renew_epochs` of new records."""

    def hand_overs_of(self, tokens: Collection[bytes]) -> dict[bytes, list[tuple[datetime, bytes]]]:
        """When phones changed hands and who opened that epoch, ascending, by token; those that never did are left out."""
        found: dict[bytes, list[tuple[datetime, bytes]]] = defaultdict(list)
        if tokens:
            for token, began_at, opener in self._rows("hand_overs_of", tokens=sorted(tokens)):
                found[bytes(token)].append((began_at, bytes(opener)))
        return found

    def hung_claims(self, bases: Collection[bytes]) -> set[bytes]:
        """Those of the claims, by base address, of which some record carries identifiers."""
        return {bytes(row[0]) for row in self._rows("hung_claims", bases=sorted(bases))} if bases else set()

    def ask_phones(
        self, *, record_ids: Collection[int] = (), token_ids: Collection[int] = ()
    ) -> Later[list[PhoneState]]:
        """What tells when phones changed hands, of those that did or may have: these, and those of these records."""
        rows = self._ask("phones", record_ids=sorted(record_ids), token_ids=sorted(token_ids))
        return later(
            rows,
            lambda rows: [
                PhoneState(token_id, generic, tuple(_columns(began, openers)), tuple(_columns(*named)))
                for token_id, generic, began, openers, *named in rows
            ],
        )

    def witnesses(self, token_ids: Collection[int]) -> set[int]:
        """A carrier of each of the tokens that is a phone that changed hands or may have: whoever looks at it looks at the phone."""
        return {row[0] for row in self._rows("witnesses", token_ids=sorted(token_ids))}

    def write_hand_overs(self, found: Mapping[int, Sequence[tuple[datetime, bytes]]]) -> None:
        """Writes when phones changed hands and who opened that epoch, ascending, by token."""
        token_ids = sorted(found)
        rows = [(token_id, epoch, *one) for token_id in token_ids for epoch, one in enumerate(found[token_id], start=1)]
        self._run("forget_hand_overs", token_ids=token_ids)
        if rows:
            self._run(
                "insert_hand_overs",
                token_ids=[row[0] for row in rows],
                epochs=[row[1] for row in rows],
                moments=[row[2] for row in rows],
                openers=[row[3] for row in rows],
            )
        self._run("count_hand_overs", token_ids=token_ids)

    def misplaced_events(self, token_ids: Collection[int]) -> list[MisplacedEvent]:
        """Events without a name, among those of the carriers of these phones, that hang on the record of another epoch than they occurred in."""
        rows = self._rows("misplaced_events", token_ids=sorted(token_ids))
        return [
            MisplacedEvent(source, event_id, record_id, bytes(base), None if opener is None else bytes(opener))
            for source, event_id, record_id, base, opener in rows
        ]

    def records_at(self, addresses: Collection[bytes]) -> dict[bytes, int]:
        """Records by address, withdrawn ones too."""
        return {bytes(row[0]): row[1] for row in self._rows("records_at", addresses=sorted(addresses))}

    def clone_records(self, rows: Sequence[ClonedRecord]) -> dict[bytes, int]:
        """Makes records of known claims for other epochs and gives them by address; they have neither events, identifiers nor a place yet."""
        if not rows:
            return {}
        made = self._rows(
            "clone_records",
            addresses=[row.address for row in rows],
            birth_ids=[row.birth_id for row in rows],
            openers=[row.opener for row in rows],
            base_addresses=[row.base_address for row in rows],
            origins=[row.origin for row in rows],
        )
        return {bytes(address): record_id for address, record_id in made}

    def move_events(self, moves: Mapping[tuple[str, str], tuple[int, int]]) -> None:
        """Hangs events, by source and id, on the second of two records of their claim, and on it what the first one carries."""
        ways = sorted(set(moves.values()))
        self._run(
            "copy_record_tokens", origins=[origin for origin, _ in ways], record_ids=[target for _, target in ways]
        )
        keys = sorted(moves)
        asked = {
            "sources": [source for source, _ in keys],
            "event_ids": [event_id for _, event_id in keys],
            "record_ids": [moves[key][1] for key in keys],
        }
        for statement in ("move_events", "move_purchases", "move_consents"):
            self._run(statement, **asked)

    def renew_epochs(
        self, *, record_ids: Collection[int] = (), token_ids: Collection[int] = ()
    ) -> set[tuple[int, int]]:
        """Writes at which epochs these records, and all carriers of these phones, carry phones; gives the `(record, token)` that changed."""
        rows = self._rows("renew_epochs", record_ids=sorted(record_ids), token_ids=sorted(token_ids))
        return {(record_id, token_id) for record_id, token_id in rows}


def _columns(*columns: Sequence[Any] | None) -> list[tuple[Any, ...]]:
    """Rows of parallel arrays, each NULL if there is none."""
    return list(zip(*(column or () for column in columns), strict=True))
