"""Loopback ports that stay the same over restarts.

Fresh ports are drawn outside the range from which the kernel serves outgoing connections, so that no client socket sits
on a remembered port while its server is down. Where that range leaves too little, another process may take a remembered
port, as it may between the check and the server's own bind: the launcher then draws again.
"""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Collection
from pathlib import Path

__all__ = ["LOOPBACK", "drawn_from", "free_ports", "is_free", "keep_or_draw"]

LOOPBACK = "127.0.0.1"
_LOWEST = 10_000
_HIGHEST = 65_535
_FEWEST = 2_000
_USUAL = range(17_000, 32_000)
_DRAWS = 2_000
_POLL_SECONDS = 0.1
_OUTGOING = Path("/proc/sys/net/ipv4/ip_local_port_range")


def drawn_from(outgoing: str) -> range:
    """Gives the ports to draw from, given `outgoing`: "32768 60999", the kernel's range for client sockets.

    The larger of the spaces beside that range, from port 10,000 on; 17,000 to 31,999 where neither has 2,000 ports or
    `outgoing` is no such text.
    """
    try:
        first, last = (int(bound) for bound in outgoing.split())
    except ValueError:
        return _USUAL
    widest = max(range(_LOWEST, first), range(max(_LOWEST, last + 1), _HIGHEST + 1), key=len)
    return widest if len(widest) >= _FEWEST else _USUAL


def _usual_ports() -> range:
    try:
        return drawn_from(_OUTGOING.read_text(encoding="ascii"))
    except OSError:
        return _USUAL


def is_free(port: int) -> bool:
    """Tells whether a server could listen on loopback port `port` now. Finished connections do not count."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_ports(
    count: int,
    *,
    rng: random.Random,
    avoid: Collection[int] = (),
    usable: Callable[[int], bool] = is_free,
) -> tuple[int, ...]:
    """Gives `count` different usable ports, none of them in `avoid`. Raises OSError if it finds too few."""
    found: list[int] = []
    ports = _usual_ports()
    for _ in range(_DRAWS):
        if len(found) == count:
            break
        port = rng.choice(ports)
        if port not in avoid and port not in found and usable(port):
            found.append(port)
    if len(found) < count:
        raise OSError(f"found {len(found)} of {count} free loopback ports from {ports.start} to {ports.stop - 1}")
    return tuple(found)


def keep_or_draw(
    remembered: tuple[int, ...],
    *,
    count: int,
    rng: random.Random,
    patience: float,
    usable: Callable[[int], bool] = is_free,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[int, ...]:
    """Gives the `remembered` ports, or fresh ones where a remembered one stays taken for `patience` seconds.

    The patience is for a server that was just killed and whose last sockets are still closing.
    """
    ports = list(remembered[:count])
    polls = max(1, round(patience / _POLL_SECONDS))
    for _ in range(polls):
        if all(usable(port) for port in ports):
            break
        sleep(_POLL_SECONDS)
    kept = [port for port in ports if usable(port)]
    fresh = free_ports(count - len(kept), rng=rng, avoid=ports, usable=usable)
    drawn = iter(fresh)
    return tuple(ports[index] if index < len(ports) and ports[index] in kept else next(drawn) for index in range(count))
