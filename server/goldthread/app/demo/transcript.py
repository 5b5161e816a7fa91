"""One register lookup twice, as text: with the generated stubs, and by a client that knows nothing but what the server reflects."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
from google.protobuf import json_format, text_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from goldthread.app.demo.client import lookup_request
from goldthread.app.demo.sets import WantedIdentifier
from goldthread.v1 import lookup_service_pb2_grpc

__all__ = ["Transcript", "transcript_of"]

_SERVICE = "goldthread.v1.LookupService"
_METHOD = "Lookup"
_DEADLINE_SECONDS = 5.0
_MASK = "(masked)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """What was asked and answered, in protobuf's text format; the identifier's value is masked."""

    services: tuple[str, ...]
    """Services that the server reflects."""
    request: str
    by_stubs: str
    by_reflection: str
    same: bool
    """Whether both answers say the same; where the answer came from aside."""


def transcript_of(wanted: WantedIdentifier, *, address: str) -> Transcript:
    """Looks the identifier up both ways. Raises `grpc.RpcError`."""
    request = lookup_request(wanted)
    with grpc.insecure_channel(address) as channel:
        by_stubs = lookup_service_pb2_grpc.LookupServiceStub(channel).Lookup(request, timeout=_DEADLINE_SECONDS)
        services = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(services)
        method = pool.FindServiceByName(_SERVICE).FindMethodByName(_METHOD)
        dynamic = GetMessageClass(method.input_type)()
        # The value is set by field names alone, as a tool would that has no stubs.
        json_format.ParseDict(
            {"identifier": {"type": int(wanted.type), "namespace": wanted.namespace, "raw": wanted.value}}, dynamic
        )
        by_reflection = _call(channel, method, dynamic)
        names = tuple(sorted(services.get_services()))
    masked = type(request)()
    masked.CopyFrom(request)
    masked.identifier.raw = _MASK
    return Transcript(
        services=names,
        request=_text(masked),
        by_stubs=_text(by_stubs),
        by_reflection=_text(by_reflection),
        same=_content(by_stubs) == _content(by_reflection),
    )


def _call(channel: grpc.Channel, method: MethodDescriptor, request: Message) -> Message:
    answer_class = GetMessageClass(method.output_type)
    call: grpc.UnaryUnaryMultiCallable[Message, Message] = channel.unary_unary(
        f"/{_SERVICE}/{_METHOD}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=answer_class.FromString,
    )
    return call(request, timeout=_DEADLINE_SECONDS)


def _text(message: Message) -> str:
    return str(text_format.MessageToString(message, as_utf8=True)).rstrip()


def _content(message: Message) -> dict[str, object]:
    content: dict[str, object] = json_format.MessageToDict(message)
    content.pop("answerSource", None)
    return content
