"""Customers for the callers to ask for: made-up ones, with everything that they say in stores before and during the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random

import psycopg

from goldthread.app.demo.load import defaults_of
from goldthread.app.demo.lookups import Expectation, expectations
from goldthread.app.demo.sets import WantedIdentifier
from goldthread.app.generate import COLUMNS, GenerateOptions, Profile, generate_events
from goldthread.app.produce_rows import RowReader
from goldthread.app.settings import Settings
from goldthread.domain.words import IdentifierType, IncomingEvent, IncomingIdentifier, LookupOutcome, Violation
from goldthread.ledger import Ledger
from goldthread.matching import Matcher
from loadtest.locust.plan import KINDS, Target

__all__ = ["Customers", "Watched", "choose_targets"]

_STRANGERS = 4_000
_MERGED = """
SELECT DISTINCT token.token FROM profile JOIN record ON record.birth_id = profile.profile_id
JOIN record_token USING (record_id) JOIN token USING (token_id) WHERE NOT profile.live
"""


@dataclass
class Customers:
    """A stream of events in the reference mix, of which the first are there before the run. Equal seed, equal stream."""

    events: int
    seed: int
    settings: Settings

    def __post_init__(self) -> None:
        self.identifiers: set[WantedIdentifier] = set()
        self._kept = True
        self._events = self._stream()

    def before(self, count: int) -> Iterator[IncomingEvent]:
        """The first events; their identifiers are remembered, to be asked for."""
        yield from islice(self._events, count)

    def during(self) -> Iterator[IncomingEvent]:
        """All others: repeats of earlier claims, bridges between them, and new people."""
        self._kept = False
        yield from self._events

    def _stream(self) -> Iterator[IncomingEvent]:
        options = GenerateOptions(
            events=self.events, people=max(1, self.events // 4), seed=self.seed, profile=Profile.REFERENCE
        )
        # The path only serves rows without event ids; there are none.
        return RowReader(Path(), defaults=defaults_of(self.settings)).events(self._rows(options))

    def _rows(self, options: GenerateOptions) -> Iterator[tuple[int, dict[str, str]]]:
        kinds = [(kind.label, kind) for kind in IdentifierType]
        for place, event in enumerate(generate_events(options), start=1):
            row = {name: value for name, value in zip(COLUMNS, event.row(), strict=True) if value and name != "truth"}
            if self._kept:
                self.identifiers.update(
                    WantedIdentifier(kind, row["source"] if kind is IdentifierType.CUSTOMER_NUMBER else "", row[label])
                    for label, kind in kinds
                    if label in row
                )
            yield place, row


@dataclass(frozen=True)
class Watched:
    """The targets, and the token of each watched one by its place among them."""

    targets: tuple[Target, ...]
    tokens: Mapping[int, bytes]
    left_out: tuple[str, ...]
    """Kinds of lookups of which the ledger holds none: nobody asks them."""


def choose_targets(
    identifiers: Sequence[WantedIdentifier], *, matcher: Matcher, ledger: Ledger, dsn: str, seed: int, watched: int
) -> Watched:
    """Sorts the identifiers by what the ledger says to them now, adds some that nobody has, and picks those to watch, so many of each kind.

    Only identifiers of one token are watched: of one with several the version told is that of the token which decided.
    """
    strangers = [
        WantedIdentifier(IdentifierType.LOYALTY_CARD, "", f"LDT{seed:06d}{place:06d}X") for place in range(_STRANGERS)
    ]
    expected = expectations(dict.fromkeys([*identifiers, *strangers], False), matcher=matcher, ledger=ledger)
    with psycopg.connect(dsn) as connection:
        merged = {bytes(row[0]) for row in connection.execute(_MERGED)}
    single = _single_tokens([one.wanted for one in expected], matcher=matcher)
    kinds: dict[str, list[tuple[WantedIdentifier, bytes | None]]] = defaultdict(list)
    unknown = set(strangers)
    for one, token in zip(expected, single, strict=True):
        kind = _kind(one, merged=token in merged, stranger=one.wanted in unknown)
        if kind:
            kinds[kind].append((one.wanted, token))
    draw = Random(seed)  # noqa: S311 (equal seed, equal choice)
    targets: list[Target] = []
    tokens: dict[int, bytes] = {}
    for kind in KINDS:
        draw.shuffle(kinds[kind])
        left = watched
        for wanted, token in kinds[kind]:
            watch = left > 0 and token is not None
            if watch and token is not None:
                tokens[len(targets)] = token
                left -= 1
            targets.append(
                Target(kind=kind, type=int(wanted.type), namespace=wanted.namespace, value=wanted.value, watched=watch)
            )
    return Watched(tuple(targets), tokens, tuple(kind for kind in KINDS if not kinds[kind]))


def _kind(one: Expectation, *, merged: bool, stranger: bool) -> str:
    if one.answer is None or not one.usable:
        return ""
    match one.answer.outcome:
        case LookupOutcome.FOUND:
            return "merged" if merged else "hit"
        case LookupOutcome.NEEDS_CONFIRMATION:
            return "question"
        case LookupOutcome.AMBIGUOUS:
            return "shared"
        case _:
            # Somebody's identifier that finds nobody just now would not stay so.
            return "miss" if stranger else ""


def _single_tokens(wanted: Sequence[WantedIdentifier], *, matcher: Matcher) -> list[bytes | None]:
    keys = matcher.lookup_keys(
        [IncomingIdentifier(path="identifier", type=one.type, namespace=one.namespace, raw=one.value) for one in wanted]
    )
    return [
        key.tokens[0] if key is not None and not isinstance(key, Violation) and len(key.tokens) == 1 else None
        for key in keys
    ]
