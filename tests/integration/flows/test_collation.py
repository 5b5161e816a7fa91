"""The outcome must not depend on how the database sorts text: everything that is compared there is compared by code point."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from fixtures.servers import Postgres
from fixtures.story import NOON, Story, customer
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.telemetry.metrics import Metrics


@pytest.fixture
def english_dsn(postgres: Postgres) -> Iterator[str]:
    """A migrated, empty database that sorts as English does (`a` before `B`), as servers of distributions usually do."""
    name = f"english_{next(postgres.numbers)}"
    try:
        postgres.run(
            sql.SQL(
                "CREATE DATABASE {} TEMPLATE template0 LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LOCALE 'C.UTF-8'"
            ).format(sql.Identifier(name))
        )
    except psycopg.errors.FeatureNotSupported:
        pytest.skip("this PostgreSQL was built without ICU")
    dsn = make_conninfo(postgres.dsn, dbname=name)
    try:
        with Ledger(LedgerSettings(dsn=dsn), Metrics()) as ledger:
            ledger.migrate()
        yield dsn
    finally:
        postgres.drop(dsn)


@pytest.mark.parametrize("cut", [[2], [1, 1]], ids=["one batch", "two batches"])
@pytest.mark.parametrize("stores", ["aB", "Ba"])
@pytest.mark.parametrize("apart", [False, True], ids=["one record", "two records"])
def test_of_two_purchases_at_one_moment_the_store_is_chosen_by_code_point(
    english_dsn: str, metrics: Metrics, cut: list[int], stores: str, apart: bool
) -> None:
    with Ledger(LedgerSettings(dsn=english_dsn), metrics) as ledger:
        story = Story(ledger, metrics, dsn=english_dsn)
        # The control: here the database itself puts B after a.
        assert story.rows("SELECT 'B'::text > 'a'::text") == [(True,)]
        story.ingest_in_batches(
            [
                customer(
                    f"e{place}",
                    source=f"s{place}" if apart else "pos",
                    email="m@acme.com",
                    at=NOON,
                    amount=100,
                    store=store,
                )
                for place, store in enumerate(stores)
            ],
            cut,
        )
        assert len(story.rows("SELECT FROM record")) == 1 + apart
        assert story.rows("SELECT last_purchase_store FROM profile WHERE live") == [("a",)]
