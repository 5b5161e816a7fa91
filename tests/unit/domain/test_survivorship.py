"""Survivorship policies as files have them."""

from __future__ import annotations

import pytest

from goldthread.domain.errors import SurvivorshipFileError
from goldthread.domain.survivorship import DEFAULT_SURVIVORSHIP, Rule, survivorship_of

WHOLE = """
version = "shop-1"
trust = ["crm", "web"]
[name]
order = ["trust", "completeness", "recency"]
[birth_date]
order = ["frequency"]
"""


def test_a_policy_says_what_decides() -> None:
    policy = survivorship_of(WHOLE)
    assert policy.name == (Rule.TRUST, Rule.COMPLETENESS, Rule.RECENCY)
    assert policy.address == DEFAULT_SURVIVORSHIP.address
    assert (policy.birth_date, policy.trust) == ((Rule.FREQUENCY,), ("crm", "web"))
    assert policy.told(0) == "trust, completeness, recency, address"
    assert not policy.is_default


def test_no_text_is_the_default_and_so_is_what_says_the_same() -> None:
    assert survivorship_of("") is DEFAULT_SURVIVORSHIP
    assert survivorship_of('version = "mine"').is_default
    assert survivorship_of('version = "mine"\n[name]\norder = ["completeness", "recency"]').is_default


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("no toml", ""),
        ("x" * 70_000, ""),
        ("[name]\norder = ['recency']", "version"),
        ('version = ""', "version"),
        ('version = "a\\nb"', "version"),
        ('version = "1"\nphone = 3', "phone"),
        ('version = "1"\ntrust = "crm"', "trust"),
        ('version = "1"\ntrust = ["crm", "crm"]', "trust"),
        ('version = "1"\n[name]\norder = ["trust"]', "trust"),
        ('version = "1"\nname = "recency"', "name"),
        ('version = "1"\n[name]\norder = ["recency"]\nelse = 1', "name"),
        ('version = "1"\n[name]\norder = []', "name.order"),
        ('version = "1"\n[address]\norder = ["recency", "luck"]', "address.order[1]"),
        ('version = "1"\n[address]\norder = [["recency"]]', "address.order[0]"),
        ('version = "1"\n[address]\norder = ["recency", "recency"]', "address.order"),
        ('version = "1"\n[birth_date]\norder = ["completeness"]', "birth_date.order"),
    ],
)
def test_what_is_wrong_is_named(text: str, field: str) -> None:
    with pytest.raises(SurvivorshipFileError) as caught:
        survivorship_of(text)
    assert caught.value.metadata == {"field": field}
