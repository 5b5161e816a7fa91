"""What the ledger's constraints refuse, whatever the code above them does."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from goldthread.domain.errors import LedgerUnavailableError, ModelFileError, OffsetFencedError
from goldthread.domain.policy import Totals
from goldthread.domain.ports import OffsetMove
from goldthread.domain.words import Position, Rejection, RejectionReason, Violation
from goldthread.ledger import (
    Brought,
    InboxRow,
    Ledger,
    LedgerSettings,
    LedgerTransaction,
    ProfileRow,
    RecordSighting,
    StoredRecord,
    TokenRow,
    TokenState,
)
from goldthread.telemetry.metrics import Metrics

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def sighting(
    address: bytes, *, birth_id: UUID | None = None, at: datetime = NOON, totals: Totals | None = None
) -> RecordSighting:
    return RecordSighting(
        address=address,
        birth_id=birth_id or uuid4(),
        source="pos",
        attributes=("ann", None, "lee", None, None, None, None, None),
        name_key=None,
        first_seen=at,
        last_seen=at,
        sightings=1,
        totals=totals or Totals(),
    )


def profile(profile_id: UUID, version: int) -> ProfileRow:
    return ProfileRow(
        profile_id=profile_id,
        version=version,
        live=True,
        ambiguous=False,
        name_record=None,
        address_record=None,
        birth_date_record=None,
        totals=Totals(),
    )


def keep(tx: LedgerTransaction, address: bytes) -> StoredRecord:
    """A record on a profile of its own."""
    proposed = sighting(address)
    [stored] = tx.ask_upsert([proposed])().values()
    if stored.new:
        tx.insert_members([stored.record_id])
        tx.write_profiles([profile(proposed.birth_id, *tx.draw_versions(1))])
        tx.move_records({stored.record_id: proposed.birth_id})
    return stored


def inbox_row(record_id: int, event_id: str = "e1") -> InboxRow:
    return InboxRow(
        source="pos",
        event_id=event_id,
        payload_digest=b"d",
        record_id=record_id,
        kind="customer_change",
        occurred_at=NOON,
    )


def rejection(offset: int, reason: RejectionReason = RejectionReason.MALFORMED) -> Rejection:
    return Rejection(
        reason=reason,
        violations=(Violation("claim", "is broken"),),
        source="pos",
        event_id="e1",
        position=Position("events", 0, offset),
        payload_sha256=bytes(32),
        payload_size=7,
        payload=b"payload",
    )


def test_an_event_is_taken_once(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        record = keep(tx, bytes(32)).record_id
        tx.insert_inbox([inbox_row(record)])
    with pytest.raises(LedgerUnavailableError) as caught, ledger.transaction() as tx:
        tx.insert_inbox([inbox_row(record)])
    assert caught.value.metadata == {"sqlstate": "23505", "constraint": "inbox_pkey"}
    assert ledger.counts().inbox == 1


def test_a_failed_transaction_leaves_nothing(ledger: Ledger) -> None:
    def fail_midway() -> None:
        with ledger.transaction() as tx:
            tx.insert_inbox([inbox_row(keep(tx, bytes(32)).record_id)])
            raise RuntimeError("midway")

    with pytest.raises(RuntimeError, match="midway"):
        fail_midway()
    assert (ledger.counts().records, ledger.counts().inbox, ledger.counts().profiles) == (0, 0, 0)


def test_a_preview_leaves_nothing(ledger: Ledger) -> None:
    with ledger.transaction(preview=True) as tx:
        keep(tx, bytes(32))
        assert tx.ask_upsert([sighting(bytes(32))])()[bytes(32)].new is False
    assert ledger.counts().records == 0


def test_the_offset_moves_only_from_where_the_batch_was_read(ledger: Ledger) -> None:
    def move(start: int, end: int, *, group: str = "g", partition: int = 0) -> None:
        with ledger.transaction() as tx:
            tx.advance_offset(group, OffsetMove(topic="events", partition=partition, start=start, end=end))

    move(10, 20)
    move(20, 25)
    for stale in ((10, 20), (24, 30), (26, 30)):
        with pytest.raises(OffsetFencedError) as caught:
            move(*stale)
        assert caught.value.metadata == {"topic": "events", "partition": "0", "expected": str(stale[0])}
    move(0, 3, partition=1)
    move(0, 4, group="other")
    assert ledger.offsets(group="g", topic="events") == {0: 25, 1: 3}
    assert ledger.offsets(group="other", topic="events") == {0: 4}
    assert ledger.offsets(group="g", topic="none") == {}


def test_of_many_workers_with_one_batch_one_moves_the_offset(ledger: Ledger) -> None:
    start = threading.Barrier(6)

    def work(number: int) -> bool:
        start.wait(10)
        try:
            with ledger.transaction() as tx:
                tx.advance_offset("g", OffsetMove(topic="events", partition=0, start=0, end=5))
                keep(tx, bytes([number]) * 32)
        except OffsetFencedError:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(work, range(6)))
    assert sorted(outcomes) == [False] * 5 + [True]
    assert ledger.counts().records == 1


def test_a_dead_letter_is_kept_once_per_position(ledger: Ledger) -> None:
    for _ in range(2):
        with ledger.transaction() as tx:
            tx.insert_dead_letters(
                [rejection(1), rejection(2, RejectionReason.NOT_UTF8)], [b"one", b"two"], key_version=1
            )
    rows = ledger.dead_letters_unpublished(10)
    assert [(row.position.offset, row.reason, row.sealed_payload) for row in rows] == [
        (1, RejectionReason.MALFORMED, b"one"),
        (2, RejectionReason.NOT_UTF8, b"two"),
    ]
    assert rows[0].violations == (Violation("claim", "is broken"),)
    assert (rows[0].source, rows[0].event_id, rows[0].payload_size) == ("pos", "e1", 7)
    ledger.dead_letters_done([rows[0].dead_letter_id])
    ledger.dead_letters_done([rows[0].dead_letter_id])
    assert [row.position.offset for row in ledger.dead_letters_unpublished(10)] == [2]
    assert ledger.counts().dead_letters == 2


def test_a_rejection_without_a_position_is_no_dead_letter(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        tx.insert_dead_letters([Rejection(reason=RejectionReason.MALFORMED, violations=())], [b""], key_version=1)
    assert ledger.counts().dead_letters == 0


def test_seeing_a_claim_again_widens_it_whatever_the_order(ledger: Ledger) -> None:
    early, late = NOON - timedelta(days=400), NOON + timedelta(days=3)
    with ledger.transaction() as tx:
        first = keep(tx, bytes(32))
        for at, amount, store in ((late, 500, "S9"), (early, 300, "S1"), (late, 10, "S2"), (late, 20, "S8")):
            again = tx.ask_upsert([sighting(bytes(32), at=at, totals=Totals(1, amount, at, store))])()[bytes(32)]
            assert again == StoredRecord(first.record_id, False)
        home = tx.ask_profiles_of([first.record_id])()[first.record_id]
        [row] = tx.ask_survey([home])().values()
    assert row.totals == Totals(4, 830, late, "S9")


def test_a_token_has_one_row_whoever_brings_it(ledger: Ledger) -> None:
    shared, mine, theirs = (TokenRow(bytes([n]) * 32, 1, "", 1) for n in (2, 1, 3))

    def lock(tx: LedgerTransaction, *rows: TokenRow) -> dict[bytes, TokenState]:
        return tx.lock_tokens(rows, key_version=1, normalizer_version="n")

    def late() -> dict[bytes, TokenState]:
        with ledger.transaction() as tx:
            return lock(tx, theirs, shared)

    with ThreadPoolExecutor(1) as pool:
        with ledger.transaction() as tx:
            first = lock(tx, shared, mine)
            waiting = pool.submit(late)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        second = waiting.result(10)
    assert second.keys() == {shared.token, theirs.token}
    assert second[shared.token] == first[shared.token]
    assert first[shared.token].generic is False


def test_carriers_are_counted_from_a_locked_state(ledger: Ledger) -> None:
    """Two writers, each with one name for one token and a limit of one: whoever comes second closes it."""
    shared = TokenRow(bytes(32), 1, "", 1)

    def carry(tx: LedgerTransaction, name: str) -> list[TokenState]:
        [state] = tx.lock_tokens([shared], key_version=1, normalizer_version="n").values()
        return tx.add_carriers(
            [(state.token_id, name)], states={state.token_id: state}, limits=[1] * 8, max_records=100
        )

    def late() -> list[TokenState]:
        with ledger.transaction() as tx:
            return carry(tx, "lee")

    with ThreadPoolExecutor(1) as pool:
        with ledger.transaction() as tx:
            assert carry(tx, "ann") == []
            waiting = pool.submit(late)
            with pytest.raises(TimeoutError):
                waiting.result(0.2)
        [closed] = waiting.result(10)
    assert (closed.records, closed.name_keys, closed.generic) == (1, 1, False)
    with ledger.transaction() as tx:
        [state] = tx.lock_tokens([shared], key_version=1, normalizer_version="n").values()
    assert (state.records, state.name_keys, state.generic) == (2, 2, True)


def test_a_new_token_is_written_once_as_counting_would_leave_it(ledger: Ledger, ledger_dsn: str) -> None:
    """Five carriers with two names at once, where one name is allowed: the same by either way, and whoever comes later counts on."""
    ways = {TokenRow(bytes([n]) * 32, 1, "", 1): brought for n, brought in ((1, None), (2, Brought(5, 2, True)))}
    names = ["ann", "ann", "lee", None, "lee"]
    closed: list[TokenState] = []
    with ledger.transaction() as tx:
        for row, brought in ways.items():
            told = None if brought is None else {row.token: brought}
            [state] = tx.lock_tokens([row], key_version=1, normalizer_version="n", brought=told).values()
            assert state == TokenState(state.token_id, 1, 0, 0, False, 0, counted=brought is not None)
            rows = [(state.token_id, name) for name in names]
            closed += tx.add_carriers(rows, states={state.token_id: state}, limits=[1] * 8, max_records=100)
    assert [state.counted for state in closed] == [False, True]
    with psycopg.connect(ledger_dsn) as connection:
        stored = connection.execute("SELECT records, name_keys, generic FROM token ORDER BY token").fetchall()
        # The first was inserted at place 1 and written anew behind; the second stands where it was inserted.
        places = connection.execute("SELECT ctid::text FROM token ORDER BY token").fetchall()
    assert stored == [(5, 2, True)] * 2
    assert places == [("(0,2)",), ("(0,3)",)]
    with ledger.transaction() as tx:
        again = tx.lock_tokens(
            list(ways),
            key_version=1,
            normalizer_version="n",
            brought=dict.fromkeys((row.token for row in ways), Brought(1)),
        )
    assert [(state.records, state.counted) for state in again.values()] == [(5, False)] * 2


def test_keys_are_hung_and_counted_by_one_statement(ledger: Ledger) -> None:
    """Each carrier once, whoever hangs it; a key is told of when it crosses the limit, and only then."""
    with ledger.transaction() as tx:
        records = [keep(tx, bytes([n]) * 32).record_id for n in range(4)]

        def hang(*rows: tuple[int, int]) -> set[int]:
            return tx.add_blocks(rows, rules={7: (1, 0), -8: (2, 1)}, limit=2)()

        assert hang((7, records[0]), (7, records[1]), (-8, records[0])) == set()
        assert hang((7, records[0]), (7, records[1])) == set()
        assert hang((7, records[1]), (7, records[2]), (-8, records[1])) == {7}
        assert hang((7, records[3]), (-8, records[2]), (-8, records[3])) == {-8}
        assert tx.ask_crowded([7, -8])() == {7, -8}
        assert tx.block_carriers([7]) == set(records)


def test_a_model_version_stands_for_one_content(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        first = tx.model_id(version="m-1", sha256=b"a" * 32, body="text")
        assert tx.model_id(version="m-1", sha256=b"a" * 32, body="text") == first
    with pytest.raises(ModelFileError), ledger.transaction() as tx:
        tx.model_id(version="m-1", sha256=b"c" * 32, body="other text")


def test_many_that_begin_with_an_empty_ledger_take_one_model_into_use(ledger_dsn: str, metrics: Metrics) -> None:
    start = threading.Barrier(8)

    def claim(ledger: Ledger, number: int) -> int | None:
        version = f"m-{number % 2}"
        start.wait(10)
        try:
            with ledger.transaction() as tx:
                return tx.model_id(version=version, sha256=version.encode(), body="text")
        except ModelFileError:
            return None

    with (
        Ledger(LedgerSettings(dsn=ledger_dsn, pool_min=8, pool_max=8), metrics) as ledger,
        ThreadPoolExecutor(8) as pool,
    ):
        found = list(pool.map(lambda number: claim(ledger, number), range(8)))
    evens, odds = found[::2], found[1::2]
    [taken] = {number for number in found if number is not None}
    # All with one model go on, all with the other are refused.
    assert sorted([evens, odds], key=lambda side: side[0] is None) == [[taken] * 4, [None] * 4]


def test_any_number_writes_evidence_but_one_that_takes_it_back_is_alone(ledger: Ledger) -> None:
    held, release = threading.Event(), threading.Event()
    order: list[str] = []

    def share(name: str) -> None:
        with ledger.transaction() as tx:
            tx.share_evidence()
            tx.as_of()  # statements go when something is fetched
            order.append(name)
            held.set()
            assert release.wait(10)

    def own() -> None:
        with ledger.transaction() as tx:
            tx.own_evidence()
            order.append("owner")

    with ThreadPoolExecutor(3) as pool:
        jobs = [pool.submit(share, "first")]
        assert held.wait(10)
        with ledger.transaction() as tx:
            tx.share_evidence()
        jobs.append(pool.submit(own))
        with pytest.raises(TimeoutError):
            jobs[1].result(0.2)
        # A look asks for nothing of the kind: whoever takes evidence back does not hold it up.
        with ledger.look() as tx:
            tx.insert_members([])
        jobs.append(pool.submit(share, "second"))
        with pytest.raises(TimeoutError):
            jobs[2].result(0.2)
        assert order == ["first"]
        release.set()
        for job in jobs:
            job.result(10)
    assert order == ["first", "owner", "second"]


def test_waiting_too_long_for_evidence_is_worth_a_retry(ledger_dsn: str, ledger: Ledger) -> None:
    hasty = LedgerSettings(dsn=ledger_dsn, lock_timeout_ms=100)
    with Ledger(hasty, Metrics()) as other, ledger.transaction() as tx:
        tx.own_evidence()
        with pytest.raises(LedgerUnavailableError) as caught, other.transaction() as blocked:
            blocked.share_evidence()
    assert caught.value.metadata["sqlstate"] == "55P03"
    assert caught.value.retryable


def test_a_ledger_that_is_not_there_is_unavailable() -> None:
    settings = LedgerSettings(dsn="postgresql://127.0.0.1:1/none", connect_timeout_s=1)
    with Ledger(settings, Metrics()) as ledger, pytest.raises(LedgerUnavailableError) as caught:
        ledger.ping()
    assert caught.value.retryable


def test_no_message_of_the_server_is_passed_on(ledger: Ledger) -> None:
    with ledger.transaction() as tx:
        record = keep(tx, bytes(32)).record_id
        tx.insert_inbox([inbox_row(record, "secret-event")])
    with pytest.raises(LedgerUnavailableError) as caught, ledger.transaction() as tx:
        tx.insert_inbox([inbox_row(record, "secret-event")])
    assert "secret-event" not in f"{caught.value} {caught.value.metadata} {caught.value.__cause__}"
    assert caught.value.__suppress_context__


def test_asking_for_a_known_model_draws_nothing_from_its_sequence(ledger: Ledger, ledger_dsn: str) -> None:
    for _ in range(5):
        with ledger.transaction() as tx:
            assert tx.model_id(version="m", sha256=bytes(32), body="text") == 1
    with psycopg.connect(ledger_dsn) as connection:
        row = connection.execute(
            "SELECT pg_sequence_last_value(pg_get_serial_sequence('match_model', 'model_id'))"
        ).fetchone()
    assert row == (1,)
