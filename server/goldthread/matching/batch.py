"""The batch engine: claims in, partition out, all in memory and without a database.

Claims are added in chunks and reduced at once to distinct records (source, canonical claim), so memory grows with the records and
not with the rows, and raw identifiers live no longer than the call that brings them. The result is a function of the set of claims:
neither their order nor the chunking changes it.
"""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import overload

from goldthread import _core
from goldthread.domain.columns import PackedTexts, TextColumn
from goldthread.domain.errors import ModelFileError
from goldthread.domain.words import IdentifierType
from goldthread.matching.keys import Keys
from goldthread.matching.watch import Watch, watched

__all__ = [
    "BatchEngine",
    "BatchHousehold",
    "BatchPairs",
    "BatchResult",
    "BatchReview",
    "ClaimColumns",
    "ClaimGatherer",
    "GatheredRecords",
    "ProfileIds",
    "candidates_of",
    "match_gathered",
    "model_extras",
    "read_claims",
]

_UNUSABLE = -1
_NO_FLOOR = -(1 << 31)
"""Millibits that no score falls below."""
_READERS = 2
"""Chunks that are normalised at once: each uses all cores, but not all of the time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimColumns:
    """Claims as sent, one per row; every column is as long as `sources`. Personal data.

    `attributes` maps names of `ATTRIBUTE_NAMES` and `full_name`. `extras` are further columns by the names under which a model compares them. A
    blank value is the same as None; a row without a source has the default one.
    """

    sources: TextColumn
    identifiers: Mapping[IdentifierType, TextColumn] = field(repr=False)
    attributes: Mapping[str, TextColumn] = field(repr=False)
    extras: Mapping[str, TextColumn] = field(default_factory=dict, repr=False)
    default_source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatheredRecords:
    """The distinct records of many rows, ready to be matched or trained on.

    Records are numbered in the order in which their claims first came.
    """

    records: _core.Records = field(repr=False)
    row_records: Sequence[int] = field(repr=False)
    """Record of each row, -1 where the row has no usable identifier or attribute."""
    invalid: Mapping[str, int]
    placeholders: Mapping[str, int]


def read_claims(claims: ClaimColumns, *, keys: Keys, region: str) -> _core.Claims:
    """The distinct records of a chunk of claims."""
    return _core.Claims.read(
        keys.address,
        keys.token,
        claims.sources,
        {int(kind): column for kind, column in claims.identifiers.items()},
        claims.attributes,
        claims.extras,
        default_source=claims.default_source,
        region=region,
    )


class ClaimGatherer:
    """Collects claims chunk by chunk. Not thread-safe; `add` uses all cores and frees the interpreter lock."""

    def __init__(self, *, keys: Keys, region: str) -> None:
        self._read = partial(read_claims, keys=keys, region=region)
        self._chunks: list[_core.Claims] = []
        self._rows = 0
        self._invalid: Counter[str] = Counter()
        self._placeholders: Counter[str] = Counter()

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return self._rows

    def add(self, claims: ClaimColumns) -> None:
        """Normalises a chunk of claims and keeps its distinct records. Some 50,000 rows are a good size."""
        self._keep(self._read(claims))

    def add_all(self, stream: Iterable[ClaimColumns]) -> Iterator[int]:
        """Adds chunks as they come, several at once, in their order; gives the number of rows after each."""
        waiting: deque[Future[_core.Claims]] = deque()
        with ThreadPoolExecutor(max_workers=_READERS, thread_name_prefix="claims") as pool:
            for claims in stream:
                waiting.append(pool.submit(self._read, claims))
                while len(waiting) > _READERS:
                    yield self._keep(waiting.popleft().result())
            while waiting:
                yield self._keep(waiting.popleft().result())

    def _keep(self, chunk: _core.Claims) -> int:
        self._rows += chunk.rows
        self._invalid.update(chunk.invalid())
        self._placeholders.update(chunk.placeholders())
        self._chunks.append(chunk)
        return self._rows

    def gather(self) -> GatheredRecords:
        """The distinct records of every chunk added so far; the chunks are let go, so this is the end of them."""
        records, rows = _core.gather(self._chunks)
        self._chunks.clear()
        return GatheredRecords(
            records=records,
            row_records=memoryview(rows).cast("i"),
            invalid=dict(self._invalid),
            placeholders=dict(self._placeholders),
        )


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
    """Candidates as columns: two records, numbered as in `BatchResult`, and the probability that they are one person."""

    left: Sequence[int] = field(repr=False)
    right: Sequence[int] = field(repr=False)
    probabilities: Sequence[float] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The partition of the claims under one model.

    Records are numbered in the order in which their claims first came; a cluster is named by that of its record with the lowest address.
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
    profile_ids: ProfileIds = field(repr=False)
    """Public profile ids of the rows."""

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
    """Collects claims, then resolves all of them at once. Not thread-safe; the work uses all cores and frees the interpreter lock.

    `closed_tokens` are generic by use: what only events tell, so whoever has none leaves them out. Raises `ModelFileError` if the model does
    not parse.
    """

    def __init__(self, *, model_text: str, keys: Keys, region: str, closed_tokens: Iterable[bytes] = ()) -> None:
        self._model = _parsed(model_text)
        self._claims = ClaimGatherer(keys=keys, region=region)
        self._closed_tokens = list(closed_tokens)

    @property
    def rows(self) -> int:
        """Rows added so far."""
        return self._claims.rows

    def add(self, claims: ClaimColumns) -> None:
        """Normalises a chunk and keeps the records not seen before. Some 50,000 rows are a good size."""
        self._claims.add(claims)

    def resolve(self) -> BatchResult:
        """Blocks, scores and partitions every record added so far, once."""
        return _matched(self._claims.gather(), self._model, self._closed_tokens, None)


def match_gathered(
    gathered: GatheredRecords,
    *,
    model_text: str,
    closed_tokens: Iterable[bytes] = (),
    watch: Watch | None = None,
) -> BatchResult:
    """The partition of gathered records; may be asked again under another model.

    `watch` is called a few times a second, from another thread. Raises `ModelFileError` if the model does not parse.
    """
    model = _parsed(model_text)
    with watched(watch) as progress:
        return _matched(gathered, model, list(closed_tokens), progress)


def model_extras(model_text: str) -> frozenset[str]:
    """Names of the further columns that a model compares. Raises `ModelFileError` if it does not parse."""
    return frozenset(name for name, _ in _parsed(model_text).extras)


def _parsed(model_text: str) -> _core.Model:
    try:
        return _core.Model.parse(model_text)
    except _core.ModelError as error:
        key, reason = error.args
        raise ModelFileError(f"the match model is not valid: {reason}", metadata={"key": key}) from None


def _matched(
    gathered: GatheredRecords, model: _core.Model, closed_tokens: Sequence[bytes], progress: _core.Progress | None
) -> BatchResult:
    clusters, ambiguous, contenders, reviews, households, counts = _core.match_records(
        gathered.records, model, closed_tokens=closed_tokens, progress=progress
    )
    probabilities = model.probabilities([review[2] for review in reviews])
    return BatchResult(
        model_version=model.version,
        calibrated=model.calibrated,
        row_records=gathered.row_records,
        record_addresses=_Addresses(gathered.records),
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
        invalid=gathered.invalid,
        placeholders=gathered.placeholders,
        counts=counts,
        profile_ids=ProfileIds(_core.ProfileIds(gathered.records, clusters), gathered.row_records),
    )


def candidates_of(gathered: GatheredRecords, *, model_text: str, closed_tokens: Iterable[bytes] = ()) -> BatchPairs:
    """Every candidate of gathered records, in ascending order, whatever its probability. Memory grows with the candidates.

    Raises `ModelFileError` if the model does not parse.
    """
    model = _parsed(model_text)
    left, right, scores = _core.candidate_pairs(gathered.records, model, _NO_FLOOR, closed_tokens=list(closed_tokens))
    return BatchPairs(left=left, right=right, probabilities=model.probabilities(scores))


class ProfileIds:
    """Public profile ids of the rows of a batch: that of a profile is the smallest birth id of its records (see `birth_id_of`)."""

    __slots__ = ("_ids", "_rows")

    def __init__(self, ids: _core.ProfileIds, rows: Sequence[int]) -> None:
        self._ids = ids
        self._rows = rows

    def column(self, start: int, stop: int) -> PackedTexts:
        """Ids of a range of rows; none where a row has no usable claim."""
        return self._packed(self._rows[start:stop])

    def of_rows(self, rows: Iterable[int]) -> list[str | None]:
        """Ids of some rows."""
        return self._packed(self._rows[row] for row in rows).texts()

    def _packed(self, records: Iterable[int]) -> PackedTexts:
        return PackedTexts(
            *self._ids.column(bytes(records if isinstance(records, memoryview) else array("i", records)))
        )


class _Addresses(Sequence[bytes]):
    """Addresses of records, made when asked for: all of them at once would take more memory than the records."""

    __slots__ = ("_records",)

    def __init__(self, records: _core.Records) -> None:
        self._records = records

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        if isinstance(index, slice):
            return [self._records.address(record) for record in range(*index.indices(len(self)))]
        return self._records.address(index + len(self) if index < 0 else index)

    def __iter__(self) -> Iterator[bytes]:
        return map(self._records.address, range(len(self)))
