"""What the load generator asks, as it stands in its files: two bytes of length and the request, two bytes of length and the answer's end."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from goldthread.v1 import identity_pb2, lookup_service_pb2
from loadtest.lookup.people import phone, tokens

__all__ = ["cache_get", "express", "grpc", "grpc_echo", "old_face", "rest", "write_questions"]

_Question = tuple[bytes, bytes]
_CACHE = lookup_service_pb2.ANSWER_SOURCE_CACHE


def write_questions(path: Path, numbers: Sequence[int], question: Callable[[int], _Question]) -> None:
    """One question for each of the people, in their order."""
    path.write_bytes(b"".join(_framed(part) for number in numbers for part in question(number)))


def grpc(number: int) -> _Question:
    """A Lookup. The fields that end an answer are those set per call: the version, which nobody else has, and the source."""
    identifier = identity_pb2.Identifier(type=identity_pb2.IDENTIFIER_TYPE_PHONE, raw=phone(number))
    message = lookup_service_pb2.LookupRequest(identifier=identifier).SerializeToString()
    end = lookup_service_pb2.LookupResponse(version=number + 1, answer_source=_CACHE).SerializeToString()
    return b"\0" + len(message).to_bytes(4, "big") + message, end


def grpc_echo(number: int) -> _Question:
    """A Lookup, whatever it is answered with."""
    return grpc(number)[0], b""


def rest(number: int) -> _Question:
    """`POST /v1/lookup`."""
    body = json.dumps({"identifier": {"type": "IDENTIFIER_TYPE_PHONE", "raw": phone(number)}}).encode()
    head = ("POST /v1/lookup HTTP/1.1", "content-type: application/json", f"content-length: {len(body)}")
    end = f'"version":"{number + 1}","answerSource":"ANSWER_SOURCE_CACHE"}}'
    return _http(head) + body, end.encode()


def old_face(number: int) -> _Question:
    """`GET /api/pos/lookup`. Its answer ends in a time, so any will do."""
    return _http((f"GET /api/pos/lookup?phone=%2B{phone(number)[1:]} HTTP/1.1",)), b""


def express(number: int) -> _Question:
    """The same of the peer, whose answer ends in the card."""
    return old_face(number)[0], f'"version":"{number + 1}"}}}}'.encode()


def cache_get(number: int) -> _Question:
    """The cache's own GET of a card, whose end is encoded; any that is there will do."""
    key = b"gt:card:register:" + tokens([number])[0].hex().encode()
    return b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key), b""


def _http(head: Iterable[str]) -> bytes:
    lines = (*head, "host: 127.0.0.1", "user-agent: goldthread-load", "accept: */*", "", "")
    return "\r\n".join(lines).encode()


def _framed(part: bytes) -> bytes:
    return len(part).to_bytes(2, "big") + part
