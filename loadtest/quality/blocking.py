"""`make bench-blocking`: what blocking finds of generated customers, by the number of records, and what it costs.

Tables and their truth are those of `make bench-batch`. Of each size are shown candidates and rows of blocking keys to a record, and the shares of the true
pairs found directly and through the cluster: of all, of those that can be found at all, of these without the pairs that have nothing but names in
common, and of those that the model would keep (docs/evaluate.md).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import click

from goldthread import _core
from goldthread.app.settings import Settings
from goldthread.app.tables import Tables
from goldthread.files import read_table
from goldthread.flows.batch import BatchRun, ModelWish, run_batch
from goldthread.flows.match import batch_keys
from goldthread.matching.batch import candidates_of
from goldthread.matching.evaluation.blocking import FINDABLE, FoundPairs, RecordPersons, tally_blocking, tally_findable
from goldthread.matching.findable import FindablePairs
from loadtest.batch.__main__ import people, truth_of

__all__ = ["main", "row"]

_SIZES = (20_000, 100_000, 300_000)
_MOST_KEYED = 500_000
"""Records whose keys are counted; every key is some hundred bytes in Python."""
_HEAD = ("records", "model", "candidates", "keys", "all", *(f"{name.replace('_', ' ')} (pairs)" for name in FINDABLE))


@click.command()
@click.option(
    "--records", type=click.IntRange(min=1), multiple=True, help="Sizes to run.  [default: 20,000 to 300,000]"
)
@click.option("--model", "models", multiple=True, type=click.Choice(["shipped", "trained"]), help="Only this model.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path(".cache") / "bench-batch",
    show_default=True,
    help="Where the tables are kept.",
)
def main(*, records: tuple[int, ...], models: tuple[str, ...], folder: Path) -> None:
    """Measure blocking on generated customers. At 2.4 million records it takes many GiB: every candidate is a Python object."""
    folder.mkdir(parents=True, exist_ok=True)
    click.echo(f"| {' | '.join(_HEAD)} |\n|---|---|{'---:|' * (len(_HEAD) - 2)}")
    for size in records or _SIZES:
        for model in models or ("shipped", "trained"):
            click.echo(f"| {' | '.join(row(people(folder, size), model))} |")


def row(table: Path, model: str) -> Iterator[str]:
    """The cells of one table, whose truth stands beside it, under the shipped model or one trained on it."""
    shipped = Settings().model_text()
    run = run_batch(
        Tables.understood((table,), mapping=None),
        keys=batch_keys(),
        region="US",
        wish=ModelWish(given=shipped if model == "shipped" else None, shipped=shipped),
    )
    [truth] = read_table(truth_of(table)).values()
    known = [
        (None if record < 0 else record, person)
        for record, person in zip(run.result.row_records, truth, strict=True)
        if person is not None
    ]
    persons = RecordPersons([record for record, _ in known], [person for _, person in known])
    count = len(run.gathered.records)
    pairs = candidates_of(run.gathered, model_text=run.model.text)
    found = FoundPairs(persons, pairs.left, pairs.right, remembered=True)
    yield from (f"{count:,}", model, f"{2 * len(pairs.left) / count:.1f}")
    del pairs
    yield f"{_keys(run) / count:.1f}" if count <= _MOST_KEYED else ""
    rows = {name: sum(column) for name, column in tally_blocking(persons, found).items()}
    true_pairs = sum(size * (size - 1) // 2 for size in Counter(person for _, person in known).values())
    yield f"{rows['direct'] / true_pairs:.4f} / {rows['through_cluster'] / true_pairs:.4f}"
    judge = FindablePairs(run.gathered, model_text=run.model.text)
    sums = {name: sum(column) for name, column in tally_findable(persons, found, judge).items()}
    for name in FINDABLE:
        direct, through = (sums[f"{name}.{way}"] / sums[name] for way in ("direct", "through_cluster"))
        yield f"{direct:.4f} / {through:.4f} ({sums[name]:,.0f})"


def _keys(run: BatchRun) -> int:
    records, *_ = _core.blocking_keys(batch_keys().blocking, run.gathered.records, _core.Model.parse(run.model.text))
    return len(records)


if __name__ == "__main__":
    main()
