"""Where the three servers answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Endpoints", "redact"]

_URL_PASSWORD = re.compile(r"(?<=:)[^:@/]*(?=@)")
_KEYWORD_PASSWORD = re.compile(r"(?<=password=)('(?:[^'\\]|\\.)*'|[^\s&]*)")


def redact(endpoint: str) -> str:
    """Gives `endpoint` with the password of a URL or of a keyword DSN replaced by ``***``."""
    return _KEYWORD_PASSWORD.sub("***", _URL_PASSWORD.sub("***", endpoint))


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """Holds what a client needs to connect: two URLs with their passwords, and a Kafka bootstrap list."""

    postgres_dsn: str
    redis_url: str
    kafka_bootstrap: str

    def __repr__(self) -> str:
        return (
            f"Endpoints(postgres_dsn={redact(self.postgres_dsn)!r}, redis_url={redact(self.redis_url)!r}, "
            f"kafka_bootstrap={self.kafka_bootstrap!r})"
        )
