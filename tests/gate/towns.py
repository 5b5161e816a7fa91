"""People of small towns that share nothing with each other: names, numbers, addresses and birth dates are a town's own.

So the plain oracle, which compares every pair of a block, can be asked town by town. Inside a town everything happens that joins and parts
people: households with one phone, nicknames, initials, typos, moves, changed numbers, cards swiped by cashiers, a store's own phone, phones
that one gives up and another gets.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from random import Random

from oracle.forms import prepare
from oracle.population import noisy
from oracle.records import Record

__all__ = ["CONSONANTS", "MOST_TOWNS", "Claim", "Recycled", "Town"]

CONSONANTS = "ptfklmnrs"
"""Each has a metaphone code of its own before `a` and `o`."""
MOST_TOWNS = len(CONSONANTS) ** 3

EMAIL, PHONE, LOYALTY, CRM, WEBSHOP, DEVICE, COOKIE, CUSTOMER = range(1, 9)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_GIVEN = _words(
    """
    robert bob rob william bill billy elizabeth liz beth betty margaret peggy maggie katherine kate kathy james jim
    jimmy john jack michael mike thomas tom jennifer jenny susan sue joseph joe patricia pat christopher chris stephen
    steve ann anna maria sean shaun
    """
)
_STREETS = _words("oak elm pine maple cedar main church mill river hill")
_HOUSES = 160
"""House numbers of a town, with those that a slip of the pen makes of them: a street's name is not a town's own, an address is."""
_AREAS = (212, 213, 312, 415, 404, 512, 602, 617, 702, 713, 718, 808, 813, 904, 916)
_FIRST_DAY = date(1940, 1, 1).toordinal()
_DATES = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What one source says of one customer, raw: `identifiers` as (type, value), `attributes` by name. Personal in form, made up in fact."""

    source: str
    identifiers: tuple[tuple[int, str], ...]
    attributes: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recycled:
    """A phone that people have one after the other: what each says with a name, and what is said under it without one."""

    phone: str
    owners: tuple[tuple[Claim, ...], ...]
    unnamed: tuple[Claim, ...]


@dataclass(slots=True)
class _Person:
    truth: dict[str, str]
    identifiers: list[tuple[int, str]]
    shared: list[tuple[int, str]]
    numbers: dict[str, str]
    claims: list[Claim] = field(default_factory=list)


