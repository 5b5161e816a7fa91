"""Every file: short, free of one machine's paths, named after what it holds."""

from __future__ import annotations

import re

import pytest

from fixtures.repository import ROOT, is_generated, source_files

MAX_LINES = 400
APPLIED = ROOT / "server/goldthread/ledger/migrations"
"""Migrations are immutable once applied, so they cannot be split later; a schema reads well in one piece."""
STUB_LINES = 600
"""A stub mirrors one extension module, so it can be split no more than that."""
VAGUE = frozenset({"utils", "util", "misc", "common", "helpers", "helper", "stuff"})

# This file is checked like any other, so no pattern and no planted line is spelled in a way that a pattern finds.
MACHINE = re.compile(r"(?<![\w.])/(?:root|home|Users|tmp|opt)/[.\w]")
REGISTRY = re.compile(
    r"--(?:extra-)?index-url|--find-[l]inks|/simple/?[\s\"']|artifac[t]ory|\bnexus\b|<mirrors?>|<repositor(?:y|ies)>"
)
UNFINISHED = re.compile(r"(?:#|//|/\*|^\s*--).*\b(?:TO[D]O|FIX[M]E|XX[X])\b")


def offences(pattern: re.Pattern[str], *suffixes: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:80]}"
        for path in source_files(*suffixes)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def test_the_walk_sees_the_repository() -> None:
    names = {str(path.relative_to(ROOT)) for path in source_files()}
    assert {"Makefile", ".ci/run", "server/goldthread/domain/words.py", "proto/goldthread/v1/event.proto"} <= names
    assert "tests/house/test_files.py" in names


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in source_files(".py", ".pyi", ".rs", ".sql", ".proto")
        if not is_generated(path) and not path.is_relative_to(APPLIED)
    }
    assert len(lengths) > 10
    assert {
        name: lines for name, lines in lengths.items() if lines > (STUB_LINES if name.endswith(".pyi") else MAX_LINES)
    } == {}


def test_no_machine_paths() -> None:
    assert offences(MACHINE) == []
    if len(ROOT.parts) > 2:
        assert offences(re.compile(re.escape(str(ROOT)) + r"\b")) == [], "names this very checkout"


def test_no_registry_hosts() -> None:
    assert offences(REGISTRY) == []


def test_nothing_is_left_unfinished() -> None:
    assert offences(UNFINISHED, ".py", ".rs", ".sql", ".proto", ".pyi") == []


def test_no_vague_module_names() -> None:
    assert [str(path) for path in source_files(".py", ".rs", ".sql") if path.stem in VAGUE] == []


@pytest.mark.parametrize(
    ("pattern", "planted"),
    [
        (MACHINE, "cache = /home/" + "ann/.cache"),
        (MACHINE, "open('/Users/" + "ann/x')"),
        (MACHINE, "(/ro" + "ot/.profile)"),
        (MACHINE, "wheels=/opt/" + "wheels"),
        (MACHINE, "see /tmp/" + "notes"),
        (REGISTRY, "--index-" + "url https://host"),
        (REGISTRY, "--find-" + "links=wheels"),
        (REGISTRY, "url = 'https://host/sim" + "ple/'"),
        (REGISTRY, "https://artifac" + "tory.host/"),
        (UNFINISHED, "# TO" + "DO: later"),
        (UNFINISHED, "// FIX" + "ME"),
    ],
)
def test_the_patterns_find_what_they_are_for(pattern: re.Pattern[str], planted: str) -> None:
    assert pattern.search(planted)


@pytest.mark.parametrize("innocent", ["opt/homebrew/opt/postgresql@*/bin", "of the folder /tmp", "under /root, say"])
def test_a_path_of_no_machine_is_left_alone(innocent: str) -> None:
    assert not MACHINE.search(innocent)
