"""Metrics of the core against textbook definitions, and both against a third opinion where one exists."""

from __future__ import annotations

import re

import jellyfish
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA, Levenshtein

from goldthread import _core
from oracle import distance, phonetic
from oracle.population import FAMILY, GIVEN

NAMES = sorted({word.replace("+", "") for word in (*GIVEN, *FAMILY)})
few_letters = st.text("abcd", max_size=12)
long_text = st.text("abc é字", min_size=60, max_size=140)
words = st.one_of(few_letters, st.text(max_size=20), long_text, st.sampled_from(NAMES))

# Here the core's crate looks before the beginning of the word and then denies the rule; the oracle follows Commons Codec.
LOOKS_BEFORE_THE_WORD = re.compile("^.?ch[ts]|^.?ier$")
ascii_words = st.one_of(st.sampled_from(NAMES).filter(str.isascii), st.text("abcdefghijklmnopqrstuvwxyz", max_size=14))


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=8))
def test_edit_distances_are_the_textbook_ones(pairs: list[tuple[str, str]]) -> None:
    left, right = map(list, zip(*pairs, strict=True))
    assert _core.levenshtein(left, right) == [distance.levenshtein(a, b) for a, b in pairs]
    assert _core.osa(left, right) == [distance.osa(a, b) for a, b in pairs]


@settings(max_examples=200, deadline=None)
@given(words, words)
def test_edit_distances_agree_with_rapidfuzz(left: str, right: str) -> None:
    assert distance.levenshtein(left, right) == Levenshtein.distance(left, right)
    assert distance.osa(left, right) == OSA.distance(left, right)


@settings(max_examples=500, deadline=None)
@given(words, words)
@example("", "")
@example("", "a")
@example("martha", "marhta")
@example("abcdxyz", "abcdpqrstu")
def test_jaro_winkler_is_the_rounded_fraction(left: str, right: str) -> None:
    assert _core.jaro_winkler([left], [right]) == [distance.jaro_winkler(left, right)]


@settings(max_examples=300, deadline=None)
@given(few_letters, few_letters)
def test_jaro_winkler_agrees_with_jellyfish(left: str, right: str) -> None:
    prefix = next((at for at, (a, b) in enumerate(zip(left[:4], right[:4], strict=False)) if a != b), None)
    prefix = min(len(left), len(right), 4) if prefix is None else prefix
    jaro = jellyfish.jaro_similarity(left, right) if left or right else 1.0
    expected = jaro + prefix * 0.1 * (1 - jaro)
    assert distance.jaro_winkler(left, right) == pytest.approx(10_000 * expected, abs=0.501)


@settings(max_examples=400, deadline=None)
@given(ascii_words)
@example("ashcraft")
@example("pfister")
@example("tymczak")
def test_soundex_agrees_three_times(word: str) -> None:
    assert _core.soundex([word]) == [distance.soundex(word)]
    assert distance.soundex(word) == jellyfish.soundex(word)


@settings(max_examples=300, deadline=None)
@given(st.lists(ascii_words, min_size=1, max_size=20))
def test_double_metaphone_follows_the_published_rules(some: list[str]) -> None:
    regular = [word for word in some if not LOOKS_BEFORE_THE_WORD.match(word)]
    assert [primary for primary, _ in _core.double_metaphone(regular)] == [phonetic.metaphone(word) for word in regular]


def test_double_metaphone_of_well_known_words() -> None:
    known = {
        "smith": "SM0",
        "schmidt": "XMT",
        "michael": "MKL",
        "knight": "NT",
        "caesar": "SSR",
        "jose": "HS",
        "bertucci": "PRTX",
        "cagney": "KKN",
        "island": "ALNT",
        "laugh": "LF",
        "filipowicz": "FLPT",
        "mchugh": "MK",
        "xavier": "SF",
        "wright": "RT",
    }
    assert {word: phonetic.metaphone(word) for word in known} == known
    assert [code for code, _ in _core.double_metaphone(list(known))] == list(known.values())
