"""recordlinkage with its classifier that learns without labels (ECM), links closed to clusters."""

from __future__ import annotations

import pandas as pd
import recordlinkage as rl

from goldthread.app.peers.closure import closure
from goldthread.app.peers.plan import RecordlinkagePlan
from goldthread.app.peers.process import Found, PeerTable

__all__ = ["run_recordlinkage"]

_SIMILAR = 0.85


def run_recordlinkage(table: PeerTable, plan: RecordlinkagePlan) -> Found:
    """Clusters; it gives links without probabilities that could be compared."""
    frame = pd.DataFrame(dict(table), dtype=object)
    frame.index.name = "row"
    index = rl.Index()
    for rule in plan.blocking:
        index.block(list(rule) if len(rule) > 1 else rule[0])
    pairs = index.index(frame)
    compare = rl.Compare()
    for name in plan.near:
        compare.string(name, name, method="jarowinkler", threshold=_SIMILAR, label=name)
    for name in plan.exact:
        compare.exact(name, name, label=name)
    # A missing value agrees with nothing; this is the tool's own way.
    agreement = compare.compute(pairs, frame).fillna(0).astype(int)
    links = rl.ECMClassifier(binarize=None).fit_predict(agreement)
    left, right = (links.get_level_values(level).tolist() for level in (0, 1))
    return Found(clusters=closure(len(frame), zip(left, right, strict=True)))
