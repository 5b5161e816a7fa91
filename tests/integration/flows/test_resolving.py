"""Real time decides as batch: every generated record asked through `Resolve`, one by one, ends where `goldthread match` puts it."""

from __future__ import annotations

import random
from collections import defaultdict

from fixtures.partitions import Cluster, of_batch, of_ledger
from fixtures.story import Story, row_events
from goldthread.app.generate import COLUMNS, GenerateOptions, generate_events
from goldthread.domain.words import Claim, Decision
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from oracle.models import shipped

RECORDS = 1_000
ASKED_AGAIN = 250


def generated(seed: int) -> list[dict[str, str]]:
    """Records of one moment: claims alone, which is what a file has, do not say that a phone changed hands."""
    options = GenerateOptions(people=RECORDS * 3 // 4, events=RECORDS * 11 // 10, seed=seed)
    rows = [
        {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
        for event in generate_events(options)
    ]
    distinct = {(row["source"], row["event_id"]): row | {"occurred_at": rows[0]["occurred_at"]} for row in rows}
    return list(distinct.values())


def test_resolve_decides_as_match(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn, model_text=shipped())
    rows = generated(31)
    expected = of_batch(rows, shipped())
    assert sum(map(len, expected.clusters)) > 0.9 * RECORDS
    assert expected.reviews
    events = row_events(rows)
    dice = random.Random(5)
    for event in dice.sample(events, len(events)):
        story.resolve(event)
    story.drain()
    assert of_ledger(story) == expected

    admitted, _ = story.matcher.normalize(events)
    claims = [claim for claim in admitted if isinstance(claim, Claim)]
    home = {address: cluster for cluster in expected.clusters for address in cluster}
    ambiguous = {cluster for cluster, _ in expected.contenders}
    open_to: dict[Cluster, int] = {}
    for pair, strength, _ in expected.reviews:
        for cluster in pair:
            open_to[cluster] = max(strength, open_to.get(cluster, strength))
    [linking] = story.matcher.probabilities([story.matcher.link])
    named: dict[Cluster, set[str]] = defaultdict(set)
    asked = dice.sample(list(zip(events, story.matcher.addresses(claims), strict=True)), ASKED_AGAIN)
    for event, address in asked:
        answer = story.resolve(event)
        cluster = home[address]
        named[cluster].add(answer.profile_id)
        assert answer.duplicate
        if cluster in ambiguous:
            assert answer.decision is Decision.AMBIGUOUS
        elif len(cluster) > 1:
            assert answer.decision is Decision.LINK
            # Also where no pair of records links by itself, but clusters do, which count once.
            assert answer.probability >= linking
        elif cluster in open_to:
            assert answer.decision is Decision.REVIEW
            assert [answer.probability] == story.matcher.probabilities([open_to[cluster]])
        else:
            assert answer.decision is Decision.SEPARATE
    assert all(len(ids) == 1 for ids in named.values())
    assert len(set.union(*named.values())) == len(named)
