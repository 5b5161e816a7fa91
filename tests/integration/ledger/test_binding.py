"""A ledger knows the keys and the model it was filled with and refuses others: they would find nobody, or mix scores of two models."""

from __future__ import annotations

import asyncio
import dataclasses
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from fixtures.story import KEYS, MASTER_KEY, Story, customer
from goldthread.app.remodel import run_remodel
from goldthread.app.settings import Settings
from goldthread.app.wiring import open_consumer, open_redo, open_server
from goldthread.domain.errors import GoldthreadError, ModelFileError, SettingsError
from goldthread.ledger import Ledger
from goldthread.matching import Keys
from goldthread.telemetry.metrics import Metrics
from oracle.models import round_weights

OTHER_MASTER = bytes(range(1, 33))
OTHER_MODEL = round_weights().replace('version = "plain"', 'version = "other-1"')


def claim(ledger: Ledger, keys: Keys) -> None:
    ledger.claim_keys(fingerprint=keys.fingerprint, key_version=keys.version)


def test_the_first_keys_stay(ledger: Ledger) -> None:
    for _ in range(2):
        claim(ledger, KEYS)
    claim(ledger, Keys.derive(MASTER_KEY))


@pytest.mark.parametrize(
    "other",
    [Keys.derive(OTHER_MASTER), Keys.derive(MASTER_KEY, version=2), Keys.derive(OTHER_MASTER, version=2)],
    ids=["another key", "another version", "both"],
)
def test_other_keys_are_refused(ledger: Ledger, other: Keys) -> None:
    claim(ledger, KEYS)
    with pytest.raises(SettingsError) as caught:
        claim(ledger, other)
    for secret in (*(keys.fingerprint for keys in (KEYS, other)), MASTER_KEY, OTHER_MASTER):
        assert secret.hex() not in f"{caught.value} {caught.value.metadata}"
    claim(ledger, KEYS)


def test_a_version_alone_makes_no_other_keys_look_right(ledger: Ledger) -> None:
    claim(ledger, KEYS)
    with pytest.raises(SettingsError):
        ledger.claim_keys(fingerprint=KEYS.fingerprint, key_version=2)
    with pytest.raises(SettingsError):
        ledger.claim_keys(fingerprint=Keys.derive(OTHER_MASTER).fingerprint, key_version=1)


def test_another_model_is_refused_and_changes_nothing(ledger: Ledger, ledger_dsn: str, metrics: Metrics) -> None:
    first = Story(ledger, metrics, dsn=ledger_dsn)
    first.ingest(customer("e1", email="m@acme.com", given_name="Ann"))
    before = first.content()
    second = Story(ledger, metrics, dsn=ledger_dsn, model_text=OTHER_MODEL)
    with pytest.raises(ModelFileError) as caught:
        second.resolve(customer("e2", email="m@acme.com", source="crm"))
    assert caught.value.metadata["version"] == "other-1"
    assert first.content() == before


def test_a_version_that_was_used_with_another_content_is_refused(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics
) -> None:
    Story(ledger, metrics, dsn=ledger_dsn).ingest(customer("e1", email="m@acme.com"))
    edited = round_weights().replace("review = 585", "review = 586")
    assert edited != round_weights()
    with pytest.raises(ModelFileError):
        Story(ledger, metrics, dsn=ledger_dsn, model_text=edited).resolve(customer("e2", email="m@acme.com"))


def consume(settings: Settings) -> None:
    """Opens what `goldthread consume` opens, and ends before it takes anything."""
    stop = threading.Event()
    stop.set()
    with ExitStack() as stack:
        open_consumer(stack, settings, Metrics()).run(stop)


async def serve(settings: Settings) -> None:
    """Opens what `goldthread serve` opens, and ends before it takes anything."""
    with ExitStack() as stack:
        async with open_server(stack, settings, Metrics()):
            pass


def redo(settings: Settings) -> None:
    """Opens what redoes beside a server."""
    with ExitStack() as stack:
        open_redo(stack, settings, Metrics())


@pytest.mark.parametrize(
    "opened", [consume, lambda settings: asyncio.run(serve(settings)), redo], ids=["consume", "serve", "redo"]
)
@pytest.mark.parametrize(
    ("change", "refused"),
    [
        ({"master_key": OTHER_MASTER.hex()}, SettingsError),
        ({"key_version": 2}, SettingsError),
        ({"model": "other.toml"}, ModelFileError),
    ],
    ids=["another key", "another key version", "another model"],
)
def test_a_process_with_other_keys_or_another_model_does_not_start(
    ledger_dsn: str,
    tmp_path: Path,
    opened: Callable[[Settings], None],
    change: dict[str, Any],
    refused: type[GoldthreadError],
) -> None:
    settings = Settings(
        postgres_dsn=ledger_dsn,
        redis_url="redis://127.0.0.1:1",
        kafka_bootstrap="127.0.0.1:1",
        master_key=MASTER_KEY.hex(),
    )
    if "model" in change:
        (tmp_path / "other.toml").write_text(OTHER_MODEL, encoding="utf-8")
        change = {"model": tmp_path / "other.toml"}
    other = dataclasses.replace(settings, **change)
    consume(settings)
    with pytest.raises(refused):
        opened(other)
    consume(settings)
    asyncio.run(serve(settings))


@pytest.mark.parametrize("change", [{"master_key": OTHER_MASTER.hex()}, {"key_version": 2}])
def test_a_switch_of_models_under_other_keys_is_refused_and_forgets_no_blocking_key(
    ledger: Ledger, ledger_dsn: str, metrics: Metrics, tmp_path: Path, change: dict[str, Any]
) -> None:
    story = Story(ledger, metrics, dsn=ledger_dsn)
    settings = Settings(postgres_dsn=ledger_dsn, master_key=MASTER_KEY.hex())
    claim(ledger, KEYS)
    story.ingest(customer("e1", given_name="Ann", family_name="Lee", postcode="90210"))
    before = story.rows("SELECT key FROM record_block ORDER BY 1")
    assert before
    (tmp_path / "other.toml").write_text(OTHER_MODEL, encoding="utf-8")
    other = dataclasses.replace(settings, model=tmp_path / "other.toml")
    with pytest.raises(SettingsError):
        run_remodel(dataclasses.replace(other, **change))
    assert story.rows("SELECT key FROM record_block ORDER BY 1") == before
    assert run_remodel(other) == 1
    assert story.rows("SELECT key FROM record_block ORDER BY 1") == before


def test_a_server_needs_a_connection_for_each_of_its_threads(ledger_dsn: str) -> None:
    settings = Settings(postgres_dsn=ledger_dsn, redis_url="redis://127.0.0.1:1", master_key=MASTER_KEY.hex())
    with pytest.raises(SettingsError, match="at least 14"):
        asyncio.run(serve(dataclasses.replace(settings, postgres_pool_max=13)))
    asyncio.run(serve(dataclasses.replace(settings, postgres_pool_max=14)))
