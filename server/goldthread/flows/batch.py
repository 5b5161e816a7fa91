"""The one way from claims to profiles without a ledger: gather the records, find the model or make it of them, match.

Without a model, one is trained on the records themselves. A few records teach too little: estimation then takes the people of one household for one
person. Neither do records of people who are all there once always teach that they are (see `Training.credible`). Such records are matched under the
shipped model with the priors of their number. All of it is a function of the set of claims: their order shows nowhere, and whoever matches a file
gets what training on it first would have given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from goldthread.flows.match import MatchProgress, MatchStage, gather_batches
from goldthread.flows.train import LEAST_RECORDS, train_gathered
from goldthread.matching.batch import BatchResult, ClaimColumns, GatheredRecords, match_gathered, model_extras
from goldthread.matching.keys import Keys
from goldthread.matching.model_file import restated
from goldthread.matching.training import Training

__all__ = ["BatchRun", "ChosenModel", "ClaimSource", "ModelOrigin", "ModelWish", "run_batch"]


class ClaimSource(Protocol):
    """Claims that may be read again."""

    @property
    def extra_kinds(self) -> Mapping[str, str]:
        """The kinds (`person` or `household`) of the further columns, by the names under which a model compares them."""

    @property
    def provenance(self) -> str:
        """Where the claims come from, in a few words for a model made of them."""

    def claims(self, extras: Collection[str]) -> Iterable[ClaimColumns]:
        """All claims from the first, with these further columns and no others."""


class ModelOrigin(StrEnum):
    """Why a model was taken."""

    GIVEN = "given"
    TRAINED = "trained"
    TOO_FEW = "too few records"
    NOT_CREDIBLE = "training not credible"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelWish:
    """The model to match under; None for one that is trained. `shipped` is for records too few to learn from."""

    given: str | None = field(repr=False)
    shipped: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenModel:
    """The model that claims were matched under, and why; `training` if there was one, whether or not its model was taken."""

    text: str = field(repr=False)
    origin: ModelOrigin
    training: Training | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRun:
    """The records of claims, their partition, and its model."""

    gathered: GatheredRecords
    model: ChosenModel
    result: BatchResult


def run_batch(
    source: ClaimSource, *, keys: Keys, region: str, wish: ModelWish, progress: MatchProgress | None = None
) -> BatchRun:
    """Profiles of claims; row i of the result is row i of them all. Raises `ModelFileError`."""

    def gather(extras: Collection[str]) -> GatheredRecords:
        return gather_batches(source.claims(extras), keys=keys, region=region, progress=progress)

    def known(text: str) -> frozenset[str]:
        # What a model does not compare would only keep equal claims apart.
        return model_extras(text) & source.extra_kinds.keys()

    if wish.given is not None:
        gathered = gather(known(wish.given))
        model = ChosenModel(text=wish.given, origin=ModelOrigin.GIVEN)
    else:
        gathered = gather(source.extra_kinds.keys())
        model = _learned(gathered, source, wish.shipped, progress)
        if model.origin is not ModelOrigin.TRAINED and known(model.text) != source.extra_kinds.keys():
            gathered = gather(known(model.text))
    if progress is not None:
        progress.begin(MatchStage.MATCH)
    result = match_gathered(gathered, model_text=model.text, watch=None if progress is None else progress.report)
    return BatchRun(gathered=gathered, model=model, result=result)


def _learned(
    gathered: GatheredRecords, source: ClaimSource, shipped: str, progress: MatchProgress | None
) -> ChosenModel:
    """A model trained on the records, or what stands in for it."""
    count = len(gathered.records)
    if count < LEAST_RECORDS:
        return ChosenModel(text=restated(shipped, LEAST_RECORDS), origin=ModelOrigin.TOO_FEW)
    training = train_gathered(gathered, extras=source.extra_kinds, provenance=source.provenance, progress=progress)
    if not training.credible:
        return ChosenModel(text=restated(shipped, count), origin=ModelOrigin.NOT_CREDIBLE, training=training)
    return ChosenModel(text=training.model_text, origin=ModelOrigin.TRAINED, training=training)
