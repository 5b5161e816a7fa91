"""The commands of README.md: they exist, take the options shown, and fit each other."""

from __future__ import annotations

import re
import shlex

import click

from fixtures.repository import ROOT
from goldthread.app.cli import cli

README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[tuple[str, list[str]]]:
    """Every `goldthread` command in a shell block: its name and its arguments."""
    found = []
    for block in re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0].rpartition("/")[2] == "goldthread":
                found.append((words[1], words[2:]))
    return found


def option(arguments: list[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


def test_every_command_takes_the_options_shown() -> None:
    shown = commands()
    group = click.Context(cli)
    assert {name for name, _ in shown} >= {"up", "generate", "produce", "match", "migrate", "serve", "consume", "relay"}
    for name, arguments in shown:
        command = cli.get_command(group, name)
        assert command is not None, name
        known = {spelling for parameter in command.params for spelling in parameter.opts}
        assert {word for word in arguments if word.startswith("--")} <= known, name


def test_the_python_example_dials_the_port_that_up_was_given() -> None:
    dialled = re.findall(r'insecure_channel\("127\.0\.0\.1:(\d+)"\)', README)
    assert dialled == [option(arguments, "--grpc-port") for name, arguments in commands() if name == "up"]


def test_services_on_one_machine_share_no_port() -> None:
    ports = [
        option(arguments, "--metrics-port") for name, arguments in commands() if name in ("serve", "consume", "relay")
    ]
    assert None not in ports
    assert len(set(ports)) == len(ports) == 3
