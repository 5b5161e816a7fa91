"""The training story: a table of claims becomes a match model, without a ledger and without labels unless there are some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from goldthread.domain.errors import SettingsError
from goldthread.flows.match import DEFAULT_SOURCE, gather_columns
from goldthread.matching.batch import GatheredRecords
from goldthread.matching.keys import Keys
from goldthread.matching.training import DEFAULT_SEED, Labels, Training, train

__all__ = ["RowLabel", "train_columns"]

RowLabel = tuple[int, int, bool]
"""Two rows, and whether they are one person."""

_UNKNOWN = -1


def train_columns(
    columns: Mapping[str, Sequence[str | None]],
    *,
    keys: Keys,
    region: str,
    blueprint: str | None = None,
    extras: Mapping[str, tuple[str, Sequence[str | None]]] | None = None,
    truth: Sequence[str | None] | None = None,
    labels: Sequence[RowLabel] = (),
    default_source: str = DEFAULT_SOURCE,
    seed: int = DEFAULT_SEED,
    population: int | None = None,
    name: str = "trained",
    version: str | None = None,
    provenance: str = "",
) -> Training:
    """Trains a model on a table in the flat row format.

    `extras` are further columns to compare, by name, with their kind (`person` or `household`). `truth` names the person of each row, None
    where unknown, and `labels` judge pairs of rows; both correct the calibration. Rows that make one record say nothing of each other, and a
    record whose rows name several persons has no known one. Raises `ModelFileError` for a blueprint that is not valid and `SettingsError` for
    a table without a usable claim.
    """
    given = extras or {}
    gathered = gather_columns(
        columns,
        keys=keys,
        region=region,
        default_source=default_source,
        extras={key: column for key, (_, column) in given.items()},
    )
    if not len(gathered.records):
        raise SettingsError("FILE", "no row has a usable identifier or attribute")
    return train(
        gathered.records,
        blueprint=blueprint,
        extras=[(key, kind) for key, (kind, _) in given.items()],
        seed=seed,
        population=population,
        labels=_of_records(gathered, truth, labels),
        name=name,
        version=version,
        provenance=provenance,
    )


def _of_records(gathered: GatheredRecords, truth: Sequence[str | None] | None, labels: Sequence[RowLabel]) -> Labels:
    """Labels of rows as labels of records."""
    records = gathered.row_records
    judged = [
        (records[left], records[right], same)
        for left, right, same in labels
        if records[left] >= 0 and records[right] >= 0 and records[left] != records[right]
    ]
    persons: list[int] = []
    if truth is not None:
        persons = [_UNKNOWN] * len(gathered.records)
        numbers: dict[str, int] = {}
        torn: set[int] = set()
        for record, person in zip(records, truth, strict=True):
            if record < 0 or person is None:
                continue
            number = numbers.setdefault(person, len(numbers))
            if persons[record] not in {_UNKNOWN, number}:
                torn.add(record)
            persons[record] = number
        for record in torn:
            persons[record] = _UNKNOWN
    return Labels(
        left=[left for left, _, _ in judged],
        right=[right for _, right, _ in judged],
        same=[same for _, _, same in judged],
        persons=persons,
    )
