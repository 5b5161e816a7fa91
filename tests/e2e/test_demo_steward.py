"""Merge then revert, split then replay on the demo's data, through the API of a whole service. `python -m storms demo` is the large form."""

from __future__ import annotations

import sys
from pathlib import Path

from goldthread.app.demo.progress import Progress
from goldthread.app.up import Up
from storms.demo import DemoStorm, run_demo_storm


def test_what_stewards_do_can_be_undone_without_a_trace_and_stands_against_a_replay(
    service: Up, tmp_path: Path
) -> None:
    storm = DemoStorm(seed=1, customers=120, operations=12, sample=100)
    found = run_demo_storm(service, storm, folder=tmp_path, progress=Progress(sys.stderr))
    print(*found.told(), sep="\n")
    assert found.wrong == []
    counts = found.counts
    assert sum(counts[f"merges, {kind}"] for kind in ("near", "contradicting", "far")) == 12
    assert min(counts[f"merges, {kind}"] for kind in ("near", "far", "chained")) > 0
    assert counts["splits"] == 12
    assert counts["reverts"] == 12 + 12 + counts["merges, chained"]
    assert counts["reverts compared at once"] > 12
    assert counts["reverts refused for a later entry"] >= counts["merges, chained"]
    assert counts["events replayed by Kafka and by Resolve"] > 24
    assert counts["identifiers looked up"] > 100
