"""The register data plane: the door of every service, and `LookupService` itself, in Rust (`resolver_core/register`).

It answers from the cache on threads of its own, which never wait for this interpreter. What the cache lacks it leaves as questions and makes
a descriptor readable; they are taken here, on the event loop, and answered by the loader. Calls of the other services, and REST's
paths that are no lookups, it hands on to the sockets it is given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from goldthread._core import InputError, Register
from goldthread.cache import CacheSettings
from goldthread.domain.errors import GoldthreadError, SettingsError
from goldthread.domain.ports import CachedAnswer
from goldthread.rpc.settings import RpcSettings
from goldthread.rpc.status import code_of
from goldthread.telemetry.logs import frames_of, get_logger
from goldthread.telemetry.metrics import LATENCY_BOUNDS, Metrics

__all__ = ["Answers", "RegisterDoor"]

_log = get_logger(__name__)
_MOST = 256
"""Questions taken in one turn of the loop; the rest in the next one, so that other work gets its turns."""
_LAST_WAIT_SECONDS = 1.0
"""For answers whose callers have gone; a query has a shorter limit of its own."""
_INTERNAL: tuple[int, str, str, list[tuple[str, str]], bool] = (13, "INTERNAL", "internal error", [], False)


class Answers(Protocol):
    """What answers questions: `flows.AnswerLoader`."""

    async def load(self, token: bytes, *, min_version: int, generation: bytes) -> CachedAnswer:
        """The ledger's answer."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plane:
    """What `_core.Register` reads; each field as `_core.pyi` says."""

    host: str
    port: int
    reuse_port: bool
    threads: int
    max_connections: int
    hello_seconds: float
    idle_seconds: float
    max_streams: int
    max_handed_on: int
    max_metadata_bytes: int
    in_flight: int
    misses: int
    seconds: float
    request_bytes: int
    tls_certificate: Path | None
    tls_key: Path | None
    tls_client_ca: Path | None
    tls_seconds: float
    credentials: Path | None
    credentials_seconds: float
    misses_per_minute: int
    answers_per_minute: int
    forward: Path | None
    web: Path | None
    cache_url: str = field(repr=False)
    cache_seconds: float
    breaker_failures: int
    breaker_seconds: float
    token_key: bytes = field(repr=False)
    region: str
    latency_bounds: Sequence[float]


class RegisterDoor:
    """Starts and drains the data plane and answers its questions; used from one event loop, starts once.

    `answers` is closed by whoever built it, after this has drained.
    """

    def __init__(
        self,
        settings: RpcSettings,
        cache: CacheSettings,
        *,
        token_key: bytes,
        region: str,
        answers: Answers,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._cache = cache
        self._token_key = token_key
        self._region = region
        self._answers = answers
        self._metrics = metrics
        self._plane: Register | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, *, forward: Path | None, web: Path | None = None) -> int:
        """Port on which it now listens. Raises `SettingsError` naming what cannot be used."""
        plane = self._plane = await asyncio.to_thread(self._opened, forward, web)
        self._metrics.join(plane)
        asyncio.get_running_loop().add_reader(plane.fileno(), self._take, plane)
        if plane.credentials is None:
            _log.warning("callers_not_checked", host=self._settings.host)
        else:
            _log.info("credentials_read", count=plane.credentials)
            if self._settings.in_clear:
                _log.warning("tls_off", host=self._settings.host, in_clear="tokens and identifiers")
        return plane.port

    async def drain(self, *, seconds: float) -> int:
        """Stops listening and lets running calls end; how many were cut off after `seconds`. A second call does nothing."""
        plane, self._plane = self._plane, None
        if plane is None:
            return 0
        left = await asyncio.to_thread(plane.drain, seconds)
        asyncio.get_running_loop().remove_reader(plane.fileno())
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=_LAST_WAIT_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        return left

    def _opened(self, forward: Path | None, web: Path | None) -> Register:
        settings, cache = self._settings, self._cache
        plane = _Plane(
            host=settings.host,
            port=settings.port,
            reuse_port=settings.reuse_port,
            threads=settings.threads,
            max_connections=settings.max_connections,
            hello_seconds=settings.hello_seconds,
            idle_seconds=settings.idle_seconds,
            max_streams=settings.max_streams,
            max_handed_on=settings.max_handed_on,
            max_metadata_bytes=settings.max_metadata_bytes,
            in_flight=settings.lookup.in_flight,
            misses=settings.lookup_misses,
            seconds=settings.lookup.seconds,
            request_bytes=settings.lookup.request_bytes,
            tls_certificate=settings.tls_certificate,
            tls_key=settings.tls_key,
            tls_client_ca=settings.tls_client_ca,
            tls_seconds=settings.reread_seconds,
            credentials=settings.credentials,
            credentials_seconds=settings.reread_seconds,
            misses_per_minute=settings.misses_per_minute,
            answers_per_minute=settings.answers_per_minute,
            forward=forward,
            web=web,
            cache_url=cache.url,
            cache_seconds=cache.timeout_ms / 1000,
            breaker_failures=cache.breaker_failures,
            breaker_seconds=cache.breaker_seconds,
            token_key=self._token_key,
            region=self._region,
            latency_bounds=LATENCY_BOUNDS,
        )
        try:
            return Register(plane)
        except InputError as error:
            name, reason = error.args
            key = {"tls": "tls_key"}.get(name, name)
            raise SettingsError(key if "." in key else f"rpc.{key}", reason) from None

    def _take(self, plane: Register) -> None:
        for number, token, min_version, generation in plane.take(_MOST):
            self._begin(self._answer(plane, number, token, min_version, generation))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, plane: Register, number: int, token: bytes, min_version: int, generation: bytes) -> None:
        try:
            answer = await self._answers.load(token, min_version=min_version, generation=generation)
        except GoldthreadError as error:
            _log.debug("lookup_refused", reason=error.reason)
            code: int = code_of(error).value[0]
            plane.fail(number, code, error.reason, error.message, list(error.metadata.items()), error.retryable)
        except BaseException as error:  # the last stop before the callers: whatever it is, they get an answer
            _log.error("lookup_failed", error=type(error).__name__, frames=frames_of(error))
            plane.fail(number, *_INTERNAL)
            if not isinstance(error, Exception):
                raise
        else:
            plane.answer(number, answer.version, answer.encoded)
