"""The population: people and the households they live in, as they are before any source writes them down."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from goldthread.app.generate.atlas import Atlas, City, atlas_of
from goldthread.app.generate.contacts import Contacts
from goldthread.app.generate.draw import Dice, WeightedTable
from goldthread.app.generate.options import GenerateOptions
from goldthread.app.generate.rows import Claim

__all__ = ["Household", "Identifier", "Person", "Population", "Record"]

MEAN_HOUSEHOLD = 2.65
"""Mean size of a household of several customers, from the sizes below."""

LANDLINES = (0.15, 0.25)
"""Share of households of one, and of several, that have a fixed line: 32 % of adults in 2021, by three points less each year (NHIS)."""

NEAR_MOVES = 0.6
"""Share of moves within a town: of US movers 61 % stay in their county (Census Bureau, P20-567)."""

RESERVE = 400
"""People waiting to appear, so that members of a household do not appear one after the other."""

KEPT_RECORDS = 32
"""Records remembered of one person."""


NUMBERED: dict[str, Callable[[Contacts], str]] = {
    "loyalty_card": Contacts.card,
    "crm_number": Contacts.crm_number,
    "webshop_number": Contacts.webshop_number,
    "device": Contacts.device,
    "cookie": Contacts.cookie,
}
"""How identifiers come about that do not depend on who the person is."""


class Identifier(NamedTuple):
    """An exact key in a record: its column, its canonical value, and whether only this person uses it."""

    kind: str
    value: str
    personal: bool


class Record(NamedTuple):
    """A distinct claim of a person and what is known about it. ``key`` is equal for claims that read the same."""

    claim: Claim
    key: tuple[object, ...]
    identifiers: tuple[Identifier, ...]
    truth: int
    store: str
    placeholders: int
    store_phone: bool
    cashier_card: bool


class Household:
    """Where people live, and what they share. Changes when they move."""

    __slots__ = ("card", "city", "email", "landline", "postcode", "shared", "street")

    def __init__(self, *, shared: bool) -> None:
        self.shared = shared
        self.card = ""
        self.email = ""
        self.landline = ""
        self.street = ""
        self.postcode = ""
        self.city: City

    def settle(self, dice: Dice, atlas: Atlas, town: City | None = None) -> None:
        """Gives the household a new address in a town, or in any of its region."""
        city = town or dice.weighted(atlas.cities)
        self.city = city
        number, road = dice.between(1, 9899), f"{dice.weighted(atlas.streets)} {dice.weighted(atlas.suffixes)}"
        if city.region == "US":
            flat = f" Apt {dice.between(1, 40)}{dice.pick('ABCD')}" if dice.chance(0.18) else ""
            self.street = f"{number} {road}{flat}"
            self.postcode = f"{dice.between(int(city.low), int(city.high)):05d}"
        else:
            self.street = f"{number % 240 + 1} {road}"
            low, high = (int(code.removeprefix(city.area)) for code in (city.low, city.high))
            letters = "ABDEFGHJLNPQRSTUWXYZ"
            ward = f"{dice.below(10)}{dice.pick(letters)}{dice.pick(letters)}"
            self.postcode = f"{city.area}{dice.between(low, high)} {ward}"


class Person:
    """One customer as life goes on: identifiers are made when a source first asks for them."""

    __slots__ = (
        "birth_date",
        "family",
        "given",
        "home",
        "married_name",
        "middle",
        "number",
        "owned",
        "records",
        "sex",
        "store",
        "suffix",
    )

    def __init__(self, *, number: int, sex: str, given: str, family: str, home: Household) -> None:
        self.number = number
        self.sex = sex
        self.given = given
        self.middle = ""
        self.family = family
        self.married_name = ""
        self.suffix = ""
        self.birth_date = ""
        self.home = home
        self.owned: dict[str, str] = {}
        self.records: list[Record] = []
        self.store = ""

    def identifier(self, kind: str, dice: Dice, contacts: Contacts, mail: WeightedTable[str]) -> Identifier:
        """Returns the person's identifier of a kind, sometimes one that the household shares."""
        home = self.home
        if kind == "phone" and home.landline and dice.chance(0.3):
            return Identifier(kind, home.landline, not home.shared)
        if kind == "loyalty_card" and home.card:
            return Identifier(kind, home.card, personal=False)
        if kind == "email" and home.email:
            return Identifier(kind, home.email, personal=False)
        value = self.owned.get(kind)
        return self.renew(kind, contacts, mail) if value is None else Identifier(kind, value, personal=True)

    def renew(self, kind: str, contacts: Contacts, mail: WeightedTable[str]) -> Identifier:
        """Gives the person a first or another identifier of a kind and returns it; a phone given up may be recycled."""
        if kind in self.owned:
            contacts.changed[kind] += 1
        if kind == "email":
            value = contacts.email(self.given, self.family, self.birth_date[:4], mail)
        elif kind == "phone":
            value = contacts.phone(self.home.city)
            if kind in self.owned:
                contacts.give_up(self.owned[kind])
        else:
            value = NUMBERED[kind](contacts)
        self.owned[kind] = value
        return Identifier(kind, value, personal=True)

    def remember(self, record: Record, dice: Dice) -> None:
        """Keeps the record, in place of an older one where there are many."""
        if len(self.records) < KEPT_RECORDS:
            self.records.append(record)
        else:
            self.records[dice.below(KEPT_RECORDS)] = record


