from __future__ import annotations

import pytest

from goldthread.bus import BusSettings
from goldthread.domain.errors import SettingsError


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"bootstrap": " "}, "bootstrap"),
        ({"group": ""}, "group"),
        ({"events_topic": "x", "changes_topic": "x"}, "events_topic"),
        ({"delivery_timeout_ms": 10}, "delivery_timeout_ms"),
        ({"max_poll_interval_ms": 5_000}, "max_poll_interval_ms"),
    ],
)
def test_settings_that_cannot_work_are_refused_by_name(values, key):
    with pytest.raises(SettingsError) as caught:
        BusSettings(**({"bootstrap": "127.0.0.1:9092"} | values))
    assert caught.value.metadata["key"] == key


def test_defaults_name_three_topics():
    settings = BusSettings(bootstrap="127.0.0.1:9092")
    assert settings.events_topic == "goldthread.customer-events"
    assert settings.changes_topic == "goldthread.profile-changes"
    assert settings.dead_letters_topic == "goldthread.dead-letters"
