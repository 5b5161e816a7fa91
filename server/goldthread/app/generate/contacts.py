"""Hands out phones, e-mails, cards and account numbers, each to one holder, and writes phones as people type them."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable

from goldthread.app.generate.atlas import City
from goldthread.app.generate.draw import Dice, Seen, WeightedTable

__all__ = ["Contacts", "typed_card", "typed_email", "typed_phone"]

RECYCLED_SHARE = 0.01
"""Share of new phones that somebody else gave up before, where any were."""

ATTEMPTS = 64
"""Draws for an unused value. The bitmap is sparse, so the second draw is already rare."""

CARD_BASE = 60_000_000_000

US_EXCHANGES = [str(number) for number in range(200, 1000) if number % 100 != 11 and number != 555]
"""Exchanges NXX without the service codes N11 and the fictional 555."""

CALLING_CODES = {"US": "1", "GB": "44"}

PHONE_FORMS = {
    ("1", True): WeightedTable(
        [
            ("({0}) {1}-{2}", 28),
            ("{0}-{1}-{2}", 28),
            ("{0}{1}{2}", 20),
            ("{0}.{1}.{2}", 8),
            ("1-{0}-{1}-{2}", 6),
            ("+1{0}{1}{2}", 6),
            ("+1 {0} {1} {2}", 4),
        ]
    ),
    ("1", False): WeightedTable([("+1{0}{1}{2}", 1), ("+1 {0} {1} {2}", 1)]),
    ("44", True): WeightedTable([("0{0} {2}", 4), ("0{0}{2}", 4), ("+44{0}{2}", 1), ("+44 {0} {2}", 1)]),
    ("44", False): WeightedTable([("+44{0}{2}", 1), ("+44 {0} {2}", 1)]),
}
"""Ways to type a phone, by calling code and whether it is typed at home: area, exchange (US only) and line."""


class Contacts:
    """The registry of everything that may belong to one holder at a time."""

    __slots__ = ("_cards", "_crm", "_dice", "_given_up", "_seen", "_webshop", "changed", "recycled")

    def __init__(self, dice: Dice, people: int) -> None:
        self._dice = dice
        self._seen = Seen(people * 3)
        self._given_up: deque[str] = deque(maxlen=1000)
        self._cards = 0
        self._crm = 10_000
        self._webshop = 500_000
        self.recycled = 0
        self.changed: Counter[str] = Counter()

    def phone(self, city: City) -> str:
        """Returns a phone in E.164 form that is valid in the city's region, now and then one given up before."""
        dice = self._dice
        if self._given_up and dice.chance(RECYCLED_SHARE):
            self.recycled += 1
            return self._given_up.popleft()
        return self.landline(city) if city.region == "US" else self._fresh(lambda: f"+447{_gb_mobile(dice)}")

    def landline(self, city: City) -> str:
        """Returns an unused fixed-line phone of the city in E.164 form."""
        dice = self._dice
        if city.region == "US":
            return self._fresh(lambda: f"+1{dice.pick(city.dialling)}{dice.pick(US_EXCHANGES)}{dice.digits(4)}")
        return self._fresh(lambda: _gb_landline(dice, dice.pick(city.dialling)))

    def give_up(self, phone: str) -> None:
        """Lets a phone return to the pool."""
        self._given_up.append(phone)

    def email(self, given: str, family: str, birth_year: str, mail: WeightedTable[str]) -> str:
        """Returns an unused e-mail made of the holder's name."""
        dice = self._dice
        first, last = _letters(given), _letters(family)
        domain = dice.weighted(mail)
        number = ""
        for attempt in range(ATTEMPTS):
            draw = dice.roll()
            if attempt or draw < 0.35:
                number = birth_year[2:] if dice.chance(0.4) else str(dice.below(100 * 4 ** min(attempt, 8)))
            shape = dice.roll()
            if shape < 0.34:
                local = f"{first}.{last}"
            elif shape < 0.58:
                local = f"{first[0]}{last}"
            elif shape < 0.80:
                local = f"{first}{last}"
            elif shape < 0.90:
                local = f"{first}_{last}"
            else:
                local = f"{last}.{first[0]}"
            email = f"{local}{number}@{domain}"
            if self._seen.add(email):
                break
        return email

    def card(self) -> str:
        """Returns an unused loyalty card: 12 digits, the last a Luhn check digit."""
        self._cards += self._dice.between(1, 40)
        body = str(CARD_BASE + self._cards)
        return body + _luhn(body)

    def crm_number(self) -> str:
        """Returns an unused CRM number."""
        self._crm += self._dice.between(1, 9)
        return f"C{self._crm:08d}"

    def webshop_number(self) -> str:
        """Returns an unused web-shop customer number."""
        self._webshop += self._dice.between(1, 9)
        return f"W{self._webshop:08d}"

    def device(self) -> str:
        """Returns an unused device id of 32 hexadecimal digits in the form of a UUID."""
        draw = self._dice.hexadecimal
        return f"{draw(8)}-{draw(4)}-{draw(4)}-{draw(4)}-{draw(12)}"

    def cookie(self) -> str:
        """Returns an unused cookie of 24 characters."""
        draw = self._dice.hexadecimal
        return f"ck{draw(11)}{draw(11)}"

    def _fresh(self, make: Callable[[], str]) -> str:
        value = make()
        for _ in range(ATTEMPTS):
            if self._seen.add(value):
                break
            value = make()
        return value


def typed_phone(dice: Dice, phone: str, home: str) -> str:
    """Returns an E.164 phone as somebody in the ``home`` region would type it; a foreign one keeps its country code."""
    code, parts = ("1", (2, 5, 8)) if phone.startswith("+1") else ("44", (3, 7, 7))
    area, exchange, line = phone[parts[0] : parts[1]], phone[parts[1] : parts[2]], phone[parts[2] :]
    form = dice.weighted(PHONE_FORMS[code, code == CALLING_CODES[home]])
    return form.format(area, exchange, line)


def typed_email(dice: Dice, email: str) -> str:
    """Returns the e-mail in another case now and then, or with a blank behind it."""
    draw = dice.roll()
    if draw < 0.92:
        return email
    if draw < 0.96:
        return email.upper()
    return email.capitalize() if draw < 0.99 else f"{email} "


def typed_card(dice: Dice, card: str) -> str:
    """Returns the card number, now and then in groups of four."""
    return card if dice.roll() < 0.92 else f"{card[:4]} {card[4:8]} {card[8:]}"


def _gb_mobile(dice: Dice) -> str:
    return f"{dice.pick('1234')}{dice.between(2, 5)}{dice.digits(7)}"


def _gb_landline(dice: Dice, dialling: str) -> str:
    return f"+44{dialling}{dice.digits(10 - len(dialling))}"


def _letters(name: str) -> str:
    # The lists hold ASCII names only; accents are added when a name is written down.
    return name.replace("-", "").replace("'", "").lower()


def _luhn(body: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(body)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)
