"""The data plane answers as the lookup in plain Python does, whatever cache and ledger hold."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from google.rpc import error_details_pb2
from grpc import aio
from redis import Redis

from fixtures.door import KEYS, Door, reason, refused, run
from fixtures.lookup_twin import LookupTwin
from fixtures.twins import found
from goldthread.app.embedded import ValkeyServer
from goldthread.cache import CacheSettings, MemoryCardCache, MemoryCardStore, RedisCardStore
from goldthread.domain.errors import InvalidArgumentError
from goldthread.domain.ports import CachedAnswer
from goldthread.domain.words import IdentifierType, IncomingIdentifier, Violation
from goldthread.flows.loader import AnswerLoader
from goldthread.matching.identifiers import LookupKey, lookup_keys
from goldthread.v1 import identity_pb2
from goldthread.v1 import lookup_service_pb2 as pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread.wire import cached_answer

CASES = 150
ASKED = [
    (IdentifierType.EMAIL, "Jennifer.Miller+shop@Gmail.com"),
    (IdentifierType.EMAIL, "j.m@googlemail.com"),
    (IdentifierType.EMAIL, " a@B.de "),
    (IdentifierType.EMAIL, "n/a"),
    (IdentifierType.EMAIL, "no address"),
    (IdentifierType.PHONE, "(415) 555-2671"),
    (IdentifierType.PHONE, "+44 20 7946 0958"),
    (IdentifierType.PHONE, "12"),
    (IdentifierType.LOYALTY_CARD, "l-77"),
    (IdentifierType.DEVICE, "   "),
]


class RealKeys:
    """The matcher's keys without its model."""

    def lookup_keys(self, identifiers: Sequence[IncomingIdentifier]) -> list[LookupKey | Violation | None]:
        return lookup_keys(identifiers, keys=KEYS, region="US")


def planted(draw: random.Random, token: bytes) -> CachedAnswer | None:
    """What the cache may hold of a token: nothing, that nobody is known, or a card."""
    version = draw.choice((0, 3, 6))
    return draw.choice((None, CachedAnswer(version, b""), cached_answer(found(token, version + 1, "GP-cached"))))


async def by_twin(
    door: Door, store: MemoryCardStore, asked: IncomingIdentifier, min_version: int
) -> tuple[object, ...]:
    with ThreadPoolExecutor(1) as executor:
        cache = MemoryCardCache(store)
        loader = AnswerLoader(door.ledger, cache, door.metrics, executor=executor)
        try:
            answer = await LookupTwin(RealKeys(), cache, loader, door.metrics).lookup(
                asked, min_version=min_version, seconds=5
            )
        except InvalidArgumentError as error:
            return ("INVALID_ARGUMENT", [(one.field, one.description) for one in error.violations])
        finally:
            await loader.close()
    message = pb.LookupResponse.FromString(answer.answer.encoded)
    message.version, message.answer_source = answer.answer.version, int(answer.source)  # type: ignore[assignment]
    return ("OK", message)


async def by_door(door: Door, asked: IncomingIdentifier, min_version: int) -> tuple[object, ...]:
    identifier = identity_pb2.Identifier(type=asked.type, namespace=asked.namespace, raw=asked.raw or "")  # type: ignore[arg-type]
    request = pb.LookupRequest(identifier=identifier, min_version=min_version)
    call = LookupServiceStub(door.channel).Lookup
    try:
        return ("OK", await call(request, timeout=5))  # type: ignore[arg-type, misc]
    except aio.AioRpcError:
        _, details, _ = await refused(call(request, timeout=5))  # type: ignore[arg-type]
    broken = details["BadRequest"]
    assert isinstance(broken, error_details_pb2.BadRequest)
    return (reason(details), [(one.field, one.description) for one in broken.field_violations])


def test_the_data_plane_answers_as_plain_python_does(card_server: ValkeyServer, card_client: Redis) -> None:
    draw = random.Random(5)
    seen: set[tuple[object, ...]] = set()

    async def story(door: Door) -> None:
        for _ in range(CASES):
            kind, raw = draw.choice(ASKED)
            asked = IncomingIdentifier(path="identifier.raw", type=kind, namespace="", raw=raw)
            [key] = RealKeys().lookup_keys([asked])
            tokens = key.tokens if isinstance(key, LookupKey) else ()
            await asyncio.to_thread(card_client.flushall)
            memory = MemoryCardStore()
            door.ledger.known.clear()
            door.ledger.tell(*(found(token, 9, "GP-ledger") for token in tokens if draw.random() < 0.5))
            entries = [(token, entry) for token in tokens if (entry := planted(draw, token)) is not None]
            memory.put_many(entries, generation=memory.generation())
            await asyncio.to_thread(put, card_server.endpoint, entries)
            min_version = draw.choice((0, 0, 4, 7))
            expected = await by_twin(door, memory, asked, min_version)
            assert await by_door(door, asked, min_version) == expected
            message = expected[1]
            if isinstance(message, pb.LookupResponse):
                seen.add((message.outcome, message.answer_source))

    run(story, door=Door(card_server.endpoint))
    assert {source for _, source in seen} == {0, 1, 2}
    assert len(seen) == 5


def put(url: str, entries: Sequence[tuple[bytes, CachedAnswer]]) -> None:
    with RedisCardStore(CacheSettings(url=url)) as store:
        store.put_many(entries, generation=store.generation())
