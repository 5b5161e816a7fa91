"""Runs a peer in a process of its own, so that its memory is its own and nothing of it stays here."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter

from goldthread.app.peers.plan import GoldenmatchPlan, Peer, PeerPlan, RecordlinkagePlan, SplinkPlan
from goldthread.domain.errors import GoldthreadError, SettingsError

__all__ = ["Found", "PeerError", "PeerResult", "PeerTable", "peak_mebibytes", "run_apart", "run_peer"]

PeerTable = Mapping[str, Sequence[str | None]]
"""Columns of text; None is missing. Personal data."""


_NOBODY = 1 << 30
"""A group that no process is in."""


class PeerError(GoldthreadError):
    """A peer failed or took too long; names the peer and the type of its error, never its text, which may quote the data."""

    reason = "PEER_FAILED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a peer found: the cluster of each row, and its scored pairs of rows where it gives probabilities."""

    clusters: Sequence[int] = field(repr=False)
    left: Sequence[int] = field(default=(), repr=False)
    right: Sequence[int] = field(default=(), repr=False)
    probabilities: Sequence[float] = field(default=(), repr=False)
    seconds: float | None = None
    """Seconds to the clusters, where the pairs are only fetched afterwards."""
    peak_mebibytes: float | None = None
    """Peak memory by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerResult:
    """What a peer found, its version, the seconds from table to clusters with its training, and its peak memory."""

    peer: Peer
    version: str
    found: Found
    seconds: float
    peak_mebibytes: float


def run_peer(peer: Peer, table: PeerTable, plan: PeerPlan, *, timeout_seconds: float) -> PeerResult:
    """Runs a peer on a table and waits for it.

    Raises `SettingsError` if it is not installed, and `PeerError` if it fails or is not done in time; its process is gone in any case.
    """
    try:
        installed = version(peer.value)
    except PackageNotFoundError:
        raise SettingsError("compare", f"{peer.value} is not installed; it comes with the extra `compare`") from None
    answer = run_apart(peer.value, _run, dict(table), plan, timeout_seconds=timeout_seconds)
    if not isinstance(answer, _Answer):
        raise PeerError(f"{peer.value} gave no answer", metadata={"peer": peer.value})
    return PeerResult(
        peer=peer,
        version=installed,
        found=answer.found,
        seconds=answer.seconds,
        peak_mebibytes=answer.peak_mebibytes,
    )


def run_apart(name: str, work: Callable[..., object], *arguments: object, timeout_seconds: float) -> object:
    """What `work(*arguments)` returns in a new process, which is gone when this returns; all of it must be picklable.

    Raises `PeerError`, which names `name`, if it raises, dies or is not done in time.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(there, work, arguments))
    process.start()
    there.close()
    try:
        if not here.poll(timeout_seconds):
            raise PeerError(
                f"{name} was not done in {timeout_seconds:g} s", metadata={"peer": name, "error": "timeout"}
            )
        answer = here.recv()
    except EOFError:
        raise PeerError(f"{name} ended without an answer", metadata={"peer": name, "error": "death"}) from None
    finally:
        # With whatever it has started, once it leads a group of its own.
        with suppress(ProcessLookupError):
            os.killpg(process.pid or _NOBODY, signal.SIGKILL)
        process.kill()
        process.join()
        here.close()
    if isinstance(answer, _Raised):
        raise PeerError(f"{name} failed ({answer.kind})", metadata={"peer": name, "error": answer.kind})
    return answer


def peak_mebibytes() -> float:
    """Most resident memory that this process has had.

    Where there is /proc it is asked: the other figure begins with the memory of whoever started the process.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True, slots=True)
class _Raised:
    """Type of the exception that ended the work."""

    kind: str


@dataclass(frozen=True, slots=True)
class _Answer:
    found: Found
    seconds: float
    peak_mebibytes: float


def _serve(out: Connection, work: Callable[..., object], arguments: Sequence[object]) -> None:
    """The whole life of the process. What is printed there is not ours to show: it may hold values."""
    os.setpgrp()
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    try:
        answer = work(*arguments)
    except Exception as error:  # noqa: BLE001 (whatever it is, the caller is told its type)
        answer = _Raised(type(error).__name__)
    out.send(answer)


def _run(table: PeerTable, plan: PeerPlan) -> _Answer:
    """Loads the tool, then takes the time."""
    match plan:
        case SplinkPlan():
            from goldthread.app.peers.splink import run_splink

            work: Callable[[], Found] = partial(run_splink, table, plan)
        case RecordlinkagePlan():
            from goldthread.app.peers.recordlinkage import run_recordlinkage

            work = partial(run_recordlinkage, table, plan)
        case GoldenmatchPlan():
            from goldthread.app.peers.goldenmatch import run_goldenmatch

            work = partial(run_goldenmatch, table)
    start = perf_counter()
    found = work()
    seconds, peak = perf_counter() - start, peak_mebibytes()
    return _Answer(
        found,
        seconds if found.seconds is None else found.seconds,
        peak if found.peak_mebibytes is None else found.peak_mebibytes,
    )
