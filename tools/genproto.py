"""Generates the stubs of `proto/`, for the server and for the clients, with generators pinned by lock files.

`python tools/genproto.py` writes; with `--check` it exits 1 if what is committed differs (drift). Python's stubs, for the server and the client, are
always made; those for Go and TypeScript are written where their toolchains are (`go`; `npm ci` in `clients/typescript`), and checked if asked for
(`--go`, `--typescript`). Java's are made by its build. Every client has a copy of `clients/service_config.json`, which is written here too. The
description of the REST faces, `server/goldthread/rest/openapi.json`, is made with the server's, and so are the pages of docs/ that say what the protos
and the error table say.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.resources
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from google.protobuf import descriptor_pb2
from google.rpc import status_pb2
from grpc_tools import protoc

from errors_page import errors_page
from openapi import openapi
from reference import reference

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("goldthread/v1")
OPENAPI = Path("goldthread/rest/openapi.json")
GO_MODULE = "github.com/goldthread/goldthread/clients/go"
TYPESCRIPT_PLUGIN = ROOT / "clients/typescript/node_modules/.bin/protoc-gen-ts_proto"
_SERVER_IMPORT = re.compile(r"^((?:from|import) )goldthread\.v1(?=[ .])", re.MULTILINE)


def generate(out: Path) -> None:
    """Writes every stub below `out`; raises `SystemExit` if the compiler reports an error."""
    bin_dir = Path(sys.executable).parent
    compile_protos(
        f"--plugin=protoc-gen-mypy={bin_dir / 'protoc-gen-mypy'}",
        f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
    )
    (out / PACKAGE / "__init__.py").write_text(
        '"""Generated protobuf messages and gRPC stubs of `proto/goldthread/v1`."""\n'
    )


def generate_server(out: Path) -> None:
    """Writes Python's stubs and the description of the REST faces below `out`."""
    generate(out)
    (out / OPENAPI).parent.mkdir(parents=True, exist_ok=True)
    (out / OPENAPI).write_text(openapi(described()), encoding="utf-8")


def generate_docs(out: Path) -> None:
    """Writes the API reference and the error catalogue below `out`."""
    found = described()
    out.mkdir(parents=True, exist_ok=True)
    (out / "reference.md").write_text(reference(found), encoding="utf-8")
    (out / "errors.md").write_text(errors_page(found), encoding="utf-8")


def generate_python_client(out: Path) -> None:
    """Writes the client's stubs below `out`: the server's, inside the client's own package."""
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        target = out / "goldthread_client/v1"
        target.mkdir(parents=True, exist_ok=True)
        for path in sorted((Path(scratch) / PACKAGE).iterdir()):
            text = path.read_text(encoding="utf-8")
            (target / path.name).write_text(_SERVER_IMPORT.sub(r"\1goldthread_client.v1", text), encoding="utf-8")
    (out / "goldthread_client/service_config.json").write_text(_service_config(), encoding="utf-8")


def generate_go(out: Path) -> None:
    """Writes the Go stubs below `out`; needs `go`, which builds the plugins that go.mod pins."""
    with tempfile.TemporaryDirectory() as plugins:
        for tool in ("google.golang.org/protobuf/cmd/protoc-gen-go", "google.golang.org/grpc/cmd/protoc-gen-go-grpc"):
            subprocess.run(["go", "build", "-o", plugins, tool], cwd=ROOT / "clients/go", check=True)
        packages = [f"M{path.relative_to(ROOT / 'proto')}={GO_MODULE}/goldthreadv1" for path in protos()]
        options = ",".join([f"module={GO_MODULE}", *packages])
        out.mkdir(parents=True, exist_ok=True)
        compile_protos(
            f"--plugin=protoc-gen-go={plugins}/protoc-gen-go",
            f"--plugin=protoc-gen-go-grpc={plugins}/protoc-gen-go-grpc",
            f"--go_out={options}:{out}",
            f"--go-grpc_out={options}:{out}",
        )
    (out / "service_config.json").write_text(_service_config(), encoding="utf-8")


