from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from goldthread.app import cli
from goldthread.domain.errors import (
    BusUnavailableError,
    GoldthreadError,
    ModelFileError,
    OffsetGapError,
    PoisonLimitError,
    SchemaVersionError,
    SettingsError,
)


def raising(error: BaseException) -> Callable[..., None]:
    def callback() -> None:
        raise error

    return callback


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., object]], int]:
    """Runs the command line with one command whose body is given."""

    def runner(body: Callable[..., object]) -> int:
        command = click.Command("planted", callback=body)
        monkeypatch.setattr(cli.cli, "get_command", lambda _ctx, _name: command)
        return cli.main(["planted"])

    return runner


@pytest.mark.parametrize("name", list(cli.COMMANDS))
def test_every_command_loads_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([name, "--help"]) == 0
    assert f"goldthread {name}" in capsys.readouterr().out


def test_the_list_shows_every_command_without_loading_one() -> None:
    program = "import sys; from goldthread.app.cli import main; main(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert [name for name in cli.COMMANDS if f"  {name} " not in done.stdout] == []
    assert set(done.stderr.split()) & {"grpc", "psycopg", "pyarrow", "confluent_kafka", "redis"} == set()


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == "goldthread, version 0.1.0\n"


@pytest.mark.parametrize("arguments", [["nonsense"], ["migrate", "--nonsense"], ["serve", "--grpc-port", "70000"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == 2
    assert "Error:" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (SettingsError("GOLDTHREAD_X", "no"), 2, "INVALID_SETTING: GOLDTHREAD_X: no (key=GOLDTHREAD_X)"),
        (ModelFileError("bad", metadata={"key": "prior"}), 2, "INVALID_MODEL: bad (key=prior)"),
        (BusUnavailableError("Kafka does not answer"), 1, "BUS_UNAVAILABLE: Kafka does not answer"),
        (PoisonLimitError("too many", metadata={"bad": "7"}), 3, "POISON_LIMIT: too many (bad=7)"),
        (SchemaVersionError("old"), 3, "SCHEMA_VERSION: old"),
        (
            OffsetGapError(topic="t", partition=0, expected=1, found=2),
            3,
            "OFFSET_GAP: the topic lost messages that were never read (expected=1 found=2 lost=head partition=0 topic=t)",
        ),
    ],
)
def test_errors_are_one_line_and_a_code(
    run: Callable[[Callable[..., object]], int],
    capsys: pytest.CaptureFixture[str],
    error: GoldthreadError,
    code: int,
    line: str,
) -> None:
    assert run(raising(error)) == code
    assert capsys.readouterr().err == f"goldthread: {line}\n"


def test_interruption_and_results_become_codes(run: Callable[[Callable[..., object]], int]) -> None:
    assert run(raising(KeyboardInterrupt())) == 130
    assert run(lambda: 3) == 3
    assert run(lambda: None) == 0


PROGRAM = """
import sys, threading, click
from goldthread.app import cli
from goldthread.app.serve import log_crashes

def fail():
    raise ValueError("canary jennifer")

class Careless:
    def __del__(self):
        fail()

def body():
    log_crashes()
    worker = threading.Thread(target=fail, name="worker-1")
    worker.start()
    worker.join()
    Careless()
    try:
        fail()
    except ValueError as error:
        raise KeyError("canary") from error

cli.cli.get_command = lambda _ctx, _name: click.Command("planted", callback=body)
code = cli.main(["planted"])
print(code)
fail()
"""


def test_a_bug_is_one_json_line_with_its_places_and_never_its_text() -> None:
    """In a thread, in a finaliser, in a command, and past the command line."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("1\n", 1)
    assert "canary" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["level"], line["error"]) for line in lines] == [
        *[("crashed", "error", "ValueError")] * 2,
        ("crashed", "error", "KeyError"),
        ("crashed", "error", "ValueError"),
    ]
    assert lines[0]["thread"] == "worker-1"
    assert all(" " in frame and ":" in frame for line in lines for frame in line["frames"])
    assert lines[2]["frames"][-1].endswith(" body")
