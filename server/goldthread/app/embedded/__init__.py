"""Real PostgreSQL, Valkey and Apache Kafka in one data directory, for ``goldthread up``, the demo and the tests.

Nothing here speaks to the servers beyond asking whether they answer: that is the ledger's, the cache's and the bus's.
"""

from __future__ import annotations

from goldthread.app.embedded.endpoints import Endpoints, redact
from goldthread.app.embedded.failure import EmbeddedServerCancelledError, EmbeddedServerError
from goldthread.app.embedded.kafka import KafkaServer
from goldthread.app.embedded.launcher import EmbeddedServer
from goldthread.app.embedded.postgres import PostgresServer
from goldthread.app.embedded.stack import EmbeddedStack
from goldthread.app.embedded.valkey import ValkeyServer

__all__ = [
    "EmbeddedServer",
    "EmbeddedServerCancelledError",
    "EmbeddedServerError",
    "EmbeddedStack",
    "Endpoints",
    "KafkaServer",
    "PostgresServer",
    "ValkeyServer",
    "redact",
]