class Town:
    """One town: `new_claim` and `bridge` draw claims; what was drawn before is known to the next draw."""

    def __init__(self, number: int, people: int, seed: str) -> None:
        if not 0 <= number < MOST_TOWNS:
            raise ValueError(f"a town's number lies below {MOST_TOWNS}")
        self.number = number
        self._random = Random(seed)
        self._serial = 0
        self._settled = 0
        self._dates = self._birth_dates()
        self._city = self._word(CONSONANTS[number % 9]) + "ville"
        self._postcodes = [f"{10_000 + 97 * number:05d}", f"{10_040 + 97 * number:05d}"]
        self._store_phone = (PHONE, self._phone())
        self._cashier_card = (LOYALTY, self._card())
        self._people = self._settle(people)
        self.seen: set[Claim] = set()
        self.recycled: list[Recycled] = []

    def new_claim(self) -> Claim:
        """A claim that was not made before, about somebody who lives here."""
        return self._fresh(lambda: self._about(self._random.choice(self._people)))

    def bridge(self) -> Claim:
        """A claim that carries identifiers of two others: mostly of one person, sometimes of two who share a roof."""
        return self._fresh(self._bridging)

    def swipe(self) -> Claim:
        """A claim under the cashier's own card, as when somebody forgot theirs."""
        person = self._random.choice(self._people)
        return self._claim("pos", [self._cashier_card], {"given_name": person.truth["given_name"]})

    def recycle(self, owners: int, *, related: bool = False) -> Recycled:
        """A new phone and people who live here and have it in turn; where they are related, they share a family name.

        Gives fewer of them if too few have names that nobody takes for one another's.
        """
        random, phone = self._random, (PHONE, self._phone())
        having = [random.choice(self._people)]
        for person in random.sample(self._people, len(self._people)):
            alike = [_alike(person, other) for other in having]
            if len(having) < owners and all(family == related and not initial for family, initial in alike):
                having.append(person)
        card = (LOYALTY, self._card())
        nameless: list[tuple[str, list[tuple[int, str]], dict[str, str]]] = [
            ("pos", [phone], {}),
            ("web", [phone], {}),
            ("pos", [phone, card], {}),
        ]
        nameless.append(("pos", [phone], {"postcode": random.choice(self._postcodes)}))
        drawn = Recycled(
            phone=phone[1],
            owners=tuple(
                tuple(
                    self._claim(source, [phone, *carried], {name: person.truth[name] for name in names})
                    for source, carried, names in (
                        ("crm", person.identifiers[:1], ("given_name", "family_name", "postcode")),
                        ("pos", [], ("given_name", "family_name")),
                    )
                )
                for person in having
            ),
            unnamed=tuple(self._claim(*one) for one in nameless),
        )
        self.recycled.append(drawn)
        self.seen.update(*drawn.owners, drawn.unnamed)
        return drawn

    def identifiers(self) -> Iterator[tuple[int, str]]:
        """Everything by which somebody here may be looked up."""
        for person in self._people:
            yield from person.identifiers
            yield from person.shared
        for one in self.recycled:
            yield PHONE, one.phone

    def _fresh(self, draw: object) -> Claim:
        for _ in range(200):
            claim: Claim = draw()  # type: ignore[operator]
            if claim not in self.seen:
                self.seen.add(claim)
                return claim
        # A town can run out of things to say; a new device is always something new.
        claim = self._about(self._random.choice(self._people), extra=[(DEVICE, f"dev-{self.number}-{self._next()}")])
        self.seen.add(claim)
        return claim

    def _settle(self, count: int) -> list[_Person]:
        random = self._random
        people: list[_Person] = []
        families = [self._word("".join(_base9(self.number)) + CONSONANTS[at]) for at in range(6)]
        while len(people) < count:
            home = {
                "family_name": random.choice(families),
                "street": f"{_HOUSES * self.number + random.randint(1, 140)} {random.choice(_STREETS)} {random.choice(('st', 'ave', 'rd'))}",
                "city": self._city,
                "postcode": random.choice(self._postcodes),
            }
            shared = [(PHONE, self._phone())]
            if random.random() < 0.3:
                shared.append((LOYALTY, self._card()))
            people += [self._person(home, shared) for _ in range(random.choice((1, 1, 2, 2, 3, 5)))]
        return people[:count]

    def _person(self, home: dict[str, str], shared: list[tuple[int, str]]) -> _Person:
        random = self._random
        given = random.choice(_GIVEN)
        truth = {"given_name": given, **home, "birth_date": random.choice(self._dates)}
        if random.random() < 0.3:
            truth["middle_name"] = random.choice(("a", "lee", "ann", "j"))
        if random.random() < 0.06:
            truth["name_suffix"] = random.choice(("jr", "sr"))
        local = f"{given}.{home['family_name']}{self._next()}"
        domain = "gmail.com" if random.random() < 0.3 else f"post{self.number}.net"
        own = [(EMAIL, f"{local}@{domain}"), (PHONE, self._phone()), (LOYALTY, self._card())]
        # Two systems count their customers alike: one number, two people, unless its type is part of its token.
        own += [(CRM, f"N{self.number}X{1_000 + self._settled}"), (WEBSHOP, f"N{self.number}X{1_001 + self._settled}")]
        self._settled += 1
        own += [(DEVICE, f"dev-{self.number}-{self._next()}"), (COOKIE, f"ck-{self.number}-{self._next()}")]
        numbers = {source: f"{source}-{self.number}-{self._next()}" for source in ("pos", "crm", "web")}
        return _Person(truth, own, shared, numbers)

    def _about(self, person: _Person, *, extra: Sequence[tuple[int, str]] = ()) -> Claim:
        random = self._random
        source = random.choice(("pos", "pos", "crm", "web"))
        wanted = {"pos": (LOYALTY, PHONE), "crm": (CRM, EMAIL, PHONE), "web": (WEBSHOP, EMAIL, COOKIE, DEVICE)}[source]
        carried = [one for one in person.identifiers if one[0] in wanted and random.random() < 0.55]
        if random.random() < 0.3:
            carried += random.sample(person.shared, 1)
        if random.random() < 0.06:
            carried.append(self._store_phone)
        if EMAIL in wanted and random.random() < 0.1:
            carried = [(kind, _gmail_tag(value, random) if kind == EMAIL else value) for kind, value in carried]
        if random.random() < 0.12:
            carried.append((CUSTOMER, person.numbers[source]))
        attributes = {
            name: self._noisy(name, value) if random.random() < 0.12 else value
            for name, value in person.truth.items()
            if random.random() < 0.75
        }
        claim = self._claim(source, [*carried, *extra], attributes)
        person.claims.append(claim)
        return claim

    def _bridging(self) -> Claim:
        random = self._random
        one = random.choice(self._people)
        fellows = [other for other in self._people if other.truth["street"] == one.truth["street"] and other is not one]
        if fellows and random.random() < 0.25:
            other = random.choice(fellows)
            carried = [random.choice(one.identifiers), random.choice(other.identifiers), *one.shared[:1]]
            return self._claim(
                "pos", carried, {"family_name": one.truth["family_name"]} if random.random() < 0.5 else {}
            )
        carried = random.sample(one.identifiers, 3)
        attributes = {name: one.truth[name] for name in ("given_name", "family_name") if random.random() < 0.5}
        return self._claim(random.choice(("crm", "web")), carried, attributes)

    def _claim(self, source: str, identifiers: Sequence[tuple[int, str]], attributes: dict[str, str]) -> Claim:
        if not identifiers and not attributes:
            attributes = {"family_name": self._random.choice(self._people).truth["family_name"]}
        return Claim(
            source=source, identifiers=tuple(sorted(set(identifiers))), attributes=tuple(sorted(attributes.items()))
        )

    def _noisy(self, name: str, value: str) -> str:
        """Another spelling or a slip of the pen that cannot be taken for something of another town."""
        random = self._random
        match name:
            case "given_name" | "middle_name":
                return noisy(random, name, value)
            case "family_name":
                at = random.randrange(1, len(value), 2)
                other = {"a": "o", "o": "a"}[value[at]]
                return random.choice(
                    (value[:at] + other + value[at + 1 :], value[:at] + value[at] + value[at:], value[:-1])
                )
            case "birth_date":
                year, month, day = value.split("-")
                return f"{year}-{day}-{month}" if int(day) <= 12 and random.random() < 0.5 else value
            case "street":
                number, _, rest = value.partition(" ")
                return f"{int(number) + random.choice((1, 10))} {rest}"
            case "postcode":
                return f"{int(value) + random.randint(1, 5):05d}"
            case _:
                return value

    def _birth_dates(self) -> list[str]:
        days = [_FIRST_DAY + MOST_TOWNS * place + self.number for place in range(_DATES)]
        return [date.fromordinal(day).isoformat() for day in days]

    def _word(self, consonants: str) -> str:
        """A word whose metaphone is these consonants."""
        return "".join(f"{letter}{self._random.choice('ao')}" for letter in consonants)

    def _next(self) -> int:
        self._serial += 1
        return self._serial

    def _phone(self) -> str:
        place = self.number * 4_000 + self._next()
        exchange = 220 + place // 10_000 % 290
        area = _AREAS[place // 2_900_000 % len(_AREAS)]
        return f"+1{area}{exchange if exchange != 411 else 409}{place % 10_000:04d}"

    def _card(self) -> str:
        return f"7{self.number:04d}{self._next():07d}"


def _base9(number: int) -> Iterator[str]:
    for power in (81, 9, 1):
        yield CONSONANTS[number // power % 9]


def _alike(one: _Person, other: _Person) -> tuple[bool, bool]:
    """Whether two have the family part, and the initial, of their name keys in common."""
    keys = [prepare(Record(address=b"", attributes=person.truth)).name_key or "|" for person in (one, other)]
    (family, _, initial), (other_family, _, other_initial) = (key.partition("|") for key in keys)
    return family == other_family, initial == other_initial


def _gmail_tag(value: str, random: Random) -> str:
    local, _, domain = value.partition("@")
    return f"{local.replace('.', '')}+{random.choice(('shop', 'news'))}@{domain}" if domain == "gmail.com" else value
