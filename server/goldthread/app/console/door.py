"""Where commands find the service, and how they call it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TypeVar, cast

import click
import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from goldthread.app.settings import Settings
from goldthread.domain.errors import GoldthreadError
from goldthread.v1 import (
    lookup_service_pb2_grpc,
    profile_service_pb2_grpc,
    resolver_service_pb2_grpc,
    steward_service_pb2_grpc,
)

__all__ = ["CallError", "Door", "data_dir_option", "json_option", "local_settings", "opened", "target_option"]

Response = TypeVar("Response")
_Command = TypeVar("_Command", bound=Callable[..., object])

_SECONDS = 30.0
_ENDPOINTS = "endpoints.json"

data_dir_option = click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".goldthread"),
    show_default=True,
    help="Of a running `up`, whose service is called unless another is named.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def target_option(command: _Command) -> _Command:
    """Options that name the service."""
    return click.option("--target", help="The service, host:port.")(data_dir_option(command))


class CallError(GoldthreadError):
    """A call failed. `reason` is the service's own word, or the gRPC code where the service was not reached."""

    def __init__(self, call: grpc.Call) -> None:
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        status = rpc_status.from_call(call)
        for detail in status.details if status is not None else ():
            for message in (info, bad):
                detail.Unpack(message)
        broken = "; ".join(f"{one.field} {one.description}" for one in bad.field_violations)
        super().__init__(broken or call.details() or "the call failed", metadata=dict(info.metadata))
        self.reason = info.reason or call.code().name  # type: ignore[misc] # a class has one word, a service many


class Door:
    """Stubs of the service and one way to call them."""

    def __init__(self, channel: grpc.Channel, token: str | None) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()
        self.lookup = lookup_service_pb2_grpc.LookupServiceStub(channel)
        self.profiles = profile_service_pb2_grpc.ProfileServiceStub(channel)
        self.resolver = resolver_service_pb2_grpc.ResolverServiceStub(channel)
        self.steward = steward_service_pb2_grpc.StewardServiceStub(channel)

    def call(self, method: Callable[..., Response], request: object) -> Response:
        """One unary call; raises `CallError`."""
        try:
            return method(request, timeout=_SECONDS, metadata=self._metadata)
        except grpc.RpcError as error:
            raise CallError(cast("grpc.Call", error)) from None


@contextmanager
def opened(target: str | None, data_dir: Path) -> Iterator[Door]:
    """The service's door for one command."""
    settings = local_settings(data_dir, target=target)
    address = settings.target or f"{settings.grpc_host}:{settings.grpc_port}"
    if settings.tls_roots is None:
        channel = grpc.insecure_channel(address)
    else:
        channel = grpc.secure_channel(address, grpc.ssl_channel_credentials(settings.tls_roots.read_bytes()))
    with channel:
        yield Door(channel, settings.token)


def local_settings(data_dir: Path, **overrides: str | None) -> Settings:
    """Settings; what nobody says is taken from a running `up` with this data directory."""
    settings = Settings.read(overrides=overrides)
    try:
        found = json.loads((data_dir / _ENDPOINTS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return settings
    usual = {spec.name: spec.default for spec in fields(Settings)}
    local = {
        "target": found.get("grpc"),
        "postgres_dsn": found.get("postgres_dsn"),
        "kafka_bootstrap": found.get("kafka_bootstrap"),
    }
    if settings.master_key is None and found.get("master_key_file"):
        local["master_key_file"] = Path(found["master_key_file"])
    return replace(
        settings, **{name: value for name, value in local.items() if value and getattr(settings, name) == usual[name]}
    )
