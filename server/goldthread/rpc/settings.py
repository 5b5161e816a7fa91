"""Settings of the gRPC door."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from goldthread.domain.errors import SettingsError

__all__ = ["CallLimits", "RpcSettings"]

_AT_LEAST_ONE = (
    "threads",
    "max_connections",
    "max_handed_on",
    "lookup_misses",
    "misses_per_minute",
    "answers_per_minute",
    "resolve_threads",
    "resolve_group",
    "preview_threads",
    "steward_threads",
    "profile_threads",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """Limits of one service: calls at once (more are refused at once), seconds per call whatever the caller's deadline, bytes of a request."""

    in_flight: int
    seconds: float
    request_bytes: int

    def __post_init__(self) -> None:
        if self.in_flight < 1 or self.seconds <= 0 or self.request_bytes < 1:
            raise SettingsError("rpc.limits", "every limit must be above 0")


def _lookup_limits() -> CallLimits:
    return CallLimits(in_flight=4096, seconds=0.25, request_bytes=64 * 1024)


def _resolve_limits() -> CallLimits:
    return CallLimits(in_flight=256, seconds=5.0, request_bytes=1024 * 1024)


def _steward_limits() -> CallLimits:
    return CallLimits(in_flight=8, seconds=30.0, request_bytes=1024 * 1024)


def _profile_limits() -> CallLimits:
    return CallLimits(in_flight=16, seconds=30.0, request_bytes=64 * 1024)


def _watch_limits() -> CallLimits:
    return CallLimits(in_flight=16, seconds=3600.0, request_bytes=64 * 1024)


def _stream_limits() -> CallLimits:
    return CallLimits(in_flight=64, seconds=3_600.0, request_bytes=1024 * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcSettings:
    """Where the server listens and what it admits.

    Port 0 takes a free one; with `reuse_port` several processes share a port. TLS needs certificate and key; with `tls_client_ca` callers
    must show a certificate of that authority. These files and `credentials` are read again within `reread_seconds` of a change.

    A connection on which no known caller has asked for anything after `hello_seconds` is closed, and one that is idle for `idle_seconds` (it may take
    twice as long). `max_handed_on` calls of the services behind may be under way, of one credential half of them.

    `threads` answer lookups, of which `lookup_misses` may wait for the ledger. `credentials` is a
    file of those who may call (docs/register.md), with the budgets of lines that name none; without it anybody may who can reach
    the address, which must then be a loopback one. Stopping takes at most `drain_seconds` (balancers notice NOT_SERVING), `grace_seconds` (running
    calls end), a second, and what a Resolve or an operation in progress still needs. `resolve_threads` is the number of
    groups of Resolve calls, of at most `resolve_group` each, that work on the ledger at once, `preview_threads` that of previews,
    `steward_threads` that of stewards' calls, `profile_threads` that of reads of profiles, also for those who watch changes (`watch`).
    `stream` limits each of the methods that stream: calls at once, the life of one, and bytes of one of its messages, each of which has the time of
    a Resolve.
    """

    host: str = "127.0.0.1"
    port: int = 0
    reuse_port: bool = False
    reflection: bool = True
    threads: int = 1
    max_connections: int = 4_096
    credentials: Path | None = None
    misses_per_minute: int = 30
    answers_per_minute: int = 300
    lookup: CallLimits = field(default_factory=_lookup_limits)
    lookup_misses: int = 512
    resolve: CallLimits = field(default_factory=_resolve_limits)
    resolve_threads: int = 2
    resolve_group: int = 64
    preview_threads: int = 2
    stream: CallLimits = field(default_factory=_stream_limits)
    steward: CallLimits = field(default_factory=_steward_limits)
    steward_threads: int = 2
    profile: CallLimits = field(default_factory=_profile_limits)
    watch: CallLimits = field(default_factory=_watch_limits)
    profile_threads: int = 2
    max_message_bytes: int = 4 * 1024 * 1024
    max_metadata_bytes: int = 8 * 1024
    max_streams: int = 1_000
    max_handed_on: int = 1_000
    hello_seconds: float = 5.0
    idle_seconds: float = 300.0
    reread_seconds: float = 10.0
    drain_seconds: float = 0.0
    grace_seconds: float = 5.0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise SettingsError("rpc.port", "must be from 0 to 65535")
        if self.credentials is None and not _is_loopback(self.host):
            raise SettingsError("rpc.credentials", "must be set where others than this machine can call")
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise SettingsError(f"rpc.{name}", "must be at least 1")
        for name in ("hello_seconds", "idle_seconds", "reread_seconds"):
            if getattr(self, name) <= 0:
                raise SettingsError(f"rpc.{name}", "must be above 0")
        if self.drain_seconds < 0 or self.grace_seconds < 0:
            raise SettingsError("rpc.grace_seconds", "waits must not be negative")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise SettingsError("rpc.tls_key", "certificate and key are given together or not at all")
        if self.tls_client_ca is not None and self.tls_key is None:
            raise SettingsError("rpc.tls_client_ca", "needs certificate and key")

    @property
    def in_clear(self) -> bool:
        """Whether tokens and identifiers cross a network that others may listen to."""
        return self.tls_key is None and not _is_loopback(self.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
