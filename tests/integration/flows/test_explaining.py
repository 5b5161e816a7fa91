"""Why two things are one customer or not: ten pairs as docs/profiles.md has them, and what the texts stand on."""

from __future__ import annotations

import re
from importlib import resources

import pytest

from fixtures.repository import ROOT
from fixtures.stewards import births, done, homes, two_people
from fixtures.story import Story, customer
from fixtures.told_pairs import TOLD_PAIRS, ToldPair
from goldthread.domain.errors import InvalidArgumentError, UnknownIdError
from goldthread.domain.explaining import Ground, NamedProfile, NamedRecord, Verdict
from goldthread.domain.steward import MergeProfiles
from goldthread.domain.words import IdentifierType, IncomingIdentifier
from goldthread.flows.explain import strongest_way
from goldthread.ledger import Ledger
from goldthread.telemetry.metrics import Metrics

PAGE = ROOT / "docs" / "profiles.md"
DAY = re.compile(r"\d{1,2} [A-Z][a-z]+ \d{4}")
EXPECTED = {
    "The same e-mail address and a short name": (Verdict.ONE, Ground.PAIR),
    "A typing error": (Verdict.ONE, Ground.PAIR),
    "A couple with one phone": (Verdict.HOUSEHOLD, Ground.PAIR),
    "Father and son of one name": (Verdict.HOUSEHOLD, Ground.PAIR),
    "Too little to decide": (Verdict.REVIEW, Ground.PAIR),
    "Two strangers": (Verdict.APART, Ground.PAIR),
    "Tied by a third record": (Verdict.ONE, Ground.CHAIN),
    "Put together by the service desk": (Verdict.ONE, Ground.SAID),
    "Parted by the service desk": (Verdict.APART, Ground.SAID),
    "Said to be two people": (Verdict.APART, Ground.SAID),
}


def section(title: str) -> list[str]:
    """Lines of one pair on the page."""
    found = re.search(rf"^### {re.escape(title)}\n((?:> .*\n)+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return [] if found is None else [line.removeprefix("> ").removesuffix("  ") for line in found[1].splitlines()]


@pytest.mark.parametrize("pair", TOLD_PAIRS, ids=lambda pair: pair.title)
def test_ten_pairs_read_as_the_page_has_them(ledger: Ledger, ledger_dsn: str, metrics: Metrics, pair: ToldPair) -> None:
    model_text = (resources.files("goldthread") / "models" / "retail-persons-1.toml").read_text(encoding="utf-8")
    found = pair.tell(Story(ledger, metrics, dsn=ledger_dsn, model_text=model_text))
    assert (found.verdict, found.ground) == EXPECTED[pair.title]
    lines = [DAY.sub("22 November 2026", line) for line in found.text]
    assert section(pair.title) == lines, "  \n".join(f"> {line}" for line in lines)


def test_the_page_has_these_ten_and_no_others() -> None:
    told = re.findall(r"^### (.*)\n(?=> )", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert told == [pair.title for pair in TOLD_PAIRS]
    assert EXPECTED.keys() == set(told)


def test_identifiers_and_profiles_stand_for_their_records(story: Story) -> None:
    two_people(story)

    def email(raw: str) -> IncomingIdentifier:
        return IncomingIdentifier(path="one.identifier.raw", type=IdentifierType.EMAIL, namespace="", raw=raw)

    mary, jose = homes(story, "m1")[0], homes(story, "j1")[0]
    apart = story.profiles.explain(email("mary@acme.com"), NamedProfile(jose))
    assert (apart.verdict, apart.profile_id, apart.other_profile_id) == (Verdict.APART, mary, jose)
    assert apart.came_about is None
    assert apart.evidence is not None
    assert apart.evidence.probability < 0.01
    one = story.profiles.explain(email("mary@acme.com"), NamedProfile(mary))
    assert one.verdict is Verdict.ONE
    with pytest.raises(UnknownIdError) as unknown:
        story.profiles.explain(email("nobody@acme.com"), NamedProfile(mary))
    assert unknown.value.metadata == {"field": "one.identifier"}
    with pytest.raises(InvalidArgumentError):
        story.profiles.explain(email("no address"), NamedProfile(mary))


def test_one_record_is_one_record(story: Story) -> None:
    story.ingest(customer("a", email="a@acme.com"))
    [record] = births(story, "a")
    found = story.profiles.explain(NamedRecord(record), NamedProfile(record))
    assert (found.verdict, found.ground, found.evidence) == (Verdict.ONE, Ground.SAME_RECORD, None)
    assert found.text[0] == "Both are one and the same record."


def test_what_brought_two_together_survives_moves_side_by_side(story: Story) -> None:
    two_people(story)
    story.ingest(customer("x", email="x@other.org"))
    ids = {name: homes(story, name)[0] for name in ("m1", "j1", "x")}
    merged = done(story, MergeProfiles(profile_ids=(ids["m1"], ids["j1"])))
    one, other = births(story, "m1")[0], births(story, "j1")[0]
    before = story.profiles.explain(NamedRecord(one), NamedRecord(other))
    assert before.came_about is not None
    assert before.came_about.entry.operation_id == merged.operation_id
    done(story, MergeProfiles(profile_ids=(ids["m1"], ids["x"])))
    after = story.profiles.explain(NamedRecord(one), NamedRecord(other))
    assert after.came_about == before.came_about


def test_the_strongest_way_has_the_strongest_weakest_step() -> None:
    strengths = {(1, 2): 5, (2, 3): 5, (1, 3): 4, (3, 4): 9, (5, 6): 9}
    assert strongest_way(strengths, 1, 4) == [1, 2, 3, 4]
    assert strongest_way(strengths, 4, 1) == [4, 3, 2, 1]
    assert strongest_way({**strengths, (1, 4): 5}, 1, 4) == [1, 4]
    assert strongest_way(strengths, 1, 6) == []
