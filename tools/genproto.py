"""Generates the Python stubs of `proto/` into `server/goldthread/v1/` with the pinned generator of the lock file.

`python tools/genproto.py` writes; `python tools/genproto.py --check` exits 1 if what is committed differs (drift).
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.resources
import sys
import tempfile
from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("goldthread/v1")


def generate(out: Path) -> None:
    """Writes every stub below `out`; raises `SystemExit` if the compiler reports an error."""
    protos = sorted(str(path) for path in (ROOT / "proto" / PACKAGE).glob("*.proto"))
    include = importlib.resources.files("grpc_tools") / "_proto"
    bin_dir = Path(sys.executable).parent
    code = protoc.main(
        [
            "protoc",
            f"--proto_path={ROOT / 'proto'}",
            f"--proto_path={include}",
            f"--plugin=protoc-gen-mypy={bin_dir / 'protoc-gen-mypy'}",
            f"--plugin=protoc-gen-mypy_grpc={bin_dir / 'protoc-gen-mypy_grpc'}",
            f"--python_out={out}",
            f"--grpc_python_out={out}",
            f"--mypy_out=quiet:{out}",
            f"--mypy_grpc_out=quiet:{out}",
            *protos,
        ]
    )
    if code:
        raise SystemExit(code)
    (out / PACKAGE / "__init__.py").write_text(
        '"""Generated protobuf messages and gRPC stubs of `proto/goldthread/v1`."""\n'
    )


def drift(fresh: Path, committed: Path) -> list[str]:
    """Names of stubs that differ, are missing or are left over."""
    names = {path.name for path in fresh.iterdir()} | {path.name for path in committed.glob("*.py*") if path.is_file()}
    return sorted(
        name
        for name in names
        if not (fresh / name).exists()
        or not (committed / name).exists()
        or not filecmp.cmp(fresh / name, committed / name, shallow=False)
    )


def main() -> int:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed stubs instead of writing")
    arguments = parser.parse_args()
    target = ROOT / "server"
    if not arguments.check:
        generate(target)
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        generate(Path(scratch))
        changed = drift(Path(scratch) / PACKAGE, target / PACKAGE)
    for name in changed:
        print(f"stub differs from proto: {PACKAGE / name} (run: python tools/genproto.py)", file=sys.stderr)
    return 1 if changed else 0


if __name__ == "__main__":
    raise SystemExit(main())
