"""Prints how well models do that are trained on each labelled set itself, without labels and by one procedure.

The sets lie in ../shared/data beside the checkout. Each runs in a process of its own. Columns beyond the flat row format join as extras, the
same for every variant of a set. Usage: python tools/figures_trained.py [SET[-FIELDS] ...] [--truth] [--models DIR] [--blueprint FILE]

`--truth` calibrates on the truth, which shows what calibration without labels costs; `--blueprint` starts from another blueprint or model.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = {
    "historical_dev": {"gender": "person", "occupation": "person"},
    "febrl1": {"state": "household", "address_2": "household"},
    "febrl2": {"state": "household", "address_2": "household"},
    "febrl_dsgen_c": {"state": "household", "address_2": "household"},
    "retail_us_dev": {"state": "household"},
}
COLUMNS = (
    "P R F1 B³ exact | blocking cand./record | pairs-P pairs-R ECE band-n band-p band-seen | reviews/1,000 households ambiguous"
    " | est./true-matches est.-households slope intercept votes rules | s"
)


def main(arguments: list[str]) -> int:
    """Measures the named sets, or all of them; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*")
    parser.add_argument("--truth", action="store_true")
    parser.add_argument("--models", type=Path)
    parser.add_argument("--blueprint", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    sys.path.insert(0, str(ROOT / "tests"))
    from quality.sets import SETS

    if options.one:
        print(json.dumps(_measured(options.sets[0], options)))
        return 0
    wanted = [one for one in SETS if not options.sets or {one.name, one.label} & set(options.sets)]
    missing = [one.name for one in wanted if not one.path.exists()]
    if missing or not wanted:
        print(f"not in ../shared/data: {', '.join(missing) or ' '.join(options.sets)}", file=sys.stderr)
        return 1
    print(
        f"{platform.machine()}, Python {platform.python_version()}\n\n| set | "
        + COLUMNS.replace(" | ", " ").replace(" ", " | ")
        + " |"
    )
    for one in wanted:
        passed = ["--one", one.label, *(["--truth"] if options.truth else [])]
        passed += ["--models", str(options.models)] if options.models else []
        passed += ["--blueprint", str(options.blueprint)] if options.blueprint else []
        done = subprocess.run([sys.executable, __file__, *passed], check=True, capture_output=True, text=True)
        print(f"| {one.label} | " + " | ".join(json.loads(done.stdout)) + " |", flush=True)
    return 0


def _measured(label: str, options: argparse.Namespace) -> list[str]:
    from quality.sets import MAPPINGS, SETS

    from goldthread import _core
    from goldthread.domain.quality import compare_partitions
    from goldthread.files import Mapping, read_table
    from goldthread.flows.match import batch_keys, claims_of
    from goldthread.flows.train import train_columns
    from goldthread.matching.batch import BatchEngine

    labelled = next(one for one in SETS if one.label == label)
    table = read_table(labelled.path)
    columns = Mapping.read(MAPPINGS / f"{labelled.mapping}.toml").table(table)
    truth = columns.pop("truth")
    extras = {name: (kind, table[name]) for name, kind in EXTRAS.get(labelled.name, {}).items()}
    start = time.perf_counter()
    training = train_columns(
        columns,
        keys=batch_keys(),
        region=labelled.region,
        extras=extras,
        truth=truth if options.truth else None,
        blueprint=options.blueprint.read_text(encoding="utf-8") if options.blueprint else None,
        name=label,
    )
    if options.models:
        options.models.mkdir(exist_ok=True)
        (options.models / f"{label}.toml").write_text(training.model_text, encoding="utf-8")
    engine = BatchEngine(model_text=training.model_text, keys=batch_keys(), region=labelled.region)
    further = {name: column for name, (_, column) in extras.items()}
    engine.add(claims_of(columns, rows=len(truth), default_source="file", extras=further))
    result = engine.resolve()
    seconds = time.perf_counter() - start
    quality = compare_partitions(
        truth, [(-1, row) if cluster is None else (0, cluster) for row, cluster in enumerate(result.clusters)]
    )
    persons: dict[int, str | None] = {}
    for record, person in zip(engine.row_records, truth, strict=True):
        persons.setdefault(record, person)
    persons.pop(-1, None)
    model = _core.Model.parse(training.model_text)
    left, right, scores = _core.candidate_pairs(engine.prepared(), model, -2_000_000)
    probabilities = model.probabilities(scores)
    right_ones = [persons[a] == persons[b] for a, b in zip(left, right, strict=True)]
    true_pairs = max(1, sum(count * (count - 1) // 2 for count in Counter(persons.values()).values()))
    sure = [one for one, p in zip(right_ones, probabilities, strict=True) if p >= 0.94]
    band = [(p, one) for p, one in zip(probabilities, right_ones, strict=True) if 0.9 <= p <= 0.98]
    kept = sum(one.kept for one in training.passes)
    records = len(persons)
    return [
        *(
            f"{ratio:.3f}"
            for ratio in (quality.precision, quality.recall, quality.f1, quality.bcubed_f1, quality.exact)
        ),
        f"{sum(right_ones) / true_pairs:.3f}",
        f"{2 * len(left) / records:.1f}",
        f"{sum(sure) / max(1, len(sure)):.3f}",
        f"{sum(sure) / true_pairs:.3f}",
        f"{calibration_error(probabilities, right_ones):.3f}",
        f"{len(band)}",
        f"{sum(p for p, _ in band) / max(1, len(band)):.3f}",
        f"{sum(one for _, one in band) / max(1, len(band)):.3f}",
        f"{1000 * len(result.reviews) / records:.1f}",
        f"{len(result.households)}",
        f"{len(result.ambiguous)}",
        f"{training.matches:.0f}/{true_pairs}",
        f"{training.households:.0f}",
        f"{training.slope:.3f}",
        f"{training.intercept:.3f}",
        f"{training.votes}",
        f"{kept}/{len(training.passes)}",
        f"{seconds:.1f}",
    ]


def calibration_error(probabilities: Sequence[float], right: Sequence[bool], bins: int = 20) -> float:
    """Mean distance of claimed and observed share over bins of equal number, of the pairs of some probability."""
    pairs = sorted((p, one) for p, one in zip(probabilities, right, strict=True) if p >= 0.05)
    size = max(1, -(-len(pairs) // bins))
    total = 0.0
    for start in range(0, len(pairs), size):
        part = pairs[start : start + size]
        total += abs(sum(p for p, _ in part) - sum(one for _, one in part))
    return total / max(1, len(pairs))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
