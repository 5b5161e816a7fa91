"""Whether answers are the ledger's: what it held at their version, from readings of the ledger that lie on both sides of it.

An answer's version is the stamp of the snapshot it was read from, and stamps order snapshots (docs/adr/0011). So what the ledger held at a
version lies between the last reading at or below it and the first at or above. Where both hold the same, that was it. Where they differ, the
change fell between them, and either is right; a third content, of two changes between two readings, can be neither shown nor refuted and is
counted apart. Versions below the first reading are of cards written before the run, when the relay had nothing left to write: they must show
what the first reading shows.

A version says what the ledger held then, not that it holds it still: a change that never reached the cache leaves an answer that is right at its
version for good. So whatever an answer says must also be what the ledger held at some moment of the time in which an answer may trail, with
a version or without: the relay's lag, or for "nobody" the life of such an entry. How far answers trailed is told as their age.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from threading import Event, Thread
from typing import Self

from goldthread.domain.ports import Answer
from goldthread.ledger import Ledger
from goldthread.v1.lookup_service_pb2 import LOOKUP_OUTCOME_NOT_FOUND, LookupResponse
from goldthread.wire import encode_answer
from loadtest.locust.calls import Sample
from loadtest.locust.faces import OLDER, older_view

__all__ = ["NOBODY", "Histories", "Judged", "Span", "Verdict", "Witness", "age_of", "judge", "told_of"]

NOBODY = LookupResponse(outcome=LOOKUP_OUTCOME_NOT_FOUND).SerializeToString(deterministic=True)
NOBODY_SECONDS = 75.0
"""How long "nobody" may be repeated after it was so: a minute, spread by a fifth."""
TRAIL_SECONDS = 10.0
"""How long any other answer may trail."""
_TOLD = 20
_NOBODIES = (NOBODY, older_view(NOBODY))


class Verdict(Enum):
    """How an answer compares.

    STALE: it was right at its version, and that is too long ago; UNKNOWN: a customer the ledger knew was said to be nobody; UNSETTLED: it changed twice
    between two readings.
    """

    EQUAL = "equal"
    STALE = "stale"
    UNSETTLED = "unsettled"
    WRONG = "wrong"
    UNKNOWN = "unknown"


_TIMELY = (Verdict.EQUAL, Verdict.STALE)


@dataclass(slots=True)
class Span:
    """Readings in a row that show the same of an identifier: from one stamp and moment to another."""

    first: int
    last: int
    began: float
    ended: float
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """How many answers compare how, how many of them told a version, and how often what was watched changed meanwhile."""

    verdicts: Mapping[Verdict, int]
    versioned: int
    changes: int
    ages: Sequence[float] = field(repr=False)
    """Seconds by which the equal and the stale ones trailed, ascending; most are 0."""
    told: Sequence[str]
    """Of the first answers that are not the ledger's: face, version or time, and what the ledger held when. No personal data."""


class Histories:
    """What readings show of each watched identifier, in the order of time."""

    def __init__(self) -> None:
        self.spans: list[list[Span]] = []

    def add(self, contents: Sequence[bytes], *, stamp: int, began: float, ended: float) -> None:
        """Takes a reading of all identifiers in one snapshot, made between two moments (seconds since the epoch)."""
        if not self.spans:
            self.spans = [[] for _ in contents]
        for history, content in zip(self.spans, contents, strict=True):
            if history and history[-1].content == content:
                history[-1].last, history[-1].ended = stamp, ended
            else:
                history.append(Span(stamp, stamp, began, ended, content))

    @property
    def changes(self) -> int:
        """Times that what was held of an identifier became something else."""
        return sum(len(history) - 1 for history in self.spans)


def judge(history: Sequence[Span], sample: Sample) -> Verdict:
    """Compares one answer. The last reading must have begun after it came."""
    trail = NOBODY_SECONDS if sample.content in _NOBODIES else TRAIL_SECONDS
    if sample.version:
        allowed, exact = _at_version(history, sample.version)
    else:
        allowed, exact = _at_time(history, sample.at - trail, sample.at), False
    if sample.content in _shown(allowed, sample.face):
        return Verdict.EQUAL if not sample.version or age_of(history, sample) <= trail else Verdict.STALE
    if sample.content in _NOBODIES:
        return Verdict.UNKNOWN
    return Verdict.WRONG if exact or len(set(allowed)) == 1 else Verdict.UNSETTLED


