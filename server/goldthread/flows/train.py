"""The training story: gathered records become a match model, without a ledger and without labels unless there are some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from goldthread.domain.errors import SettingsError
from goldthread.flows.match import MatchProgress, MatchStage
from goldthread.matching.batch import GatheredRecords
from goldthread.matching.training import DEFAULT_SEED, Labels, Training, train

__all__ = ["LEAST_RECORDS", "UNKNOWN_PERSON", "RowLabel", "train_gathered"]

LEAST_RECORDS = 300
"""Distinct records that it takes to learn a model from: of fewer, estimation takes the people of one household for one person."""

UNKNOWN_PERSON = -1

RowLabel = tuple[int, int, bool]
"""Two rows, and whether they are one person."""


def train_gathered(
    gathered: GatheredRecords,
    *,
    extras: Mapping[str, str] | None = None,
    blueprint: str | None = None,
    persons: Sequence[int] = (),
    labels: Sequence[RowLabel] = (),
    seed: int = DEFAULT_SEED,
    population: int | None = None,
    name: str = "trained",
    version: str | None = None,
    provenance: str = "",
    progress: MatchProgress | None = None,
) -> Training:
    """Trains a model on gathered records.

    `extras` are the kinds (`person` or `household`) of the further columns that are compared, by name. `persons` are numbers of the person of
    each row, negative where unknown, or nothing, and `labels` judge pairs of rows; both correct the calibration. Rows that make one record say
    nothing of each other, and a record whose rows name several persons has no known one. Raises `ModelFileError` for a blueprint that is not
    valid and `SettingsError` if there is no record.
    """
    if not len(gathered.records):
        raise SettingsError("FILE", "no row has a usable identifier or attribute")
    if progress is not None:
        progress.begin(MatchStage.TRAIN)
    return train(
        gathered.records,
        blueprint=blueprint,
        extras=sorted((extras or {}).items()),
        seed=seed,
        population=population,
        labels=_of_records(gathered, persons, labels),
        name=name,
        version=version,
        provenance=provenance,
        watch=None if progress is None else progress.report,
    )


def _of_records(gathered: GatheredRecords, persons: Sequence[int], labels: Sequence[RowLabel]) -> Labels:
    """Labels of rows as labels of records."""
    records = gathered.row_records
    judged = [
        (records[left], records[right], same)
        for left, right, same in labels
        if records[left] >= 0 and records[right] >= 0 and records[left] != records[right]
    ]
    known: list[int] = []
    if persons:
        known = [UNKNOWN_PERSON] * len(gathered.records)
        torn: set[int] = set()
        for record, person in zip(records, persons, strict=True):
            if record < 0 or person < 0:
                continue
            if known[record] not in {UNKNOWN_PERSON, person}:
                torn.add(record)
            known[record] = person
        for record in torn:
            known[record] = UNKNOWN_PERSON
    return Labels(
        left=[left for left, _, _ in judged],
        right=[right for _, right, _ in judged],
        same=[same for _, _, same in judged],
        persons=known,
    )
