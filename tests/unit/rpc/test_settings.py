from __future__ import annotations

from pathlib import Path

import pytest

from goldthread.domain.errors import SettingsError
from goldthread.rpc import CallLimits, RpcSettings


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"port": 65_536}, "rpc.port"),
        ({"resolve_threads": 0}, "rpc.resolve_threads"),
        ({"steward_threads": 0}, "rpc.steward_threads"),
        ({"max_handed_on": 0}, "rpc.max_handed_on"),
        ({"hello_seconds": 0.0}, "rpc.hello_seconds"),
        ({"idle_seconds": 0.0}, "rpc.idle_seconds"),
        ({"reread_seconds": 0.0}, "rpc.reread_seconds"),
        ({"drain_seconds": -1.0}, "rpc.grace_seconds"),
        ({"tls_certificate": Path("c")}, "rpc.tls_key"),
        ({"tls_client_ca": Path("c")}, "rpc.tls_client_ca"),
    ],
)
def test_settings_name_what_is_wrong(change: dict[str, object], key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        RpcSettings(**change)  # type: ignore[arg-type]
    assert caught.value.metadata == {"key": key}


def test_limits_are_above_zero() -> None:
    with pytest.raises(SettingsError, match="limit"):
        CallLimits(in_flight=0, seconds=1, request_bytes=1)


def test_defaults_bound_lookups_more_tightly_than_writes() -> None:
    settings = RpcSettings()
    assert settings.lookup.seconds == 0.25
    assert settings.resolve.seconds == 5
    assert settings.lookup.request_bytes < settings.resolve.request_bytes < settings.max_message_bytes


def test_what_crosses_a_network_without_tls_is_in_clear() -> None:
    known, chain, key = Path("known"), Path("c"), Path("k")
    assert RpcSettings(host="0.0.0.0", credentials=known).in_clear
    assert not RpcSettings(host="0.0.0.0", credentials=known, tls_certificate=chain, tls_key=key).in_clear
    assert not RpcSettings(host="127.0.0.1", credentials=known).in_clear
