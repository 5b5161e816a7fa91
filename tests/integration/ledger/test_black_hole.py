"""A link that swallows everything holds no thread longer than its limit and a second (FAILURES E5)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fixtures.proxy import Cut, Proxy
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.ports import OffsetMove
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics

TOKEN = bytes(32)
LIMIT = 0.5
SLACK = 1.0
"""What a loaded machine may add."""


@pytest.fixture
def far(proxy: Proxy, ledger_dsn: str, metrics: Metrics) -> Iterator[Ledger]:
    """The ledger through the proxy, every connection of its pool open."""
    settings = LedgerSettings(dsn=proxy.dsn(ledger_dsn), pool_min=6, pool_max=6, statement_timeout_ms=1_000)
    with Ledger(settings, metrics) as found:
        found._pool.wait(20)
        yield found
        # Closing waits for attempts to connect.
        proxy.black_hole(on=False)


def refused_after(call: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(LedgerUnavailableError):
        call()
    return time.monotonic() - began


def move(ledger: Ledger, *, hole: Callable[[], object]) -> None:
    """A transaction that finds itself in a black hole."""
    with ledger.transaction(seconds=LIMIT) as tx:
        tx.limit_statements(LIMIT)
        tx.advance_offset("g", OffsetMove(topic="events", partition=0, start=0, end=1))
        hole()
        tx.advance_offset("g", OffsetMove(topic="events", partition=1, start=0, end=1))


def test_callers_are_let_go_and_find_the_ledger_again_when_it_is_back(far: Ledger, proxy: Proxy) -> None:
    far.answers([TOKEN], timeout=LIMIT)
    proxy.black_hole(on=True)
    with ThreadPoolExecutor(12) as pool:
        calls = [
            pool.submit(refused_after, lambda: far.answers([TOKEN], timeout=LIMIT))
            if number % 2
            # Twelve callers for six connections: half of them wait for one.
            else pool.submit(refused_after, lambda: move(far, hole=lambda: None))
            for number in range(12)
        ]
        waits = [call.result(20) for call in calls]
    assert max(waits) < LIMIT + 1 + SLACK
    proxy.black_hole(on=False)
    back = time.monotonic()
    while True:
        try:
            far.answers([TOKEN], timeout=1)
            break
        except LedgerUnavailableError:
            assert time.monotonic() - back < 15, "the ledger did not come back"


def test_a_statement_under_way_ends_a_second_after_its_limit(far: Ledger, proxy: Proxy, ledger: Ledger) -> None:
    waited = refused_after(lambda: move(far, hole=lambda: proxy.black_hole(on=True)))
    assert LIMIT < waited < LIMIT + 1 + SLACK
    # Without a limit of its caller, the ledger's own counts.
    proxy.black_hole(on=False)
    waited = refused_after(lambda: unlimited(far, hole=lambda: proxy.black_hole(on=True)))
    assert 1 < waited < 2 + SLACK
    proxy.black_hole(on=False)
    assert ledger.offsets(group="g", topic="events") == {}


def unlimited(ledger: Ledger, *, hole: Callable[[], object]) -> None:
    with ledger.look() as tx:
        tx.stamp()
        hole()
        tx.stamp()


def test_a_commit_under_way_is_looked_into_no_longer_than_its_caller_waits(
    far: Ledger, proxy: Proxy, ledger: Ledger
) -> None:
    """After the limit and its second one more question is tried, which takes a second more. The COMMIT itself may have come through."""

    def work() -> None:
        with far.transaction(seconds=LIMIT) as tx:
            tx.limit_statements(LIMIT)
            tx.advance_offset("g", OffsetMove(topic="events", partition=0, start=0, end=1))
            proxy.plan(Cut.HOLE)

    assert LIMIT + 1 < refused_after(work) < LIMIT + 1 + 1.1 + SLACK
    assert proxy.cuts[Cut.HOLE] == 1
    assert ledger.offsets(group="g", topic="events") == {0: 1}


def test_waiting_for_a_connection_ends_with_the_caller(ledger_dsn: str, metrics: Metrics) -> None:
    with Ledger(LedgerSettings(dsn=ledger_dsn, pool_max=2), metrics) as ledger:
        taken, over = threading.Barrier(3), threading.Event()

        def hold() -> None:
            with ledger.transaction() as tx:
                tx.stamp()
                taken.wait(10)
                over.wait(20)

        with ThreadPoolExecutor(2) as pool:
            holders = [pool.submit(hold) for _ in range(2)]
            taken.wait(10)
            try:
                for begin in (ledger.transaction, ledger.look):
                    assert refused_after(lambda begin=begin: enter(begin(seconds=0.3))) < 0.3 + SLACK
            finally:
                over.set()
            for holder in holders:
                holder.result(20)


def enter(work: object) -> None:
    with work:  # type: ignore[attr-defined]
        pass
