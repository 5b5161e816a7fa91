"""A ledger that is switched to another match model ends as if it had never known the first."""

from __future__ import annotations

import random

import pytest

from fixtures.partitions import of_ledger, of_oracle
from fixtures.story import Story, customer
from goldthread.domain.errors import ModelFileError
from goldthread.domain.words import IncomingEvent
from goldthread.flows.remodel import RemodelFlow, RemodelProgress
from goldthread.flows.retry import Retry
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights

_OTHER = (
    round_weights()
    .replace('version = "plain"', 'version = "other"')
    .replace("max_block = 100", "max_block = 6")
    .replace("link = 3970", "link = 9000")
    .replace("\nphone = 8\n", "\nphone = 2\n", 1)
)


def _population(rng: random.Random, size: int) -> list[IncomingEvent]:
    """People of whom few share a number: some components no event touches while the model is switched."""
    events = []
    for number in range(size):
        said = {
            "given_name": rng.choice(("Anna", "Otto", "Zeb", "Lena", "Carl")),
            "family_name": rng.choice(("Meyer", "Smith", "Jones", "Brown")),
            "postcode": f"9021{rng.randrange(3)}",
        }
        if rng.random() < 0.5:
            said["phone"] = f"+1212555{2000 + rng.randrange(size // 2)}"
        if rng.random() < 0.5:
            said["email"] = f"p{rng.randrange(size // 2)}@mail.org"
        events.append(customer(f"e{number}", **said))
    return events


def test_a_switched_ledger_equals_the_oracle_under_the_new_model(
    story: Story, ledger: Ledger, metrics: Metrics, ledger_dsn: str
) -> None:
    events = _population(random.Random(5), 120)
    story.ingest_in_batches(events[:100], [30, 30, 40])
    story.drain()
    before = of_oracle(events[:100], story.matcher)
    assert of_ledger(story) == before

    switched = Story(ledger, metrics, dsn=ledger_dsn, model_text=_OTHER)
    retry = Retry(metrics=metrics, uniform=random.Random(1).random, sleep=lambda _: None)

    def flow() -> RemodelFlow:
        return RemodelFlow(ledger=ledger, matcher=switched.matcher, retry=retry, actor="test", page=37)

    assert flow().begin()
    assert flow().step().tokens == 37
    # Interrupted: events go on under the new model, the old one is refused, and somebody else goes on with the switch.
    with pytest.raises(ModelFileError):
        story.resolve(events[100])
    for event in events[100:]:
        switched.resolve(event)
    assert not flow().begin()
    flow().run()
    assert flow().step() == RemodelProgress(0, 0)
    switched.drain()
    after = of_oracle(events, switched.matcher)
    assert of_ledger(switched) == after
    assert after.clusters - before.clusters
    assert {
        model for (model,) in story.rows("SELECT DISTINCT version FROM pair JOIN match_model USING (model_id)")
    } == {"other"}
    causes = {cause for (cause,) in story.rows("SELECT DISTINCT cause FROM journal")}
    assert causes == {"event", "resolve", "remodel"}
