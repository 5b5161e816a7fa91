"""What a cashier scanned or typed, told by its looks."""

from __future__ import annotations

import re

__all__ = ["kind_of"]

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE = re.compile(r"\+?[\d\s().-]+")
_PHONE_DIGITS = range(7, 16)


def kind_of(typed: str) -> tuple[str, str]:
    """Kind and value. `card:4711` says its kind itself; else an e-mail address has an @, a phone a +, brackets, blanks or ten digits; all else is a card."""
    kind, colon, value = typed.partition(":")
    if colon and kind in {"card", "phone", "email"}:
        return ("loyalty_card" if kind == "card" else kind), value.strip()
    plain = typed.strip()
    if _EMAIL.fullmatch(plain):
        return "email", plain
    digits = sum(letter.isdigit() for letter in plain)
    written = not plain.isdigit() or digits == _PHONE_DIGITS.start + 3
    if _PHONE.fullmatch(plain) and digits in _PHONE_DIGITS and written:
        return "phone", plain
    return "loyalty_card", plain
