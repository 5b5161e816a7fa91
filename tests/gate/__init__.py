"""The gate: the whole service on real servers under a seeded stream of events while everything is killed, checked against the oracle.

`python -m gate --seed N` (with PYTHONPATH=tests, as pytest's settings have it) or `make gate SEED=N`; docs/gate.md says how to read it.

The gate keeps its own journal of what the system acknowledged, reads the ledger with statements of its own, and computes what the ledger must
hold with `tests/oracle`, in plain Python from the events alone. `gate.sabotage` holds ten known bugs, each of which must turn it red.
"""

from __future__ import annotations

import os

# The gate starts processes by the dozen while it holds channels; it never forks to go on itself, so gRPC need not look after that.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
