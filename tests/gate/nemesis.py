"""Faults, drawn from the seed and struck as the stream goes on: SIGKILL, SIGSTOP and SIGTERM of everything that runs."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from gate.options import GateOptions
from gate.world import World
from goldthread.app.embedded import EmbeddedServerError

__all__ = ["Fault", "Nemesis", "draw_faults"]

_PAST_THE_SESSION = 12.5
"""Seconds after which Kafka has given a stopped consumer's partitions to others (`BusSettings.session_timeout_ms` is 10 s)."""
_NAP_SECONDS = 0.05

_KILLS = {"consume": 42, "serve": 16, "relay": 14, "postgres": 11, "redis": 9, "kafka": 8}
_OTHERS = {
    "pause consume": 4, "pause consume past the session": 2, "pause serve": 2, "pause relay": 2, "pause redis": 1, "pause kafka": 1,
    "term consume": 3, "term serve": 3, "term relay": 2, "term postgres": 1, "term redis": 1, "term kafka": 1,
}  # fmt: skip
_SERVERS = frozenset({"postgres", "redis", "kafka"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is done to what kind of process, and at which progress of the stream."""

    at: float
    action: str
    kind: str
    past_session: bool = False


def draw_faults(options: GateOptions) -> list[Fault]:
    """The faults of a run: each kind its share of the kills, at least one of each if there are enough; half as many other faults on top."""
    random = Random(f"{options.seed} faults")
    kinds = [kind for kind in _KILLS if options.kills >= len(_KILLS)]
    kinds += random.choices(list(_KILLS), weights=list(_KILLS.values()), k=options.kills - len(kinds))
    faults = [Fault(at=random.uniform(0.02, 0.97), action="kill", kind=kind) for kind in kinds]
    for name in random.choices(list(_OTHERS), weights=list(_OTHERS.values()), k=options.kills // 2):
        action, kind, *rest = name.split(" ")
        faults.append(Fault(at=random.uniform(0.02, 0.95), action=action, kind=kind, past_session=bool(rest)))
    return sorted(faults, key=lambda fault: fault.at)


class Nemesis:
    """Strikes faults in their order, each once the stream has come so far. `struck` counts them by what they were."""

    def __init__(
        self, world: World, options: GateOptions, *, progress: Callable[[], float], stopped: threading.Event
    ) -> None:
        self._world = world
        self._faults = draw_faults(options)
        self._progress, self._stopped = progress, stopped
        self._random = Random(f"{options.seed} nemesis")
        self._paused: list[tuple[str, threading.Thread]] = []
        self.struck: Counter[str] = Counter()
        self.trouble: list[str] = []

    def run(self) -> None:
        """Returns once every fault was struck, or the stream was ended; nothing is left stopped."""
        try:
            for fault in self._faults:
                while self._progress() < fault.at:
                    if self._stopped.wait(_NAP_SECONDS):
                        return
                self._strike(fault)
        except EmbeddedServerError as error:
            self.trouble.append(f"a server did not come back: {error}")
        finally:
            for _, thread in self._paused:
                thread.join()

    @property
    def kills(self) -> int:
        """SIGKILLs so far."""
        return sum(count for name, count in self.struck.items() if name.startswith("kill"))

    def _strike(self, fault: Fault) -> None:
        if fault.kind in _SERVERS:
            self._strike_server(fault)
            return
        names = self._world.named(fault.kind)
        name = self._random.choice(names)
        match fault.action:
            case "kill":
                # A fault that hits nothing is no fault: wait until there is something to kill.
                while not self._world.act(name, lambda worker: worker.kill()):
                    if self._stopped.wait(_NAP_SECONDS):
                        return
            case "term":
                self._world.act(name, lambda worker: worker.terminate())
            case _:
                self._pause(name, _PAST_THE_SESSION if fault.past_session else self._random.uniform(0.5, 4.0))
        self.struck[f"{fault.action} {fault.kind}{' past the session' if fault.past_session else ''}"] += 1

    def _pause(self, name: str, seconds: float) -> None:
        self._world.act(name, lambda worker: worker.pause())

        def go_on() -> None:
            self._stopped.wait(seconds)
            self._world.act(name, lambda worker: worker.resume())

        thread = threading.Thread(target=go_on, name=f"resume {name}")
        thread.start()
        self._paused.append((name, thread))

    def _strike_server(self, fault: Fault) -> None:
        stack, part = self._world.servers.stack, fault.kind
        before = stack.endpoints
        match fault.action:
            case "kill":
                stack.kill(part)
                time.sleep(self._random.choice((0.0, 0.3, 1.5)))
                if part == "redis" and self._random.random() < 0.5:
                    # A cache that lost everything, as one without a disk would.
                    shutil.rmtree(self._world.servers.folder / "servers" / "redis" / "data")
                stack.restart(part)
            case "term":
                stack.restart(part)
            case _:
                self._world.servers.pause(part, seconds=self._random.uniform(0.3, 2.5))
        if stack.endpoints != before:
            self.trouble.append(f"{part} came back at another address: its port was taken meanwhile")
        self.struck[f"{fault.action} {part}"] += 1
