"""Who else is about while writers storm: the relay, a worker that redoes marks, and registers that look everybody up."""

from __future__ import annotations

import asyncio
import dataclasses
import random
import threading
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from grpc import aio

from fixtures.story import KEYS, Story
from fixtures.twins import PublisherTwin
from goldthread.cache import CacheSettings, CardFiller, RedisCardStore
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.words import IncomingEvent, IncomingIdentifier
from goldthread.flows.loader import AnswerLoader
from goldthread.flows.relay import RelayFlow
from goldthread.rpc import RegisterDoor, RpcSettings
from goldthread.v1 import identity_pb2
from goldthread.v1 import lookup_service_pb2 as pb
from goldthread.v1.lookup_service_pb2_grpc import LookupServiceStub
from goldthread.workers.relay import RelaySettings, RelayWorker

__all__ = ["Bystanders"]

_REDO_SECONDS = 0.05
_LEAVE_SECONDS = 30.0


class Bystanders:
    """Threads that run inside the context; what failed in one of them is raised on leaving. `told` are ids that registers were shown."""

    def __init__(self, story: Story, cards: RedisCardStore, redis_url: str, *, events: Sequence[IncomingEvent]) -> None:
        self._story = story
        self._cards = cards
        self._redis_url = redis_url
        self._asked = [identifier for event in events for identifier in event.identifiers]
        self._stop = threading.Event()
        self._failures: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._guarded, args=(work,), name=work.__name__)
            for work in (self._relay, self._redo, self._registers)
        ]
        self.publisher = PublisherTwin()
        self.lookups = 0
        self.told: set[str] = set()

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(_LEAVE_SECONDS)
        if error is None:
            assert not any(thread.is_alive() for thread in self._threads)
            if self._failures:
                raise self._failures[0]

    def _guarded(self, work: object) -> None:
        assert callable(work)
        try:
            work()
        except Exception as error:  # noqa: BLE001 - raised again where the context ends
            self._failures.append(error)

    def _relay(self) -> None:
        with ThreadPoolExecutor(1) as executor:
            flow = RelayFlow(
                self._story.ledger,
                self._cards,
                self.publisher,
                self._story.metrics,
                clock=lambda: datetime.now(UTC),
                executor=executor,
            )
            RelayWorker(flow, self._story.metrics, RelaySettings()).run(self._stop)

    def _redo(self) -> None:
        while not self._stop.wait(_REDO_SECONDS):
            with suppress(LedgerUnavailableError):
                self._story.flow.redo(100)

    def _registers(self) -> None:
        with ThreadPoolExecutor(2) as executor:
            asyncio.run(self._look_up(executor))

    async def _look_up(self, executor: Executor) -> None:
        story, settings = self._story, RpcSettings()
        cards = CacheSettings(url=self._redis_url, timeout_ms=1_000)
        filler = CardFiller(cards)
        loader = AnswerLoader(story.ledger, filler, story.metrics, executor=executor, seconds=10)
        limits = dataclasses.replace(settings.lookup, seconds=20)
        door = RegisterDoor(
            dataclasses.replace(settings, lookup=limits),
            cards,
            token_key=KEYS.token,
            region="US",
            answers=loader,
            metrics=story.metrics,
        )
        port = await door.start(forward=None)
        channel = aio.insecure_channel(f"127.0.0.1:{port}")
        call = LookupServiceStub(channel).Lookup
        draw = random.Random(1)
        try:
            while not self._stop.is_set():
                found = await asyncio.gather(
                    *(call(lookup_of(asked), timeout=20) for asked in draw.choices(self._asked, k=8))
                )
                self.lookups += len(found)
                for answer in found:
                    shown = answer.card.profile_id
                    if shown:
                        self.told.add(shown)
                await asyncio.sleep(0.01)
        finally:
            await channel.close()
            await door.drain(seconds=1)
            await loader.close()
            await filler.close()


def lookup_of(asked: IncomingIdentifier) -> pb.LookupRequest:
    """The request of a register that was shown this identifier."""
    identifier = identity_pb2.Identifier(type=asked.type, namespace=asked.namespace)  # type: ignore[arg-type]
    if asked.raw is not None:
        identifier.raw = asked.raw
    else:
        identifier.digest.form = asked.form  # type: ignore[assignment]
        identifier.digest.sha256 = asked.digest or b""
    return pb.LookupRequest(identifier=identifier)
