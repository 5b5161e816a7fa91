"""How clerks, customers and scanners spoil what they write down."""

from __future__ import annotations

from goldthread.app.generate.atlas import nicknames
from goldthread.app.generate.draw import Dice

__all__ = [
    "EMAIL_PLACEHOLDERS",
    "NAME_PLACEHOLDERS",
    "PHONE_PLACEHOLDERS",
    "code_slip",
    "date_slip",
    "dress_name",
    "email_slip",
    "given_variant",
    "slip",
]

EMAIL_PLACEHOLDERS = ("n/a", "test@test.com", "none@none.com", "null", "noemail@noemail.com", " ", "N/A", "none")
PHONE_PLACEHOLDERS = ("000-000-0000", "n/a", "0000000000", "null", " ", "(000) 000-0000", "999-999-9999", "none")
NAME_PLACEHOLDERS = ("n/a", "null", "unknown", "N/A", " ")

_NEIGHBOURS = {
    key: row[max(0, at - 1) : at] + row[at + 1 : at + 2]
    for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm")
    for at, key in enumerate(row)
}
_SCANNED = {"l": "1", "o": "0", "i": "1", "s": "5", "e": "c", "b": "6", "m": "rn", "h": "b", "u": "v", "g": "q"}
_ACCENTED = {
    "Jose": "José",
    "Jesus": "Jesús",
    "Maria": "María",
    "Angel": "Ángel",
    "Sofia": "Sofía",
    "Lucia": "Lucía",
    "Monica": "Mónica",
    "Renee": "Renée",
    "Garcia": "García",
    "Rodriguez": "Rodríguez",
    "Martinez": "Martínez",
    "Hernandez": "Hernández",
    "Lopez": "López",
    "Gonzalez": "González",
    "Perez": "Pérez",
    "Sanchez": "Sánchez",
    "Ramirez": "Ramírez",
    "Gomez": "Gómez",
    "Diaz": "Díaz",
    "Munoz": "Muñoz",
    "Nunez": "Núñez",
    "Pena": "Peña",
    "Jimenez": "Jiménez",
    "Gutierrez": "Gutiérrez",
    "Vasquez": "Vásquez",
}
_TITLES = {"M": ("Mr. ", "Mr ", "Dr. "), "F": ("Mrs. ", "Ms. ", "Ms ", "Dr. ")}
_PROVIDER_SLIPS = {"gmail.com": "gmial.com", "yahoo.com": "yaho.com", "hotmail.com": "hotmial.com"}


def slip(dice: Dice, text: str) -> str:
    """Returns the text with one mistake: a neighbouring key, swapped, lost or doubled letter, or a misread one."""
    if len(text) < 3:
        return text
    at = dice.between(1, len(text) - 1)
    letter = text[at]
    kind = dice.roll()
    if kind < 0.30:
        near = _NEIGHBOURS.get(letter.lower())
        return text if near is None else text[:at] + dice.pick(near) + text[at + 1 :]
    if kind < 0.52:
        return text[: at - 1] + text[at] + text[at - 1] + text[at + 1 :]
    if kind < 0.74:
        return text[:at] + text[at + 1 :]
    if kind < 0.88:
        return text[:at] + letter + text[at:]
    return text[:at] + _SCANNED.get(letter.lower(), letter) + text[at + 1 :]


def given_variant(dice: Dice, name: str) -> tuple[str, str]:
    """Returns a given name as somebody would write it, and the plain name that a matcher may read it as.

    A nickname reads as the name it stands for; an initial and a slip read as themselves.
    """
    draw = dice.roll()
    if draw < 0.08:
        short = nicknames().get(name)
        if short is not None:
            return dice.pick(short), name
    elif draw < 0.115:
        initial = name[0] if dice.chance(0.5) else name[0] + "."
        return initial, name[0]
    elif draw < 0.155:
        wrong = slip(dice, name)
        return wrong, wrong
    return name, name


def dress_name(dice: Dice, name: str, sex: str = "") -> str:
    """Returns the name in another dress: case, accents, spaces and, when a sex is given, a title."""
    draw = dice.roll()
    if draw < 0.80:
        return name
    if draw < 0.88:
        return name.upper()
    if draw < 0.94:
        return name.lower()
    if draw < 0.96:
        return f"{name} "
    if draw < 0.97 and sex:
        return dice.pick(_TITLES[sex]) + name
    return _ACCENTED.get(name, name)


def email_slip(dice: Dice, email: str) -> str:
    """Returns the e-mail with a mistyped provider or local part."""
    local, _, domain = email.partition("@")
    if domain in _PROVIDER_SLIPS and dice.chance(0.4):
        return f"{local}@{_PROVIDER_SLIPS[domain]}"
    at = dice.between(1, max(1, len(local) - 1))
    return f"{local[:at]}{local[at + 1 :]}@{domain}"


def code_slip(dice: Dice, code: str) -> str:
    """Returns a postal code with one wrong digit, or with two neighbouring ones exchanged; never the first of them."""
    places = [at for at, mark in enumerate(code) if mark.isdigit()][1:]
    at = dice.pick(places)
    if dice.chance(0.4) and at - 1 in places:
        return code[: at - 1] + code[at] + code[at - 1] + code[at + 1 :]
    return code[:at] + str((int(code[at]) + dice.between(1, 9)) % 10) + code[at + 1 :]


def date_slip(dice: Dice, day: str) -> str:
    """Returns an ISO date with day and month exchanged where that is a date, else with the year off by one."""
    year, month, of_month = day.split("-")
    if int(of_month) <= 12 and of_month != month:
        return f"{year}-{of_month}-{month}"
    # The first to the 28th exist in every year; later days stay within their month except for a leap day.
    if month == "02" and of_month == "29":
        return f"{year}-02-28"
    return f"{int(year) + (1 if dice.chance(0.5) else -1)}-{month}-{of_month}"
