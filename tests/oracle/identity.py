"""Tokens and record addresses: the last lines of section 2 and section 3 of docs/matching.md."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from oracle.records import ATTRIBUTES, IDENTIFIER_TYPES

__all__ = ["Digest", "address_of", "token_of"]

_PREFIXES = {1: "", 2: "gmail_folded:", 3: "anchor:"}


class Digest(NamedTuple):
    """One identifier before it is keyed."""

    type: int
    namespace: str
    form: int
    digest: bytes


def token_of(key: bytes, identifier: Digest) -> bytes:
    """Token of 32 bytes."""
    name = IDENTIFIER_TYPES[identifier.type - 1].encode()
    namespace = (_PREFIXES[identifier.form] + identifier.namespace).encode()
    return _keyed(key, name, namespace, identifier.digest)


def address_of(
    key: bytes,
    source: str,
    identifiers: Iterable[Digest],
    attributes: Mapping[str, str | None],
    epoch: int,
    *,
    extras: Mapping[str, str] | None = None,
) -> bytes:
    """Record address of 32 bytes."""
    lines = [f"{one.type}:{one.namespace}:{one.form}:{one.digest.hex()}" for one in sorted(set(identifiers))]
    lines += [f"{name}={attributes[name]}" for name in ATTRIBUTES if attributes.get(name)]
    lines += [f"extra:{name}={value}" for name, value in sorted((extras or {}).items())]
    return _keyed(key, source.encode(), "\n".join(lines).encode(), str(epoch).encode())


def _keyed(key: bytes, *parts: bytes) -> bytes:
    return hmac.new(key, b"\0".join(parts), hashlib.sha256).digest()
