"""Where the service is and how it is called: the same for sync and async."""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files

import grpc

__all__ = ["Connection"]

_KEEPALIVE_MS = 60_000
_MAX_METADATA_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A service at `target`, `host:port`. `token` is its credential's; `tls` encrypts, against `root_certificates` (PEM) or those of the system.

    Deadlines are in seconds and bound a call with all its retries: `lookup_seconds` lookups, at which somebody waits at a till, `call_seconds` all
    others. UNAVAILABLE is retried up to four times in all, with growing pauses (`service_config.json`).
    """

    target: str
    token: str = field(default="", repr=False)
    tls: bool = False
    root_certificates: bytes | None = None
    lookup_seconds: float = 2.0
    call_seconds: float = 10.0

    @property
    def options(self) -> list[tuple[str, str | int]]:
        """Channel arguments."""
        config = files("goldthread_client").joinpath("service_config.json").read_text(encoding="utf-8")
        return [
            ("grpc.service_config", config),
            ("grpc.enable_retries", 1),
            ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
            ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ]

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What every call carries."""
        return (("authorization", f"Bearer {self.token}"),) if self.token else ()

    def credentials(self) -> grpc.ChannelCredentials | None:
        """TLS, or None without."""
        return grpc.ssl_channel_credentials(self.root_certificates) if self.tls else None
