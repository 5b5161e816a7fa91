"""People whose cards lie in the cache, by phone number."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, date, datetime

import redis

from goldthread.cache import CacheSettings, RedisCardStore
from goldthread.domain.ports import Answer, CardSnapshot
from goldthread.domain.words import IdentifierType, IncomingIdentifier, LookupOutcome, QuestionKind, Tier
from goldthread.matching import Keys
from goldthread.matching.identifiers import LookupKey, lookup_keys
from goldthread.wire import cached_answer

__all__ = ["KEYS", "REGION", "asked", "fill", "phone", "settle", "tokens"]

KEYS = Keys.derive(bytes(range(32)))
REGION = "US"
_BATCH = 2_000
_SETTLE_SECONDS = 300.0
_AT_WORK = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
# A prime above any number of people, so nobody is asked for twice, and neighbours are far apart.
_STRIDE = 1_000_000_007
_AREAS = (212, 312, 415, 617)
_EXCHANGES = 70
_PER_EXCHANGE = 10_000
_AS_OF = date(2026, 3, 1)
_BOUGHT = datetime(2026, 2, 3, 12, 30, tzinfo=UTC)


def phone(number: int) -> str:
    """Phone of person `number`: real American areas, so that it takes the parser as long as a customer's."""
    exchange, line = divmod(number, _PER_EXCHANGE)
    area, exchange = divmod(exchange, _EXCHANGES)
    return f"+1{_AREAS[area]}{220 + exchange}{line:04}"


def fill(cache_url: str, people: int) -> None:
    """Puts the cards of that many people into the cache, as the relay would."""
    with RedisCardStore(CacheSettings(url=cache_url, relay_timeout_ms=60_000)) as cards:
        generation = cards.generation()
        for first in range(0, people, _BATCH):
            numbers = range(first, min(people, first + _BATCH))
            cards.put_many(
                [
                    (token, cached_answer(_answer(token, number)))
                    for number, token in zip(numbers, tokens(numbers), strict=True)
                ],
                generation=generation,
            )


def settle(cache_url: str) -> None:
    """Waits until the cache has rewritten its log, which a fill makes it do: a process of its own, beside the callers on their core.

    Raises `TimeoutError` if it is still at it after five minutes.
    """
    until = time.monotonic() + _SETTLE_SECONDS
    with redis.Redis.from_url(cache_url) as cache:
        while any(cache.info("persistence")[name] for name in _AT_WORK):
            if time.monotonic() > until:
                raise TimeoutError("the cache is still rewriting its log")
            time.sleep(0.5)


def asked(people: int, count: int) -> list[int]:
    """Numbers of the people who are asked for, in the order of asking: the same ones each time."""
    return [place * _STRIDE % people for place in range(min(people, count))]


def tokens(numbers: Sequence[int]) -> list[bytes]:
    """Tokens of their phones."""
    asked = [
        IncomingIdentifier(path="", type=IdentifierType.PHONE, namespace="", raw=phone(number)) for number in numbers
    ]
    keys = lookup_keys(asked, keys=KEYS, region=REGION)
    return [key.tokens[0] for key in keys if isinstance(key, LookupKey)]


def _answer(token: bytes, number: int) -> Answer:
    card = CardSnapshot(
        profile_id=f"GP-{number:032x}",
        masked_name="Jennifer M.",
        tier=Tier.GOLD,
        tier_as_of=_AS_OF,
        last_purchase_at=_BOUGHT,
        last_purchase_store="S1",
    )
    return Answer(
        token=token,
        version=number + 1,
        outcome=LookupOutcome.FOUND,
        card=card,
        question=QuestionKind.UNSPECIFIED,
        review_id="",
    )
