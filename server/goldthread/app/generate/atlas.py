"""Names, places and words of a region, read once from the data files of this package."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from goldthread.app.generate.draw import Dice, WeightedTable

__all__ = ["Atlas", "City", "atlas_of", "nicknames"]

TAIL_SHARE = 0.60
"""Share of US people whose family name lies beyond the list and is put together from parts.

So Smith is borne by some 0.8 % of the people, as in the census of 2010, and most names by a handful.
"""

RARER_GIVEN_SHARE = 0.35
"""Share of people whose given name is any of the list, however common: today's names are many more than the list has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class City:
    """A place: its postal codes as a range, and the leading digits of its phone numbers."""

    name: str
    region: str
    area: str
    low: str
    high: str
    dialling: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Atlas:
    """What people of one region are called and where they live."""

    region: str
    given: dict[str, WeightedTable[str]]
    family: WeightedTable[str]
    tail: tuple[WeightedTable[str], WeightedTable[str], WeightedTable[str]] | None
    cities: WeightedTable[City]
    streets: WeightedTable[str]
    suffixes: WeightedTable[str]
    mail: WeightedTable[str]

    def family_name(self, dice: Dice) -> str:
        """Draws a family name."""
        if self.tail is not None and dice.chance(TAIL_SHARE):
            return "".join(dice.weighted(part) for part in self.tail)
        return dice.weighted(self.family)

    def given_name(self, dice: Dice, sex: str) -> str:
        """Draws a given name."""
        names = self.given[sex]
        return dice.pick(names.values) if dice.chance(RARER_GIVEN_SHARE) else dice.weighted(names)


def _lines(name: str) -> list[list[str]]:
    text = files(__package__).joinpath("data", name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line]


@cache
def nicknames() -> dict[str, tuple[str, ...]]:
    """Returns the short forms of a given name."""
    return {formal: tuple(short.split(",")) for formal, short in _lines("nicknames.tsv")}


@cache
def atlas_of(region: str) -> Atlas:
    """Returns the atlas of a region of ``REGIONS``."""
    given = _lines("given.tsv")
    words = _lines("words.tsv")

    def table(kind: str) -> WeightedTable[str]:
        return WeightedTable([(word, int(weight)) for of, word, weight in words if of == kind])

    cities = [
        (
            City(
                name=name,
                region=region,
                area=area,
                low=codes.partition("-")[0],
                high=codes.partition("-")[2],
                dialling=tuple(part.replace(" ", "") for part in dialling.split(",")),
            ),
            int(weight),
        )
        for name, area, weight, codes, dialling in _lines(f"cities_{region.lower()}.tsv")
    ]
    return Atlas(
        region=region,
        given={
            sex: WeightedTable([(name, int(weight)) for name, of, weight in given if of == sex]) for sex in ("F", "M")
        },
        family=WeightedTable([(name, int(weight)) for name, weight in _lines(f"family_{region.lower()}.tsv")]),
        tail=(table("tail_head"), table("tail_middle"), table("tail_end")) if region == "US" else None,
        cities=WeightedTable(cities),
        streets=table("street"),
        suffixes=table(f"{region.lower()}_suffix"),
        mail=table(f"{region.lower()}_mail"),
    )
