"""Events that are looked for until a register sees them, beside the callers of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from goldthread.app import wiring
from goldthread.app.demo.latency import LatencyPlan, Probe, make_probes, measure_probes
from goldthread.app.demo.load import defaults_of
from goldthread.app.demo.progress import Progress
from goldthread.app.settings import Settings
from goldthread.bus import EventProducer
from loadtest.locust.calls import percentile
from loadtest.locust.stage import Stage

__all__ = ["Visible", "probes_of", "watch_events"]


@dataclass(frozen=True, slots=True)
class Visible:
    """Seconds from the send of an event to the first lookup that shows its card, ascending; how many were sent.

    `by_due` gives the same with the second of the run in which each was sent.
    """

    seconds: Sequence[float]
    sent: int
    by_due: Sequence[tuple[float, float]]

    def figures(self) -> Mapping[str, float]:
        """Figures by name; times in milliseconds. A lookup that finds nothing is asked again after 5 ms, later a tenth of the time since."""
        return {
            "visible.calls": self.sent,
            "visible.missed": self.sent - len(self.seconds),
            "visible.p50_ms": percentile(self.seconds, 0.5) * 1000,
            "visible.p99_ms": percentile(self.seconds, 0.99) * 1000,
            "visible.longest_ms": percentile(self.seconds, 1.0) * 1000,
        }


def probes_of(settings: Settings, *, rate: float, seconds: float, seed: int) -> list[Probe]:
    """That many events a second for a while, each of somebody new; to be made before the callers begin, whose processors it takes for a second."""
    plan = LatencyPlan(probes=max(1, int(rate * seconds)), probe_rate=rate, background_rate=0.0, seed=seed)
    return make_probes(plan, defaults=defaults_of(settings))


def watch_events(given: Stage, probes: Sequence[Probe], *, rate: float, begin: float, progress: Progress) -> Visible:
    """Sends so many of them a second; returns once all were seen, or for a minute were not. `begin` is the second of the run that it is now."""
    settings = given.settings
    with EventProducer(wiring.bus_settings(settings)) as producer:
        found = measure_probes(
            probes,
            rate=rate,
            address=given.plan.address,
            topic=settings.events_topic,
            sink=producer,
            progress=progress,
        )
    by_due = [(begin + place / rate, one) for place, one in enumerate(found) if one is not None]
    return Visible(sorted(one for _, one in by_due), len(found), by_due)
