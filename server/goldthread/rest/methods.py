"""Which paths there are: one for each unary method of the services that are served."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from goldthread.domain.errors import SettingsError

__all__ = ["UnaryMethod", "path_of", "unary_methods"]

_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class UnaryMethod:
    """A method: its path over REST, its name on gRPC's wire, and its messages."""

    path: str
    wire: str
    request: type[Message]
    response: type[Message]


def path_of(method: str) -> str:
    """Path of a method by its name: `/v1/decide-review` for `DecideReview`."""
    return f"/v1/{_WORD.sub('-', method).lower()}"


def unary_methods(services: Iterable[str]) -> list[UnaryMethod]:
    """The unary methods of services by their full names, whose protos must have been imported.

    Raises `SettingsError` if two would have one path.
    """
    pool = descriptor_pool.Default()
    found: dict[str, UnaryMethod] = {}
    for service in services:
        described = pool.FindServiceByName(service)
        for method in described.methods:
            if method.client_streaming or method.server_streaming:
                continue
            path = path_of(method.name)
            if path in found:
                raise SettingsError("rest.services", f"two methods have the path {path}")
            found[path] = UnaryMethod(
                path=path,
                wire=f"/{described.full_name}/{method.name}",
                request=message_factory.GetMessageClass(method.input_type),
                response=message_factory.GetMessageClass(method.output_type),
            )
    return list(found.values())
