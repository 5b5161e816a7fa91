"""Pages: their links lead somewhere, every one can be found from the readme, and what is generated leaves nothing out."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.repository import ROOT, source_files
from goldthread.rpc.status import CODES

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!\\)\[(?:[^\]\\]|\\.)*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_NEVER_RAISED = {"STEWARD"}
"""Reasons of classes that only others are made of."""


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a module of tools/."""
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    return importlib.import_module


def pages() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in source_files(".md")}


def anchors(text: str) -> set[str]:
    """What a link into a page may end in, as GitHub makes it: of equal headings the second one gets `-1`."""
    found: dict[str, int] = {}
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
    return {name if number == 0 else f"{name}-{number}" for name, most in found.items() for number in range(most + 1)}


def links(text: str) -> Iterator[str]:
    """Where a page leads within the repository."""
    for target in _LINK.findall(_FENCE.sub("", text)):
        if not re.match(r"[a-z]+:", target):
            yield target


def broken(found: dict[Path, str]) -> list[str]:
    """Links that lead nowhere, of pages by their paths."""
    wrong = []
    for path, text in found.items():
        for target in links(text):
            name, _, anchor = target.partition("#")
            there = (path.parent / name).resolve() if name else path
            if there not in found and not there.exists():
                wrong.append(f"{path.name}: {target}")
            elif anchor:
                page = found[there] if there in found else there.read_text(encoding="utf-8")
                if anchor not in anchors(page):
                    wrong.append(f"{path.name}: {target}")
    return wrong


def test_every_link_leads_to_a_file_and_a_heading_that_are_there() -> None:
    found = pages()
    assert len(found) > 40
    assert sum(len(list(links(text))) for text in found.values()) > 200
    assert broken(found) == []


@pytest.mark.parametrize("link", ["gone.md", "rest.md#gone", "#gone", "../docs/"[:-1] + "x/rest.md"])
def test_a_link_that_leads_nowhere_is_found(link: str) -> None:
    page = ROOT / "docs/planted.md"
    assert broken({page: f"# Planted\n\nSee [this]({link}).\n"}) == [f"planted.md: {link}"]
    assert broken({page: "# Planted `x`\n\nSee [this](#planted-x) and [that](rest.md#refusals).\n"}) == []


def test_every_page_of_the_docs_can_be_found_from_the_readme() -> None:
    found = pages()
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        path = ahead.pop()
        if path in seen or path not in found:
            continue
        seen.add(path)
        for target in links(found[path]):
            there = (path.parent / target.partition("#")[0]).resolve()
            ahead.extend(sorted(there.glob("*.md")) if there.is_dir() else [there])
    assert {str(path.relative_to(ROOT)) for path in found if path.is_relative_to(ROOT / "docs")} <= {
        str(path.relative_to(ROOT)) for path in seen
    }


def test_the_reference_has_every_call_message_field_and_value() -> None:
    text = (ROOT / "docs/reference.md").read_text(encoding="utf-8")
    missing = []
    protos = sorted((ROOT / "proto/goldthread/v1").glob("*.proto"))
    for file in (importlib.import_module(f"goldthread.v1.{path.stem}_pb2").DESCRIPTOR for path in protos):
        wanted = [
            f"### {service.name}.{method.name}\n"
            for service in file.services_by_name.values()
            for method in service.methods
        ]
        for message in file.message_types_by_name.values():
            wanted.append(f"### {message.name}\n")
            wanted.extend(f"| {field.number} | `{field.name}` |" for field in message.fields)
        for enum in file.enum_types_by_name.values():
            wanted.append(f"### {enum.name}\n")
            wanted.extend(f"| {value.number} | `{value.name}` |" for value in enum.values)
        missing += [line for line in wanted if line not in text]
    assert len(protos) > 7
    assert missing == []


