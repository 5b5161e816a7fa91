"""GoldenMatch with no configuration: it looks at the table and decides for itself."""

from __future__ import annotations

import goldenmatch
import polars as pl

from goldthread.app.peers.process import Found, PeerTable

__all__ = ["run_goldenmatch"]


def run_goldenmatch(table: PeerTable) -> Found:
    """Clusters; rows that are in none of them stand alone."""
    frame = pl.DataFrame(dict(table), schema=dict.fromkeys(table, pl.String))
    result = goldenmatch.dedupe_df(frame, confidence_required=False, allow_red_config=True)
    clusters = list(range(frame.height))
    for cluster in result.clusters.values():
        members = sorted(int(row) for row in cluster["members"])
        for row in members:
            clusters[row] = members[0]
    return Found(clusters=clusters)