def age_of(history: Sequence[Span], sample: Sample) -> float:
    """Seconds, at least, since the ledger last held what an answer shows; as far back as readings go if none of them shows that."""
    begun = sum(span.began <= sample.at for span in history)
    # Where the next reading shows something new, that may have been so when the answer came: after the reading before it, or while that was still being made,
    # if the answer's version is greater than the one that was read.
    begun += 0 < begun < len(history) and (
        history[begun - 1].ended < sample.at or (sample.version or 0) > history[begun - 1].last
    )
    for place in reversed(range(begun)):
        if sample.content in _shown([history[place].content], sample.face):
            # It became something else by the time of the next reading.
            return max(0.0, sample.at - history[place + 1].began) if place + 1 < len(history) else 0.0
    return max(0.0, sample.at - history[0].began)


def _shown(contents: Sequence[bytes], face: str) -> Sequence[bytes]:
    """What a face makes of answers."""
    return [older_view(content) for content in contents] if face == OLDER else contents


def _at_version(history: Sequence[Span], version: int) -> tuple[list[bytes], bool]:
    """What may be shown at a version, and whether nothing can have been in between."""
    if version > history[-1].last:
        return [], True
    if version < history[0].first:
        return [history[0].content], True
    for place, span in enumerate(history):
        if version < span.first:
            return [history[place - 1].content, span.content], False
        if version <= span.last:
            return [span.content], True
    raise AssertionError("unreachable: the last span ends at or above")


def _at_time(history: Sequence[Span], since: float, until: float) -> list[bytes]:
    """What was held at some moment of a time, the readings around it included."""
    first = max((place for place, span in enumerate(history) if span.began <= since), default=0)
    last = min((place for place, span in enumerate(history) if span.ended >= until), default=len(history) - 1)
    return [span.content for span in history[first : last + 1]]


def told_of(history: Sequence[Span], sample: Sample) -> str:
    """An answer beside what the ledger held, without saying what either shows."""
    held = [
        f"{'the same' if sample.content in (span.content, older_view(span.content)) else 'other content'} "
        f"from {sample.at - span.began:.1f} s to {sample.at - span.ended:.1f} s before it (versions {span.first} to {span.last})"
        for span in history
    ]
    return f"{sample.face}, version {sample.version}; held: {', '.join(held)}"


class Witness:
    """Reads the ledger's answers for the watched identifiers again and again, on a thread of its own, until the block ends."""

    def __init__(self, ledger: Ledger, tokens: Sequence[bytes], *, seconds: float = 0.2) -> None:
        self._ledger = ledger
        self._tokens = list(tokens)
        self._seconds = seconds
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="witness", daemon=True)
        self._failure: Exception | None = None
        self._before: list[Answer | None] = [None] * len(self._tokens)
        self._contents = [b""] * len(self._tokens)
        self._histories = Histories()

    def __enter__(self) -> Self:
        self._read()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Reads once more, after everything that was answered; raises what stopped the thread."""
        self._stopping.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        self._read()

    def judged(self, samples: Iterable[Sample], *, places: Mapping[int, int]) -> Judged:
        """Compares all answers; `places` tells where a target stands among the tokens."""
        verdicts: Counter[Verdict] = Counter()
        versioned = 0
        told: list[str] = []
        ages: list[float] = []
        for sample in samples:
            history = self._histories.spans[places[sample.target]]
            verdict = judge(history, sample)
            if verdict in _TIMELY and sample.content not in _NOBODIES:
                ages.append(age_of(history, sample))
            verdicts[verdict] += 1
            versioned += bool(sample.version)
            if verdict is not Verdict.EQUAL and len(told) < _TOLD:
                told.append(f"{verdict.value}: {told_of(history, sample)}")
        return Judged(
            verdicts=verdicts, versioned=versioned, changes=self._histories.changes, ages=sorted(ages), told=told
        )

    def _run(self) -> None:
        try:
            while not self._stopping.wait(self._seconds):
                self._read()
        except Exception as failure:  # noqa: BLE001 (raised again by the thread that waits for this one)
            self._failure = failure

    def _read(self) -> None:
        began = time.time()
        answers = self._ledger.answers(self._tokens)
        ended = time.time()
        stamp = max((answer.version for answer in answers), default=0) or self._ledger.stamp()
        for place, answer in enumerate(answers):
            # Most of them are as they were, and encoding takes longer than reading.
            bare = replace(answer, version=0)
            if bare != self._before[place]:
                self._before[place], self._contents[place] = bare, encode_answer(answer)
        self._histories.add(self._contents, stamp=stamp, began=began, ended=ended)
