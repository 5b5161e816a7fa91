"""A sender of digests may add the folded form of an e-mail address or leave it out; which of its claims comes first must not matter."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from fixtures.partitions import of_ledger, of_oracle
from fixtures.servers import Postgres
from fixtures.story import NOON, Story, tokens_told
from goldthread.domain.words import (
    CustomerChange,
    DigestForm,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
)
from goldthread.ledger import Ledger, LedgerSettings
from goldthread.matching import LookupKey, digest_identifiers
from goldthread.telemetry.metrics import Metrics

DOTTED, PLAIN = "john.doe@gmail.com", "johndoe@gmail.com"


def digests(event_id: str, address: str, *, folded: bool, **attributes: str) -> IncomingEvent:
    [found] = digest_identifiers([IdentifierType.EMAIL], [address], region="US")
    assert found.digest is not None
    assert found.folded is not None
    sent = [(DigestForm.CANONICAL, found.digest)] + ([(DigestForm.GMAIL_FOLDED, found.folded)] if folded else [])
    return IncomingEvent(
        source="pos",
        event_id=event_id,
        occurred_at=NOON,
        identifiers=tuple(
            IncomingIdentifier(
                path=f"claim.identifiers[{place}].digest",
                type=IdentifierType.EMAIL,
                namespace="",
                form=form,
                digest=digest,
            )
            for place, (form, digest) in enumerate(sent)
        ),
        attributes={"given_name": "john", "family_name": "doe", **attributes},
        payload=CustomerChange(),
    )


BARE = digests("bare", DOTTED, folded=False, postcode="10115")
FULL = digests("full", DOTTED, folded=True, postcode="10115")
OTHER = digests("other", PLAIN, folded=True, city="kiel")


@pytest.mark.parametrize(
    "order",
    list(itertools.permutations((BARE, FULL, OTHER))),
    ids=lambda order: "-".join(one.event_id for one in order),
)
def test_every_order_gives_one_partition(postgres: Postgres, metrics: Metrics, order: Sequence[IncomingEvent]) -> None:
    for cut in ([3], [1, 1, 1]):
        dsn = postgres.clone()
        try:
            with Ledger(LedgerSettings(dsn=dsn), metrics) as ledger:
                story = Story(ledger, metrics, dsn=dsn)
                story.ingest_in_batches(order, cut)
                decided = of_ledger(story)
                assert decided == of_oracle(order, story.matcher)
                assert [len(cluster) for cluster in decided.clusters] == [3]
                assert story.rows("SELECT count(*) FROM record_token") == [(5,)]
        finally:
            postgres.drop(dsn)


def folded_token(story: Story) -> bytes:
    [key] = story.matcher.lookup_keys(
        [IncomingIdentifier(path="identifier", type=IdentifierType.EMAIL, namespace="", raw=DOTTED)]
    )
    assert isinstance(key, LookupKey)
    return key.tokens[1]


def test_an_answer_that_changes_with_the_folded_form_has_a_new_version_and_is_told(story: Story) -> None:
    story.ingest(BARE)
    story.ingest(OTHER)
    token = folded_token(story)
    [before] = story.ledger.answers([token])
    mark = max(row.outbox_id for row in story.ledger.outbox(100))
    story.ingest(FULL)
    [after] = story.ledger.answers([token])
    assert replace(after, version=0) != replace(before, version=0)
    assert after.version > before.version
    assert token in tokens_told(story.ledger, [row for row in story.ledger.outbox(100) if row.outbox_id > mark])
