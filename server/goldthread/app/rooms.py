"""Each room's group of settings, made of those of the whole."""

from __future__ import annotations

import dataclasses

from goldthread.app.settings import Settings
from goldthread.bus import BusSettings
from goldthread.cache import CacheSettings
from goldthread.ledger import LedgerSettings
from goldthread.rpc import RpcSettings

__all__ = ["bus_settings", "cache_settings", "ledger_settings", "rpc_settings"]


def ledger_settings(settings: Settings) -> LedgerSettings:
    """The ledger's group."""
    return LedgerSettings(
        dsn=settings.need("postgres_dsn"),
        pool_max=settings.postgres_pool_max,
        statement_timeout_ms=settings.statement_timeout_ms,
    )


def cache_settings(settings: Settings) -> CacheSettings:
    """The cache's group."""
    return CacheSettings(
        url=settings.need("redis_url"), timeout_ms=settings.cache_timeout_ms, ttl_seconds=settings.cache_ttl_seconds
    )


def bus_settings(settings: Settings) -> BusSettings:
    """The bus's group."""
    return BusSettings(
        bootstrap=settings.need("kafka_bootstrap"),
        group=settings.consumer_group,
        events_topic=settings.events_topic,
        changes_topic=settings.changes_topic,
        dead_letters_topic=settings.dead_letters_topic,
        accept_gap=settings.accept_gap,
    )


def rpc_settings(settings: Settings) -> RpcSettings:
    """The gRPC door's group."""
    defaults = RpcSettings()
    return RpcSettings(
        host=settings.grpc_host,
        port=settings.grpc_port,
        reflection=settings.grpc_reflection,
        threads=settings.lookup_threads,
        credentials=settings.credentials_file,
        misses_per_minute=settings.lookup_misses_per_minute,
        answers_per_minute=settings.lookup_answers_per_minute,
        lookup=dataclasses.replace(defaults.lookup, seconds=settings.lookup_timeout_ms / 1000),
        resolve=dataclasses.replace(defaults.resolve, seconds=settings.resolve_timeout_ms / 1000),
        steward=dataclasses.replace(defaults.steward, seconds=settings.steward_timeout_ms / 1000),
        tls_certificate=settings.grpc_tls_certificate,
        tls_key=settings.grpc_tls_key,
        tls_client_ca=settings.grpc_tls_client_ca,
    )
