"""Prints the quality table of docs/figures.md: the batch engine with the shipped model on every labelled set beside the checkout.

Each set runs in a process of its own, so that memory is that of the set alone. Usage: python tools/figures_quality.py [SET ...]
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quality.sets import Measured

ROOT = Path(__file__).resolve().parents[1]
HEADER = "| set | fields | rows | P | R | F1 | B³ F1 | exact | reviews | ambiguous | seconds | MiB |"


def main(arguments: list[str]) -> int:
    """Measures the named sets, or all of them; returns the exit code."""
    sys.path.insert(0, str(ROOT / "tests"))
    from quality.sets import SETS, measure

    if arguments[:1] == ["--one"]:
        print(json.dumps(_row(measure(next(found for found in SETS if found.label == arguments[1])))))
        return 0
    wanted = [labelled for labelled in SETS if not arguments or labelled.name in arguments]
    missing = [labelled.name for labelled in wanted if not labelled.path.exists()]
    if missing or not wanted:
        print(f"not in ../shared/data: {', '.join(missing) or ' '.join(arguments)}", file=sys.stderr)
        return 1
    print(
        f"{platform.machine()}, Python {platform.python_version()}\n\n{HEADER}\n"
        + "|---" * HEADER.count(" | ")
        + "|---|"
    )
    for labelled in wanted:
        command = [sys.executable, __file__, "--one", labelled.label]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        print(f"| {labelled.name} | {labelled.fields} | " + " | ".join(json.loads(done.stdout)) + " |", flush=True)
    return 0


def _row(measured: Measured) -> list[str]:
    quality, summary = measured.quality, measured.summary
    ratios = (quality.precision, quality.recall, quality.f1, quality.bcubed_f1, quality.exact)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [
        f"{quality.rows:,}",
        *(f"{ratio:.3f}" for ratio in ratios),
        f"{summary.reviews:,}",
        f"{summary.ambiguous:,}",
        f"{measured.seconds:.2f}",
        f"{peak:.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
