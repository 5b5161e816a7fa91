"""The matcher: one match model, the service's keys and a default region, over batches.

Thread-safe: it holds nothing that changes. Everything heavy runs in the Rust core with the interpreter lock released.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from goldthread import _core
from goldthread.domain.errors import ModelFileError
from goldthread.domain.words import (
    ATTRIBUTE_NAMES,
    AttributeValues,
    Claim,
    DigestForm,
    Identifier,
    IdentifierStatus,
    IdentifierType,
    IncomingEvent,
    IncomingIdentifier,
    RejectionReason,
    Rival,
    Violation,
)
from goldthread.matching.attributes import clean_attributes
from goldthread.matching.epochs import epoch_address
from goldthread.matching.identifiers import LookupKey, check_region, digest_values, lookup_keys
from goldthread.matching.keys import Keys
from goldthread.matching.reading import EventReader

__all__ = [
    "BlockingKey",
    "ClusterHousehold",
    "ClusterReview",
    "Clustering",
    "Matchable",
    "Matcher",
    "Refusal",
    "ScoredPair",
]

_TYPE_LABELS = {kind.value: kind.label for kind in IdentifierType}
_TYPES = {kind.value: kind for kind in IdentifierType}
_CUSTOMER_NUMBER = int(IdentifierType.CUSTOMER_NUMBER)
_FORMS = {form.value: form for form in DigestForm}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event's values cannot be used."""

    reason: RejectionReason
    violations: tuple[Violation, ...]


class Matchable(NamedTuple):
    """What the core compares of one record: its address, clean attributes and the tokens that mean something."""

    address: bytes
    attributes: AttributeValues
    tokens: Sequence[tuple[int, str, int, bytes]]

    def __repr__(self) -> str:
        """Its address, cut: the rest is personal data."""
        return f"Matchable({self.address[:4].hex()}…)"


class BlockingKey(NamedTuple):
    """A blocking key of record number `row`; `parent` is the key one refinement before it (0 at depth 0)."""

    row: int
    rule: int
    depth: int
    key: int
    parent: int


class ScoredPair(NamedTuple):
    """A kept pair: place in the input, score, level and weight per comparison (millibits), the weights against its nearest rival."""

    place: int
    score: int
    levels: bytes
    weights: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ClusterReview:
    """A review between two clusters, named by rows, with the best pair of rows between them."""

    low: int
    high: int
    strength: int
    low_row: int
    high_row: int


@dataclass(frozen=True, slots=True)
class ClusterHousehold:
    """Two clusters that would be one person if there were no households: a relation, never a merge. Named as in `ClusterReview`.

    `strength` is the evidence of the pair shown against strangers, the largest between the two.
    """

    low: int
    high: int
    strength: int
    low_row: int
    high_row: int


@dataclass(frozen=True, slots=True)
class Clustering:
    """A partition: cluster of each row (named by a row), ambiguous clusters with their contenders, reviews, households."""

    clusters: list[int]
    ambiguous: dict[int, set[int]]
    reviews: list[ClusterReview]
    households: list[ClusterHousehold]


