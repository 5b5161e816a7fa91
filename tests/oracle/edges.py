"""Hand-made values at the edges of the rules for pairs, and records drawn from them: what a population meets too rarely."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from random import Random

from oracle.identity import Digest
from oracle.population import record_of
from oracle.records import IDENTIFIER_TYPES, Record

__all__ = ["edge_records"]


def _values(text: str) -> tuple[str, ...]:
    return tuple(word.replace("+", " ") for word in text.split())


NAMES = _values(
    """
    a b j r ab ba li lee leigh jo joe joseph josephine bob rob robert robertson roberts robetr william williams bill
    elizabeth liz lisa eliza ann anna anne mary+ann mary-ann maryann marian ann+mary jean-luc jean+luc jeanluc luc smith
    smyth smithe schmidt smith-jones jones jonse johnson johnston jon john johannes van van+den+berg vandenberg berg den
    de+la+cruz cruz la o'brien obrien o+brien brien müller mueller muller miller x+y xavier m+xavier 3 3m aaaa aaab aabb
    abcd abce bcde ng n wu é 'n thomas tomas thom+as
    """
)

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "given_name": NAMES,
    "family_name": NAMES,
    "middle_name": _values("a anne ann a+n ä ändy b lou mary+lou o'"),
    "name_suffix": _values("jr sr ii iii"),
    "birth_date": _values(
        """
        1980-01-01 1980-01-10 1980-10-01 1981-01-01 1908-01-01 2080-01-01 1981-02-01 1980-00-00 1981-00-00 1980-00-12
        1981-00-12 1980-12-00 1979-12-00 1980-03-12 1980-12-03 1980-12-30 1980-31-02 1980-02-31 1980-21-03 1981-03-12
        1982-04-12 1980-03-21 1990-03-12 1991-03-13 1980-04-13 0198-01-02 1980-11-11 1980-11-12 1989-03-12 1980-30-12
        """
    ),
    "street": _values(
        """
        12+oak+st 12b+oak+st 1+oak+st 2+oak+st 21+oak+st 12+12+oak+st oak+st+12 oak+st oak+st+st 12+oka+st 12+ok+t 12 12a
        12th 5th+ave 12+5th+ave 5+5th+ave 12+6th+ave 1st+st 1st+2nd+st po+box+77 po+box+771 7+e+main+st+apt+4
        7+main+st+apt+5 7+main+st 70+main+st rosewood+cottage rosewod+cotage 3+rosewood+cottage 1st3+st 22nd 120+elm+dr
        120+elmhurst+dr 9+elmwood+dr 4+oakham+st oakley+st 102+elm+dr 1200+elm+dr 9+rue+de+la+paix x
        """
    ),
    "city": _values(
        "springfield springfeld spring+field spring boston bostn bosto+n austin bo b leeds leed saint+paul pauls london"
    ),
    "postcode": _values(
        "12345 12346 12354 12399 12993 1234 123 12 1 2 SW1A1AA SW1A2AA SW1B9ZZ SW2 123456 923456 02134"
    ),
}

EXTRAS: dict[str, tuple[str, ...]] = {
    "sex": _values("m f male female mal maale femal"),
    "birth_place": _values("paris pari paris+12 york yorke york1 new+york newyork springfield springfeld springs"),
}


def edge_records(seed: int, count: int, *, missing: float = 0.25, fields: Sequence[str] = ()) -> list[Record]:
    """Records drawn from the values at the edges; with `fields` they say these and nothing else."""
    random = Random(seed)
    made: dict[bytes, Record] = {}
    while len(made) < count:
        attributes, extras = (
            {
                name: random.choice(values)
                for name, values in columns.items()
                if (name in fields if fields else random.random() >= missing)
            }
            for columns in (ATTRIBUTES, EXTRAS)
        )
        if random.random() < 0.1 and attributes.keys() >= {"given_name", "family_name"} and made:
            other = next(reversed(made.values())).attributes
            attributes |= {"given_name": other.get("family_name", "wu"), "family_name": other.get("given_name", "ng")}
        digests = {_digest(random) for _ in range(0 if fields else random.choice((0, 1, 1, 2, 4)))}
        one = record_of(f"source {random.getrandbits(20)}", attributes, sorted(digests), extras=extras)
        made[one.address] = one
    return list(made.values())


def _digest(random: Random) -> Digest:
    """One of few identifiers; an e-mail may be in its folded form."""
    kind = random.randint(1, len(IDENTIFIER_TYPES))
    form = random.choice((1, 1, 2, 3) if kind == 1 else (1, 1, 3))
    namespace = random.choice(("", "crm")) if kind > 2 else ""
    return Digest(kind, namespace, form, sha256(f"{kind} {random.randint(0, 2)}".encode()).digest())
