"""Who is measured, and what each is asked."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import click

from loadtest.lookup import questions
from loadtest.lookup.people import phone

__all__ = ["Contestant", "contestants", "fill_express"]

_EXPRESS = Path(__file__).parent / "express"
_START = "server.js"


@dataclass(frozen=True)
class Contestant:
    """A server, or the cache itself if there is no command, and how it is asked."""

    name: str
    command: Sequence[str]
    protocol: str
    question: Callable[[int], tuple[bytes, bytes]]
    under_way: tuple[int, int]
    """Connections, and requests at once on each."""
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def questions_file(self, folder: Path, numbers: Sequence[int]) -> Path:
        """The questions as the load generator reads them; written once."""
        path = folder / self.question.__name__
        if not path.exists():
            questions.write_questions(path, numbers, self.question)
        return path


def contestants(*, port: int, echo: Path, cache: str, connections: int, streams: int) -> list[Contestant]:
    """Everybody. As many requests are under way for all: HTTP/1.1 has one on a connection, as its clients do, so it has more connections."""
    ours = (sys.executable, "-m", "loadtest.lookup.server", str(port), cache)
    many = (connections, streams)
    one_each = (connections * streams, 1)
    express = ("node", str(_EXPRESS / _START), str(port))
    peer = {"NODE_ENV": "production", "PEER_CACHE_URL": cache}
    password = {"LOAD_CACHE_PASSWORD": urlsplit(cache).password or ""}
    return [
        Contestant("tonic echo", (str(echo), str(port)), "grpc", questions.grpc_echo, many),
        Contestant("Lookup, gRPC", ours, "grpc", questions.grpc, many),
        Contestant("Lookup, REST", ours, "h1", questions.rest, one_each),
        Contestant("Lookup, older face", ours, "h1", questions.old_face, one_each),
        Contestant("Express", express, "h1", questions.express, one_each, peer),
        Contestant(
            "grpc.aio echo",
            (sys.executable, "-m", "loadtest.lookup.echo", str(port)),
            "grpc",
            questions.grpc_echo,
            many,
        ),
        Contestant("cache GET", (), "resp", questions.cache_get, one_each, password),
        Contestant("cache GET, pipelined", (), "resp", questions.cache_get, many, password),
    ]


def fill_express(cache: str, numbers: Sequence[int]) -> None:
    """Puts the cards of the peer into the cache: of those who are asked for."""
    if not (_EXPRESS / "node_modules").is_dir():
        raise click.ClickException("the peer is not installed: make bench-lookup does it")
    lines = "".join(f"{number} {phone(number)[1:]}\n" for number in numbers)
    environ = os.environ | {"PEER_CACHE_URL": cache}
    subprocess.run(["node", str(_EXPRESS / _START), "fill"], input=lines, text=True, check=True, env=environ)