class Matcher:
    """One model, one set of keys, one region."""

    def __init__(self, *, model_text: str, keys: Keys, region: str) -> None:
        try:
            self._model = _core.Model.parse(model_text)
        except _core.ModelError as error:
            key, reason = error.args
            raise ModelFileError(f"the match model is not valid: {reason}", metadata={"key": key}) from None
        self.model_text = model_text
        self.model_sha256 = hashlib.sha256(model_text.encode()).digest()
        self.model_version = self._model.version
        self.calibrated = self._model.calibrated
        self.link = self._model.link
        self.once = self._model.once
        self.max_block = self._model.max_block
        self.max_component = self._model.max_component
        self.block_depth = self._model.block_depth
        self.generic_records = self._model.generic_records
        self.purchases_per_day = self._model.purchases_per_day
        self.stores_per_day = self._model.stores_per_day
        self.phone_gap_days = self._model.phone_gap_days
        self.generic_limits = [self._model.generic_limit(kind) for kind in IdentifierType]
        self.normalizer_version = _core.NORMALIZER_VERSION
        self.key_version = keys.version
        check_region(region)
        self.key_fingerprint = keys.fingerprint
        self._keys = keys
        self._region = region
        self._levels = {name: self._model.level_names(name) for name in self._model.comparisons}

    def lookup_keys(self, identifiers: Sequence[IncomingIdentifier]) -> list[LookupKey | Violation | None]:
        """Tokens to look up for each identifier, its violation, or None for a blank or placeholder."""
        return lookup_keys(identifiers, keys=self._keys, region=self._region)

    def event_reader(self, *, currency: str) -> EventReader:
        """What reads valid events straight from their messages, under the same keys and region."""
        return EventReader(keys=self._keys, region=self._region, currency=currency)

    def normalize(self, events: Sequence[IncomingEvent]) -> tuple[list[Claim | Refusal], Counter[tuple[str, str]]]:
        """Usable claims, or why not, parallel to the input; and how many identifiers had which `(type, status)`.

        Identifiers must be of known types. Blank and placeholder values are taken away; an invalid one refuses the event.
        """
        flat = [identifier for event in events for identifier in event.identifiers]
        digested = iter(digest_values(flat, region=self._region))
        clean, invalid = clean_attributes([event.attributes for event in events], region=self._region)
        seen: Counter[tuple[int, IdentifierStatus]] = Counter()
        results: list[Claim | Refusal] = []
        for row, event in enumerate(events):
            violations = [
                Violation(f"claim.attributes.{name}", "is not a valid value") for name in invalid.get(row, ())
            ]
            kept: set[tuple[int, str, int, bytes]] = set()
            for identifier in event.identifiers:
                status, digest, folded = next(digested)
                kind = identifier.type
                seen[kind, status] += 1
                if status is IdentifierStatus.INVALID:
                    violations.append(Violation(identifier.path, f"is not a valid {_TYPE_LABELS[kind]}"))
                elif status is IdentifierStatus.OK and digest is not None:
                    namespace = event.source if kind == _CUSTOMER_NUMBER else identifier.namespace
                    kept.add((kind, namespace, identifier.form, digest))
                    if folded is not None:
                        kept.add((kind, namespace, DigestForm.GMAIL_FOLDED, folded))
            attributes = clean[row]
            if violations:
                results.append(Refusal(RejectionReason.INVALID_FIELD, tuple(violations)))
            elif not kept and not any(attributes):
                no_claim = Violation(
                    "claim", "has no identifier and no attribute once blanks and placeholders are taken away"
                )
                results.append(Refusal(RejectionReason.NO_USABLE_CLAIM, (no_claim,)))
            else:
                identifiers = tuple(
                    Identifier(_TYPES[kind], namespace, _FORMS[form], digest)
                    for kind, namespace, form, digest in sorted(kept)
                )
                results.append(Claim(source=event.source, identifiers=identifiers, attributes=attributes))
        told = {(_TYPE_LABELS[kind], status.name.lower()): count for (kind, status), count in seen.items()}
        return results, Counter(told)

    def addresses(self, claims: Sequence[Claim]) -> list[bytes]:
        """Record addresses of claims at epoch 0, 32 bytes each."""
        offsets, types, namespaces, forms, digests = _flatten(claims)
        columns = {name: [claim.attributes[place] for claim in claims] for place, name in enumerate(ATTRIBUTE_NAMES)}
        sources = [claim.source for claim in claims]
        return _core.address_records(
            self._keys.address, sources, offsets, types, namespaces, forms, digests, columns, [0] * len(claims)
        )

    def epoch_address(self, base: bytes, opener: bytes | None) -> bytes:
        """Address of the record on which the events of one epoch of a claim hang; the base address where nobody opened it."""
        return epoch_address(self._keys.address, base, opener)

    def tokens(self, claims: Sequence[Claim]) -> list[list[tuple[int, str, int, bytes]]]:
        """`(type, namespace, form, token)` of every identifier of each claim."""
        offsets, types, namespaces, forms, digests = _flatten(claims)
        rows = list(
            zip(
                types,
                namespaces,
                forms,
                _core.tokenize(self._keys.token, types, namespaces, forms, digests),
                strict=True,
            )
        )
        return [rows[start:end] for start, end in pairwise(offsets)]

    def name_keys(self, records: Sequence[Matchable]) -> list[str | None]:
        """Name key of each record: what tells contradicting names of one token apart."""
        return self._records(records).name_keys()

    def blocking_keys(self, records: Sequence[Matchable]) -> list[BlockingKey]:
        """Every blocking key of every record, all depths."""
        columns = _core.blocking_keys(self._keys.blocking, self._records(records), self._model)
        return list(map(BlockingKey._make, zip(*columns, strict=True)))

    def score(self, records: Sequence[Matchable], pairs: Sequence[tuple[int, int]]) -> list[ScoredPair]:
        """Pairs of rows that are kept: at or above the model's floor, or kin (they would be one person if there were no households)."""
        return self._score(records, pairs, cutoff=self._model.edge_floor)

    def score_all(self, records: Sequence[Matchable], pairs: Sequence[tuple[int, int]]) -> list[ScoredPair]:
        """Every pair of rows, however little speaks for it: for explaining why two are not one."""
        return self._score(records, pairs, cutoff=None)

    def _score(
        self, records: Sequence[Matchable], pairs: Sequence[tuple[int, int]], *, cutoff: int | None
    ) -> list[ScoredPair]:
        if not pairs:
            return []
        places, scores, levels, weights = _core.score_pairs(
            self._records(records), [a for a, _ in pairs], [b for _, b in pairs], self._model, cutoff=cutoff
        )
        width = len(self._levels)
        return [
            ScoredPair(
                place, score, levels[at * width : (at + 1) * width], tuple(weights[at * width : (at + 1) * width])
            )
            for at, (place, score) in enumerate(zip(places, scores, strict=True))
        ]

    def partition(
        self,
        records: Sequence[Matchable],
        pairs: Sequence[tuple[int, int, int]],
        *,
        same: Sequence[tuple[int, int]],
        different: Sequence[tuple[int, int]],
    ) -> Clustering:
        """Partition of whole components; `pairs` are `(row, row, score)` of those that `score` keeps."""
        clusters, flagged, contenders, reviews, households = _core.partition(
            self._records(records),
            [p[0] for p in pairs],
            [p[1] for p in pairs],
            [p[2] for p in pairs],
            same,
            different,
            self._model,
        )
        ambiguous: dict[int, set[int]] = {cluster: set() for cluster in flagged}
        for cluster, contender in contenders:
            ambiguous[cluster].add(contender)
        return Clustering(
            clusters,
            ambiguous,
            [ClusterReview(*review) for review in reviews],
            [ClusterHousehold(*household) for household in households],
        )

    def probabilities(self, scores: Sequence[int]) -> list[float]:
        """Posterior probabilities of "same person" under the model."""
        return self._model.probabilities(scores)

    def contributions(self, levels: bytes, weights: Sequence[int]) -> list[tuple[str, str, int]]:
        """`(comparison, level, millibits)` of a scored pair, missing comparisons left out."""
        return [
            (name, self._levels[name][level], weight)
            for name, level, weight in zip(self._levels, levels, weights, strict=True)
            if level
        ]

    def nearest_rival(self, score: int, weights: Sequence[int]) -> Rival:
        """What a scored pair most probably is if not one person: score and weights are against it."""
        against_household = score - sum(weights) == self._model.household_prior != self._model.stranger_prior
        return Rival.HOUSEHOLD if against_household else Rival.STRANGERS

    def seal(self, nonces: Sequence[bytes], contexts: Sequence[bytes], values: Sequence[bytes]) -> list[bytes]:
        """Seals dead letters; nonces are 24 random bytes each, used once."""
        return _core.seal(self._keys.seal, nonces, contexts, values)

    def unseal(self, contexts: Sequence[bytes], sealed: Sequence[bytes]) -> list[bytes]:
        """Opens sealed dead letters."""
        return _core.unseal(self._keys.seal, contexts, sealed)

    def _records(self, records: Sequence[Matchable]) -> _core.Records:
        offsets = [0]
        flat: list[tuple[int, str, int, bytes]] = []
        for record in records:
            flat.extend(record.tokens)
            offsets.append(len(flat))
        columns: Mapping[str, Sequence[str | None]] = {
            name: [record.attributes[place] for record in records] for place, name in enumerate(ATTRIBUTE_NAMES)
        }
        return _core.Records(
            [record.address for record in records],
            columns,
            offsets,
            [row[0] for row in flat],
            [row[1] for row in flat],
            [row[2] for row in flat],
            [row[3] for row in flat],
        )


def _flatten(claims: Sequence[Claim]) -> tuple[list[int], list[int], list[str], list[int], list[bytes]]:
    offsets, types, namespaces, forms, digests = [0], [], [], [], []
    for claim in claims:
        for identifier in claim.identifiers:
            types.append(int(identifier.type))
            namespaces.append(identifier.namespace)
            forms.append(int(identifier.form))
            digests.append(identifier.digest)
        offsets.append(len(types))
    return offsets, types, namespaces, forms, digests
