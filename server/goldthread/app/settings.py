"""Settings: the one place that reads the environment, once.

Every field of `Settings` is the key `GOLDTHREAD_` + its name in capitals. A key that is not a field is refused, so that a misspelt one
cannot be ignored. Options on the command line are given as overrides under the same names. Complaints name the key, never the value.
"""
# ruff: noqa: RUF009 (`_setting` returns dataclasses.field)

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Self

from goldthread.domain.errors import SettingsError

__all__ = ["PREFIX", "SHIPPED", "Settings", "key_of", "process_environment"]

PREFIX = "GOLDTHREAD_"
SHIPPED = "shipped"
"""Names the shipped model where a model file is asked for; a file of that name needs its whole path."""
MASTER_KEY_BYTES = 32


def key_of(name: str) -> str:
    """Environment key of a setting."""
    return PREFIX + name.upper()


def process_environment() -> dict[str, str]:
    """The process's environment without our own keys: what servers and children we start inherit."""
    return {key: value for key, value in os.environ.items() if not key.startswith(PREFIX)}


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value.strip()


def _path(value: str) -> Path:
    return Path(_text(value)).expanduser()


def _flag(value: str) -> bool:
    match value.strip().lower():
        case "1" | "true" | "yes" | "on":
            return True
        case "0" | "false" | "no" | "off":
            return False
        case _:
            raise ValueError("must be true or false")


