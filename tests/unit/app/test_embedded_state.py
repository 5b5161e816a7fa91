"""What an embedded server remembers: ports, facts, locks, and how endpoints are shown."""

from __future__ import annotations

import json
import os
import random
import stat
from pathlib import Path

import pytest

from goldthread.app.embedded.endpoints import Endpoints, redact
from goldthread.app.embedded.failure import EmbeddedServerCancelledError, EmbeddedServerError
from goldthread.app.embedded.locks import FileLock
from goldthread.app.embedded.memory import PartMemory, load_memory, save_memory
from goldthread.app.embedded.ports import drawn_from, free_ports, keep_or_draw


def test_memory_survives_a_round_trip_and_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    memory = PartMemory().with_ports((17_001, 17_002)).with_fact("password", "s3cret")
    save_memory(path, memory)
    assert load_memory(path) == memory
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "s3cret" not in repr(memory)
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_memory_of_a_new_directory_is_empty(tmp_path: Path) -> None:
    assert load_memory(tmp_path / "state.json") == PartMemory()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"ports": 3, "facts": {}}', '{"ports": [1], "facts": "s3cret"}', "null"]
)
def test_a_damaged_memory_is_refused_without_quoting_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="is not a state file") as caught:
        load_memory(path)
    assert "s3cret" not in str(caught.value)


def test_an_interrupted_write_does_not_block_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    (tmp_path / "state.json.new").write_text("half", encoding="utf-8")
    save_memory(path, PartMemory(ports=(17_005,)))
    assert load_memory(path).ports == (17_005,)


def test_free_ports_are_different_and_avoid_what_they_are_told() -> None:
    first = free_ports(5, rng=random.Random(7), usable=lambda port: port % 3 == 0)
    second = free_ports(5, rng=random.Random(7), avoid=first, usable=lambda port: port % 3 == 0)
    assert len(set(first) | set(second)) == 10
    assert all(port % 3 == 0 for port in (*first, *second))


def test_free_ports_give_up_when_nothing_is_free() -> None:
    with pytest.raises(OSError, match="0 of 1 free loopback ports"):
        free_ports(1, rng=random.Random(7), usable=lambda port: False)


@pytest.mark.parametrize(
    ("outgoing", "first", "last"),
    [
        ("32768\t60999\n", 10_000, 32_767),
        ("16000 65535", 10_000, 15_999),
        ("1024 40000", 40_001, 65_535),
        ("1024 65535", 17_000, 31_999),
        ("none", 17_000, 31_999),
        ("1 2 3", 17_000, 31_999),
    ],
)
def test_ports_are_drawn_beside_those_of_client_sockets(outgoing: str, first: int, last: int) -> None:
    ports = drawn_from(outgoing)
    assert (ports[0], ports[-1]) == (first, last)


def test_remembered_ports_are_kept_while_free() -> None:
    slept: list[float] = []
    kept = keep_or_draw(
        (20_001, 20_002), count=2, rng=random.Random(1), patience=3, usable=lambda port: True, sleep=slept.append
    )
    assert kept == (20_001, 20_002)
    assert slept == []


def test_a_port_that_is_closing_is_waited_for() -> None:
    slept: list[float] = []
    kept = keep_or_draw(
        (20_001,), count=1, rng=random.Random(1), patience=3, usable=lambda port: len(slept) >= 4, sleep=slept.append
    )
    assert kept == (20_001,)
    assert len(slept) == 4


def test_only_the_taken_port_is_replaced_and_the_wait_is_bounded() -> None:
    slept: list[float] = []
    kept = keep_or_draw(
        (20_001, 20_002),
        count=2,
        rng=random.Random(1),
        patience=3,
        usable=lambda port: port != 20_001,
        sleep=slept.append,
    )
    assert kept[1] == 20_002
    assert kept[0] not in {20_001, 20_002}
    assert sum(slept) == pytest.approx(3)


def test_a_lock_has_one_holder(tmp_path: Path) -> None:
    first, second = FileLock(tmp_path / "lock"), FileLock(tmp_path / "lock")
    assert first.try_acquire()
    assert first.try_acquire()
    assert not second.try_acquire()
    assert second.holder() == str(os.getpid())
    first.release()
    assert second.try_acquire()
    second.release()


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ("postgresql://goldthread:s3cret@127.0.0.1:20001/goldthread", "postgresql://goldthread:***@127.0.0.1:20001/goldthread"),
        ("redis://:s3cret@127.0.0.1:20002/0", "redis://:***@127.0.0.1:20002/0"),
        ("redis://127.0.0.1:20002/0", "redis://127.0.0.1:20002/0"),
        ("host=db password=s3cret user=u", "host=db password=*** user=u"),
        ("host=db password='s3cret with \\' quote' user=u", "host=db password=*** user=u"),
        ("postgresql://db/x?user=u&password=s3cret&sslmode=require", "postgresql://db/x?user=u&password=***&sslmode=require"),
    ],
)  # fmt: skip
def test_passwords_are_not_shown(shown: str, expected: str) -> None:
    assert redact(shown) == expected
    endpoints = Endpoints(postgres_dsn=shown, redis_url=shown, kafka_bootstrap="127.0.0.1:1")
    assert "s3cret" not in repr(endpoints)
    assert "s3cret" not in str(endpoints)


def test_errors_name_the_part_and_carry_its_log() -> None:
    error = EmbeddedServerError("kafka", "it ended while starting", log_tail="last words")
    assert str(error).startswith("kafka: it ended while starting")
    assert "last words" in str(error)
    assert error.metadata == {"part": "kafka"}
    assert EmbeddedServerCancelledError("redis").part == "redis"
    assert json.dumps(EmbeddedServerCancelledError.reason) == '"EMBEDDED_SERVER_CANCELLED"'
