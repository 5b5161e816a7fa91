"""The batch engine: claims in, partition out, all in memory and without a database.

Claims are added in chunks and reduced at once to distinct records (source, canonical claim), so memory grows with the records and
not with the rows, and raw identifiers live no longer than the call that brings them. The result is a function of the set of claims:
neither their order nor the chunking changes it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from goldthread import _core
from goldthread.domain.errors import ModelFileError
from goldthread.domain.words import ATTRIBUTE_NAMES, DigestForm, IdentifierStatus, IdentifierType
from goldthread.matching.keys import Keys

__all__ = ["BatchEngine", "BatchHousehold", "BatchPairs", "BatchResult", "BatchReview", "ClaimColumns"]

_UNUSABLE = -1
_NO_FLOOR = -(1 << 31)
"""Millibits that no score falls below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimColumns:
    """Claims as sent, one per row; every column is as long as `sources`. Personal data.

    `attributes` maps names of `ATTRIBUTE_NAMES` and `full_name`. `extras` are further columns by the names under which a model compares them;
    every chunk has the same. A blank value is the same as None.
    """

    sources: Sequence[str]
    identifiers: Mapping[IdentifierType, Sequence[str | None]] = field(repr=False)
    attributes: Mapping[str, Sequence[str | None]] = field(repr=False)
    extras: Mapping[str, Sequence[str | None]] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReview:
    """Two clusters that may be one person, named as in `BatchResult`; strength in millibits.

    `record` and `other_record` are the pair of records with the best score between the two.
    """

    cluster: int
    other_cluster: int
    strength: int
    probability: float
    record: int
    other_record: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHousehold:
    """Two clusters that would be one person if there were no households: a relation, never a merge. Named as in `BatchReview`.

    `strength` is the evidence against strangers, in millibits, of the pair shown: the largest between the two.
    """

    cluster: int
    other_cluster: int
    strength: int
    record: int
    other_record: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPairs:
    """Candidates as parallel columns: two records, numbered as in `BatchResult`, and the probability that they are one person."""

    left: Sequence[int] = field(repr=False)
    right: Sequence[int] = field(repr=False)
    probabilities: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The partition of the claims under one model.

    Records are numbered in the order in which their claims first came; a cluster is named by the number of its record with the lowest
    address.
    """

    model_version: str
    calibrated: bool
    row_records: Sequence[int] = field(repr=False)
    """Record of each row, -1 where the row has no usable identifier or attribute."""
    record_addresses: Sequence[bytes] = field(repr=False)
    record_clusters: Sequence[int] = field(repr=False)
    ambiguous: frozenset[int] = field(repr=False)
    """Clusters of one record that fit two clusters about equally well which are two people."""
    contenders: tuple[tuple[int, int], ...] = field(repr=False)
    """`(ambiguous cluster, cluster it would fit)`."""
    reviews: tuple[BatchReview, ...] = field(repr=False)
    households: tuple[BatchHousehold, ...] = field(repr=False)
    invalid: Mapping[str, int]
    """Values that were present but invalid, by column. They became missing, save that dates of no calendar day keep their digits."""
    placeholders: Mapping[str, int]
    """Identifiers that hold no information (`n/a`, `test@test.com`) and became missing, by column."""
    counts: Mapping[str, int]
    """Counts of the core: candidates, pairs, components, largest_component, generic_tokens, crowded_keys."""

    @property
    def addresses(self) -> list[bytes | None]:
        """Record address of each row; None where the row has no usable claim."""
        return [None if record == _UNUSABLE else self.record_addresses[record] for record in self.row_records]

    @property
    def clusters(self) -> list[int | None]:
        """Cluster of each row; None where the row has no usable claim."""
        return [None if record == _UNUSABLE else self.record_clusters[record] for record in self.row_records]

    @property
    def profiles(self) -> int:
        """Number of clusters."""
        return len(set(self.record_clusters))


class BatchEngine:
    """Collects claims, then resolves all of them at once. Not thread-safe; `resolve` uses all cores and frees the interpreter lock.

    `closed_tokens` are generic by use: what only events tell, so whoever has none leaves them out. Raises `ModelFileError` if the model does
    not parse.
    """

    def __init__(self, *, model_text: str, keys: Keys, region: str, closed_tokens: Iterable[bytes] = ()) -> None:
        try:
            self._model = _core.Model.parse(model_text)
        except _core.ModelError as error:
            key, reason = error.args
            raise ModelFileError(f"the match model is not valid: {reason}", metadata={"key": key}) from None
        self._keys = keys
        self._region = region
        self._closed_tokens = list(closed_tokens)
        self._row_records = array("q")
        self._by_address: dict[bytes, int] = {}
        self._attributes: dict[str, list[str | None]] = {name: [] for name in ATTRIBUTE_NAMES}
        self._extras: dict[str, list[str | None]] = {}
        self._tokens = _TokenColumns()
        self._invalid: Counter[str] = Counter()
        self._placeholders: Counter[str] = Counter()

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return len(self._row_records)

    @property
    def records(self) -> int:
        """Distinct records among them."""
        return len(self._by_address)

    def add(self, claims: ClaimColumns) -> None:
        """Normalises a chunk of claims and keeps the records not seen before. A chunk of some 10,000 rows is a good size."""
        clean = self._clean_attributes(claims)
        extras = {name: _core.normalize_extras(column) for name, column in claims.extras.items()}
        found = self._clean_identifiers(claims)
        rows = len(claims.sources)
        addresses = _core.address_records(
            self._keys.address,
            claims.sources,
            found.offsets,
            found.types,
            found.namespaces,
            found.forms,
            found.values,
            clean,
            [0] * rows,
            extras=extras,
        )
        columns = [*(clean[name] for name in ATTRIBUTE_NAMES), *extras.values()]
        first_rows: list[int] = []
        for row, address in enumerate(addresses):
            if found.offsets[row] == found.offsets[row + 1] and all(column[row] is None for column in columns):
                self._row_records.append(_UNUSABLE)
                continue
            record = self._by_address.get(address)
            if record is None:
                record = self._by_address[address] = len(self._by_address)
                first_rows.append(row)
            self._row_records.append(record)
        self._keep(first_rows, clean, extras, found)

    def resolve(self) -> BatchResult:
        """Blocks, scores and partitions every record added so far."""
        addresses = list(self._by_address)
        records = self._records()
        clusters, ambiguous, contenders, reviews, households, counts = _core.match_records(
            records, self._model, closed_tokens=self._closed_tokens
        )
        probabilities = self._model.probabilities([review[2] for review in reviews])
        return BatchResult(
            model_version=self._model.version,
            calibrated=self._model.calibrated,
            row_records=self._row_records[:],
            record_addresses=addresses,
            record_clusters=clusters,
            ambiguous=frozenset(ambiguous),
            contenders=tuple(contenders),
            reviews=tuple(
                BatchReview(
                    cluster=cluster,
                    other_cluster=other,
                    strength=strength,
                    probability=probability,
                    record=record,
                    other_record=other_record,
                )
                for (cluster, other, strength, record, other_record), probability in zip(
                    reviews, probabilities, strict=True
                )
            ),
            households=tuple(
                BatchHousehold(
                    cluster=cluster, other_cluster=other, strength=strength, record=record, other_record=other_record
                )
                for cluster, other, strength, record, other_record in households
            ),
            invalid=dict(self._invalid),
            placeholders=dict(self._placeholders),
            counts=counts,
        )

    def candidates(self) -> BatchPairs:
        """Every candidate of the records added so far, in ascending order, whatever its probability. Memory grows with the candidates."""
        left, right, scores = _core.candidate_pairs(
            self._records(), self._model, _NO_FLOOR, closed_tokens=self._closed_tokens
        )
        return BatchPairs(left=left, right=right, probabilities=self._model.probabilities(scores))

    def _records(self) -> _core.Records:
        tokens = self._tokens
        return _core.Records(
            list(self._by_address),
            self._attributes,
            tokens.offsets,
            tokens.types,
            tokens.namespaces,
            tokens.forms,
            tokens.values,
            extras=self._extras,
        )

    def _clean_attributes(self, claims: ClaimColumns) -> dict[str, list[str | None]]:
        clean, invalid = _core.normalize_attributes(claims.attributes, region=self._region)
        self._invalid.update(name for _, name in invalid)
        nothing: list[str | None] = [None] * len(claims.sources)
        return {name: clean.get(name, nothing) for name in ATTRIBUTE_NAMES}

    def _clean_identifiers(self, claims: ClaimColumns) -> _TokenColumns:
        rows = len(claims.sources)
        columns = []
        for kind in sorted(claims.identifiers):
            statuses, canonical, folded = _core.normalize_identifiers(
                [kind] * rows, claims.identifiers[kind], region=self._region
            )
            counts = Counter(statuses)
            self._invalid[kind.label] += counts[IdentifierStatus.INVALID]
            self._placeholders[kind.label] += counts[IdentifierStatus.PLACEHOLDER]
            columns.append((kind, canonical, folded))
        found = _TokenColumns()
        for row, source in enumerate(claims.sources):
            for kind, canonical, folded in columns:
                namespace = source if kind is IdentifierType.CUSTOMER_NUMBER else ""
                digest, folded_digest = canonical[row], folded[row]
                if digest is not None:
                    found.append(kind, namespace, DigestForm.CANONICAL, digest)
                if folded_digest is not None:
                    found.append(kind, namespace, DigestForm.GMAIL_FOLDED, folded_digest)
            found.offsets.append(len(found.types))
        return found

    def _keep(
        self,
        rows: Sequence[int],
        clean: Mapping[str, Sequence[str | None]],
        extras: Mapping[str, Sequence[str | None]],
        found: _TokenColumns,
    ) -> None:
        for name, values in extras.items():
            self._extras.setdefault(name, []).extend(values[row] for row in rows)
        for name, column in self._attributes.items():
            values = clean[name]
            column.extend(values[row] for row in rows)
        new = _TokenColumns()
        for row in rows:
            for item in range(found.offsets[row], found.offsets[row + 1]):
                new.append(found.types[item], found.namespaces[item], found.forms[item], found.values[item])
            new.offsets.append(len(new.types))
        new.values = _core.tokenize(self._keys.token, new.types, new.namespaces, new.forms, new.values)
        self._tokens.extend(new)


class _TokenColumns:
    """Identifiers of many rows as parallel columns; row i owns items `offsets[i]:offsets[i + 1]`. Values are digests or tokens."""

    __slots__ = ("forms", "namespaces", "offsets", "types", "values")

    def __init__(self) -> None:
        self.offsets: list[int] = [0]
        self.types: list[int] = []
        self.namespaces: list[str] = []
        self.forms: list[int] = []
        self.values: list[bytes] = []

    def append(self, kind: int, namespace: str, form: int, value: bytes) -> None:
        """Adds an identifier to the row that is open."""
        self.types.append(int(kind))
        self.namespaces.append(namespace)
        self.forms.append(int(form))
        self.values.append(value)

    def extend(self, other: _TokenColumns) -> None:
        """Adds the rows of another after the own ones."""
        start = len(self.types)
        self.offsets.extend(start + offset for offset in other.offsets[1:])
        self.types.extend(other.types)
        self.namespaces.extend(other.namespaces)
        self.forms.extend(other.forms)
        self.values.extend(other.values)