def _number(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.strip().isdecimal() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def _code(length: int) -> Callable[[str], str]:
    def parse(value: str) -> str:
        code = value.strip().upper()
        if len(code) != length or not (code.isascii() and code.isalpha()):
            raise ValueError(f"must be {length} letters")
        return code

    return parse


def _region(value: str) -> str:
    code = _code(2)(value)
    # Loaded only when a region is given: the core takes longer to load than a command may take to listen for signals.
    from goldthread.matching import check_region

    try:
        check_region(code)
    except SettingsError:
        raise ValueError("must be a known ISO 3166 country code, such as US or GB") from None
    return code


def _one_of(*names: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        name = value.strip().lower()
        if name not in names:
            raise ValueError("must be one of " + ", ".join(names))
        return name

    return parse


def _setting(parse: Callable[[str], object], default: object, meaning: str, *, secret: bool = False) -> Any:  # noqa: ANN401 (as dataclasses.field)
    return field(default=default, repr=not secret, metadata={"parse": parse, "meaning": meaning, "secret": secret})


_port = _number(0, 65_535)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting of the service, typed and checked one by one; rooms check their own groups when they are built from it."""

    postgres_dsn: str | None = _setting(
        _text, None, "PostgreSQL's primary, as a URL or key=value pairs; no transaction pooler in between", secret=True
    )
    postgres_pool_max: int = _setting(
        _number(2, 100),
        18,
        "connections one process opens at most; a server needs one for each of its 13 threads, and one more",
    )
    statement_timeout_ms: int = _setting(_number(1, 600_000), 30_000, "longest statement")
    redis_url: str | None = _setting(
        _text, None, "Redis-compatible cache, as a URL (its parameters: docs/register.md)", secret=True
    )
    cache_timeout_ms: int = _setting(_number(1, 10_000), 20, "longest cache call of a lookup")
    cache_ttl_seconds: int = _setting(
        _number(60, 30 * 86_400), 86_400, "life of a cached card, spread by a fifth each way"
    )
    kafka_bootstrap: str | None = _setting(_text, None, "Kafka brokers, host:port with commas between")
    events_topic: str = _setting(_text, "goldthread.customer-events", "topic that customer events are read from")
    changes_topic: str = _setting(
        _text, "goldthread.profile-changes", "compacted topic that profile changes are written to"
    )
    dead_letters_topic: str = _setting(_text, "goldthread.dead-letters", "topic that rejected messages are written to")
    consumer_group: str = _setting(_text, "goldthread", "name under which offsets are kept in the ledger")
    batch_events: int = _setting(_number(1, 5_000), 2_000, "most events of one transaction")
    batch_ms: int = _setting(_number(1, 5_000), 100, "least time between batches that are not full")
    accept_gap: bool = _setting(
        _flag,
        False,
        "go on although the topic lost messages that were never read; take it off again once the gap is past",
    )
    grpc_host: str = _setting(_text, "127.0.0.1", "address that gRPC listens on")
    grpc_port: int = _setting(_port, 50_051, "port that gRPC listens on; 0 takes a free one")
    grpc_tls_certificate: Path | None = _setting(_path, None, "PEM file with the server's certificate chain")
    grpc_tls_key: Path | None = _setting(_path, None, "PEM file with the server's private key")
    grpc_tls_client_ca: Path | None = _setting(
        _path, None, "PEM file with the authority of which callers must show a certificate; needs the two above"
    )
    grpc_reflection: bool = _setting(_flag, True, "offer gRPC reflection; switch it off in production")
    credentials_file: Path | None = _setting(
        _path, None, "file of those who may call (docs/register.md); required unless gRPC listens on loopback"
    )
    lookup_threads: int = _setting(_number(1, 64), 1, "threads that answer lookups")
    lookup_misses_per_minute: int = _setting(
        _number(1, 1_000_000), 30, "lookups a minute that may find nobody, per credential; 60 times as many a day"
    )
    lookup_answers_per_minute: int = _setting(
        _number(1, 1_000_000), 300, "different identifiers a minute, per credential; 60 times as many a day"
    )
    lookup_timeout_ms: int = _setting(_number(1, 10_000), 250, "longest lookup, whatever the caller allows")
    resolve_timeout_ms: int = _setting(_number(1, 60_000), 5_000, "longest resolve, whatever the caller allows")
    steward_timeout_ms: int = _setting(
        _number(1, 600_000), 30_000, "longest call of a steward, whatever the caller allows"
    )
    target: str | None = _setting(
        _text,
        None,
        "host:port of the service that commands call; by default that of `up` in this directory, or of gRPC",
    )
    token: str | None = _setting(_text, None, "token of the credential that commands call with", secret=True)
    tls_roots: Path | None = _setting(
        _path, None, "PEM file of the authority that the service's certificate is checked by; commands then encrypt"
    )
    metrics_host: str = _setting(_text, "127.0.0.1", "address that /metrics listens on")
    metrics_port: int = _setting(_port, 9_464, "port that /metrics listens on; 0 takes a free one")
    master_key: str | None = _setting(_text, None, "secret of which every key is derived, 64 hex digits", secret=True)
    master_key_file: Path | None = _setting(_path, None, "file that holds the master key instead")
    key_version: int = _setting(_number(1, 255), 1, "version written beside every token")
    region: str = _setting(
        _region, "US", "country (ISO 3166, such as US or GB) of phone numbers and dates written without one"
    )
    currency: str = _setting(_code(3), "USD", "currency of totals; purchases in another one are dead letters")
    model: Path | None = _setting(
        _path, None, f"match model file, or `{SHIPPED}`, as if absent; batch runs train theirs if absent"
    )
    survivorship_file: Path | None = _setting(
        _path, None, "survivorship policy file (docs/profiles.md); the one that the ledger is under if absent"
    )
    log_level: str = _setting(_one_of("debug", "info", "warning", "error"), "info", "least severe event that is logged")

    @classmethod
    def read(
        cls,
        environ: Mapping[str, str] | None = None,
        overrides: Mapping[str, object] | None = None,
        *,
        defaults: Mapping[str, object] | None = None,
    ) -> Self:
        """Settings of the environment (the process's own if None), with overrides that are not None taken instead.

        `defaults` replace those of the class. A master key file among the overrides wins over a master key in the environment. Raises
        `SettingsError` naming the first unknown or invalid key.
        """
        source = os.environ if environ is None else environ
        fields = {spec.name: spec for spec in dataclasses.fields(cls)}
        given = {key: value for key, value in source.items() if key.startswith(PREFIX)}
        known = {key_of(name) for name in fields}
        for key in sorted(given):
            if key not in known:
                raise SettingsError(key, "there is no such setting")
        texts = {name: given[key_of(name)] for name in fields if key_of(name) in given}
        if (overrides or {}).get("master_key_file") is not None:
            texts.pop("master_key", None)
        for name, value in (overrides or {}).items():
            if name not in fields:
                raise SettingsError(key_of(name), "there is no such setting")
            if value is not None:
                texts[name] = str(value)
        values: dict[str, Any] = dict(defaults or {})
        values.update((name, _parsed(fields[name], text)) for name, text in texts.items())
        return cls(**values)

    def need(self, name: str) -> str:
        """A text setting that must be present; raises `SettingsError` naming its key if it is not."""
        value = getattr(self, name)
        if value is None:
            raise SettingsError(key_of(name), "must be set")
        return str(value)

    def master_secret(self) -> bytes:
        """The 32 bytes of the master key; raises `SettingsError` unless exactly one of its two settings holds one."""
        if (self.master_key is None) == (self.master_key_file is None):
            raise SettingsError(key_of("master_key_file"), f"set either this or {key_of('master_key')}")
        if self.master_key is not None:
            key, text = key_of("master_key"), self.master_key
        else:
            key, text = key_of("master_key_file"), _read(self.need("master_key_file"), key_of("master_key_file"))
        try:
            secret = bytes.fromhex(text.strip())
        except ValueError:
            raise SettingsError(key, "must be hex digits") from None
        if len(secret) != MASTER_KEY_BYTES:
            raise SettingsError(key, f"must be {MASTER_KEY_BYTES} bytes, {2 * MASTER_KEY_BYTES} hex digits")
        return secret

    def model_text(self) -> str:
        """The match model file's text."""
        if self.model is None or str(self.model) == SHIPPED:
            shipped = resources.files("goldthread") / "models" / "retail-persons-1.toml"
            return shipped.read_text(encoding="utf-8")
        return _read(str(self.model), key_of("model"))

    def survivorship_text(self) -> str:
        """The survivorship policy file's text."""
        return _read(str(self.survivorship_file), key_of("survivorship_file"))

    def environment(self) -> dict[str, str]:
        """The settings that differ from their defaults as environment keys, for a child process. Holds secrets."""
        return {
            key_of(spec.name): str(getattr(self, spec.name)).lower()
            if spec.type == "bool"
            else str(getattr(self, spec.name))
            for spec in dataclasses.fields(self)
            if getattr(self, spec.name) != spec.default
        }


def _parsed(spec: dataclasses.Field[Any], text: str) -> object:
    try:
        return spec.metadata["parse"](text)
    except ValueError as error:
        raise SettingsError(key_of(spec.name), str(error)) from None


def _read(path: str, key: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(key, f"the file cannot be read ({type(error).__name__})") from None
