"""Figures of a run: percentiles of what callers saw, errors, and how answers compare with the ledger."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from loadtest.locust.calls import Call, percentile

__all__ = ["Outage", "Times", "by_name", "due_within", "family", "figures_of", "per_second", "sources", "times_of"]

_SHARES = {"p50_ms": 0.5, "p99_ms": 0.99, "p999_ms": 0.999, "longest_ms": 1.0}
_RECOVERY_SECONDS = 30.0
_LEDGER = 2


@dataclass(frozen=True, slots=True)
class Outage:
    """When the cache was away, in seconds of the run."""

    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Times:
    """Times in milliseconds, in order; `late` is how late the calls were begun."""

    ordered: Sequence[float] = field(repr=False)
    late: Sequence[float] = field(repr=False)

    def at(self, name: str) -> float:
        """One of `p50_ms`, `p99_ms`, `p999_ms` and `longest_ms`."""
        return percentile(self.ordered, _SHARES[name])

    def within(self, bound: float) -> int:
        """How many took at most so many milliseconds."""
        return sum(one <= bound for one in self.ordered)


def family(name: str) -> str:
    """What a call belongs to: `lookup`, `resolve`, `event`, whatever face and kind it is of."""
    return name.split(" ", 1)[0]


def times_of(calls: Iterable[Call]) -> Times:
    """Times of calls; failed ones too, since whoever gave up has waited."""
    rows = list(calls)
    return Times(sorted(call.seconds * 1000 for call in rows), sorted((call.begun - call.due) * 1000 for call in rows))


def due_within(calls: Iterable[Call], timed: tuple[float, float]) -> list[Call]:
    """The calls due in those seconds of the run, the first included. After its last a thousand callers are sent home, which holds up those that still call."""
    begin, end = timed
    return [call for call in calls if begin <= call.due < end]


def figures_of(
    calls: Sequence[Call], *, timed: tuple[float, float], planned: float, outage: Outage | None = None
) -> dict[str, float]:
    """Figures by name. Times are of calls due in the `timed` seconds, errors of all; `planned` is how many calls the shape asks for."""
    counted = due_within(calls, timed)
    families: dict[str, list[Call]] = defaultdict(list)
    for call in counted:
        families[family(call.name)].append(call)
    found: dict[str, float] = {
        "calls": len(calls),
        "errors": sum(call.failed for call in calls),
        "made_share": len(calls) / planned if planned else 0.0,
    }
    for name, rows in sorted(families.items()):
        times = times_of(rows)
        found[f"{name}.calls"] = len(rows)
        found |= {f"{name}.{share}": times.at(share) for share in _SHARES}
        found[f"{name}.late_p999_ms"] = percentile(times.late, 0.999)
    if outage is not None:
        lookups = families["lookup"]
        away = [call for call in lookups if outage.began <= call.due < outage.ended]
        back = [call for call in lookups if outage.ended <= call.due < outage.ended + _RECOVERY_SECONDS]
        found["outage_seconds"] = outage.ended - outage.began
        found["outage.p99_ms"] = times_of(away).at("p99_ms")
        found["recovery.p99_ms"] = times_of(back).at("p99_ms")
        asked = [call.target for call in back if call.source == _LEDGER]
        found["asked_per_identifier"] = len(asked) / len(set(asked)) if asked else 0.0
    return found


def per_second(calls: Iterable[Call], *, name: str, share: float) -> list[tuple[float, float]]:
    """A percentile in milliseconds for each second in which calls of a family were due."""
    seconds: dict[int, list[float]] = defaultdict(list)
    for call in calls:
        if family(call.name) == name:
            seconds[int(call.due)].append(call.seconds * 1000)
    return [(float(second), percentile(sorted(rows), share)) for second, rows in sorted(seconds.items())]


def by_name(calls: Iterable[Call]) -> Mapping[str, Times]:
    """Times by the name of the call."""
    rows: dict[str, list[Call]] = defaultdict(list)
    for call in calls:
        rows[call.name].append(call)
    return {name: times_of(rows[name]) for name in sorted(rows)}


def sources(calls: Iterable[Call]) -> Counter[int]:
    """Lookups by where their answer came from."""
    return Counter(call.source for call in calls if family(call.name) == "lookup")
