"""The batch story: a table of claims becomes records and profiles, without a ledger.

The partition is the one the ledger would hold after the same claims had been streamed into it, whatever their order. With the
ledger's keys the record addresses are the same as well, which is how the two are compared.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Protocol
from uuid import UUID

from goldthread.domain.columns import PackedTexts, TextColumn
from goldthread.domain.words import ATTRIBUTE_NAMES, IdentifierType
from goldthread.matching.batch import (
    BatchEngine,
    BatchResult,
    ClaimColumns,
    ClaimGatherer,
    GatheredRecords,
)
from goldthread.matching.keys import Keys

__all__ = [
    "CLAIM_COLUMNS",
    "DEFAULT_SOURCE",
    "MatchProgress",
    "MatchStage",
    "MatchSummary",
    "batch_keys",
    "birth_id_of",
    "claim_columns",
    "gather_batches",
    "gather_columns",
    "match_rows",
    "profile_ids",
    "summarize",
]

DEFAULT_SOURCE = "file"
"""Source of rows that do not name theirs."""

_CHUNK_ROWS = 50_000
_IDENTIFIERS = {kind.label: kind for kind in IdentifierType}
_ATTRIBUTES = (*ATTRIBUTE_NAMES, "full_name")

CLAIM_COLUMNS = frozenset({*_IDENTIFIERS, *_ATTRIBUTES})
"""Columns of the flat row format that say something about a customer; all others are passed over."""


class MatchStage(StrEnum):
    """What a batch run is busy with."""

    READ = "read"
    GATHER = "gather"
    TRAIN = "train"
    MATCH = "match"


class MatchProgress(Protocol):
    """Told how a batch run goes on."""

    def begin(self, stage: MatchStage) -> None:
        """A stage begins."""

    def report(self, step: str, done: int, total: int) -> None:
        """How much of a step of the stage is done; `total` is 0 where nobody knows. May come from another thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSummary:
    """What a batch run found, in numbers. `unusable` rows have no usable identifier or attribute and no profile."""

    rows: int
    unusable: int
    records: int
    candidates: int
    """Pairs of records that were compared."""
    profiles: int
    merged_records: int
    """Records that share their profile with another record."""
    reviews: int
    ambiguous: int
    largest_profile: int
    """Records of the largest profile."""
    invalid: Mapping[str, int]
    placeholders: Mapping[str, int]


def batch_keys() -> Keys:
    """Keys of runs that were given none.

    They are no secret: a batch run keeps nothing and its tokens never leave the process. They are fixed so that a file gets the same
    profile ids whenever and wherever it is matched.
    """
    return Keys.derive(b"goldthread batch keeps nothing".ljust(32, b"."))


def gather_columns(
    columns: Mapping[str, Sequence[str | None]],
    *,
    keys: Keys,
    region: str,
    default_source: str = DEFAULT_SOURCE,
    extras: Mapping[str, Sequence[str | None]] | None = None,
    chunk_rows: int = _CHUNK_ROWS,
) -> GatheredRecords:
    """The distinct records of a table in the flat row format, which may be trained on and matched; `extras` are columns beyond it."""
    gatherer = ClaimGatherer(keys=keys, region=region)
    total = max((len(column) for column in columns.values()), default=0)
    for start in range(0, total, chunk_rows):
        stop = min(start + chunk_rows, total)
        part, more = ({name: column[start:stop] for name, column in table.items()} for table in (columns, extras or {}))
        gatherer.add(claim_columns(part, rows=stop - start, default_source=default_source, extras=more))
    return gatherer.gather()


def gather_batches(
    batches: Iterable[ClaimColumns], *, keys: Keys, region: str, progress: MatchProgress | None = None
) -> GatheredRecords:
    """The distinct records of claims that come in batches. Memory grows with the records, not with the batches."""
    gatherer = ClaimGatherer(keys=keys, region=region)
    if progress is None:
        deque(gatherer.add_all(batches), maxlen=0)
        return gatherer.gather()
    progress.begin(MatchStage.READ)
    for rows in gatherer.add_all(batches):
        progress.report(MatchStage.READ, rows, 0)
    progress.begin(MatchStage.GATHER)
    return gatherer.gather()


def match_rows(
    rows: Iterable[Mapping[str, str]],
    *,
    keys: Keys,
    model_text: str,
    region: str,
    default_source: str = DEFAULT_SOURCE,
    chunk_rows: int = _CHUNK_ROWS,
) -> BatchResult:
    """The same for rows in the flat format; an absent or empty field is missing. Rows are read once, in chunks."""
    engine = BatchEngine(model_text=model_text, keys=keys, region=region)
    names = ("source", *sorted(CLAIM_COLUMNS))
    stream = iter(rows)
    while chunk := list(islice(stream, chunk_rows)):
        columns = {name: [row.get(name) for row in chunk] for name in names}
        engine.add(claim_columns(columns, rows=len(chunk), default_source=default_source))
    return engine.resolve()


def birth_id_of(address: bytes) -> UUID:
    """Birth id of a record in a batch run: its address as a UUID of version 8."""
    bits = int.from_bytes(address[:16])
    bits &= ~((0xF << 76) | (0b11 << 62))
    return UUID(int=bits | (8 << 76) | (0b10 << 62))


def profile_ids(result: BatchResult) -> list[str | None]:
    """Public profile id of each row, from the smallest birth id of the profile's records; None where the row has no usable claim."""
    return result.profile_ids.column(0, len(result.row_records)).texts()


def summarize(result: BatchResult) -> MatchSummary:
    """Counts of a result."""
    sizes = Counter(result.record_clusters)
    return MatchSummary(
        rows=len(result.row_records),
        unusable=list(result.row_records).count(-1),
        records=len(result.record_addresses),
        candidates=result.counts["candidates"],
        profiles=len(sizes),
        merged_records=sum(size for size in sizes.values() if size > 1),
        reviews=len(result.reviews),
        ambiguous=len(result.ambiguous),
        largest_profile=max(sizes.values(), default=0),
        invalid={name: count for name, count in sorted(result.invalid.items()) if count},
        placeholders={name: count for name, count in sorted(result.placeholders.items()) if count},
    )


def claim_columns(
    columns: Mapping[str, TextColumn],
    *,
    rows: int,
    default_source: str = DEFAULT_SOURCE,
    extras: Mapping[str, TextColumn] | None = None,
) -> ClaimColumns:
    """The claims of a table in the flat row format; columns that say nothing of a customer are passed over."""
    return ClaimColumns(
        sources=columns.get("source") or PackedTexts.missing(rows),
        identifiers={kind: columns[name] for name, kind in _IDENTIFIERS.items() if name in columns},
        attributes={name: columns[name] for name in _ATTRIBUTES if name in columns},
        extras=extras or {},
        default_source=default_source,
    )
