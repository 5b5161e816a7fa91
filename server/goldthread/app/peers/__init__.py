"""Other open tools on the same table, for comparison: Splink, recordlinkage and GoldenMatch, each in a process of its own.

They come with the extra `compare` and with nothing else; no other module imports them.
"""

from __future__ import annotations

from goldthread.app.peers.automatic import automatic_plan, prepared
from goldthread.app.peers.plan import (
    GoldenmatchPlan,
    Peer,
    PeerPlan,
    RecordlinkagePlan,
    SplinkComparison,
    SplinkLevel,
    SplinkPlan,
)
from goldthread.app.peers.process import PeerError, PeerResult, peak_mebibytes, run_apart, run_peer

__all__ = [
    "GoldenmatchPlan",
    "Peer",
    "PeerError",
    "PeerPlan",
    "PeerResult",
    "RecordlinkagePlan",
    "SplinkComparison",
    "SplinkLevel",
    "SplinkPlan",
    "automatic_plan",
    "peak_mebibytes",
    "prepared",
    "run_apart",
    "run_peer",
]
