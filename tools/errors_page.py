"""Writes the error catalogue, `docs/errors.md`, of the tables in the code: classes, codes, statuses, and what the data plane refuses itself."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from google.protobuf import descriptor_pb2 as pb
from grpc import StatusCode
from starlette.exceptions import HTTPException

from goldthread.app.exits import FAILED, exit_code_of
from goldthread.domain import errors
from goldthread.domain.errors import GoldthreadError
from goldthread.rest.problems import HTTP_STATUS, problem_of
from goldthread.rpc.status import CODES
from reference import anchor_of, methods

__all__ = ["Entry", "entries", "errors_page", "refusals"]

_SERVER = Path(inspect.getfile(errors)).parents[1]
_REFUSAL = _SERVER.parents[1] / "resolver_core/register/src/refusal.rs"
_INTERNAL = (
    "Anything that nobody foresaw. It shows nothing of what happened inside; the log has it under the request id."
)
_HTTP_ONLY = (404, 405, 415)
_MAKER = re.compile(
    r"((?:^ +/// [^\n]*\n)*)^ +(?:pub\(crate\) )?fn \w+\([^)]*\) -> Self \{\n(.*?)^    \}$", re.MULTILINE | re.DOTALL
)
_MADE = re.compile(r'Self::new\(\s*Code::(\w+),\s*"([A-Z_]+)"')
_HEAD = """\
# Errors

Every reason that a call, an item of a stream or a process can end with. Written by `tools/genproto.py` from `domain/errors.py`, `rpc/status.py`,
`rest/problems.py` and `resolver_core/register/src/refusal.rs`: this page and the code cannot differ.

