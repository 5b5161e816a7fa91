"""Writes the API reference, `docs/reference.md`, of the protos' descriptors and comments.

Comments stand as they are, word for word: what a field's unit, limit or order is belongs into the proto, where every client's stubs have it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb

from goldthread.rest.methods import path_of

__all__ = ["Place", "anchor_of", "methods", "reference"]

Place = tuple[int, ...]
"""Path of a thing inside its file, as descriptors have it."""

_F = pb.FieldDescriptorProto
_PACKAGE = "goldthread."
_MESSAGE, _ENUM, _SERVICE, _FIELD, _VALUE, _METHOD, _ONEOF = 4, 5, 6, 2, 2, 2, 8
"""Numbers of descriptor.proto: of files, then of messages, enums and services."""

_KNOWN = {
    ".google.protobuf.Timestamp": "https://protobuf.dev/reference/protobuf/google.protobuf/#timestamp",
    ".google.protobuf.Duration": "https://protobuf.dev/reference/protobuf/google.protobuf/#duration",
}
_HEAD = """\
# API reference

Every service, call, message and value of `goldthread.v1`, in the words of the protos' comments ([proto/goldthread/v1](../proto/goldthread/v1)).
Unary calls are there over REST too, under the path shown ([rest.md](rest.md)); what a refused call says is in [errors.md](errors.md). A field marked
*personal* holds personal data and is left out where messages are printed. Written by `tools/genproto.py`.

"""


def reference(described: pb.FileDescriptorSet) -> str:
    """The page's text, of descriptors that come with their comments."""
    files = [file for file in described.file if file.package.startswith(_PACKAGE)]
    files.sort(key=lambda file: (not file.service, file.name))
    contents = "".join(_contents(file) for file in files)
    return _HEAD + contents + "".join("".join(_sections(file)) for file in files)


def methods(described: pb.FileDescriptorSet) -> Iterator[tuple[str, str, str, str]]:
    """Service, method and the comments of both, of every method."""
    for file in described.file:
        if not file.package.startswith(_PACKAGE):
            continue
        said = _comments(file)
        for index, service in enumerate(file.service):
            for at, method in enumerate(service.method):
                place: Place = (_SERVICE, index)
                yield service.name, method.name, said.get(place, ""), said.get((*place, _METHOD, at), "")


def anchor_of(heading: str) -> str:
    """What a link to a heading of a page ends in, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def _comments(file: pb.FileDescriptorProto) -> Mapping[Place, str]:
    return {
        tuple(place.path): place.leading_comments
        for place in file.source_code_info.location
        if place.leading_comments.strip()
    }


def _contents(file: pb.FileDescriptorProto) -> str:
    """A line for each service with its calls, and one for each file with what it has beside."""
    lines = []
    for service in file.service:
        calls = ", ".join(_link(one.name, f"{service.name}.{one.name}") for one in service.method)
        lines.append(f"- {_link(service.name, service.name)}: {calls}\n")
    others = [*(one.name for one in file.message_type), *(one.name for one in file.enum_type)]
    if others and not file.service:
        lines.append(f"- {Path(file.name).name}: {', '.join(_link(name, name) for name in sorted(others))}\n")
    return "".join(lines)


def _sections(file: pb.FileDescriptorProto) -> Iterator[str]:
    said = _comments(file)
    for index, service in enumerate(file.service):
        yield f"\n## {service.name}\n{_paragraphs(said.get((_SERVICE, index), ''))}\n"
        for at, method in enumerate(service.method):
            yield _method(service.name, method, said.get((_SERVICE, index, _METHOD, at), ""))
    if not file.service:
        yield f"\n## {Path(file.name).name}\n"
    for index, message in enumerate(file.message_type):
        yield _message(message, (_MESSAGE, index), said)
    for index, enum in enumerate(file.enum_type):
        yield _enum(enum, (_ENUM, index), said)


def _method(service: str, method: pb.MethodDescriptorProto, said: str) -> str:
    streams = method.client_streaming or method.server_streaming
    asked = ("stream of " if method.client_streaming else "") + _type_link(method.input_type)
    answered = ("stream of " if method.server_streaming else "") + _type_link(method.output_type)
    rest = "" if streams else f" · `POST {path_of(method.name)}`"
    return f"\n### {service}.{method.name}\n{asked} → {answered}{rest}\n\n{_paragraphs(said)}\n"


def _message(message: pb.DescriptorProto, place: Place, said: Mapping[Place, str]) -> str:
    rows = []
    maps = {f".{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
    for at, field in enumerate(message.field):
        meaning = _cell(said.get((*place, _FIELD, at), ""))
        if field.HasField("oneof_index") and not field.proto3_optional:
            choice = message.oneof_decl[field.oneof_index].name
            rule = _cell(said.get((*place, _ONEOF, field.oneof_index), ""))
            meaning += f" *Of `{choice}`: {rule[:1].lower()}{rule[1:].rstrip('.')}.*"
        if field.options.debug_redact:
            meaning += " *(personal)*"
        rows.append(f"| {field.number} | `{field.name}` | {_field_type(field, maps)} | {meaning} |\n")
    table = "\n| | field | type | meaning |\n|---|---|---|---|\n" + "".join(rows) if rows else ""
    return f"\n### {message.name}\n{_paragraphs(said.get(place, ''))}\n{table}"


def _enum(enum: pb.EnumDescriptorProto, place: Place, said: Mapping[Place, str]) -> str:
    rows = [
        f"| {value.number} | `{value.name}` | {_cell(said.get((*place, _VALUE, at), ''))} |\n"
        for at, value in enumerate(enum.value)
    ]
    return f"\n### {enum.name}\n{_paragraphs(said.get(place, ''))}\n\n| | value | meaning |\n|---|---|---|\n{''.join(rows)}"


def _field_type(field: pb.FieldDescriptorProto, maps: Mapping[str, pb.DescriptorProto]) -> str:
    entry = maps.get(f".{field.type_name.rpartition('.')[2]}")
    if entry is not None:
        key, value = (_one_type(part) for part in entry.field)
        return f"map of {key} to {value}"
    one = _one_type(field)
    return f"list of {one}" if field.label == _F.LABEL_REPEATED else one


def _one_type(field: pb.FieldDescriptorProto) -> str:
    if field.type_name:
        return _type_link(field.type_name)
    return _F.Type.Name(field.type).removeprefix("TYPE_").lower()


def _type_link(full_name: str) -> str:
    name = full_name.rpartition(".")[2]
    return f"[{name}]({_KNOWN[full_name]})" if full_name in _KNOWN else _link(name, name)


def _link(text: str, heading: str) -> str:
    return f"[{text}](#{anchor_of(heading)})"


def _paragraphs(comment: str) -> str:
    """A comment as Markdown: its paragraphs, each line as it was written."""
    return _escaped("\n".join(line.strip() for line in comment.strip().splitlines()))


def _cell(comment: str) -> str:
    return _escaped(" ".join(comment.split())).replace("|", "\\|")


def _escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace("[", "\\[").replace("*", "\\*")
