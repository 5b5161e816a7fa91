"""Plans for a table in the flat row format, as a careful user of each tool would write them without seeing the truth."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import assert_never

from goldthread.app.peers.plan import (
    GoldenmatchPlan,
    Peer,
    PeerPlan,
    RecordlinkagePlan,
    Rule,
    SplinkComparison,
    SplinkPlan,
)
from goldthread.domain.errors import SettingsError
from goldthread.domain.words import IdentifierType

__all__ = ["automatic_plan", "prepared"]

_NUMBERS = tuple(kind.label for kind in IdentifierType if kind not in {IdentifierType.EMAIL, IdentifierType.PHONE})
_ASSIGNED = frozenset(_NUMBERS) - {IdentifierType.LOYALTY_CARD.label}
"""Numbers that one system gives and another copies: nobody types them. One that differs in a character is somebody else's, so a level for it has no matches
to be trained on, and Splink's training ends where such a level's share of the matches is nothing."""
_LEAST_PHONE = 7

_BLOCKING: tuple[Rule, ...] = (
    ("given_name", "family_name"),
    ("family_name", "postcode"),
    ("given_name", "postcode"),
    ("family_name", "city"),
    ("given_name", "city"),
    ("birth_date", "family_name"),
    ("birth_date", "given_name"),
    ("street", "given_name"),
    ("street", "family_name"),
    ("email",),
    ("phone",),
    *((number,) for number in _NUMBERS),
)
_CERTAIN: tuple[Rule, ...] = (
    ("given_name", "family_name", "birth_date"),
    ("given_name", "family_name", "street"),
    ("given_name", "family_name", "postcode"),
    ("given_name", "email"),
    ("given_name", "family_name", "phone"),
    *(("given_name", number) for number in _NUMBERS),
)
_TRAINING: tuple[Rule, ...] = (("given_name", "family_name"), ("birth_date",), ("email",), ("phone",))


def automatic_plan(peer: Peer, columns: Collection[str]) -> PeerPlan:
    """A plan for the columns of a table of claims; what the table lacks falls away.

    Raises `SettingsError` if too little is left.
    """
    if peer is not Peer.GOLDENMATCH and not _within(_TRAINING, columns):
        raise SettingsError(
            "mapping", f"{peer.value} needs given and family names, birth dates, e-mails or phones; name their columns"
        )
    match peer:
        case Peer.SPLINK:
            return SplinkPlan(
                comparisons=tuple(_comparisons(columns)),
                blocking=_within(_BLOCKING, columns),
                certain=_within(_CERTAIN, columns),
                certain_recall=0.7,
                training=_within(_TRAINING, columns),
            )
        case Peer.RECORDLINKAGE:
            near = ("given_name", "family_name", "street", "city", "email")
            exact = ("phone", *_NUMBERS, "postcode", "birth_date")
            return RecordlinkagePlan(
                blocking=_within(_BLOCKING, columns),
                near=tuple(name for name in near if name in columns),
                exact=tuple(name for name in exact if name in columns),
            )
        case Peer.GOLDENMATCH:
            return GoldenmatchPlan()
        case _:
            assert_never(peer)


def _within(rules: tuple[Rule, ...], columns: Collection[str]) -> tuple[Rule, ...]:
    return tuple(rule for rule in rules if all(name in columns for name in rule))


def _comparisons(columns: Collection[str]) -> Iterator[SplinkComparison]:
    for name in ("given_name", "family_name"):
        if name in columns:
            yield SplinkComparison(kind="name", columns=(name,), frequencies=True)
    if "birth_date" in columns:
        yield SplinkComparison(kind="birth_date", columns=("birth_date",))
    if "email" in columns:
        yield SplinkComparison(kind="email", columns=("email",), frequencies=True)
    for name in ("phone", *_NUMBERS, "postcode"):
        if name in _ASSIGNED & set(columns):
            yield SplinkComparison(kind="exact", columns=(name,), frequencies=True)
        elif name in columns:
            yield SplinkComparison(kind="damerau_levenshtein", columns=(name,), thresholds=(1,), frequencies=True)
    if "street" in columns:
        yield SplinkComparison(kind="jaro_winkler", columns=("street",), thresholds=(0.92, 0.8), frequencies=True)
    if "city" in columns:
        yield SplinkComparison(kind="exact", columns=("city",), frequencies=True)


def prepared(table: Mapping[str, Sequence[str | None]]) -> dict[str, list[str | None]]:
    """What one does to a table before any tool sees it: lower case without outer blanks, phone numbers as their last ten digits."""
    return {name: [_plain(name, value) for value in column] for name, column in table.items()}


def _plain(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    if name == "phone":
        digits = "".join(sign for sign in value if sign.isdecimal())[-10:]
        return digits if len(digits) >= _LEAST_PHONE else None
    return value.strip().lower() or None