def test_the_catalogue_has_every_reason_that_is_told() -> None:
    text = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    listed = re.findall(r"^### ([A-Z_]+)$", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    refusal = (ROOT / "resolver_core/register/src/refusal.rs").read_text(encoding="utf-8").partition("#[cfg(test)]")[0]
    told = set(re.findall(r'Self::new\(\s*Code::\w+,\s*"([A-Z_]+)"', refusal))
    assert {"BUDGET_EXHAUSTED", "UNAUTHENTICATED"} <= told
    assert set(listed) == (set(CODES) - _NEVER_RAISED) | told
    assert re.search(r"### METHOD_NOT_ALLOWED\n.*\n\n- gRPC UNIMPLEMENTED, HTTP 405", text)
    assert re.search(r"### STALE_REVIEW\n[^#]*Metadata: `high_version`, `low_version`, `open`\.", text)


def test_what_the_data_plane_says_is_read_from_its_source(tools: Any) -> None:
    page = tools("errors_page")
    [planted] = page.refusals(
        "impl Refusal {\n"
        "    /// Nobody is there\n    /// to ask.\n"
        "    pub(crate) fn nobody(wait: Duration) -> Self {\n"
        '        Self::new(Code::ResourceExhausted, "NOBODY_THERE", "m")\n            .with("till", till)\n            .again(wait)\n'
        "    }\n"
        "}\n"
    )
    assert (planted.reason, planted.code.name, planted.http) == ("NOBODY_THERE", "RESOURCE_EXHAUSTED", 429)
    assert (planted.meaning, planted.metadata, planted.retry) == ("Nobody is there to ask.", ("till",), True)


def test_a_reason_is_told_with_the_calls_whose_comments_name_it(tools: Any) -> None:
    described = tools("genproto").described()
    page = tools("errors_page")
    text = page.errors_page(described, [one for one in page.entries() if one.reason == "NOT_A_MEMBER"])
    assert "| [NOT_A_MEMBER](#not_a_member) | FAILED_PRECONDITION | 400 |  |" in text
    assert "Named by [StewardService.Split](reference.md#stewardservicesplit).\n" in text


ONE, TWO, THREE, FOUR = (f"01a205ef-76e4-7b20-8ea5-00000000000{digit}" for digit in range(4))
MOMENT, LATER = "2026-03-02T18:40:00Z", "2026-11-23T01:05:18.5Z"


@pytest.mark.parametrize(
    ("shown", "printed", "fits"),
    [
        (f"profile GP-{ONE}\nversion 7\n", f"profile GP-{TWO}\nversion 812\n", True),
        (f"{ONE} {ONE} {TWO}", f"{THREE} {THREE} {FOUR}", True),
        (f"opened {LATER}", "opened 2027-01-01T00:00:00Z", True),
        ("put together on 23 November 2026", "put together on 1 May 2027", True),
        ("outcome found\n", "outcome not found\n", False),
        ("probability 0.934", "probability 0.935", False),
        (f"{ONE} {ONE}", f"{THREE} {FOUR}", False),
        (f"{ONE} {TWO}", f"{THREE} {THREE}", False),
        (f"bought {MOMENT}", f"bought {LATER}", False),
        ("purchases 2", "purchases 3", False),
    ],
)
def test_what_is_printed_may_differ_in_ids_moments_and_versions_alone(
    tools: Any, tmp_path: Path, shown: str, printed: str, fits: bool
) -> None:
    page = tools("pages")
    text = f'`order.json`:\n```json\n{{"occurredAt": "{MOMENT}"}}\n```\n'
    somebody = page.player(text, tmp_path, "nowhere:1")
    assert (tmp_path / "order.json").read_text(encoding="utf-8") == f'{{"occurredAt": "{MOMENT}"}}\n'
    assert (somebody.learn(shown, printed) is None) == fits


def test_a_command_that_prints_something_else_is_found_and_the_page_can_be_renewed(tools: Any, tmp_path: Path) -> None:
    page = tools("pages")
    text = f"# Page\n```console\n$ echo id {TWO} | tr 1 3\nid {ONE}\n$ printf '%s\\n' \\\n>   {ONE}\nold\n```\n"
    first, second = next(page.blocks(text))
    assert (second.command, second.output) == (f"printf '%s\\n' \\\n  {ONE}", "old\n")
    somebody = page.player(text, tmp_path, "nowhere:1")
    somebody.seconds = 0.0
    live = f"{TWO}".replace("1", "3")
    assert somebody.run(first) == f"id {live}\n"
    with pytest.raises(page.DifferenceError, match="other words"):
        somebody.run(second)
    another = page.player(text, tmp_path, "nowhere:1")
    another.settled = 0.0
    renewed = page.rewritten(text, another)
    assert renewed == text.replace(f"id {ONE}", f"id {live}").replace(f">   {ONE}\nold", f">   {live}\n{live}")
