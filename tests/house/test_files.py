"""Every file: short, free of one machine's paths, named after what it holds."""

from __future__ import annotations

import re

import pytest

from fixtures.repository import ROOT, is_generated, source_files

MAX_LINES = 400
APPLIED = ROOT / "server/goldthread/ledger/migrations"
"""Migrations are immutable once applied, so they cannot be split later; a schema reads well in one piece."""
VAGUE = frozenset({"utils", "util", "misc", "common", "helpers", "helper", "stuff"})
MACHINE = re.compile(r"/work/(?:main|shared)|/root/[.\w]|/home/[a-z]\w*/|/Users/\w+/|/tmp/brief|/opt/wheels")
REGISTRY = re.compile(
    r"--(?:extra-)?index-url|--find-links|/simple/?[\s\"']|artifactory|\bnexus\b|<mirrors?>|<repositor(?:y|ies)>"
)
UNFINISHED = re.compile(r"(?:#|//|/\*|^\s*--).*\b(?:TODO|FIXME|XXX)\b")
SELF = {ROOT / "tests/house/test_files.py"}


def offences(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in source_files(*suffixes)
        if path not in SELF
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_the_walk_sees_the_repository() -> None:
    names = {str(path.relative_to(ROOT)) for path in source_files()}
    assert {"Makefile", ".ci/run", "server/goldthread/domain/words.py", "proto/goldthread/v1/event.proto"} <= names


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in source_files(".py", ".pyi", ".rs", ".sql", ".proto")
        if not is_generated(path) and not path.is_relative_to(APPLIED)
    }
    assert len(lengths) > 10
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_no_machine_paths() -> None:
    assert offences(MACHINE) == []


def test_no_registry_hosts() -> None:
    assert offences(REGISTRY) == []


def test_nothing_is_left_unfinished() -> None:
    assert offences(UNFINISHED, ".py", ".rs", ".sql", ".proto", ".pyi") == []


def test_no_vague_module_names() -> None:
    assert [str(path) for path in source_files(".py", ".rs", ".sql") if path.stem in VAGUE] == []


@pytest.mark.parametrize(
    ("pattern", "planted"),
    [
        (MACHINE, "open('/work/" + "main/x')"),
        (MACHINE, "cache = /home/" + "ann/.cache"),
        (REGISTRY, "--index-url https://host/simple"),
        (REGISTRY, "url = 'https://host/simple/'"),
        (UNFINISHED, "# TODO: later"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], planted: str) -> None:
    assert pattern.search(planted)
