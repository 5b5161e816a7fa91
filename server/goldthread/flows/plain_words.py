"""An explanation in plain English, for somebody who runs a store.

No values and no numbers but percentages and dates: what agrees and what differs is told by the name of the field, how much it matters by a word for
its bits. Words of weight: from 16 bits on (65,000 times as likely), 8, 4, 1.5, and below; what is under 0.3 bits is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from math import floor

from goldthread.domain.explaining import Explanation, Ground, StatementView, Verdict
from goldthread.domain.ports import ContributionBits, PairEvidence
from goldthread.domain.steward import JournalView
from goldthread.domain.words import ChangeCause, Rival

__all__ = ["told"]

_CLEAR = 1_500
_NOTHING = 300
_WEIGHTS = (
    (16_000, "all but settles it"),
    (8_000, "very strong"),
    (4_000, "strong"),
    (_CLEAR, "clear"),
    (_NOTHING, "slight"),
)

_FIELDS = {
    "email": "e-mail address",
    "phone": "phone number",
    "loyalty_card": "loyalty card",
    "crm_number": "CRM number",
    "webshop_number": "web-shop number",
    "device": "device",
    "cookie": "browser",
    "customer_number": "customer number",
    "given_name": "given name",
    "family_name": "family name",
    "middle_name": "middle name",
    "name_suffix": "name suffix (such as Jr)",
    "birth_date": "birth date",
}

_LEVELS = {
    "agree": "the same {}",
    "agree_folded": "the same {}, written in another way",
    "differ": "another {}",
    "exact": "the same {}",
    "exact_january": "the same {}, but one that is often made up",
    "nickname": "a {} that is short for the other",
    "swapped": "given and family name the other way round",
    "crossed": "a {} that fits the other one's other name",
    "near": "nearly the same {}",
    "near2": "a similar {}",
    "compound": "a {} that shares a part",
    "initial": "an initial that fits the {}",
    "phonetic": "a {} that sounds the same",
    "close": "a similar {}",
    "loose": "a {} that is hardly alike",
    "part": "a {} that agrees in part",
    "year": "the same year of birth",
    "different": "another {}",
}

_HALVES = {
    "street": (
        {
            "equal": "the same street",
            "near": "nearly the same street",
            "close": "a similar street",
            "different": "another street",
        },
        {
            "equal": "the same house number",
            "near": "nearly the same house number",
            "different": "another house number",
        },
    ),
    "place": (
        {
            "equal": "the same postcode",
            "near": "nearly the same postcode",
            "area": "a postcode nearby",
            "different": "another postcode",
        },
        {"equal": "the same town", "near": "nearly the same town", "different": "another town"},
    ),
}
_SAME = "the same "
_PERSONAL = frozenset({"given_name", "middle_name", "name_suffix", "birth_date"})
_SHARED = frozenset({"agree", "agree_folded", "exact", "near", "crossed", "compound"})

_VERDICTS = {
    Verdict.ONE: "These two are one customer.",
    Verdict.APART: "These are two customers.",
    Verdict.REVIEW: "It is open whether these two are one customer: a review waits for somebody to decide.",
    Verdict.HOUSEHOLD: "These are two customers of one household.",
    Verdict.AMBIGUOUS: "One of these two fits several customers about equally well, so it is credited to nobody until something decides.",
}


def told(found: Explanation) -> tuple[str, ...]:
    """The lines of an explanation: what is so, why, what speaks for and against it, how sure that is, and how it came about."""
    if found.ground is Ground.SAME_RECORD:
        return ("Both are one and the same record.", *_came_about(found))
    lines = [_VERDICTS[found.verdict], *_ground(found)]
    if found.evidence is not None:
        lines += _evidence(found.evidence)
        lines.append(_sureness(found.evidence.probability, found.link_probability, found))
    return (*lines, *_came_about(found))


def _ground(found: Explanation) -> Iterable[str]:
    match found.ground:
        case Ground.SAID:
            if found.statements:
                yield _statement(found.statements[0])
            else:
                yield "Somebody said so of records that tie the two together."
        case Ground.CHAIN:
            between = max(1, len(found.chain) - 1)
            count = "another record" if between == 1 else f"{between} other records"
            yield f"On their own they would not be put together. What ties them is {count} that fits both sides, step by step."
            for number, step in enumerate(found.chain, start=1):
                yield f"Step {number}: {_listed(_for(step))}."
        case Ground.WHOLE:
            so = "somebody is asked" if found.verdict is Verdict.REVIEW else "they are kept apart"
            yield (
                "On their own the two records look like one customer. But all that is known of the one customer and all that is known of "
                f"the other do not fit one person, so {so}."
            )
        case _:
            return


def _statement(said: StatementView) -> str:
    what = "one customer" if said.same else "different people"
    return f"{said.actor} said on {_date(said.said_at)} that they are {what}: “{said.reason}”."


def _evidence(pair: PairEvidence) -> Iterable[str]:
    speaks_for = _for(pair)
    against = [_weighed(part) for part in _sorted(pair) if part.weight <= -_NOTHING]
    if not speaks_for and not against:
        yield "The two records themselves have nothing that could be compared."
        return
    yield f"What speaks for one person: {_listed(speaks_for)}." if speaks_for else "Nothing speaks for one person."
    yield f"What speaks against it: {_listed(against)}." if against else "Nothing speaks against it."
    if pair.nearest_rival is Rival.HOUSEHOLD:
        shared = [_words(part) for part in pair.contributions if _is_shared(part)]
        also = f" So nothing follows from {_listed(shared)}." if shared else ""
        yield f"They might also be two people of one household, who often share a home, a name, phones and cards.{also}"


def _for(pair: PairEvidence) -> list[str]:
    return [_weighed(part) for part in _sorted(pair) if part.weight >= _NOTHING]


def _sorted(pair: PairEvidence) -> list[ContributionBits]:
    """What speaks for or against, weightiest first; of two that may be a household without what households share."""
    household = pair.nearest_rival is Rival.HOUSEHOLD
    parts = [part for part in pair.contributions if not (household and _is_shared(part))]
    return sorted(parts, key=lambda part: -abs(part.weight))


def _weighed(part: ContributionBits) -> str:
    weight = next(word for least, word in _WEIGHTS if abs(part.weight) >= least)
    return f"{_words(part)} ({weight})"


def _words(part: ContributionBits) -> str:
    halves = _HALVES.get(part.comparison)
    if halves is not None:
        names = zip(part.level.split("_"), halves, strict=True)
        first, *rest = [words[name] for name, words in names if name in words]
        return first + "".join(f" and {word.removeprefix(_SAME) if first.startswith(_SAME) else word}" for word in rest)
    field = _FIELDS.get(part.comparison, part.comparison.replace("_", " "))
    return _LEVELS.get(part.level, "a {} of its own").format(field)


def _is_shared(part: ContributionBits) -> bool:
    """Whether it agrees in what members of a household share, and no more than that explains."""
    agrees = "equal" in part.level if part.comparison in _HALVES else part.level in _SHARED
    return agrees and part.comparison not in _PERSONAL and part.weight < _CLEAR


def _sureness(probability: float, link: float, found: Explanation) -> str:
    review = _of_review(probability, link, found)
    alone = (
        "All in all the two are" if found.ground is Ground.PAIR and not review else "Taken alone, the two records are"
    )
    sure = f"{alone} one person with a probability of {_percent(probability)}; from {_percent(link)} on two are put together."
    if review:
        return f"{sure} {review}"
    if found.ground is Ground.PAIR and found.verdict is Verdict.ONE and probability < link:
        return f"{sure} These two customers are that sure, because each counts once and not once for each record."
    return sure


def _of_review(probability: float, link: float, found: Explanation) -> str:
    """What the review says, where that is something else; nothing of one that is open for another reason than how sure it is."""
    review = found.review_probability
    if review is None or review >= link or _percent(review) == _percent(probability):
        return ""
    if review > probability:
        return f"The review says {_percent(review)} of the two customers, because each counts once and not once for each record."
    return f"The review says {_percent(review)} of the two customers: all that is known of them fits less well."


def _percent(probability: float) -> str:
    """Never rounded up, so that what is below a threshold reads as below it."""
    tenths = floor(probability * 1000 + 1e-9)
    if tenths >= 1000:
        tenths = 999
    if tenths == 0:
        return "less than 0.1 %"
    return f"{tenths // 10} %" if tenths % 10 == 0 else f"{tenths / 10:.1f} %"


def _came_about(found: Explanation) -> Iterable[str]:
    if found.came_about is None:
        if found.verdict is not Verdict.ONE:
            yield "They never stood together."
        return
    entry = found.came_about.entry
    if found.verdict is Verdict.ONE:
        what = "It was first seen" if found.ground is Ground.SAME_RECORD else "They were put together"
    else:
        what = "They once stood together and were parted"
    told_already = found.ground is Ground.SAID and entry.operation_id in {
        said.operation_id for said in found.statements[:1]
    }
    why = "because of that" if told_already else _cause(entry)
    yield f"{what} on {_date(entry.written_at)}, {why}."


def _cause(entry: JournalView) -> str:
    if entry.operation_id is not None:
        return f"by {entry.actor}: “{entry.reason}”"
    match entry.cause:
        case ChangeCause.EVENT | ChangeCause.RESOLVE if entry.source:
            return f"when an event of {entry.source} came in"
        case ChangeCause.REMODEL:
            return "when other rules of matching were taken into use"
        case _:
            return "when new evidence was looked at"


def _listed(words: Sequence[str]) -> str:
    """One, two and three: 'a', 'a and b', 'a, b and c'."""
    if len(words) <= 1:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def _date(moment: datetime) -> str:
    day = moment.astimezone(UTC)
    return f"{day.day} {day:%B %Y}"
