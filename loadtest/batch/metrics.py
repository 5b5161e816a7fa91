"""Pairs per second and core: single metrics against rapidfuzz in the same run, and whole comparison vectors.

Usage: python -m loadtest.batch.metrics TABLE
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from rapidfuzz.distance import OSA, JaroWinkler, Levenshtein
from rapidfuzz.process import cpdist

from goldthread import _core
from goldthread.app.settings import Settings
from goldthread.files import read_numbered_rows
from goldthread.flows.match import batch_keys

__all__ = ["Speed", "main", "metric_speeds", "vector_speeds"]

_ROUNDS = 3
_ROWS = 50_000
_PAIRS = 500_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Pairs per processor second of one measure; of rapidfuzz as well where it has the same."""

    name: str
    ours: float
    theirs: float | None


def metric_speeds(left: Sequence[str], right: Sequence[str]) -> list[Speed]:
    """Speeds over pairs of texts. Both take lists, on one thread; ours gives a list, rapidfuzz an array."""
    ours, theirs = list(left), list(right)
    measures: list[tuple[str, Callable[[list[str], list[str]], object], Callable[..., object]]] = [
        ("Jaro-Winkler", _core.jaro_winkler, JaroWinkler.similarity),
        ("Levenshtein", _core.levenshtein, Levenshtein.distance),
        ("OSA", _core.osa, OSA.distance),
    ]
    return [
        Speed(
            name=name,
            ours=_rate(len(ours), partial(own, ours, theirs)),
            theirs=_rate(len(ours), partial(cpdist, ours, theirs, scorer=scorer, workers=1)),
        )
        for name, own, scorer in measures
    ]


def vector_speeds(rows: Sequence[dict[str, str]], pairs: int, *, model_text: str) -> list[Speed]:
    """Speeds of whole comparison vectors of records: all fifteen comparisons, and with the cutoff that the batch engine uses."""
    keys, model = batch_keys(), _core.Model.parse(model_text)
    chunk = _core.Claims.read(
        keys.address,
        keys.token,
        [row.get("source") for row in rows],
        {
            1: [row.get("email") for row in rows],
            2: [row.get("phone") for row in rows],
            3: [row.get("loyalty_card") for row in rows],
        },
        {name: [row.get(name) for row in rows] for name in _core.ATTRIBUTES},
        {},
        default_source="file",
        region="US",
    )
    records, _ = _core.gather([chunk])
    count = len(records)
    # Steps that do not divide the count: neighbours in time and strangers, each pair another.
    left = [index * 7919 % count for index in range(pairs)]
    right = [(index * 104_729 + 1) % count for index in range(pairs)]
    return [
        Speed(
            name="whole vectors", ours=_rate(pairs, lambda: _core.score_pairs(records, left, right, model)), theirs=None
        ),
        Speed(
            name="whole vectors, cut off",
            ours=_rate(pairs, partial(_core.score_pairs, records, left, right, model, cutoff=model.edge_floor)),
            theirs=None,
        ),
    ]


def _rate(pairs: int, run: Callable[[], object]) -> float:
    """Pairs per processor second, the best of a few rounds: of all threads together, so it is per core."""
    best = 0.0
    for _ in range(_ROUNDS):
        start = time.process_time()
        run()
        best = max(best, pairs / max(time.process_time() - start, 1e-9))
    return best


def main(table: Path) -> None:
    """Prints the speeds over the names and records of a table."""
    rows = [row for _, row in islice(read_numbered_rows(table), _ROWS)]
    full = (f"{row.get('given_name', '')} {row.get('family_name', '')}".strip() for row in rows)
    names = [name for name in full if name]
    left = [names[index * 7919 % len(names)] for index in range(_PAIRS)]
    right = [names[(index * 104_729 + 1) % len(names)] for index in range(_PAIRS)]
    lines = ["| measure | ours, pairs/s per core | rapidfuzz |", "|---|---|---|"]
    for speed in metric_speeds(left, right) + vector_speeds(rows, _PAIRS, model_text=Settings().model_text()):
        theirs = "" if speed.theirs is None else f"{speed.theirs:,.0f}"
        lines.append(f"| {speed.name} | {speed.ours:,.0f} | {theirs} |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
