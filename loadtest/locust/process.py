"""Locust in a process of its own, without a head or with its page."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from goldthread.app.settings import process_environment
from loadtest.locust.plan import Plan

__all__ = ["LocustFailed", "begun_at", "calling"]

_LOCUSTFILE = Path(__file__).with_name("locustfile.py")
_ROOT = Path(__file__).parents[2]
_START_SECONDS = 120.0
_OVER_SECONDS = 60.0


class LocustFailed(RuntimeError):  # noqa: N818 (what happened)
    """Locust ended before its callers had called; its log says why."""


@contextmanager
def calling(plan: Plan, folder: Path, *, web_port: int | None) -> Iterator[None]:
    """Lets Locust carry the plan in `folder` out, beside the block; at the end of the block waits for it. Raises `LocustFailed`."""
    for name in ("begun", "calls.json"):
        (folder / name).unlink(missing_ok=True)
    command = [sys.executable, "-m", "locust", "-f", str(_LOCUSTFILE)]
    command += ["--html", str(folder / "locust.html"), "--csv", str(folder / "locust")]
    if web_port is None:
        command += ["--headless", "--only-summary"]
    else:
        total = plan.rates.total
        command += ["--web-host", "127.0.0.1", "--web-port", str(web_port), "-u", str(total), "-r", str(total)]
    inherited = process_environment()
    path = os.pathsep.join(filter(None, [str(_ROOT), inherited.get("PYTHONPATH")]))
    # Calls by gRPC have a thread of their own (`wire`), which patched sockets and threads would not be.
    environ = {**inherited, "LOCUST_SKIP_MONKEY_PATCH": "1", "LOADTEST_PLAN": str(folder), "PYTHONPATH": path}
    with (folder / "locust.log").open("wb") as log:
        locust = subprocess.Popen(command, env=environ, stdout=log, stderr=log)
        try:
            yield
            locust.wait(None if web_port is not None else plan.seconds + _START_SECONDS + _OVER_SECONDS)
        except KeyboardInterrupt:
            # Ctrl-C on a terminal reached it as well.
            locust.wait(_OVER_SECONDS)
        finally:
            if locust.poll() is None:
                locust.kill()
                locust.wait()
    if not (folder / "calls.json").exists():
        raise LocustFailed(f"Locust ended with {locust.returncode} before it had called; see {folder / 'locust.log'}")


def begun_at(folder: Path) -> float:
    """Waits until the callers begin; gives the moment in seconds since the epoch. Raises `LocustFailed` if they do not."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        text = (folder / "begun").read_text(encoding="utf-8") if (folder / "begun").exists() else ""
        if text:
            return float(text)
        time.sleep(0.05)
    raise LocustFailed("the callers did not begin")
