"""The checks on proto/ pass as it is, and fail on a planted mistake."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.repository import ROOT

BUF = Path(sys.executable).with_name("buf")


def buf(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([BUF, *map(str, arguments)], capture_output=True, text=True, check=False)


def check_stubs(root: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, root / "tools/genproto.py", "--check"], capture_output=True, text=True, check=False
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of proto/, its stubs and the generator, to be spoilt."""
    for part in ("proto", "server/goldthread/v1", "clients/python/src/goldthread_client"):
        shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "clients/service_config.json", tmp_path / "clients")
    (tmp_path / "tools").mkdir()
    for name in ("genproto.py", "openapi.py", "openapi_rules.py", "reference.py", "errors_page.py"):
        shutil.copy(ROOT / "tools" / name, tmp_path / "tools")
    (tmp_path / "server/goldthread/rest").mkdir()
    shutil.copy(ROOT / "server/goldthread/rest/openapi.json", tmp_path / "server/goldthread/rest")
    (tmp_path / "docs").mkdir()
    for name in ("reference.md", "errors.md"):
        shutil.copy(ROOT / "docs" / name, tmp_path / "docs")
    return tmp_path


def spoil(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_protos_are_clean(root: Path) -> None:
    for done in (
        buf("lint", root / "proto"),
        buf("breaking", root / "proto", "--against", root / "proto/baseline.binpb"),
        buf("format", "--diff", "--exit-code", root / "proto"),
        check_stubs(root),
    ):
        assert done.returncode == 0, done.stdout + done.stderr


def test_lint_refuses_a_value_without_its_prefix(copied: Path) -> None:
    spoil(copied / "proto/goldthread/v1/identity.proto", "_UNSPECIFIED = 0", "_NOTHING = 0")
    done = buf("lint", copied / "proto")
    assert done.returncode != 0
    assert 'suffixed with "_UNSPECIFIED"' in done.stdout


def test_lint_refuses_a_field_without_a_comment(copied: Path) -> None:
    with (copied / "proto/goldthread/v1/identity.proto").open("a", encoding="utf-8") as proto:
        proto.write("\n// Planted.\nmessage Planted {\n  string bare = 1;\n}\n")
    done = buf("lint", copied / "proto")
    assert done.returncode != 0
    assert 'Field "bare" should have a non-empty comment' in done.stdout


def test_breaking_refuses_a_moved_number(copied: Path) -> None:
    spoil(copied / "proto/goldthread/v1/event.proto", "string source = 1;", "string source = 99;")
    done = buf("breaking", copied / "proto", "--against", copied / "proto/baseline.binpb")
    assert done.returncode != 0
    assert "source" in done.stdout


def test_breaking_refuses_a_removed_file(copied: Path) -> None:
    (copied / "proto/goldthread/v1/lookup_service.proto").unlink()
    done = buf("breaking", copied / "proto", "--against", copied / "proto/baseline.binpb")
    assert done.returncode != 0
    assert "lookup_service.proto" in done.stdout


@pytest.mark.parametrize("part", ["proto/goldthread/v1/event.proto", "server/goldthread/v1/event_pb2.pyi"])
def test_drift_between_protos_and_stubs_is_refused(copied: Path, part: str) -> None:
    spoil(copied / part, "source", "origin")
    done = check_stubs(copied)
    assert done.returncode == 1
    assert "generated file differs from proto: server/goldthread/v1/event_pb2" in done.stderr


def test_a_left_over_stub_is_refused(copied: Path) -> None:
    (copied / "server/goldthread/v1/gone_pb2.py").write_text("", encoding="utf-8")
    done = check_stubs(copied)
    assert done.returncode == 1
    assert "gone_pb2.py" in done.stderr


def test_drift_between_a_comment_and_the_description_is_refused(copied: Path) -> None:
    spoil(copied / "proto/goldthread/v1/event.proto", "// A visit or click.", "// A visit.")
    done = check_stubs(copied)
    assert done.returncode == 1
    for name in ("server/goldthread/rest/openapi.json", "docs/reference.md"):
        assert f"generated file differs from proto: {name}" in done.stderr


def test_a_page_that_somebody_wrote_into_is_refused(copied: Path) -> None:
    spoil(copied / "docs/errors.md", "### STALE_REVIEW", "### STALE_REVIEWS")
    done = check_stubs(copied)
    assert done.returncode == 1
    assert "generated file differs from proto: docs/errors.md" in done.stderr
