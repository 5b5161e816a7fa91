"""Our lookups without a ledger behind them: `python -m loadtest.lookup.server PORT CACHE_URL`. What the cache lacks is an error."""

from __future__ import annotations

import asyncio
import sys

from goldthread.cache import CacheSettings
from goldthread.domain.errors import LedgerUnavailableError
from goldthread.domain.ports import CachedAnswer
from goldthread.rpc import CallLimits, RegisterDoor, RpcSettings
from goldthread.telemetry.metrics import Metrics
from loadtest.lookup.people import KEYS, REGION


class NoLedger:
    """Answers nothing: a miss in a benchmark of hits is a mistake."""

    async def load(self, token: bytes, *, min_version: int, generation: bytes) -> CachedAnswer:  # noqa: ARG002
        """See `rpc.register.Answers`."""
        raise LedgerUnavailableError("there is no ledger here")


async def serve(port: int, cache_url: str) -> None:
    """Serves on loopback until killed."""
    settings = RpcSettings(port=port, lookup=CallLimits(in_flight=65_536, seconds=5, request_bytes=65_536))
    cards = CacheSettings(url=cache_url, timeout_ms=1_000)
    door = RegisterDoor(settings, cards, token_key=KEYS.token, region=REGION, answers=NoLedger(), metrics=Metrics())
    await door.start(forward=None)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
