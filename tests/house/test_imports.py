"""The floors and rooms of docs/adr/0002 hold, and the checks that say so can fail."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.repository import ROOT

PACKAGE = ROOT / "server/goldthread"
LINT = Path(sys.executable).with_name("lint-imports")


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path


def imported(path: Path) -> set[str]:
    """Full names a module imports; `from a import b` gives both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names.add(node.module or "")
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def outside(path: Path) -> set[str]:
    """Top-level names of third-party packages a module imports."""
    return {name.split(".")[0] for name in imported(path)} - set(sys.stdlib_module_names) - {"goldthread"}


def contracts() -> list[dict[str, object]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[dict[str, object]] = settings["tool"]["importlinter"]["contracts"]
    return found


def run_linter(package_parent: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT, "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        capture_output=True,
        text=True,
        check=False,
        cwd=package_parent,
        env={**os.environ, "PYTHONPATH": str(package_parent)},
    )


def copy_of_package(to: Path) -> Path:
    shutil.copytree(PACKAGE, to / "goldthread", ignore=shutil.ignore_patterns("__pycache__", "*.so", ".*"))
    return to / "goldthread"


def test_contracts_are_kept() -> None:
    done = run_linter(PACKAGE.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("module", "line", "named"),
    [
        ("domain/words.py", "import goldthread.telemetry.metrics", "Floors"),
        ("flows/planted.py", "import psycopg", "PostgreSQL is spoken in ledger"),
        ("ledger/planted.py", "import redis.asyncio", "Redis is spoken in cache"),
        ("workers/planted.py", "from confluent_kafka import Consumer", "Kafka is spoken in bus"),
        ("flows/planted.py", "from goldthread.v1 import event_pb2", "Protobuf messages"),
    ],
)
def test_a_planted_import_breaks_its_contract(tmp_path: Path, module: str, line: str, named: str) -> None:
    planted = copy_of_package(tmp_path) / module
    before = planted.read_text(encoding="utf-8") if planted.exists() else '"""Planted."""\n'
    planted.write_text(f"{before}\n{line}\n", encoding="utf-8")
    done = run_linter(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{named}" in done.stdout
    assert "1 broken" in done.stdout


def test_contracts_have_no_exceptions() -> None:
    assert [contract["name"] for contract in contracts() if "ignore_imports" in contract] == []


def test_only_matching_imports_the_core_and_the_door_its_data_plane() -> None:
    """The linter reads Python sources and cannot see a compiled module, so this rule is checked here."""
    importers = {
        name for name, path in modules() if any(f"{used}.".startswith("goldthread._core.") for used in imported(path))
    }
    assert importers
    assert {name for name in importers if not name.startswith("goldthread.matching")} == {"goldthread.rpc.register"}
    door = imported(PACKAGE / "rpc/register.py")
    assert {name for name in door if name.startswith("goldthread._core.")} == {
        "goldthread._core.InputError",
        "goldthread._core.Register",
    }


def test_the_domain_is_pure_python() -> None:
    assert {name: outside(path) for name, path in modules() if ".domain" in name and outside(path)} == {}


def test_every_library_has_a_room() -> None:
    roomed = {
        str(module).split(".")[0]
        for contract in contracts()
        if contract["type"] == "protected"
        for module in contract["protected_modules"]  # type: ignore[attr-defined]
    }
    used = {library for _, path in modules() for library in outside(path) if not library.endswith("_pb2")}
    assert used - roomed == set()
