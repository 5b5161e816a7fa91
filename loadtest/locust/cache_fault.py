"""The fault of the scenario `redis-stopped`: the cache is killed, stays away, and comes back empty."""

from __future__ import annotations

import time
from collections.abc import Callable

from goldthread.app.embedded import EmbeddedStack
from loadtest.locust.figures import Outage

__all__ = ["take_cache_away"]


def take_cache_away(
    servers: EmbeddedStack, *, at: float, zero: float, seconds: float, say: Callable[[str], None]
) -> Outage:
    """Kills the cache at a moment (seconds since the epoch) and starts it again; told in seconds since `zero`. Raises `RuntimeError` if it moved."""
    time.sleep(max(0.0, at - time.time()))
    address = servers.endpoints.redis_url
    servers.kill("redis")
    began = time.time()
    say(f"the cache is away for {seconds:.0f} s")
    time.sleep(max(0.0, began + seconds - time.time()))
    ended = time.time()
    servers.restart("redis")
    if servers.endpoints.redis_url != address:
        raise RuntimeError("the cache came back at another address")
    say("the cache is back")
    return Outage(began - zero, ended - zero)
