"""The batch story: a table of claims becomes profiles, without a ledger.

The partition is the one the ledger would hold after the same claims had been streamed into it, whatever their order. With the
ledger's keys the record addresses are the same as well, which is how the two are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import TypeAlias
from uuid import UUID

from goldthread.domain.words import ATTRIBUTE_NAMES, IdentifierType, profile_public_id
from goldthread.matching.batch import BatchEngine, BatchPairs, BatchResult, ClaimColumns
from goldthread.matching.keys import Keys

__all__ = [
    "CLAIM_COLUMNS",
    "DEFAULT_SOURCE",
    "MatchProgress",
    "MatchStage",
    "MatchSummary",
    "batch_keys",
    "birth_id_of",
    "match_columns",
    "match_columns_and_pairs",
    "match_rows",
    "profile_ids",
    "summarize",
]

DEFAULT_SOURCE = "file"
"""Source of rows that do not name theirs."""

_CHUNK_ROWS = 10_000
_IDENTIFIERS = {kind.label: kind for kind in IdentifierType}
_ATTRIBUTES = (*ATTRIBUTE_NAMES, "full_name")

CLAIM_COLUMNS = frozenset({*_IDENTIFIERS, *_ATTRIBUTES})
"""Columns of the flat row format that say something about a customer; all others are passed over."""


class MatchStage(StrEnum):
    """What a batch run is busy with."""

    NORMALIZE = "normalize"
    RESOLVE = "resolve"


MatchProgress: TypeAlias = Callable[[MatchStage, int], None]
"""Called when work moves on: rows normalised so far, then once with the number of records about to be resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSummary:
    """What a batch run found, in numbers. `unusable` rows have no usable identifier or attribute and no profile."""

    rows: int
    unusable: int
    records: int
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


def match_columns(
    columns: Mapping[str, Sequence[str | None]],
    *,
    keys: Keys,
    model_text: str,
    region: str,
    default_source: str = DEFAULT_SOURCE,
    progress: MatchProgress | None = None,
    chunk_rows: int = _CHUNK_ROWS,
) -> BatchResult:
    """Partition of a table in the flat row format; row i of the result is row i of the columns.

    Columns must have equal lengths; those not in `CLAIM_COLUMNS` and not `source` are passed over. A row without a source has the
    default one. Rows are normalised `chunk_rows` at a time, which bounds memory and paces `progress`. Raises `ModelFileError`.
    """
    return _filled(
        columns,
        keys=keys,
        model_text=model_text,
        region=region,
        default_source=default_source,
        progress=progress,
        chunk_rows=chunk_rows,
    ).resolve()


def match_columns_and_pairs(
    columns: Mapping[str, Sequence[str | None]],
    *,
    keys: Keys,
    model_text: str,
    region: str,
    default_source: str = DEFAULT_SOURCE,
    progress: MatchProgress | None = None,
    chunk_rows: int = _CHUNK_ROWS,
) -> tuple[BatchResult, BatchPairs]:
    """The same with all candidates and their probabilities, for measuring. Memory grows with the candidates."""
    engine = _filled(
        columns,
        keys=keys,
        model_text=model_text,
        region=region,
        default_source=default_source,
        progress=progress,
        chunk_rows=chunk_rows,
    )
    return engine.resolve(), engine.candidates()


def _filled(
    columns: Mapping[str, Sequence[str | None]],
    *,
    keys: Keys,
    model_text: str,
    region: str,
    default_source: str,
    progress: MatchProgress | None,
    chunk_rows: int,
) -> BatchEngine:
    report = progress or _silent
    engine = BatchEngine(model_text=model_text, keys=keys, region=region)
    total = max((len(column) for column in columns.values()), default=0)
    for start in range(0, total, chunk_rows):
        part = {name: column[start : start + chunk_rows] for name, column in columns.items()}
        engine.add(_claims(part, rows=min(chunk_rows, total - start), default_source=default_source))
        report(MatchStage.NORMALIZE, engine.rows)
    report(MatchStage.RESOLVE, engine.records)
    return engine


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
        engine.add(_claims(columns, rows=len(chunk), default_source=default_source))
    return engine.resolve()


def birth_id_of(address: bytes) -> UUID:
    """Birth id of a record in a batch run: its address as a UUID of version 8."""
    bits = int.from_bytes(address[:16])
    bits &= ~((0xF << 76) | (0b11 << 62))
    return UUID(int=bits | (8 << 76) | (0b10 << 62))


def profile_ids(result: BatchResult) -> list[str | None]:
    """Public profile id of each row, from the smallest birth id of the profile's records; None where the row has no usable claim."""
    smallest: dict[int, UUID] = {}
    for address, cluster in zip(result.record_addresses, result.record_clusters, strict=True):
        birth_id = birth_id_of(address)
        if cluster not in smallest or birth_id < smallest[cluster]:
            smallest[cluster] = birth_id
    names = {cluster: profile_public_id(birth_id) for cluster, birth_id in smallest.items()}
    return [None if cluster is None else names[cluster] for cluster in result.clusters]


def summarize(result: BatchResult) -> MatchSummary:
    """Counts of a result."""
    sizes: dict[int, int] = {}
    for cluster in result.record_clusters:
        sizes[cluster] = sizes.get(cluster, 0) + 1
    return MatchSummary(
        rows=len(result.row_records),
        unusable=sum(record < 0 for record in result.row_records),
        records=len(result.record_addresses),
        profiles=len(sizes),
        merged_records=sum(size for size in sizes.values() if size > 1),
        reviews=len(result.reviews),
        ambiguous=len(result.ambiguous),
        largest_profile=max(sizes.values(), default=0),
        invalid={name: count for name, count in sorted(result.invalid.items()) if count},
        placeholders={name: count for name, count in sorted(result.placeholders.items()) if count},
    )


def _claims(columns: Mapping[str, Sequence[str | None]], *, rows: int, default_source: str) -> ClaimColumns:
    sources = columns.get("source", ())
    return ClaimColumns(
        sources=[source or default_source for source in sources] if sources else [default_source] * rows,
        identifiers={kind: columns[name] for name, kind in _IDENTIFIERS.items() if name in columns},
        attributes={name: columns[name] for name in _ATTRIBUTES if name in columns},
    )


def _silent(stage: MatchStage, done: int) -> None:
    """Reports to nobody."""
