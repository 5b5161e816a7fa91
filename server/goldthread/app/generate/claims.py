"""What the sources write down of a person: which fields they ask for, and what goes wrong on the way."""

from __future__ import annotations

from goldthread.app.generate import noise
from goldthread.app.generate.atlas import atlas_of
from goldthread.app.generate.contacts import Contacts, typed_card, typed_email, typed_phone
from goldthread.app.generate.draw import Dice, WeightedTable
from goldthread.app.generate.options import GenerateOptions
from goldthread.app.generate.people import Identifier, Person, Record
from goldthread.app.generate.rows import Claim

__all__ = ["Clerk", "bridge_between"]

SOURCES = WeightedTable([("pos", 56), ("webshop", 22), ("crm", 12), ("loyalty", 10)])
BRIDGE_SOURCES = WeightedTable([("pos", 40), ("webshop", 25), ("crm", 20), ("loyalty", 15)])

ASKED: dict[str, tuple[tuple[str, float], ...]] = {
    "pos": (("email", 0.40), ("phone", 0.47), ("loyalty_card", 0.52), ("crm_number", 0.02)),
    "webshop": (
        ("email", 0.97),
        ("phone", 0.45),
        ("loyalty_card", 0.12),
        ("webshop_number", 0.92),
        ("device", 0.30),
        ("cookie", 0.55),
    ),
    "crm": (("email", 0.60), ("phone", 0.65), ("loyalty_card", 0.20), ("crm_number", 0.94)),
    "loyalty": (("email", 0.50), ("phone", 0.50), ("loyalty_card", 0.97)),
}
"""Identifiers a source asks for, with how often it gets them."""

ATTRIBUTES = {
    "pos": (0.55, 0.03, 0.04, 0.35),
    "webshop": (0.97, 0.10, 0.75, 0.80),
    "crm": (0.99, 0.65, 0.85, 0.92),
    "loyalty": (0.97, 0.70, 0.55, 0.85),
}
"""How often a source gets the name, the birth date, the street, and city or postcode."""

ATTEMPTS = 12
"""Drafts of a record that must read unlike the person's others."""

OWN_NUMBER = {"webshop": "webshop_number", "crm": "crm_number"}
FALLBACK = {"pos": "phone", "webshop": "email", "crm": "crm_number", "loyalty": "loyalty_card"}
BRIDGING_ORDER = ("email", "phone", "loyalty_card", "crm_number", "webshop_number", "device", "cookie")


def bridge_between(older: Record, newer: Record) -> tuple[Identifier, Identifier] | None:
    """Returns one personal identifier of each record, of different kinds, or nothing where there is no such pair."""
    theirs, ours = (
        sorted((one for one in record.identifiers if one.personal), key=lambda one: BRIDGING_ORDER.index(one.kind))
        for record in (older, newer)
    )
    pairs = ((one, other) for one in theirs for other in ours if one.kind != other.kind)
    return next(pairs, None)


