from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goldthread.cache.entries import GENERATION_KEY, Lifetimes, card_key, card_version, pack, pack_version, unpack
from goldthread.cache.script import CompareAndSet
from goldthread.cache.settings import CacheSettings
from goldthread.domain.errors import SettingsError
from goldthread.domain.ports import CachedAnswer, CardVersion

URL = "redis://:secret@localhost/0"


@given(version=st.integers(0, 2**63 - 1), encoded=st.binary(max_size=64))
def test_pack_and_unpack_are_inverse(version: int, encoded: bytes) -> None:
    entry = CachedAnswer(version, encoded)
    assert unpack(pack(entry)) == entry


@pytest.mark.parametrize("value", [None, b"", b"1234567"])
def test_what_is_too_short_is_absent(value: bytes | None) -> None:
    assert unpack(value) is None


def test_key_names_the_disclosure_class_and_the_token() -> None:
    assert card_key(b"\xab" * 32) == b"gt:card:register:" + b"ab" * 32


@given(draw=st.floats(0, 1, exclude_max=True))
def test_lifetimes_stay_within_the_jitter(draw: float) -> None:
    lifetimes = Lifetimes(CacheSettings(url=URL), draw=lambda: draw)
    assert 69_120_000 <= lifetimes.milliseconds(CachedAnswer(1, b"card")) <= 103_680_000
    for negative in (CachedAnswer(0, b""), CachedAnswer(9, b"")):
        assert 48_000 <= lifetimes.milliseconds(negative) <= 72_000


def test_calls_are_cut_at_256_entries_with_keys_before_arguments() -> None:
    script = CompareAndSet(Lifetimes(CacheSettings(url=URL, ttl_jitter=0), draw=lambda: 0.5))
    entries = [(number.to_bytes(32), CachedAnswer(number, b"x")) for number in range(1, 300)]
    calls = list(script.calls(entries, b"generation"))
    assert [count for count, _ in calls] == [257, 44]
    count, arguments = calls[1]
    assert len(arguments) == 3 * 43 + 2
    assert arguments[:2] == [GENERATION_KEY, card_key(entries[256][0])]
    assert arguments[count : count + 3] == [b"generation", pack(entries[256][1]), 86_400_000]


@pytest.mark.parametrize(
    ("key", "value"),
    [(b"gt:card:register:xyz", bytes(8)), (b"gt:card:register:" + b"ab" * 32, b"short"), (b"\xff", bytes(8))],
)
def test_what_is_damaged_is_no_card(key: bytes, value: bytes) -> None:
    assert card_version(key, value) is None


@given(token=st.binary(min_size=32, max_size=32), version=st.integers(0, 2**63 - 1))
def test_a_card_is_known_by_its_key_and_the_beginning_of_its_value(token: bytes, version: int) -> None:
    assert card_version(card_key(token), pack(CachedAnswer(version, b"card"))) == CardVersion(token, version)
    assert pack(CachedAnswer(version, b"card")).startswith(pack_version(version))


def test_settings_hide_the_url() -> None:
    assert "secret" not in repr(CacheSettings(url=URL))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"url": "http://x"}, "cache.url"),
        ({"url": URL + "?protocol=3"}, "cache.url"),
        ({"url": URL + "?ssl_cert_reqs="}, "cache.url"),
        ({"url": URL + "?db=x"}, "cache.url"),
        ({"timeout_ms": 0}, "cache.timeout_ms"),
        ({"ttl_jitter": 1.0}, "cache.ttl_jitter"),
        ({"breaker_seconds": 0.0}, "cache.breaker_seconds"),
        ({"max_connections": 0}, "cache.max_connections"),
    ],
)
def test_settings_name_what_is_wrong(change: dict[str, object], key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        CacheSettings(**{"url": URL, **change})  # type: ignore[arg-type]
    assert caught.value.metadata == {"key": key}
    assert "secret" not in str(caught.value)
