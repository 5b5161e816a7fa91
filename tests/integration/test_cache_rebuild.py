"""`goldthread cache rebuild` as typed, on a real ledger and a real cache, also while both are in use."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import psycopg
import pytest
from redis import Redis

from goldthread.app import cli
from goldthread.app.embedded import ValkeyServer
from goldthread.cache import CacheSettings, RedisCardStore, card_key
from goldthread.domain.errors import CacheUnavailableError
from goldthread.domain.ports import CachedAnswer
from goldthread.ledger import Ledger
from goldthread.wire import cached_answer

_SEED = """
INSERT INTO token (token, type, namespace, form, key_version, normalizer_version)
SELECT sha256(n::text::bytea), 1, '', 1, 1, 'n' FROM generate_series(1, 2500) AS n;
INSERT INTO profile (profile_id, version, live)
SELECT md5(n::text)::uuid, nextval('ledger_version'), true FROM generate_series(1, 2500) AS n;
INSERT INTO record (address, birth_id, source, first_seen, last_seen, sightings)
SELECT sha256(n::text::bytea), md5(n::text)::uuid, 'pos', now(), now(), 1 FROM generate_series(1, 2500) AS n;
INSERT INTO membership (record_id, profile_id) SELECT record_id, birth_id FROM record;
INSERT INTO record_token (record_id, token_id) SELECT n, n FROM generate_series(1, 2500) AS n;
"""
"""2,500 people with a token, a record and a profile each."""


@dataclass
class House:
    """A ledger with people, a cache without cards."""

    dsn: str
    url: str
    ledger: Ledger
    store: RedisCardStore
    client: Redis
    tokens: list[bytes]

    def rebuild(self, *options: str) -> int:
        return cli.main(["cache", "rebuild", "--postgres-dsn", self.dsn, "--redis-url", self.url, *options])

    def put(self, *entries: tuple[bytes, CachedAnswer]) -> None:
        self.store.put_many(entries, generation=self.store.generation())

    def relay(self, token: bytes) -> bool:
        """Writes a token's card as the relay does; False if the cache has begun a new generation meanwhile."""
        generation = self.store.generation()
        entries = [(token, cached_answer(answer)) for answer in self.ledger.answers([token])]
        try:
            self.store.put_many(entries, generation=generation)
        except CacheUnavailableError:
            return False
        return True

    def cards_are_right(self) -> bool:
        expected = [cached_answer(answer).encoded for answer in self.ledger.answers(self.tokens)]
        return [entry and entry.encoded for entry in self.store.get_many(self.tokens)] == expected


@pytest.fixture
def house(ledger: Ledger, ledger_dsn: str, card_server: ValkeyServer, card_client: Redis) -> Iterator[House]:
    with psycopg.connect(ledger_dsn) as connection:
        connection.execute(_SEED)
        tokens = [bytes(row[0]) for row in connection.execute("SELECT token FROM token ORDER BY token_id")]
    with RedisCardStore(CacheSettings(url=card_server.endpoint)) as store:
        yield House(ledger_dsn, card_server.endpoint, ledger, store, card_client, tokens)


def test_a_lost_cache_is_filled_and_a_second_run_finds_nothing_to_remove(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        assert house.rebuild() == 0
        assert capsys.readouterr().out.splitlines() == [
            "2,500 identifiers: 2,500 cards written, 0 newer ones left",
            "removed 0 cards to begin with, 0 unknown, 0 from another life",
        ]
        assert house.cards_are_right()


def test_cards_that_the_ledger_does_not_stand_for_are_removed(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    unknown, negative, damaged = bytes(32), bytes(31) + b"1", bytes(31) + b"2"
    house.put(
        (unknown, CachedAnswer(5, b"card")),
        (negative, CachedAnswer(0, b"")),
        (house.tokens[0], CachedAnswer(house.ledger.stamp() + 1_000_000, b"card of a ledger that is gone")),
        (house.tokens[1], CachedAnswer(1, b"old card")),
    )
    house.client.set(card_key(damaged), b"short")
    assert house.rebuild() == 0
    assert "removed 0 cards to begin with, 1 unknown, 1 from another life" in capsys.readouterr().out
    assert house.store.get_many([unknown, negative, damaged]) == [None, CachedAnswer(0, b""), None]
    assert house.cards_are_right()


def test_fresh_replaces_cards_of_a_ledger_that_is_gone_whatever_their_stamps(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    """A restored ledger counts through the stamps of the one that is gone: such a card may look as new as its own."""
    gone = CachedAnswer(house.ledger.stamp(), b"card of a ledger that is gone")
    house.put((bytes(32), gone), *((token, gone) for token in house.tokens[:3]))
    before = house.store.generation()
    assert house.rebuild("--fresh") == 0
    assert "removed 4 cards to begin with" in capsys.readouterr().out
    assert house.cards_are_right()
    assert house.store.get_many([bytes(32)]) == [None]
    assert house.store.generation() != before


@pytest.mark.parametrize("options", [(), ("--fresh",)], ids=["plain", "fresh"])
def test_it_is_safe_while_profiles_change_and_the_relay_writes(house: House, options: tuple[str, ...]) -> None:
    over = threading.Event()

    def live() -> int:
        """Changes profiles and writes their cards; a write that is refused is made again, as the relay would."""
        changes = 0
        with psycopg.connect(house.dsn, autocommit=True) as connection:
            while not over.is_set():
                number = changes * 37 % len(house.tokens) + 1
                connection.execute(
                    "UPDATE profile SET purchase_total_minor = purchase_total_minor + 900000, purchase_count = 9, "
                    "last_purchase_at = now() WHERE profile_id = md5(%s)::uuid",
                    (str(number),),
                )
                while not house.relay(house.tokens[number - 1]):
                    pass
                changes += 1
        return changes

    with ThreadPoolExecutor(1) as pool:
        living = pool.submit(live)
        try:
            codes = [house.rebuild(*options) for _ in range(3)]
        finally:
            over.set()
        assert living.result(60) > 5
    assert codes == [0, 0, 0]
    assert house.cards_are_right()


def test_without_a_ledger_it_fails_and_says_so(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["cache", "rebuild", "--redis-url", house.url, "--postgres-dsn", "host=127.0.0.1 port=1"]) == 1
    assert "LEDGER_UNAVAILABLE" in capsys.readouterr().err
