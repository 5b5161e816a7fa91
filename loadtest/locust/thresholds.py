"""Whether a run reached what it must: `loadtest/thresholds.toml`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["SHIPPED", "Check", "Limits", "checks_of", "read_limits"]

SHIPPED = Path(__file__).parent.parent / "thresholds.toml"
_PARTS = ("at_most", "at_least")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds by the name of a figure."""

    at_most: Mapping[str, float] = field(default_factory=dict)
    at_least: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """One bound, what was measured (None: nothing), and whether it holds."""

    figure: str
    bound: str
    measured: float | None
    holds: bool


def read_limits(path: Path, scenario: str) -> Limits:
    """The bounds of a scenario. Raises `ValueError` if the file has none for it, or holds what is no bound."""
    found = tomllib.loads(path.read_text(encoding="utf-8")).get(scenario)
    if not isinstance(found, dict) or not found:
        raise ValueError(f"{path.name} has no thresholds for {scenario}")
    for part, bounds in found.items():
        numbers = isinstance(bounds, dict) and all(type(bound) in (int, float) for bound in bounds.values())
        if part not in _PARTS or not numbers:
            raise ValueError(f"{path.name}: {scenario}.{part} must be one of {', '.join(_PARTS)} and hold numbers")
    return Limits(**{part: {name: float(bound) for name, bound in bounds.items()} for part, bounds in found.items()})


def checks_of(limits: Limits, figures: Mapping[str, float]) -> Sequence[Check]:
    """Every bound against its figure. What was not measured does not hold: nobody is to pass by leaving something out."""
    found = []
    for name, bound in limits.at_most.items():
        value = figures.get(name)
        found.append(Check(name, f"at most {bound:g}", value, value is not None and value <= bound))
    for name, bound in limits.at_least.items():
        value = figures.get(name)
        found.append(Check(name, f"at least {bound:g}", value, value is not None and value >= bound))
    return found