class Population:
    """Makes up to ``people`` persons, one at a time, keeping only a small reserve of those not yet given out."""

    __slots__ = ("_contacts", "_dice", "_limit", "_made", "_multi", "_options", "_regions", "_waiting", "households")

    def __init__(self, dice: Dice, contacts: Contacts, options: GenerateOptions, people: int) -> None:
        self._dice = dice
        self._contacts = contacts
        self._options = options
        self._limit = people
        self._made = 0
        self._waiting: list[Person] = []
        self.households = 0
        share = options.households_share
        # Of all households, so many have several customers: solves share = q·mean / (q·mean + 1 − q) for q.
        self._multi = share / (MEAN_HOUSEHOLD - share * (MEAN_HOUSEHOLD - 1))
        mix = options.locale_mix or {options.region: 1.0}
        self._regions = WeightedTable(
            [(name, max(1, round(weight / sum(mix.values()) * 1_000_000))) for name, weight in sorted(mix.items())]
        )

    def appear(self) -> Person:
        """Returns a person never returned before. Must not be called more often than there are people."""
        while len(self._waiting) < RESERVE and self._made < self._limit:
            self._found_household()
        waiting = self._waiting
        at = self._dice.below(len(waiting))
        waiting[at], waiting[-1] = waiting[-1], waiting[at]
        return waiting.pop()

    def move(self, person: Person) -> None:
        """Moves the person's whole household, or the person alone out of a shared one."""
        dice = self._dice
        town = person.home.city
        if person.home.shared and dice.chance(0.3):
            person.home = Household(shared=False)
        home = person.home
        home.settle(dice, atlas_of(town.region), town if dice.chance(NEAR_MOVES) else None)
        home.landline = self._contacts.landline(home.city) if home.landline and dice.chance(0.6) else ""

    def _found_household(self) -> None:
        dice = self._dice
        size = 1
        if dice.chance(self._multi):
            draw = dice.roll()
            size = 2 if draw < 0.55 else 3 if draw < 0.80 else 4
        size = min(size, self._limit - self._made)
        atlas = atlas_of(dice.weighted(self._regions))
        home = Household(shared=size > 1)
        home.settle(dice, atlas)
        if dice.chance(LANDLINES[size > 1]):
            home.landline = self._contacts.landline(home.city)
        if size > 1 and dice.chance(0.15):
            home.card = self._contacts.card()
        age = dice.between(44, 68) if size > 2 else dice.between(19, 82)
        head = self._person(atlas, home, family=self._family_name(atlas), age=age)
        members = [head]
        if size > 1:
            members.append(self._partner(atlas, home, head, age))
            members += [self._child(atlas, home, head, age) for _ in range(size - 2)]
            if dice.chance(0.06):
                home.email = self._contacts.email(head.given, head.family, head.birth_date[:4], atlas.mail)
        self.households += 1
        self._waiting += members

    def _family_name(self, atlas: Atlas) -> str:
        name = atlas.family_name(self._dice)
        return f"{name}-{atlas.family_name(self._dice)}" if self._dice.chance(0.015) else name

    def _person(self, atlas: Atlas, home: Household, *, family: str, age: int, sex: str = "") -> Person:
        dice = self._dice
        self._made += 1
        sex = sex or ("F" if dice.chance(0.52) else "M")
        person = Person(number=self._made, sex=sex, given=atlas.given_name(dice, sex), family=family, home=home)
        if dice.chance(0.6):
            person.middle = atlas.given_name(dice, sex)
        year = self._options.as_of.year - age
        person.birth_date = f"{year}-{dice.between(1, 12):02d}-{dice.between(1, 28):02d}"
        return person

    def _partner(self, atlas: Atlas, home: Household, head: Person, age: int) -> Person:
        dice = self._dice
        other = "M" if head.sex == "F" else "F"
        sex = other if dice.chance(0.95) else head.sex
        near = max(18, age + dice.between(-6, 6))
        partner = self._person(atlas, home, family=head.family, age=near, sex=sex)
        draw = dice.roll()
        if draw < 0.32:
            partner.family = self._family_name(atlas)
            if draw < 0.16:
                partner.married_name = head.family
        return partner

    def _child(self, atlas: Atlas, home: Household, head: Person, age: int) -> Person:
        dice = self._dice
        child = self._person(atlas, home, family=head.family, age=max(16, age - dice.between(22, 34)))
        if child.sex == head.sex == "M" and not head.suffix and dice.chance(0.25):
            child.given, child.middle = head.given, head.middle
            child.suffix, head.suffix = "Jr", "Sr"
        return child
