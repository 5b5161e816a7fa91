"""How Splink is set up for each set: the configurations of its own demonstrations where there is one, and a careful user's otherwise.

Nothing here was chosen with the truth in hand. `plus` goes beyond the demonstrations: names apart with term frequencies, wider blocking.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

from goldthread.app.peers import SplinkComparison, SplinkLevel, SplinkPlan

__all__ = ["splink_plan"]

_Rules = tuple[tuple[str, ...] | str, ...]


def splink_plan(name: str, columns: Collection[str], *, plus: bool) -> SplinkPlan | None:
    """The plan for a set with these columns; None where there is none, or none beyond the demonstration."""
    plans: dict[tuple[str, bool], Callable[[], SplinkPlan]] = {
        **{(febrl, False): partial(_febrl, columns) for febrl in ("febrl1", "febrl2", "febrl4", "febrl_dsgen_c")},
        ("historical_dev", False): _historical,
        ("historical_dev", True): _historical_plus,
        ("fake1000", False): partial(_fake, columns, plus=False),
        ("fake1000", True): partial(_fake, columns, plus=True),
        ("rldata500", False): _rldata,
        ("rldata500", True): _rldata_plus,
        ("retail_us_dev", False): partial(_retail, columns),
    }
    make = plans.get((name, plus))
    return None if make is None else make()


def _name(column: str) -> SplinkComparison:
    return SplinkComparison(kind="name", columns=(column,), frequencies=True)


def _exact(column: str) -> SplinkComparison:
    return SplinkComparison(kind="exact", columns=(column,), frequencies=True)


def _edits(column: str, *thresholds: int, frequencies: bool = False) -> SplinkComparison:
    return SplinkComparison(
        kind="damerau_levenshtein", columns=(column,), thresholds=thresholds, frequencies=frequencies
    )


def _born(column: str, date_format: str | None = None) -> SplinkComparison:
    return SplinkComparison(kind="birth_date", columns=(column,), date_format=date_format)


def _within(rules: _Rules, columns: Collection[str]) -> _Rules:
    return tuple(rule for rule in rules if isinstance(rule, str) or all(part in columns for part in rule))


def _febrl(columns: Collection[str]) -> SplinkPlan:
    comparisons = [
        _name("given_name"),
        _name("surname"),
        _exact("street_number"),
        _edits("postcode", 1, 2, frequencies=True),
        SplinkComparison(kind="jaro_winkler", columns=("address_1",), thresholds=(0.9, 0.7)),
    ]
    certain: tuple[tuple[str, ...], ...] = (
        ("given_name", "surname", "postcode"),
        ("given_name", "surname", "address_1"),
        ("surname", "street_number", "postcode"),
    )
    training: tuple[tuple[str, ...], ...] = (("postcode",), ("given_name", "surname"))
    if "phone_number" in columns:
        comparisons.append(_edits("phone_number", 1, 2))
        certain += (("phone_number", "surname"),)
        training += (("phone_number",),)
    if "date_of_birth" in columns:
        comparisons.append(_born("date_of_birth", "%Y%m%d"))
        certain += (("given_name", "surname", "date_of_birth"),)
        training = (("date_of_birth",), ("postcode",))
    if "soc_sec_id" in columns:
        comparisons.append(_edits("soc_sec_id", 1, 2))
        certain = (("soc_sec_id",), ("given_name", "surname", "date_of_birth"))
    blocking: _Rules = (
        ("given_name", "surname"),
        "l.given_name = r.surname and l.surname = r.given_name",
        ("postcode",),
        ("street_number", "address_1"),
        ("state", "address_1"),
        ("given_name", "street_number"),
        ("surname", "street_number"),
        ("surname", "suburb"),
        ("given_name", "suburb"),
        ("phone_number",),
        ("date_of_birth",),
        ("soc_sec_id",),
    )
    return SplinkPlan(
        comparisons=tuple(comparisons),
        blocking=_within(blocking, columns),
        certain=certain,
        certain_recall=0.8,
        training=training,
    )


_HISTORICAL_CERTAIN = (
    ("first_name", "surname", "dob"),
    ("substr(first_name,1,2)", "surname", "substr(postcode_fake,1,2)"),
    ("dob", "postcode_fake"),
)


def _historical() -> SplinkPlan:
    return SplinkPlan(
        comparisons=(
            SplinkComparison(kind="forename_surname", columns=("first_name", "surname", "first_name_surname_concat")),
            _born("dob"),
            SplinkComparison(kind="postcode", columns=("postcode_fake",)),
            _exact("birth_place"),
            _exact("occupation"),
        ),
        blocking=(
            ("substr(first_name,1,3)", "substr(surname,1,4)"),
            ("surname", "dob"),
            ("first_name", "dob"),
            ("postcode_fake", "first_name"),
            ("postcode_fake", "surname"),
            ("dob", "birth_place"),
            ("substr(postcode_fake,1,3)", "dob"),
            ("substr(postcode_fake,1,3)", "first_name"),
            ("substr(postcode_fake,1,3)", "surname"),
            ("substr(first_name,1,2)", "substr(surname,1,2)", "substr(dob,1,4)"),
        ),
        certain=_HISTORICAL_CERTAIN,
        certain_recall=0.6,
        training=(("first_name", "surname"), ("dob",)),
    )


def _historical_plus() -> SplinkPlan:
    return SplinkPlan(
        comparisons=(
            _name("first_name"),
            _name("surname"),
            _born("dob"),
            SplinkComparison(kind="postcode", columns=("postcode_fake",)),
            SplinkComparison(kind="jaro_winkler", columns=("birth_place",), thresholds=(0.9,), frequencies=True),
            _exact("occupation"),
        ),
        blocking=(
            ("dob",),
            ("postcode_fake",),
            ("surname", "first_name"),
            ("surname", "birth_place"),
            ("first_name", "birth_place", "occupation"),
            ("surname", "substr(dob,1,4)"),
            ("first_name", "substr(dob,1,4)"),
            ("surname", "substr(postcode_fake,1,3)"),
            ("first_name", "substr(postcode_fake,1,3)"),
            ("birth_place", "occupation", "substr(dob,1,4)"),
            ("birth_place", "substr(surname,1,3)"),
            ("substr(first_name,1,3)", "substr(surname,1,4)"),
        ),
        certain=_HISTORICAL_CERTAIN,
        certain_recall=0.6,
        training=(("first_name", "surname"), ("dob",), ("postcode_fake",)),
    )


def _fake(columns: Collection[str], *, plus: bool) -> SplinkPlan:
    dated = "dob" in columns
    if plus:
        near_city = SplinkComparison(kind="levenshtein", columns=("city",), thresholds=(2,), frequencies=True)
        comparisons = [_name("first_name"), _name("surname"), near_city]
    else:
        comparisons = [SplinkComparison(kind="forename_surname", columns=("first_name", "surname")), _exact("city")]
    comparisons.append(SplinkComparison(kind="email", columns=("email",)))
    certain: _Rules = (
        "l.first_name = r.first_name and levenshtein(r.surname, l.surname) <= 2",
        "l.email = r.email",
    )
    if dated:
        comparisons.append(_born("dob"))
        certain = (
            "l.first_name = r.first_name and levenshtein(r.dob, l.dob) <= 1",
            "l.surname = r.surname and levenshtein(r.dob, l.dob) <= 1",
            *certain,
        )
    born: tuple[tuple[str, ...], ...] = (("dob",),) if dated else ()
    return SplinkPlan(
        comparisons=tuple(comparisons),
        blocking=(("first_name",), ("surname",), *born, ("email",)),
        certain=certain,
        certain_recall=0.7,
        training=(*born, ("email",), ("first_name", "surname")),
    )


_RLDATA_BLOCKING = (
    ("fname_c1", "lname_c1"),
    ("dob",),
    ("lname_c1", "by"),
    ("fname_c1", "by"),
    ("lname_c1", "bm", "bd"),
    ("fname_c1", "bm", "bd"),
)
_RLDATA_CERTAIN = (("fname_c1", "lname_c1", "dob"), ("fname_c1", "dob"), ("lname_c1", "dob"))
_RLDATA_TRAINING = (("fname_c1", "lname_c1"), ("dob",))


def _rldata() -> SplinkPlan:
    return SplinkPlan(
        comparisons=(_name("fname_c1"), _name("lname_c1"), _born("dob")),
        blocking=_RLDATA_BLOCKING,
        certain=_RLDATA_CERTAIN,
        certain_recall=0.9,
        training=_RLDATA_TRAINING,
    )


def _rldata_plus() -> SplinkPlan:
    parts = tuple(
        SplinkComparison(kind="levenshtein", columns=(part,), thresholds=(1,)) for part in ("bys", "bms", "bds")
    )
    return SplinkPlan(
        comparisons=(_name("fname_c1"), _name("lname_c1"), *parts),
        blocking=(*_RLDATA_BLOCKING, ("by", "bm"), ("by", "bd")),
        certain=_RLDATA_CERTAIN,
        certain_recall=0.6,
        training=_RLDATA_TRAINING,
    )


def _retail(columns: Collection[str]) -> SplinkPlan:
    """Names apart; address and zip as one comparison, because they are not independent; no training block that is mostly households."""
    first_name = SplinkComparison(
        kind="levels",
        columns=("first_name",),
        levels=(
            SplinkLevel(kind="missing", value="first_name"),
            SplinkLevel(kind="exact", value="first_name", frequencies=True),
            SplinkLevel(kind="jaro_winkler", value="first_name", threshold=0.92),
            SplinkLevel(kind="jaro_winkler", value="first_name", threshold=0.85),
            SplinkLevel(
                kind="where",
                value="least(length(first_name_l), length(first_name_r)) = 1 and substr(first_name_l,1,1) = substr(first_name_r,1,1)",
            ),
            SplinkLevel(kind="where", value="substr(first_name_l,1,3) = substr(first_name_r,1,3)"),
            SplinkLevel(kind="where", value="first_name_l = last_name_r and last_name_l = first_name_r"),
            SplinkLevel(kind="else"),
        ),
    )
    place = SplinkComparison(
        kind="levels",
        columns=("place",),
        levels=(
            SplinkLevel(
                kind="missing_where",
                value="(address_l is null or address_r is null) and (zip_l is null or zip_r is null)",
            ),
            SplinkLevel(kind="exact", value="address", frequencies=True),
            SplinkLevel(kind="where", value="jaro_winkler_similarity(address_l, address_r) >= 0.9 and zip_l = zip_r"),
            SplinkLevel(kind="where", value="jaro_winkler_similarity(address_l, address_r) >= 0.92"),
            SplinkLevel(kind="where", value="zip_l = zip_r and (address_l is null or address_r is null)"),
            SplinkLevel(kind="where", value="zip_l = zip_r"),
            SplinkLevel(kind="else"),
        ),
    )
    email = SplinkComparison(kind="email", columns=("email",), frequencies=True)
    numbers = (_edits("phone", 1, frequencies=True), _edits("loyalty_id", 1, frequencies=True))
    born = (_born("dob", "%Y-%m-%d"),) if "dob" in columns else ()
    blocking: _Rules = (
        ("email",),
        ("phone",),
        ("loyalty_id",),
        ("first_name", "last_name"),
        ("last_name", "zip"),
        ("first_name", "zip"),
        ("address", "first_name"),
        ("address", "last_name"),
        ("substr(first_name,1,3)", "substr(last_name,1,3)", "substr(zip,1,3)"),
    )
    return SplinkPlan(
        comparisons=(first_name, _name("last_name"), email, *numbers, place, *born),
        blocking=(*blocking, *_within((("dob", "last_name"), ("dob", "first_name")), columns)),
        certain=(
            ("email", "first_name"),
            ("phone", "first_name", "last_name"),
            ("loyalty_id", "first_name"),
            ("first_name", "last_name", "address"),
        ),
        certain_recall=0.7,
        training=(("first_name", "last_name"), ("email",), ("phone",)),
    )