def generate_typescript(out: Path) -> None:
    """Writes the TypeScript stubs below `out`; needs `node`, and the plugin that package-lock.json pins."""
    options = "outputServices=grpc-js,esModuleInterop=true,importSuffix=.js,useExactTypes=false,forceLong=bigint,oneof=unions-value,outputJsonMethods=false"
    (out / "gen").mkdir(parents=True, exist_ok=True)
    compile_protos(
        f"--plugin=protoc-gen-ts_proto={TYPESCRIPT_PLUGIN}",
        f"--ts_proto_out={out / 'gen'}",
        f"--ts_proto_opt={options}",
        "google/rpc/error_details.proto",
        "google/rpc/status.proto",
    )
    config = _service_config().rstrip()
    (out / "gen/service_config.ts").write_text(f"export const SERVICE_CONFIG = {config};\n", encoding="utf-8")


def _service_config() -> str:
    return (ROOT / "clients/service_config.json").read_text(encoding="utf-8")


def protos() -> list[Path]:
    """Every proto of ours, by name."""
    return sorted((ROOT / "proto" / PACKAGE).glob("*.proto"))


def described() -> descriptor_pb2.FileDescriptorSet:
    """Descriptors of `protos`, with their comments."""
    with tempfile.TemporaryDirectory() as scratch:
        descriptors = Path(scratch) / "descriptors"
        compile_protos(f"--descriptor_set_out={descriptors}", "--include_source_info")
        return descriptor_pb2.FileDescriptorSet.FromString(descriptors.read_bytes())


def compile_protos(*arguments: str) -> None:
    """Runs the pinned compiler on `protos`; raises `SystemExit` if it reports an error."""
    include = importlib.resources.files("grpc_tools") / "_proto"
    # The definitions of google.rpc come with its Python messages.
    rpc = Path(status_pb2.__file__).parents[2]
    command = ["protoc", f"--proto_path={ROOT / 'proto'}", f"--proto_path={include}", f"--proto_path={rpc}"]
    code = protoc.main([*command, *arguments, *map(str, protos())])
    if code:
        raise SystemExit(code)


TARGETS: dict[str, tuple[str, tuple[str, ...], Callable[[Path], None]]] = {
    "server": ("server", (str(PACKAGE), str(OPENAPI)), generate_server),
    "docs": ("docs", ("reference.md", "errors.md"), generate_docs),
    "python": (
        "clients/python/src",
        ("goldthread_client/v1", "goldthread_client/service_config.json"),
        generate_python_client,
    ),
    "go": ("clients/go", ("goldthreadv1", "service_config.json"), generate_go),
    "typescript": ("clients/typescript/src", ("gen",), generate_typescript),
}
"""By name: below which folder, what there is generated, and by what."""


def drift(fresh: Path, committed: Path) -> list[str]:
    """Names of files that differ, are missing or are left over; of a file, its own."""

    def names(root: Path) -> set[str]:
        files = [root] if root.is_file() else root.rglob("*") if root.exists() else []
        return {str(path.relative_to(root.parent)) for path in files if path.is_file() and path.suffix != ".pyc"}

    found, kept = names(fresh), names(committed)
    return sorted(
        name
        for name in found | kept
        if name not in found
        or name not in kept
        or not filecmp.cmp(fresh.parent / name, committed.parent / name, shallow=False)
    )


def changes(name: str) -> list[str]:
    """What of a target's stubs is committed otherwise than it is generated."""
    folder, generated, make = TARGETS[name]
    with tempfile.TemporaryDirectory() as scratch:
        make(Path(scratch))
        return [
            f"{folder}/{Path(part).parent / changed}"
            for part in generated
            for changed in drift(Path(scratch) / part, ROOT / folder / part)
        ]


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed stubs instead of writing")
    parser.add_argument("--go", action="store_true", help="the Go client's too")
    parser.add_argument("--typescript", action="store_true", help="the TypeScript client's too")
    arguments = parser.parse_args()
    there = {"go": shutil.which("go") is not None, "typescript": TYPESCRIPT_PLUGIN.exists()}
    wanted = ["server", "docs", "python"]
    for name, found in there.items():
        if getattr(arguments, name) or (found and not arguments.check):
            wanted.append(name)
        elif not arguments.check:
            print(f"the {name} client's stubs are left as they are: its toolchain is not here", file=sys.stderr)
    if not arguments.check:
        for name in wanted:
            folder, _, make = TARGETS[name]
            make(ROOT / folder)
        return 0
    changed = [path for name in wanted for path in changes(name)]
    for path in changed:
        print(f"generated file differs from proto: {path} (run: python tools/genproto.py)", file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
