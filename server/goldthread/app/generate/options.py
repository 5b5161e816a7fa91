"""What is to be generated, and how many rows of each sort that makes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from types import MappingProxyType

__all__ = ["REGIONS", "GenerateOptions", "Phase", "Plan", "Profile", "plan_of"]

REGIONS = ("US", "GB")
"""Regions with names, places and phone numbers of their own."""

REFERENCE_NEW_SHARE = 0.20
REFERENCE_BRIDGE_SHARE = 0.05
DEFAULT_BRIDGE_SHARE = 0.02
DEFAULT_DUPLICATE_SHARE = 0.01
WARM_UP_SHARE = 0.40
SETTLED_NEW_SHARE = 0.15


class Profile(Enum):
    """A mix of rows."""

    DEFAULT = "default"
    """All kinds of noise, duplicates included; mostly new customers at first, mostly known ones later."""
    REFERENCE = "reference"
    """The load mix: 20 % new claims, 75 % repeats, 5 % bridges, evenly spread, no duplicates."""


@dataclass(frozen=True, kw_only=True)
class GenerateOptions:
    """Everything the output depends on: equal options give equal events.

    ``people`` is an upper bound: fewer appear where ``events`` leave no room for them. ``locale_mix`` gives regions
    their share of the people; empty means everybody lives in ``region``, which also sets currency and stores.
    ``households_share`` is the share of people who live with another customer. ``claims_per_person`` is how many
    distinct claims the default profile makes of a person on average. Events end before ``as_of`` and span ``days``.
    ``window`` bounds memory: at most so many people, and twice as many records, are active at once; others no longer
    return. Raises ``ValueError`` with the name of the bad option.
    """

    people: int
    events: int
    seed: int = 1
    profile: Profile = Profile.DEFAULT
    region: str = "US"
    locale_mix: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    households_share: float = 0.45
    claims_per_person: float = 4 / 3
    as_of: date = date(2026, 1, 1)
    days: int = 730
    window: int = 65_536

    def __post_init__(self) -> None:
        if self.people < 1:
            raise ValueError("people must be at least 1")
        if self.events < 1:
            raise ValueError("events must be at least 1")
        if self.region not in REGIONS:
            raise ValueError(f"region must be one of {', '.join(REGIONS)}")
        if any(name not in REGIONS or not 0 < share < float("inf") for name, share in self.locale_mix.items()):
            raise ValueError(f"locale_mix must give positive shares to some of {', '.join(REGIONS)}")
        if not 0 <= self.households_share <= 0.9:
            raise ValueError("households_share must be from 0 to 0.9")
        if not 1 <= self.claims_per_person <= 20:
            raise ValueError("claims_per_person must be from 1 to 20")
        if not 1 <= self.days <= 3650:
            raise ValueError("days must be from 1 to 3650")
        if self.window < 1:
            raise ValueError("window must be at least 1")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A stretch of the stream in which the sorts of rows are evenly mixed."""

    new: int
    repeats: int
    bridges: int
    duplicates: int


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How many people appear and which rows are made, phase by phase."""

    people: int
    phases: tuple[Phase, ...]

    @property
    def new(self) -> int:
        """Returns the new claims of all phases, bridges excluded."""
        return sum(phase.new for phase in self.phases)

    @property
    def bridges(self) -> int:
        """Returns the bridges of all phases."""
        return sum(phase.bridges for phase in self.phases)


def plan_of(options: GenerateOptions) -> Plan:
    """Returns the exact numbers of rows that the options ask for.

    The numbers always add up to ``events``. A bridge needs a second record without common identifiers, so at least as
    many new claims as bridges are of people already seen.
    """
    return _reference_plan(options) if options.profile is Profile.REFERENCE else _default_plan(options)


def _reference_plan(options: GenerateOptions) -> Plan:
    events = options.events
    bridges = int(events * REFERENCE_BRIDGE_SHARE)
    new = max(1, round(events * REFERENCE_NEW_SHARE))
    people = max(1, min(options.people, new - bridges))
    return Plan(
        people=people,
        phases=(Phase(new=new, repeats=events - new - bridges, bridges=bridges, duplicates=0),),
    )


def _default_plan(options: GenerateOptions) -> Plan:
    events = options.events
    duplicates = int(events * DEFAULT_DUPLICATE_SHARE)
    room = events - duplicates
    claims = min(round(options.people * options.claims_per_person), room)
    people = max(1, min(options.people, round(claims / options.claims_per_person)))
    bridges = min(int(events * DEFAULT_BRIDGE_SHARE), (claims - people) // 4)
    new = claims - bridges
    warm_rows = round(events * WARM_UP_SHARE)
    settled_rows = events - warm_rows
    # Where claims are few, more than half of them still come first: repeats need something to repeat.
    settled_new = min(new * 45 // 100, int(settled_rows * SETTLED_NEW_SHARE))
    warm_bridges, warm_duplicates = int(bridges * WARM_UP_SHARE), int(duplicates * WARM_UP_SHARE)
    settled_bridges, settled_duplicates = bridges - warm_bridges, duplicates - warm_duplicates
    # Where the people hardly fit into the events, the warm-up cannot hold them all and the rest come later.
    warm_new = min(new - settled_new, warm_rows - warm_bridges - warm_duplicates)
    settled_new = new - warm_new
    return Plan(
        people=people,
        phases=(
            Phase(
                new=warm_new,
                repeats=warm_rows - warm_new - warm_bridges - warm_duplicates,
                bridges=warm_bridges,
                duplicates=warm_duplicates,
            ),
            Phase(
                new=settled_new,
                repeats=settled_rows - settled_new - settled_bridges - settled_duplicates,
                bridges=settled_bridges,
                duplicates=settled_duplicates,
            ),
        ),
    )
