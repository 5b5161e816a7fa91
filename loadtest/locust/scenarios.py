"""The runs that can be asked for by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

from loadtest.locust.plan import Rates

__all__ = ["SCENARIOS", "Scenario"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Calls a second at the peak, their shape, and whether the cache is away for the second of three parts of the run.

    `by_rest` is the share of the lookups that go by the two REST faces, half each, where the server has them. `outside` lookups a second
    are made by h2load. `probes` events a second are looked for until they are seen.
    """

    rates: Rates
    shape: str = "steady"
    by_rest: float = 0.0
    cache_away: bool = False
    outside: int = 0
    probes: int = 0

    def scaled(self, part: float) -> Scenario:
        """The same with a part of the calls; none that there are go away altogether."""
        rates = {name: max(1, round(rate * part)) if rate else 0 for name, rate in asdict(self.rates).items()}
        probes = max(1, round(self.probes * part)) if self.probes else 0
        return replace(self, rates=Rates(**rates), outside=round(self.outside * part), probes=probes)


SCENARIOS: Mapping[str, Scenario] = MappingProxyType(
    {
        "mixed": Scenario(rates=Rates(lookups=400, resolves=50, events=500), by_rest=0.2, probes=5),
        "ramp": Scenario(rates=Rates(lookups=400, resolves=50, events=500), by_rest=0.2, shape="ramp"),
        "black-friday": Scenario(rates=Rates(lookups=800, resolves=50, events=500), by_rest=0.2, shape="black-friday"),
        "resolve": Scenario(rates=Rates(lookups=20, resolves=100, events=500)),
        "redis-stopped": Scenario(rates=Rates(lookups=200, events=20), by_rest=0.2, cache_away=True),
        "h2": Scenario(rates=Rates(lookups=20, events=500), outside=2_000),
    }
)
