"""What each part of the service uses of the processor: where the time of a run goes when everything shares a few cores."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

__all__ = ["processor_seconds"]


def processor_seconds(pids: Mapping[str, int]) -> dict[str, float]:
    """Seconds of processor time so far by name, with all children (PostgreSQL's connections are some), ended ones included. One that is gone has 0."""
    return {name: _family(pid) for name, pid in pids.items()}


def _family(pid: int) -> float:
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        ended = times.children_user + times.children_system
        return times.user + times.system + ended + sum(_alone(child) for child in process.children(recursive=True))
    except psutil.NoSuchProcess:
        return 0.0


def _alone(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
        return float(times.user + times.system)
    except psutil.NoSuchProcess:
        return 0.0
