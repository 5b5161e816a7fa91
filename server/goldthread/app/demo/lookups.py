"""Looks every identifier of the input up at the register's door and compares the answers with what the ledger holds."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from goldthread.app.demo.client import Register
from goldthread.app.demo.progress import Progress
from goldthread.app.demo.sets import WantedIdentifier
from goldthread.app.demo.timing import Timing
from goldthread.domain.ports import Answer
from goldthread.domain.words import IncomingIdentifier, LookupOutcome, QuestionKind, Violation
from goldthread.ledger import Ledger
from goldthread.matching import Matcher
from goldthread.v1.lookup_service_pb2 import ANSWER_SOURCE_CACHE, LookupResponse
from goldthread.wire import encode_answer

__all__ = ["Expectation", "LookupAudit", "audit_lookups", "difference", "expectations"]

_TOKENS_PER_QUERY = 2_000
_ALONE = 1_000


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the ledger says of an identifier; the answer is None if the identifier is invalid."""

    wanted: WantedIdentifier
    answer: Answer | None
    usable: bool
    """False for invalid values, blanks and placeholders, which nobody can be found by."""
    carried: bool
    """Whether an event that was taken carries it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LookupAudit:
    """How the answers compare. `unknown` are valid identifiers of events taken that the ledger does not know.

    `busy` are the times with many callers at once, `alone` those of a single caller. `found` are the answers other than NOT_FOUND, and
    `found_in_cache` those of them that the cache gave, both of the first lookup only: a miss fills the cache for the next one.
    """

    identifiers: int
    usable: int
    generic_or_shared: int
    equal: int
    different: int
    unknown: int
    differences: Mapping[str, int]
    outcomes: Mapping[str, int]
    found: int
    found_in_cache: int
    retries: int
    callers: int
    seconds: float
    busy: Timing
    alone: Timing

    @property
    def per_second(self) -> float:
        """Lookups answered per second with many callers."""
        return self.identifiers / self.seconds if self.seconds else 0.0

    @property
    def cached_share(self) -> float:
        """Share of the found answers that the cache gave, from 0 to 1; 0 if nobody was found."""
        return self.found_in_cache / self.found if self.found else 0.0


def expectations(wanted: Mapping[WantedIdentifier, bool], *, matcher: Matcher, ledger: Ledger) -> list[Expectation]:
    """What the ledger holds for each identifier (and whether it must know it): the first of its tokens, by priority, that is known."""
    keys = matcher.lookup_keys(
        [IncomingIdentifier(path="identifier", type=one.type, namespace=one.namespace, raw=one.value) for one in wanted]
    )
    tokens = sorted({token for key in keys if key and not isinstance(key, Violation) for token in key.tokens})
    known: dict[bytes, Answer] = {}
    for start in range(0, len(tokens), _TOKENS_PER_QUERY):
        part = tokens[start : start + _TOKENS_PER_QUERY]
        known.update(zip(part, ledger.answers(part), strict=True))
    found = []
    for (one, carried), key in zip(wanted.items(), keys, strict=True):
        if key is None:
            found.append(Expectation(one, _nobody(), usable=False, carried=carried))
        elif isinstance(key, Violation):
            found.append(Expectation(one, None, usable=False, carried=carried))
        else:
            answers = [known[token] for token in key.tokens]
            first = next((answer for answer in answers if answer.outcome is not LookupOutcome.NOT_FOUND), answers[-1])
            found.append(Expectation(one, first, usable=True, carried=carried))
    return found


def difference(expected: Answer | None, response: LookupResponse | None) -> str | None:
    """The first part in which the answer is not what the ledger holds; None if it is the same in every part."""
    if expected is None or response is None:
        return None if expected is None and response is None else "validity"
    card = expected.card
    parts = {
        "outcome": (int(expected.outcome), int(response.outcome)),
        "profile": (card.profile_id if card else "", response.card.profile_id),
        "masked name": (card.masked_name if card else "", response.card.masked_name),
        # When each was read differs; that there was something to read does not.
        "version": (expected.outcome is not LookupOutcome.NOT_FOUND, response.version > 0),
        "question": (int(expected.question), int(response.question.kind)),
        "review": (expected.review_id, response.question.review_id),
    }
    differing = next((name for name, (held, told) in parts.items() if held != told), None)
    if differing is not None:
        return differing
    whole = LookupResponse.FromString(encode_answer(expected))
    return None if (whole.card, whole.question) == (response.card, response.question) else "card"


def audit_lookups(expected: Sequence[Expectation], *, address: str, callers: int, progress: Progress) -> LookupAudit:
    """Looks all of them up over gRPC, `callers` at once, and then some of them one by one."""
    return asyncio.run(_audit(expected, address=address, callers=callers, progress=progress))


async def _audit(expected: Sequence[Expectation], *, address: str, callers: int, progress: Progress) -> LookupAudit:
    differing: dict[WantedIdentifier, str] = {}
    outcomes: Counter[str] = Counter()
    sources: Counter[int] = Counter()
    busy: list[float] = []
    remaining = iter(expected)

    async with Register(address) as register:

        async def call(todo: Iterator[Expectation], times: list[float]) -> None:
            for one in todo:
                started = time.perf_counter()
                response = await register.lookup(one.wanted)
                times.append(time.perf_counter() - started)
                outcome = LookupOutcome(response.outcome) if response is not None else None
                outcomes[outcome.name if outcome is not None else "INVALID"] += 1
                if response is not None and outcome is not LookupOutcome.NOT_FOUND:
                    sources[response.answer_source] += 1
                part = difference(one.answer, response)
                if part is not None:
                    differing[one.wanted] = f"{one.wanted.type.label}: {part}"
                bar.reach(len(busy))

        with progress.bar("lookups", total=len(expected), unit="identifiers") as bar:
            started = time.perf_counter()
            await asyncio.gather(*(call(remaining, busy) for _ in range(callers)))
            seconds = time.perf_counter() - started
            told, cached, found = dict(sorted(outcomes.items())), sources[ANSWER_SOURCE_CACHE], sources.total()
            alone: list[float] = []
            stride = max(1, len(expected) // _ALONE)
            await call(iter(expected[::stride]), alone)
        retries = register.retries
    usable = [(one, one.answer) for one in expected if one.usable and one.answer is not None]
    return LookupAudit(
        identifiers=len(expected),
        usable=len(usable),
        generic_or_shared=sum(answer.outcome is LookupOutcome.AMBIGUOUS for _, answer in usable),
        equal=len(expected) - len(differing),
        different=len(differing),
        unknown=sum(one.carried and answer.outcome is LookupOutcome.NOT_FOUND for one, answer in usable),
        differences=dict(sorted(Counter(differing.values()).items())),
        outcomes=told,
        found=found,
        found_in_cache=cached,
        retries=retries,
        callers=callers,
        seconds=seconds,
        busy=Timing.of(busy),
        alone=Timing.of(alone),
    )


def _nobody() -> Answer:
    """What everybody is told who asks with a blank or a placeholder."""
    return Answer(
        token=b"",
        version=0,
        outcome=LookupOutcome.NOT_FOUND,
        card=None,
        question=QuestionKind.UNSPECIFIED,
        review_id="",
    )
