"""Where the time of a lookup goes, as a flame graph: `make flame`.

The data plane runs by itself, with the names of its functions, and is sampled by perf while it is asked at full speed.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

import click

from goldthread.app.embedded import ValkeyServer
from goldthread.app.leave import leave_in_order
from loadtest.lookup import questions
from loadtest.lookup.people import KEYS, asked, fill

_SERVER_CORE, _OTHER_CORE = "0", "1"
_PORT = "51516"
_START_SECONDS = 1.0
_WARM_UP_SECONDS = 1
_HERTZ = "999"
_CONNECTIONS, _STREAMS = "20", "10"
_FACES = {"grpc": ("grpc", questions.grpc), "rest": ("h1", questions.rest)}


@click.command()
@click.option("--serve", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--load", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--inferno", type=click.Path(exists=True, path_type=Path), required=True, help="Folder of its programs.")
@click.option("--face", type=click.Choice(sorted(_FACES)), default="grpc", show_default=True)
@click.option("--people", default=100_000, show_default=True, help="Cards in the cache.")
@click.option("--seconds", default=10, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), required=True)
def main(*, serve: Path, load: Path, inferno: Path, face: str, people: int, seconds: int, out: Path) -> None:
    """Draws the graph."""
    leave_in_order()
    protocol, question = _FACES[face]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.sched_setaffinity(0, {int(_OTHER_CORE)})
        cache = ValkeyServer(folder, environ=os.environ)
        url = cache.start()
        try:
            fill(url, people)
            asking = folder / "questions"
            questions.write_questions(asking, asked(people, people), question)
            command = ["taskset", "-c", _SERVER_CORE, str(serve), _PORT, url, KEYS.token.hex()]
            with subprocess.Popen(command) as server:
                try:
                    time.sleep(_START_SECONDS)
                    samples = _sampled(server.pid, folder, load, [protocol, _PORT, str(asking)], seconds)
                finally:
                    server.kill()
        finally:
            cache.stop()
        stacks = _run([str(inferno / "inferno-collapse-perf")], samples)
        out.parent.mkdir(parents=True, exist_ok=True)
        title = ["--title", f"Lookup by {face}, {people:,} cards, at full speed"]
        out.write_bytes(_run([str(inferno / "inferno-flamegraph"), *title], stacks))
    click.echo(f"{out}: {stacks.count(os.linesep.encode())} stacks")


def _sampled(pid: int, folder: Path, load: Path, asking: list[str], seconds: int) -> bytes:
    words = [*asking, _CONNECTIONS, _STREAMS, str(seconds + _WARM_UP_SECONDS)]
    with subprocess.Popen(["taskset", "-c", _OTHER_CORE, str(load), *words], stdout=subprocess.PIPE) as loading:
        data = str(folder / "perf.data")
        record = ["perf", "record", "-q", "-F", _HERTZ, "-g", "-p", str(pid), "-o", data, "--", "sleep", str(seconds)]
        subprocess.run(record, check=True)
        said, _ = loading.communicate()
    if loading.returncode or b'"wrong": 0,' not in said:
        raise click.ClickException("not every answer was right")
    return _run(["perf", "script", "-i", data], b"")


def _run(command: list[str], given: bytes) -> bytes:
    return subprocess.run(command, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True).stdout


if __name__ == "__main__":
    main()
