"""What is installed is pinned, hashed and written down."""

from __future__ import annotations

import importlib.util
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fixtures.repository import ROOT

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
PAGE = ROOT / "docs/dependencies.md"
LOCKS = ("requirements.lock", "requirements-compare.lock")
POM = ROOT / "server/goldthread/app/embedded/pom.xml"


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def python_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = [*project["dependencies"], *(line for group in project["optional-dependencies"].values() for line in group)]
    return {canonical(_NAME.match(line)[0]) for line in lines}  # type: ignore[index]


def pins(lock: str) -> dict[str, set[str]]:
    """Versions that a lock has of each package: several where they depend on the Python version."""
    found: dict[str, set[str]] = {}
    text = (ROOT / lock).read_text(encoding="utf-8")
    for name, version in re.findall(r"^([A-Za-z0-9._-]+)==(\S+)", text, flags=re.MULTILINE):
        found.setdefault(canonical(name), set()).add(version)
    return found


def rust_dependencies() -> set[str]:
    names: set[str] = set()
    for manifest in [ROOT / "Cargo.toml", *(ROOT / "resolver_core").glob("*/Cargo.toml")]:
        document = tomllib.loads(manifest.read_text(encoding="utf-8"))
        tables = [document, document.get("workspace", {})]
        for table in tables:
            for kind in ("dependencies", "dev-dependencies", "build-dependencies"):
                for name, value in table.get(kind, {}).items():
                    if not (isinstance(value, dict) and "path" in value):
                        names.add(value.get("package", name) if isinstance(value, dict) else name)
    return {name for name in names if not name.startswith("goldthread")}


def maven_dependencies() -> set[str]:
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    return {
        str(found.findtext("m:artifactId", namespaces=space))
        for found in ET.parse(POM).getroot().iterfind(".//m:dependency", space)
    }


def listed(section: str) -> set[str]:
    """First cells of the rows of one section of the page."""
    body = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    (text,) = (part for part in body if part.startswith(f"{section}\n"))
    rows = re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)
    assert len(rows) == len(set(rows)), "a dependency is listed twice"
    return set(rows)


@pytest.mark.parametrize(
    ("section", "used", "known"),
    [
        ("Python", python_dependencies, "psycopg"),
        ("Rust", rust_dependencies, "rlibphonenumber"),
        ("Java", maven_dependencies, "kafka_2.13"),
    ],
)
def test_every_dependency_has_its_reason_on_the_page(section: str, used: Callable[[], set[str]], known: str) -> None:
    wanted = used()
    assert known in wanted
    assert wanted - listed(section) == set(), "add a line to docs/dependencies.md"
    assert listed(section) - wanted == set(), "the page lists what is no longer used"


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_python_package_has_hashes_and_no_address(name: str) -> None:
    lock = (ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(entries) > 40
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert [entry.split()[0] for entry in entries if "==" not in entry.split()[0]] == []
    assert "://" not in lock


def test_every_declared_python_dependency_is_locked() -> None:
    locked = {name for lock in LOCKS for name in pins(lock)}
    assert python_dependencies() - locked == set()


def test_the_two_locks_agree() -> None:
    first, second = (pins(name) for name in LOCKS)
    both = first.keys() & second.keys()
    assert len(both) > 5
    assert {name: (first[name], second[name]) for name in both if not second[name] <= first[name]} == {}


def test_every_locked_crate_comes_from_the_public_index_with_a_checksum() -> None:
    packages = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    outside = [package for package in packages if "source" in package]
    assert len(outside) > 10
    assert {package["source"] for package in outside} == {"registry+https://github.com/rust-lang/crates.io-index"}
    assert [package["name"] for package in outside if "checksum" not in package] == []


def test_maven_versions_are_exact() -> None:
    text = POM.read_text(encoding="utf-8")
    versions = [*re.findall(r"<version>([^<]+)</version>", text), *re.findall(r"<\w+\.version>([^<]+)</", text)]
    assert len(versions) > 2
    assert [version for version in versions if not re.fullmatch(r"\$\{[\w.]+\}|\d+(\.\d+)*", version)] == []


def test_bootstrap_pins_the_same_uv_as_the_lock() -> None:
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "tools/bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    bootstrap = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bootstrap)
    assert Path(bootstrap.BOOTSTRAP).read_text(encoding="utf-8") == bootstrap.rendered()
    assert bootstrap.rendered().count("--hash=sha256:") > 1
