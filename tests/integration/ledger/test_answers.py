"""What a register is told about each token, from rows as looks leave them, and under which version."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import Connection

from goldthread.domain.words import LookupOutcome, profile_public_id
from goldthread.ledger import Ledger


class Rows:
    """Writes plain rows; numbers name tokens, records and profiles alike."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.run = connection.execute

    def token(self, number: int, *, generic: bool = False) -> bytes:
        token = bytes([number]) * 32
        self.run(
            "INSERT INTO token (token_id, token, type, namespace, form, key_version, normalizer_version, generic) "
            "OVERRIDING SYSTEM VALUE VALUES (%s, %s, 1, '', 1, 1, 'n', %s)",
            (number, token, generic),
        )
        return token

    def profile(self, number: int, *, ambiguous: bool = False) -> UUID:
        profile_id = UUID(int=number)
        self.run(
            "INSERT INTO profile (profile_id, version, live, ambiguous) VALUES (%s, nextval('ledger_version'), true, %s)",
            (profile_id, ambiguous),
        )
        return profile_id

    def record(self, number: int, *tokens: int, profile: UUID | None, sightings: int = 1) -> None:
        self.run(
            "INSERT INTO record (record_id, address, birth_id, source, first_seen, last_seen, sightings) "
            "OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, 'pos', now(), now(), %s)",
            (number, bytes([number]) * 32, UUID(int=number), sightings),
        )
        self.run("INSERT INTO membership (record_id, profile_id) VALUES (%s, %s)", (number, profile))
        for token in tokens:
            self.run("INSERT INTO record_token (record_id, token_id) VALUES (%s, %s)", (number, token))


@pytest.fixture
def rows(ledger_dsn: str) -> Iterator[Rows]:
    with psycopg.connect(ledger_dsn, autocommit=True) as connection:
        yield Rows(connection)


def test_one_profile_is_found_and_the_version_is_the_snapshots(ledger: Ledger, rows: Rows) -> None:
    token = rows.token(1)
    rows.record(1, 1, profile=rows.profile(1))
    rows.record(2, 1, profile=UUID(int=1))
    before = ledger.stamp()
    [answer] = ledger.answers([token])
    assert (answer.outcome, answer.version) == (LookupOutcome.FOUND, before)
    assert answer.card is not None
    assert answer.card.profile_id == profile_public_id(UUID(int=1))
    rows.run("UPDATE profile SET purchase_count = 3")
    assert ledger.answers([token])[0].version == before + 1 == ledger.stamp()


def test_answers_keep_the_order_of_the_tokens_and_share_a_version(ledger: Ledger, rows: Rows) -> None:
    first, second = rows.token(1), rows.token(2)
    rows.record(1, 1, profile=rows.profile(1))
    answers = ledger.answers([second, bytes(32), first, second])
    assert [answer.token for answer in answers] == [second, bytes(32), first, second]
    assert [answer.version for answer in answers] == [ledger.stamp(), 0, ledger.stamp(), ledger.stamp()]
    not_found = LookupOutcome.NOT_FOUND
    assert [answer.outcome for answer in answers] == [not_found, not_found, LookupOutcome.FOUND, not_found]


def test_a_record_that_no_look_has_placed_counts_for_nothing(ledger: Ledger, rows: Rows) -> None:
    fresh, known = rows.token(1), rows.token(2)
    rows.record(1, 1, 2, profile=None)
    rows.record(2, 2, profile=rows.profile(2))
    new, old = ledger.answers([fresh, known])
    assert (new.outcome, new.card) == (LookupOutcome.NOT_FOUND, None)
    assert old.outcome is LookupOutcome.FOUND
    rows.run("UPDATE membership SET profile_id = %s WHERE record_id = 1", (rows.profile(1),))
    assert [answer.outcome for answer in ledger.answers([fresh, known])] == [
        LookupOutcome.FOUND,
        LookupOutcome.AMBIGUOUS,
    ]


def test_a_withdrawn_record_counts_for_nothing_and_its_answer_replaces_the_card(ledger: Ledger, rows: Rows) -> None:
    token = rows.token(1)
    rows.record(1, 1, profile=rows.profile(1))
    [card] = ledger.answers([token])
    # Both at once, as taking back does it: a record on which no event hangs carries no identifiers.
    rows.run("UPDATE record SET sightings = 0")
    rows.run("DELETE FROM record_token")
    [gone] = ledger.answers([token])
    assert (card.outcome, gone.outcome) == (LookupOutcome.FOUND, LookupOutcome.NOT_FOUND)
    assert gone.version > card.version


def test_two_profiles_a_generic_token_and_an_undecided_record_are_ambiguous(ledger: Ledger, rows: Rows) -> None:
    shared, generic, undecided = rows.token(1), rows.token(2, generic=True), rows.token(3)
    rows.record(1, 1, 2, profile=rows.profile(1))
    rows.record(2, 1, profile=rows.profile(2))
    rows.record(3, 3, profile=rows.profile(3, ambiguous=True))
    answers = ledger.answers([shared, generic, undecided])
    assert [answer.outcome for answer in answers] == [LookupOutcome.AMBIGUOUS] * 3
    assert {answer.version for answer in answers} == {ledger.stamp()}


def test_an_undecided_record_does_not_hide_the_profile_beside_it(ledger: Ledger, rows: Rows) -> None:
    token = rows.token(1)
    rows.record(1, 1, profile=rows.profile(1))
    rows.record(2, 1, profile=rows.profile(2, ambiguous=True))
    assert ledger.answers([token])[0].outcome is LookupOutcome.FOUND


def test_tokens_are_paged_and_known_ones_told(ledger: Ledger, rows: Rows) -> None:
    tokens = [rows.token(number) for number in (3, 1, 2)]
    assert ledger.count_tokens() == 3
    first = ledger.tokens_after(0, 2)
    assert first == [(1, tokens[1]), (2, tokens[2])]
    assert ledger.tokens_after(2, 2) == [(3, tokens[0])]
    assert ledger.tokens_after(3, 2) == []
    assert ledger.known_tokens([tokens[0], bytes(32)]) == {tokens[0]}
