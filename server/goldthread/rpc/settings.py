"""Settings of the gRPC door."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from goldthread.domain.errors import SettingsError

__all__ = ["CallLimits", "RpcSettings"]


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
    return CallLimits(in_flight=512, seconds=0.25, request_bytes=64 * 1024)


def _resolve_limits() -> CallLimits:
    return CallLimits(in_flight=64, seconds=5.0, request_bytes=1024 * 1024)


def _steward_limits() -> CallLimits:
    return CallLimits(in_flight=8, seconds=30.0, request_bytes=1024 * 1024)


@dataclass(frozen=True, slots=True, kw_only=True)
class RpcSettings:
    """Where the server listens and what it admits.

    Port 0 takes a free one; with `reuse_port` several processes share a port. TLS needs certificate and key; with `tls_client_ca` callers
    must show a certificate of that authority. Stopping takes at most `drain_seconds` (balancers notice NOT_SERVING), `grace_seconds` (running
    calls end), a second, and what a Resolve or an operation in progress still needs. `resolve_threads` is the number of Resolve calls that work
    on the ledger at once, `steward_threads` that of stewards' calls.
    """

    host: str = "127.0.0.1"
    port: int = 0
    reuse_port: bool = False
    reflection: bool = True
    lookup: CallLimits = field(default_factory=_lookup_limits)
    resolve: CallLimits = field(default_factory=_resolve_limits)
    resolve_threads: int = 4
    steward: CallLimits = field(default_factory=_steward_limits)
    steward_threads: int = 2
    max_message_bytes: int = 4 * 1024 * 1024
    max_metadata_bytes: int = 8 * 1024
    max_streams: int = 1_000
    drain_seconds: float = 0.0
    grace_seconds: float = 5.0
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_client_ca: Path | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise SettingsError("rpc.port", "must be from 0 to 65535")
        if self.resolve_threads < 1:
            raise SettingsError("rpc.resolve_threads", "must be at least 1")
        if self.steward_threads < 1:
            raise SettingsError("rpc.steward_threads", "must be at least 1")
        if self.drain_seconds < 0 or self.grace_seconds < 0:
            raise SettingsError("rpc.grace_seconds", "waits must not be negative")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise SettingsError("rpc.tls_key", "certificate and key are given together or not at all")
        if self.tls_client_ca is not None and self.tls_key is None:
            raise SettingsError("rpc.tls_client_ca", "needs certificate and key")