class Clerk:
    """Writes records of people for all sources."""

    __slots__ = ("_cashier_cards", "_contacts", "_dice", "_home", "_stores", "_typed_store_phones")

    def __init__(self, dice: Dice, contacts: Contacts, options: GenerateOptions, people: int) -> None:
        self._dice = dice
        self._contacts = contacts
        self._home = options.region
        cities = atlas_of(options.region).cities
        count = max(4, min(400, people // 250))
        self._stores = [f"S{number:03d}" for number in range(1, count + 1)]
        self._typed_store_phones = [contacts.landline(dice.weighted(cities)) for _ in range(max(1, count // 40))]
        self._cashier_cards = [contacts.card() for _ in range(max(1, count // 40))]

    def store_of(self, person: Person) -> str:
        """Returns a store code: nearly always the person's own store."""
        if not person.store:
            person.store = self._dice.pick(self._stores)
        return person.store if self._dice.chance(0.9) else self._dice.pick(self._stores)

    def record(self, person: Person, *, apart: bool) -> Record:
        """Writes a record of the person that reads unlike each kept one.

        With ``apart`` it shares no identifier with any of them. May change the person's life on the way: what a source
        is told then holds for later records as well.
        """
        for attempt in range(ATTEMPTS):
            source = self._dice.weighted(SOURCES)
            # Most records of people nobody can tell apart differ by source alone; fresh identifiers end the search.
            record = self._draft(person, source, apart=apart or attempt > 5)
            if all(record.key != kept.key for kept in person.records):
                break
        return record

    def bridge(self, person: Person, one: Identifier, other: Identifier) -> Record:
        """Writes a record that carries exactly the two identifiers, as a receipt sent to an old e-mail does."""
        carried = sorted((one, other), key=lambda identifier: BRIDGING_ORDER.index(identifier.kind))
        for _ in range(ATTEMPTS):
            record = self._write(person, self._dice.weighted(BRIDGE_SOURCES), carried, spoil=False)
            if all(record.key != kept.key for kept in person.records):
                break
        return record

    def _draft(self, person: Person, source: str, *, apart: bool) -> Record:
        dice = self._dice
        mail = atlas_of(person.home.city.region).mail
        used = {(i.kind, i.value) for record in person.records for i in record.identifiers} if apart else set()
        carried: list[Identifier] = []
        for kind, probability in ASKED[source]:
            if not dice.chance(probability):
                continue
            identifier = person.identifier(kind, dice, self._contacts, mail)
            if (kind, identifier.value) not in used:
                carried.append(identifier)
            elif dice.chance(0.3):
                carried.append(person.renew(kind, self._contacts, mail))
        if apart and not any(identifier.personal for identifier in carried):
            kind = FALLBACK[source]
            carried = [i for i in carried if i.kind != kind]
            carried.append(person.renew(kind, self._contacts, mail))
        return self._write(person, source, carried, spoil=not apart)

    def _write(self, person: Person, source: str, carried: list[Identifier], *, spoil: bool) -> Record:
        dice = self._dice
        fields: dict[str, str] = {}
        identifiers: list[Identifier] = []
        placeholders, store_phone, cashier_card = 0, "", ""
        for identifier in carried:
            kind, value = identifier.kind, identifier.value
            if kind == "email":
                if dice.chance(0.01):
                    value = noise.email_slip(dice, value) if spoil else value
                fields[kind] = typed_email(dice, value)
            elif kind == "phone":
                if source == "pos" and spoil and dice.chance(0.025):
                    store_phone = dice.pick(self._typed_store_phones)
                    fields[kind] = typed_phone(dice, store_phone, self._home)
                    continue
                if spoil and dice.chance(0.006):
                    value = value[:-2] + value[-1] + value[-2]
                fields[kind] = typed_phone(dice, value, self._home)
            elif kind == "loyalty_card":
                if source == "pos" and spoil and dice.chance(0.015):
                    cashier_card = fields[kind] = dice.pick(self._cashier_cards)
                    continue
                fields[kind] = typed_card(dice, value)
            else:
                fields[kind] = value
            identifiers.append(identifier if value == identifier.value else Identifier(kind, value, personal=True))
        own = OWN_NUMBER.get(source)
        if own is not None and own in fields:
            fields["customer_number"] = fields[own]
        if "email" not in fields and dice.chance(0.03):
            fields["email"], placeholders = dice.pick(noise.EMAIL_PLACEHOLDERS), placeholders + 1
        if "phone" not in fields and dice.chance(0.025):
            fields["phone"], placeholders = dice.pick(noise.PHONE_PLACEHOLDERS), placeholders + 1
        anonymous = not any(identifier.personal for identifier in identifiers)
        attributes, unnamed = self._attributes(person, source, fields, anonymous=anonymous)
        key = (source, *identifiers, store_phone, cashier_card, *attributes)
        return Record(
            claim=Claim(source, **fields),
            key=key,
            identifiers=tuple(identifiers),
            truth=person.number,
            store=self.store_of(person) if source == "pos" else "",
            placeholders=placeholders + unnamed,
            store_phone=bool(store_phone),
            cashier_card=bool(cashier_card),
        )

    def _attributes(
        self, person: Person, source: str, fields: dict[str, str], *, anonymous: bool
    ) -> tuple[list[str], int]:
        """Adds attributes to the fields. Returns how they read, and the number of placeholders among them.

        Someone without an identifier of their own always leaves a name, a birth date and an address: else one claim
        would be made of many people.
        """
        dice, home = self._dice, person.home
        name, birth, street, place = ATTRIBUTES[source]
        reads: list[str] = []
        unnamed = 0
        if anonymous or dice.chance(name):
            if not anonymous and dice.chance(0.012):
                fields["given_name"] = fields["family_name"] = dice.pick(noise.NAME_PLACEHOLDERS)
                unnamed = 1
            else:
                reads += self._name(person, fields)
        if anonymous or dice.chance(birth):
            day = noise.date_slip(dice, person.birth_date) if dice.chance(0.015) else person.birth_date
            fields["birth_date"] = day if dice.chance(0.97) else day.replace("-", "")
            reads.append(day)
        if anonymous or dice.chance(street):
            road = noise.slip(dice, home.street) if dice.chance(0.04) else home.street
            fields["street"] = noise.dress_name(dice, road)
            reads.append(road)
        if anonymous or dice.chance(place):
            town = noise.slip(dice, home.city.name) if dice.chance(0.02) else home.city.name
            if anonymous or source != "pos":
                fields["city"] = noise.dress_name(dice, town)
                reads.append(town)
            code = noise.code_slip(dice, home.postcode) if dice.chance(0.015) else home.postcode
            postcode = code
            if home.city.region == "US":
                postcode += f"-{dice.digits(4)}" if dice.chance(0.07) else ""
            elif dice.chance(0.2):
                postcode = postcode.replace(" ", "").lower()
            fields["postcode"] = postcode
            reads.append(code)
        return reads, unnamed

    def _name(self, person: Person, fields: dict[str, str]) -> list[str]:
        dice = self._dice
        given, plain = noise.given_variant(dice, person.given)
        family = noise.slip(dice, person.family) if dice.chance(0.04) else person.family
        fields["given_name"] = noise.dress_name(dice, given, person.sex)
        fields["family_name"] = noise.dress_name(dice, family)
        reads = [plain, family]
        if person.middle and dice.chance(0.25):
            fields["middle_name"] = person.middle if dice.chance(0.4) else person.middle[0]
            reads.append(person.middle[0])
        if person.suffix and dice.chance(0.6):
            fields["name_suffix"] = person.suffix if dice.chance(0.8) else f"{person.suffix}."
            reads.append(person.suffix)
        return reads