A program looks at the **reason**. It stands in `google.rpc.ErrorInfo` with the domain `goldthread.dev` (gRPC), in `reason` and at the end of `type`
(REST, [rest.md](rest.md#refusals)), and in [Failure](reference.md#failure) (items of batches and streams). Messages are for people and may change; whatever is
variable in them stands in the metadata as well. Neither holds personal data. Broken fields come all at once, in `google.rpc.BadRequest` or `violations`.

*Retry*: the same call may help after the time in `google.rpc.RetryInfo` (`Retry-After`, `retryDelay`), longer each time. Clients retry UNAVAILABLE by
themselves ([clients](clients/README.md)). A call that ended CANCELLED without the caller's doing reached a server that was stopping: repeat it.

| reason | gRPC code | HTTP | retry |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One reason. `exit_code` is that of a command that ends with it."""

    reason: str
    code: StatusCode
    http: int
    retry: bool
    meaning: str
    metadata: tuple[str, ...] = ()
    exit_code: int = FAILED
    by_data_plane: bool = False


def errors_page(described: pb.FileDescriptorSet, found: Iterable[Entry] | None = None) -> str:
    """The page's text, for `entries` unless others are given; descriptors with comments tell which calls name a reason."""
    listed = list(entries() if found is None else found)
    named = list(methods(described))
    rows = [
        f"| [{one.reason}](#{anchor_of(one.reason)}) | {one.code.name} | {one.http} | {'yes' if one.retry else ''} |\n"
        for one in listed
    ]
    return _HEAD + "".join(rows) + "".join(_section(one, named) for one in listed)


def entries() -> Iterator[Entry]:
    """Every reason once: those of the error tree in its order, then what only the data plane and HTTP know."""
    keys = _metadata_keys()
    seen: set[str] = set()
    for name, kind in _kinds():
        if kind.reason in seen or (kind.reason == GoldthreadError.reason and kind is not GoldthreadError):
            continue
        if kind is not GoldthreadError and kind.__subclasses__():
            continue
        seen.add(kind.reason)
        code = CODES[kind.reason]
        yield Entry(
            reason=kind.reason,
            code=code,
            http=HTTP_STATUS.get(code, 500),
            retry=kind.retryable,
            meaning=_INTERNAL if kind is GoldthreadError else inspect.cleandoc(kind.__doc__ or ""),
            metadata=tuple(sorted(keys.get(name, ()))),
            exit_code=exit_code_of(_bare(kind)),
        )
    http_only = {problem.reason: problem for problem in (problem_of(HTTPException(one)) for one in _HTTP_ONLY)}
    for refusal in refusals(_REFUSAL.read_text(encoding="utf-8")):
        if refusal.reason in seen:
            continue
        seen.add(refusal.reason)
        problem = http_only.get(refusal.reason)
        yield refusal if problem is None else replace(refusal, http=problem.status)


def refusals(source: str) -> list[Entry]:
    """What the data plane refuses by itself, of its source: each function that makes a refusal with a reason of its own."""
    found: dict[str, Entry] = {}
    for doc, body in _MAKER.findall(source):
        made = _MADE.search(body)
        if made is None:
            continue
        code = StatusCode[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", made[1]).upper()]
        meaning = " ".join(line.strip().removeprefix("///").strip() for line in doc.strip().splitlines())
        before = found.get(made[2])
        found[made[2]] = Entry(
            reason=made[2],
            code=code,
            http=HTTP_STATUS.get(code, 500),
            retry=".again(" in body,
            meaning=meaning if before is None else f"{before.meaning} Or: {meaning[:1].lower()}{meaning[1:]}",
            metadata=tuple(
                sorted({*re.findall(r'\.with\("(\w+)"', body), *(["allow"] if "with(ALLOW" in body else [])})
            ),
            by_data_plane=True,
        )
    return list(found.values())


def _section(one: Entry, named: list[tuple[str, str, str, str]]) -> str:
    """A reason with all that is known of it."""
    lines = [f"gRPC {one.code.name}, HTTP {one.http}, type `tag:goldthread.dev,2026:{one.reason}`."]
    if one.retry:
        lines.append("The same call may be tried again, after the time that is told.")
    if one.metadata:
        lines.append(f"Metadata: {', '.join(f'`{key}`' for key in one.metadata)}.")
    if one.exit_code != FAILED:
        lines.append(f"A command that ends with it has exit code {one.exit_code} ([settings.md](settings.md)).")
    if one.by_data_plane:
        lines.append(
            "Said by the register data plane ([register.md](register.md)), before any service is asked, or by the REST mirror."
        )
    if calls := _named_by(one.reason, named):
        lines.append(f"Named by {', '.join(f'[{call}](reference.md#{anchor_of(call)})' for call in calls)}.")
    return f"\n### {one.reason}\n{one.meaning}\n\n" + "".join(f"- {line}\n" for line in lines)


def _named_by(reason: str, named: list[tuple[str, str, str, str]]) -> list[str]:
    """Services whose comment names a reason, and methods of the others whose own comment does."""
    word = re.compile(rf"\b{reason}\b")
    found: dict[str, None] = {}
    for service, method, of_service, of_method in named:
        if word.search(of_service):
            found[service] = None
        elif word.search(of_method):
            found[f"{service}.{method}"] = None
    return list(found)


def _kinds() -> Iterator[tuple[str, type[GoldthreadError]]]:
    for name, kind in vars(errors).items():
        if isinstance(kind, type) and issubclass(kind, GoldthreadError):
            yield name, kind


def _metadata_keys() -> Mapping[str, set[str]]:
    """Keys of the metadata of each class: of its own constructor, or else of the places where it is raised."""
    found: dict[str, set[str]] = {}
    for path in sorted(_SERVER.rglob("*.py")):
        for owner, call in _calls(ast.parse(path.read_text(encoding="utf-8")), ""):
            for keyword in call.keywords:
                if keyword.arg == "metadata" and isinstance(keyword.value, ast.Dict):
                    names = {key.value for key in keyword.value.keys if isinstance(key, ast.Constant)}
                    found.setdefault(owner, set()).update(str(name) for name in names)
    return found


def _calls(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.Call]]:
    """Every call with the class that it makes: the one around it where it is that of a base."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call):
            called = child.func
            yield called.id if isinstance(called, ast.Name) else inside, child
        yield from _calls(child, child.name if isinstance(child, ast.ClassDef) else inside)


def _bare(kind: type[GoldthreadError]) -> GoldthreadError:
    """An instance without the constructors' differing arguments."""
    return kind.__new__(kind)
