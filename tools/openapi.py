"""Describes the REST faces for tools: OpenAPI 3.1, made of the protos' descriptors and comments.

Every unary method of every service becomes `POST /v1/…` (`goldthread.rest.methods`), in protobuf's JSON mapping. What a comment says becomes the
description, and a field whose comment says that it is required is required. What descriptors cannot say stands in `openapi_rules.py`:
lengths and patterns, examples, what can be done with an answer, and the older register face.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Any

from google.protobuf import descriptor_pb2 as pb

from goldthread.rest.methods import path_of
from openapi_rules import EXAMPLES, LINKS, OLD_FACE, OLD_SCHEMAS, PROBLEM, RULES

__all__ = ["openapi"]

Json = dict[str, Any]
_F = pb.FieldDescriptorProto
_REQUIRED = re.compile(r"\brequired\b(?! unless|, except)", re.IGNORECASE)
_INTEGER = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
_LONG = {"type": "string", "format": "int64", "pattern": "^-?[0-9]{1,18}$"}
_SCALARS: dict[int, Json] = {
    _F.TYPE_DOUBLE: {"type": "number"},
    _F.TYPE_FLOAT: {"type": "number"},
    _F.TYPE_INT64: _LONG,
    _F.TYPE_UINT64: {"type": "string", "format": "uint64", "pattern": "^[0-9]{1,19}$"},
    _F.TYPE_INT32: _INTEGER,
    _F.TYPE_UINT32: {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
    _F.TYPE_BOOL: {"type": "boolean"},
    _F.TYPE_STRING: {"type": "string"},
    _F.TYPE_BYTES: {"type": "string", "contentEncoding": "base64"},
}
_KNOWN: dict[str, Json] = {
    ".google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    ".google.protobuf.Duration": {"type": "string", "pattern": "^-?[0-9]+([.][0-9]{1,9})?s$"},
}


class _Types:
    """The messages and enums of the protos by their full names, with their comments."""

    def __init__(self, files: Iterable[pb.FileDescriptorProto]) -> None:
        self.messages: dict[str, tuple[pb.DescriptorProto, Json]] = {}
        self.enums: dict[str, tuple[pb.EnumDescriptorProto, str]] = {}
        self.services: list[tuple[pb.ServiceDescriptorProto, dict[tuple[int, ...], str]]] = []
        for file in files:
            said = {
                tuple(place.path): " ".join(place.leading_comments.split())
                for place in file.source_code_info.location
                if place.leading_comments
            }
            for index, enum in enumerate(file.enum_type):
                self.enums[f".{file.package}.{enum.name}"] = (enum, said.get((5, index), ""))
            for index, message in enumerate(file.message_type):
                fields = {field.name: said.get((4, index, 2, at), "") for at, field in enumerate(message.field)}
                self.messages[f".{file.package}.{message.name}"] = (message, {"": said.get((4, index), ""), **fields})
            for index, service in enumerate(file.service):
                methods = {path[2:]: text for path, text in said.items() if path[:2] == (6, index)}
                self.services.append((service, methods))


def openapi(described: pb.FileDescriptorSet) -> str:
    """The document as text, of descriptors that come with their comments."""
    types = _Types(file for file in described.file if file.package.startswith("goldthread."))
    paths: Json = {}
    schemas: Json = {"Problem": PROBLEM, **OLD_SCHEMAS}
    tags = []
    for service, said in types.services:
        methods = [m for m in service.method if not (m.client_streaming or m.server_streaming)]
        if methods:
            tags.append({"name": service.name, "description": said.get((), "")})
        for index, method in enumerate(service.method):
            if method not in methods:
                continue
            paths[path_of(method.name)] = {"post": _operation(service.name, method, said.get((2, index), ""))}
            for name in (method.input_type, method.output_type):
                _describe(name, types, schemas)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "Goldthread",
            "version": "1",
            "description": "Unary calls of goldthread.v1 in protobuf's JSON mapping. Numbers of 64 bits are strings, and fields that have "
            "their default value are left out. Refusals are problem details (RFC 9457) with the reason that gRPC gives.",
        },
        "security": [{}, {"bearer": []}],
        "tags": tags,
        "paths": {**paths, **OLD_FACE},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": dict(sorted(schemas.items())),
        },
    }
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _operation(service: str, method: pb.MethodDescriptorProto, said: str) -> Json:
    content: Json = {"schema": {"$ref": _ref(method.input_type)}}
    if method.name in EXAMPLES:
        content["example"] = EXAMPLES[method.name]
    answer: Json = {
        "description": "The answer.",
        "content": {"application/json": {"schema": {"$ref": _ref(method.output_type)}}},
    }
    if method.name in LINKS:
        answer["links"] = {
            f"{target}{place}": {
                "operationId": target[0].lower() + target[1:],
                "requestBody": {name: f"$response.body#{pointer}" for name, pointer in fields.items()},
            }
            for place, (target, fields) in enumerate(LINKS[method.name])
        }
    summary = re.split(r"(?<=[.]) ", said, maxsplit=1)[0]
    return {
        "operationId": method.name[0].lower() + method.name[1:],
        "tags": [service],
        "summary": summary,
        "description": said,
        "requestBody": {"required": True, "content": {"application/json": content}},
        "responses": {
            "200": answer,
            "default": {
                "description": "Refused; `reason` says why.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }


def _describe(name: str, types: _Types, schemas: Json) -> None:
    """Adds the schema of a message, and of all that it holds."""
    short = name.rpartition(".")[2]
    if short in schemas or name not in types.messages:
        return
    message, said = types.messages[name]
    maps = {f"{name}.{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
    properties: Json = {}
    schema: Json = {"type": "object", "description": said[""], "properties": properties, "additionalProperties": False}
    schemas[short] = schema
    required = []
    for field in message.field:
        rule = {**_kind(field, types, maps), **RULES.get(f"{short}.{field.name}", {})}
        properties[field.json_name] = {"description": said[field.name], **rule}
        # One of several is never required by itself.
        if _REQUIRED.search(said[field.name]) and not field.HasField("oneof_index"):
            required.append(field.json_name)
        if field.type == _F.TYPE_MESSAGE and field.type_name not in maps:
            _describe(field.type_name, types, schemas)
    if required:
        schema["required"] = required
    if exclusive := list(_exclusive(message)):
        schema["allOf"] = exclusive


def _exclusive(message: pb.DescriptorProto) -> Iterator[Json]:
    """That no two of one oneof are given."""
    for index in range(len(message.oneof_decl)):
        names = [
            field.json_name for field in message.field if field.HasField("oneof_index") and field.oneof_index == index
        ]
        for pair in combinations(names, 2):
            yield {"not": {"required": list(pair)}}


def _kind(field: pb.FieldDescriptorProto, types: _Types, maps: dict[str, pb.DescriptorProto]) -> Json:
    if field.type_name in maps:
        return {"type": "object", "additionalProperties": _one(maps[field.type_name].field[1], types)}
    one = _one(field, types)
    return {"type": "array", "items": one} if field.label == _F.LABEL_REPEATED else one


def _one(field: pb.FieldDescriptorProto, types: _Types) -> Json:
    if field.type == _F.TYPE_ENUM:
        enum, said = types.enums[field.type_name]
        # The value 0 says that nothing was said, and is left out.
        return {"type": "string", "enum": [value.name for value in enum.value if value.number], "title": said}
    if field.type == _F.TYPE_MESSAGE:
        return dict(_KNOWN.get(field.type_name) or {"$ref": _ref(field.type_name)})
    return dict(_SCALARS[field.type])


def _ref(name: str) -> str:
    return f"#/components/schemas/{name.rpartition('.')[2]}"
