from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from goldthread.telemetry.context import RequestContext, request_scope
from goldthread.telemetry.logs import configure_logs, frames_of, get_logger, redact


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logs(level="info", stream=stream)
    yield stream
    root.handlers[:] = before
    root.setLevel(level)
    structlog.reset_defaults()


def parsed(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    "value",
    [
        "jennifer@example.com",
        "who: <j.m@example.co.uk>",
        "+49 170 1234567",
        "(555) 123-4567",
        "555.123.4567",
        "call 5551234567 now",
        "redis://:secret@127.0.0.1:6379",
        "card 4006381333931",
    ],
)
def test_what_looks_personal_is_replaced(value: str) -> None:
    assert redact(value) == "[redacted]"
    assert redact({"a": [value]}) == {"a": ["[redacted]"]}
    assert redact({value: 1}) == {"[redacted]": 1}


@pytest.mark.parametrize(
    "value",
    [
        "events",
        "GP-0198c0de-1234-7abc-8def-0123456789ab",
        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "retail-persons-1",
        "127.0.0.1",
        12_345_678,
        0.5,
        True,
        None,
    ],
)
def test_what_is_not_personal_stays(value: object) -> None:
    assert redact(value) == value


def test_bytes_objects_and_depths_show_their_type_only() -> None:
    assert redact(b"jennifer@example.com") == "<20 bytes>"
    assert redact(ValueError("jennifer@example.com")) == "<ValueError>"
    assert redact([[[[["deep"]]]]]) == [[[["<list>"]]]]


def test_a_line_is_json_with_event_level_logger_and_request(lines: io.StringIO) -> None:
    with request_scope(RequestContext("req-1", 0.0)):
        get_logger("goldthread.test").info("batch_taken", taken=3, source="crm", who="j@example.com")
    get_logger("goldthread.test").debug("unseen")
    (line,) = parsed(lines)
    assert line.pop("timestamp")
    assert line == {
        "event": "batch_taken",
        "level": "info",
        "logger": "goldthread.test",
        "request_id": "req-1",
        "source": "crm",
        "taken": 3,
        "who": "[redacted]",
    }


def test_a_request_id_that_looks_like_a_phone_number_is_replaced(lines: io.StringIO) -> None:
    for request_id in ("15551234567", "0198c0de-1234-7abc-8def-0123456789ab"):
        with request_scope(RequestContext(request_id, 0.0)):
            get_logger("goldthread.test").info("batch_taken")
    assert [line["request_id"] for line in parsed(lines)] == ["[redacted]", "0198c0de-1234-7abc-8def-0123456789ab"]


def test_library_records_take_the_same_way(lines: io.StringIO) -> None:
    logging.getLogger("library").warning("failed for %s", "j@example.com")
    (line,) = parsed(lines)
    assert (line["event"], line["level"], line["logger"]) == ("[redacted]", "warning", "library")


def test_exceptions_show_places_and_no_text(lines: io.StringIO) -> None:
    try:
        raise ValueError("canary jennifer")  # noqa: TRY301
    except ValueError:
        get_logger("goldthread.test").exception("failed")
        logging.getLogger("library").exception("broke")
    assert "canary" not in lines.getvalue()
    for line in parsed(lines):
        assert line["error"] == "ValueError"
        (frame,) = line["frames"]  # type: ignore[misc]
        assert "test_logs.py" in frame


def test_frames_name_file_line_and_function() -> None:
    def fail() -> None:
        raise KeyError("canary")

    with pytest.raises(KeyError) as caught:
        fail()
    assert frames_of(caught.value)[-1].endswith(" fail")
    assert not any("canary" in frame for frame in frames_of(caught.value))
