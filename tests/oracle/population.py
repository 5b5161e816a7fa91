"""Synthetic households in clean form for the comparison with the core: noisy enough that every level occurs.

Everything follows from the seed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from oracle.identity import Digest, address_of, token_of
from oracle.records import Identifier, Record

__all__ = ["ADDRESS_KEY", "EXTRAS", "TOKEN_KEY", "Population", "noisy", "record_of"]

TOKEN_KEY = b"the token key of the oracle's tests"
ADDRESS_KEY = b"the address key of the oracle tests"


def _words(text: str) -> list[str]:
    return text.split()


GIVEN = _words(
    """
    robert bob rob bobby william bill billy will elizabeth liz beth betty eliza margaret peggy maggie meg katherine kate
    kathy catherine james jim jimmy john jack johnny mary maria michael mike mick thomas tom jennifer jenny jen susan
    sue joseph joe joey patricia pat patty christopher chris stephen steven steve stefan anne ann anna josé jürgen
    françois chloë mary-ann mary+ann jean-luc jean+luc juan+carlos sean shaun shawn philip phillip geoffrey jeffrey jon
    aisha wei li yu olu
    """
)
FAMILY = _words(
    """
    smith smyth schmidt johnson johnston jonson williams williamson brown browne garcía garcia o'brien obrien
    smith-jones jones van+den+berg vandenberg de+la+cruz cruz müller mueller muller nguyen lee leigh li macdonald
    mcdonald clark clarke thomas taylor martin martínez lópez peters petersen pedersen wright knight zhang schneider
    snyder kowalski wagner ng al+farsi von+trapp gallegos filipowicz pfeiffer thompson tomson robert james
    """
)
STREETS = _words(
    """
    12+oak+st 12+oak+ave 14+oak+st 7+n+main+st 7+main+st 120+elm+dr+apt+4 120+elm+dr 120+elm+dr+apt+5 9+rue+de+la+paix
    221+baker+st 22+baker+st po+box+77 po+box+771 5+5th+ave 1+the+mews rosewood+cottage rosewod+cottage
    33+king+edward+rd
    """
)
CITIES = _words(
    """
    springfield springfeld boston austin saint+paul saint+pauls fort+worth mount+vernon london leeds zurich paris
    """
)
POSTCODES = _words(
    """
    12345 12346 12354 98765 02134 90210 SW1A1AA SW1A2AA M11AE M11AF 8001 8002 75001
    """
)


def _plain(value: str) -> str:
    return value.replace("+", " ")


@dataclass(frozen=True)
class Population:
    """How noisy a population is: shares between 0 and 1. With `extras` the records say more than the attributes hold."""

    people: int
    copies: int = 2
    missing: float = 0.2
    noise: float = 0.3
    shared: float = 0.3
    extras: bool = False

    def records(self, seed: int) -> list[Record]:
        """Records of households whose members share a surname, an address and sometimes identifiers; no two are equal."""
        random = Random(seed)
        made: dict[bytes, Record] = {}
        household = _household(random)
        for person in range(self.people):
            if person == 0 or random.random() < 0.5:
                household = _household(random)
            truth, own = _person(random, household)
            for _ in range(random.randint(1, self.copies * 2 - 1)):
                attributes = {
                    name: noisy(random, name, value) if random.random() < self.noise else value
                    for name, value in truth.items()
                    if random.random() >= self.missing
                }
                if random.random() < 0.12 and {"given_name", "family_name"} <= attributes.keys():
                    attributes["given_name"], attributes["family_name"] = (
                        attributes["family_name"],
                        attributes["given_name"],
                    )
                if "birth_date" in attributes and random.random() < self.noise / 4:
                    attributes["birth_date"] = _no_day(random, attributes["birth_date"])
                pool = own + (household.digests if random.random() < self.shared else [])
                digests = {one for one in pool if random.random() < 0.5}
                if random.random() < self.shared / 4:
                    digests.add(_digest(2, "", 1, f"store {random.randint(0, 1)}"))
                source = random.choice(("pos", "crm", "web"))
                said = _beyond(random, truth, noise=self.noise) if self.extras else {}
                one = record_of(source, attributes, sorted(digests), extras=said)
                made[one.address] = one
        return [made[address] for address in sorted(made)]


@dataclass(frozen=True)
class _Household:
    family_name: str
    street: str
    city: str
    postcode: str
    digests: list[Digest]


def _household(random: Random) -> _Household:
    name = f"home {random.getrandbits(40)}"
    digests = [_digest(2, "", 1, name), _digest(3, "", random.choice((1, 3)), name)]
    return _Household(
        _plain(random.choice(FAMILY)),
        _plain(random.choice(STREETS)),
        _plain(random.choice(CITIES)),
        random.choice(POSTCODES),
        digests,
    )


def _person(random: Random, home: _Household) -> tuple[dict[str, str], list[Digest]]:
    attributes = {
        "given_name": _plain(random.choice(GIVEN)),
        "middle_name": random.choice(("a", "anne", "ann", "lee", "louise", "l", "j")),
        "family_name": home.family_name,
        "birth_date": f"{random.randint(1940, 1999):04}-{random.randint(1, 12):02}-{random.randint(1, 28):02}",
        "street": home.street,
        "city": home.city,
        "postcode": home.postcode,
    }
    if random.random() < 0.15:
        attributes["name_suffix"] = random.choice(("jr", "sr", "ii", "iii", "iv"))
    name = f"person {random.getrandbits(40)}"
    digests = [_digest(1, "", 1, name), _digest(1, "", 1, name + " other"), _digest(1, "", 2, name)]
    digests += [_digest(kind, space, 1, name) for kind, space in ((2, ""), (3, ""), (4, "crm"), (5, "web"), (5, "app"))]
    digests += [_digest(kind, space, 1, name) for kind, space in ((6, ""), (7, ""), (8, "crm"), (8, "web"))]
    digests += [_digest(1, "", 3, name), _digest(8, "crm", 1, name + " second")]
    return attributes, random.sample(digests, k=random.randint(0, 5))


EXTRAS = {
    "sex": ("male", "female", "m", "f"),
    "birth_place": ("springfield", "springfeld", "paris", "port louis", "york"),
}
"""Columns beyond the attributes, and what they hold."""


def _beyond(random: Random, truth: Mapping[str, str], *, noise: float) -> dict[str, str]:
    """Values of the extras: of one person alike, but for noise and what was not said."""
    chosen = {
        name: random.choice(values)
        if random.random() < noise
        else Random(f"{name} {sorted(truth.items())}").choice(values)
        for name, values in EXTRAS.items()
    }
    return {name: value for name, value in chosen.items() if random.random() < 0.8}


def _no_day(random: Random, date: str) -> str:
    """Digits such as are written where the day is not known, or in the wrong column: most are no calendar day."""
    year, month, day = date.split("-")
    return random.choice(
        (f"{year}-01-01", f"{year}-00-00", f"{year}-{month}-00", f"{year}-{day}-{month}", f"{year}-{month}-31")
    )


def _digest(kind: int, namespace: str, form: int, value: str) -> Digest:
    return Digest(kind, namespace, form, hashlib.sha256(f"{kind} {form} {value}".encode()).digest())


def noisy(random: Random, attribute: str, value: str) -> str:
    """Another clean form such as people and clerks make of one value."""
    match attribute:
        case "given_name" | "family_name" | "middle_name":
            return _noisy_name(random, attribute, value)
        case "birth_date":
            return _noisy_date(random, value)
        case "street":
            return (
                _plain(random.choice(STREETS)) if random.random() < 0.3 else _typo(random, value, "abcdest1234567890")
            )
        case "city":
            return _plain(random.choice(CITIES)) if random.random() < 0.3 else _typo(random, value, "abcdefghi")
        case "postcode":
            return random.choice(POSTCODES) if random.random() < 0.3 else _typo(random, value, "0123456789")
    return random.choice(("jr", "sr", "ii", "iii", "iv"))


def _noisy_name(random: Random, attribute: str, value: str) -> str:
    choice = random.randrange(6)
    if choice == 0 and attribute != "family_name":
        return value[0]
    if choice == 1:
        return _plain(random.choice(GIVEN if attribute == "given_name" else FAMILY))
    if choice == 2:
        return value + " " + _plain(random.choice(GIVEN))
    return _typo(random, value, "abcdefghijklmnopqrstuvwxyz")


def _noisy_date(random: Random, value: str) -> str:
    year, month, day = (int(part) for part in value.split("-"))
    choice = random.randrange(5)
    if choice == 0 and day <= 12:
        month, day = day, month
    elif choice == 1:
        day = random.randint(1, 28)
    elif choice == 2:
        month, day = random.randint(1, 12), random.randint(1, 28)
    elif choice == 3:
        year += random.choice((-10, -1, 1, 10))
    else:
        year, month, day = random.randint(1940, 1999), random.randint(1, 12), random.randint(1, 28)
    return f"{year:04}-{month:02}-{day:02}"


def _typo(random: Random, value: str, letters: str) -> str:
    at = random.randrange(len(value))
    match random.randrange(4):
        case 0:
            changed = value[:at] + value[at + 1 :]
        case 1:
            changed = value[:at] + random.choice(letters) + value[at:]
        case 2:
            changed = value[:at] + random.choice(letters) + value[at + 1 :]
        case _:
            changed = value[:at] + value[at : at + 2][::-1] + value[at + 2 :]
    words = " ".join(word for part in changed.split() if (word := part.strip("-'")))
    return words or value


def record_of(
    source: str, attributes: Mapping[str, str], digests: Sequence[Digest], *, extras: Mapping[str, str] | None = None
) -> Record:
    """A record whose address and tokens are the real ones of its claim."""
    return Record(
        address=address_of(ADDRESS_KEY, source, digests, attributes, 0, extras=extras),
        attributes=attributes,
        identifiers=tuple(
            Identifier(type=one.type, namespace=one.namespace, form=one.form, token=token_of(TOKEN_KEY, one))
            for one in digests
        ),
        extras=extras or {},
    )
