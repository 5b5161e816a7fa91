"""The whole line of this checkout against a commit before, by turns in one run: `python -m loadtest.stream.pairs --against COMMIT`.

Each side goes first in every other pair, each run on servers of its own. A machine may differ by a quarter from one minute to the next, so what
counts are the ratios of pairs.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import click

from goldthread.app.leave import leave_in_order
from goldthread.app.settings import process_environment
from loadtest.ingest_pairs import ROOT, git, worktree
from loadtest.leaving import finished

__all__ = ["main"]

_RUN_SECONDS = 900


@dataclass(frozen=True)
class _Run:
    """Events a second from Kafka to card, and milliseconds of processor an event by process."""

    rate: float
    processor: dict[str, float]

    @property
    def together(self) -> float:
        return sum(self.processor.values())

    def told(self) -> str:
        return f"{self.rate:,.0f}/s and {self.together:.3f} ms"


def _run(tree: Path, arguments: Sequence[str]) -> _Run:
    with tempfile.TemporaryDirectory(prefix="goldthread-stream-pairs-") as folder:
        out = Path(folder) / "run.json"
        done = finished(
            [str(tree / ".venv/bin/python"), "-m", "loadtest.stream", *arguments, "--out", str(out)],
            cwd=tree,
            environ=process_environment(),
            seconds=_RUN_SECONDS,
        )
        if done.returncode:
            raise click.ClickException(f"the run failed in {tree}:\n{done.stderr[-3_000:]}")
        found = json.loads(out.read_text(encoding="utf-8"))
    drained = found["drained"]
    return _Run(
        rate=found["rate"],
        processor={name: 1000 * used / drained["events"] for name, used in drained["processor"].items()},
    )


@click.command(context_settings={"ignore_unknown_options": True})
@click.option("--against", default="HEAD~1", show_default=True, help="Commit to compare with.")
@click.option("--pairs", default=3, show_default=True, type=click.IntRange(1))
@click.option(
    "--tree", type=click.Path(exists=True, file_okay=False, path_type=Path), help="A built checkout of that commit."
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def main(*, against: str, pairs: int, tree: Path | None, arguments: tuple[str, ...]) -> None:
    """Compare the whole line with that of an earlier commit; ARGUMENTS go to `loadtest.stream` on both sides."""
    leave_in_order()
    with worktree(git("rev-parse", against)) if tree is None else nullcontext(tree.resolve()) as before:
        found: list[tuple[_Run, _Run]] = []
        for number in range(1, pairs + 1):
            order = (ROOT, before) if number % 2 else (before, ROOT)
            runs = {side: _run(side, arguments) for side in order}
            found.append((runs[ROOT], runs[before]))
            click.echo(f"pair {number}: now {runs[ROOT].told()}, before {runs[before].told()}")
    rates = [now.rate / then.rate for now, then in found]
    click.echo(f"events a second: median ratio {statistics.median(rates):.3f} ({min(rates):.3f} to {max(rates):.3f})")
    for name in found[0][0].processor:
        now, then = (statistics.median(pair[side].processor.get(name, 0.0) for pair in found) for side in (0, 1))
        click.echo(f"  {name:12} {now:.4f} ms of processor an event, before {then:.4f}")
    work = [now.together / then.together for now, then in found]
    click.echo(f"  {'together':12} median ratio {statistics.median(work):.3f} ({min(work):.3f} to {max(work):.3f})")


if __name__ == "__main__":
    main()
