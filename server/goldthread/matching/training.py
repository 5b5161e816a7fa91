"""Training without labels: records in, a match model out. The estimation itself is the core's (docs/training.md)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources

from goldthread import _core
from goldthread.domain.errors import ModelFileError
from goldthread.domain.words import IdentifierType
from goldthread.matching.model_file import Blueprint, model_text
from goldthread.matching.watch import Watch, watched

__all__ = [
    "DEFAULT_SEED",
    "Labels",
    "ReliabilityBin",
    "TrainedComparison",
    "TrainedLevel",
    "TrainedPass",
    "Training",
    "WeightBin",
    "default_blueprint",
    "train",
]

_LASTING = ("given_name", "family_name", "birth_date")
_MOST_DIFFERENT = 0.5

DEFAULT_SEED = 1
"""Seed of every draw unless another is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What somebody knows: pairs of rows of the records that are one person or not, and the person of each row.

    `persons` is empty or as long as the records; a negative number is an unknown person.
    """

    left: Sequence[int] = ()
    right: Sequence[int] = ()
    same: Sequence[bool] = ()
    persons: Sequence[int] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedLevel:
    """A level: its shares among pairs of one person, of one household and of strangers, and its weights before calibration, in millibits."""

    name: str
    same: float
    household: float
    strangers: float
    stranger_weight: int
    household_weight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedComparison:
    """The levels of a comparison after `missing`; none where the file says nothing about it."""

    name: str
    levels: tuple[TrainedLevel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedPass:
    """What one blocking pass found, in pairs of the file; `matches` and `households` are expected ones.

    A pass that found mostly households is `distrusted`: nothing was learned from it about one person. One that is not `kept` is not in the
    model, since the others find nearly all it found.
    """

    name: str
    pairs: float
    new_pairs: float
    matches: float
    only: float
    households: float
    distrusted: bool
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightBin:
    """Candidates by calibrated score from `bits` to half a bit more, by their nearest rival; `matches` are expected ones among both."""

    bits: float
    strangers: float
    households: float
    matches: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Pairs of neighbouring probabilities: their mean, and the share that labels, or third records, call one person."""

    pairs: int
    expected: float
    observed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A trained model and what it was learned from. No personal data, save the names that the model lists with their frequencies."""

    model_text: str = field(repr=False)
    version: str
    seed: int
    records: int
    population: int
    probes: int
    """Records whose candidates were looked at."""
    candidates: float
    """Candidate pairs of the file; an estimate where not all records were looked at."""
    patterns: int
    rounds: int
    settled: bool
    """Whether the estimation settled before its last round."""
    matches: float
    households: float
    slope: float
    intercept: float
    """Calibrated bits = slope · bits + intercept."""
    calibrated: bool
    """Whether labels, or votes that were believed, were held against what the scores claim."""
    votes: int
    labels: int
    comparisons: tuple[TrainedComparison, ...]
    passes: tuple[TrainedPass, ...]
    histogram: tuple[WeightBin, ...] = field(repr=False)
    reliability: tuple[ReliabilityBin, ...] = field(repr=False)

    @property
    def credible(self) -> bool:
        """Whether the pairs taken for one person mostly agree in what a person keeps: given and family name, birth date.

        Where they do not, hardly anybody is there twice, and what strangers have in common, such as a title for a name, was taken for a person.
        """
        last = {found.name: found.levels[-1].same for found in self.comparisons if found.levels}
        return all(last.get(name, 0.0) <= _MOST_DIFFERENT for name in _LASTING)

    def precision_recall(self) -> list[tuple[float, float, float]]:
        """Estimated precision and recall of the candidates at or above each score: `(bits, precision, recall)`, scores falling.

        Recall is among the matches that blocking found.
        """
        total = sum(found.matches for found in self.histogram)
        points = []
        pairs = matches = 0.0
        for found in reversed(self.histogram):
            pairs += found.strangers + found.households
            matches += found.matches
            if pairs > 0 and total > 0:
                points.append((found.bits, matches / pairs, matches / total))
        return points


def default_blueprint() -> str:
    """Where the training of a model of persons begins."""
    return (resources.files("goldthread") / "models" / "blueprint-persons.toml").read_text(encoding="utf-8")


def train(
    records: _core.Records,
    *,
    blueprint: str | None = None,
    extras: Sequence[tuple[str, str]] = (),
    seed: int = DEFAULT_SEED,
    population: int | None = None,
    labels: Labels | None = None,
    name: str = "trained",
    version: str | None = None,
    provenance: str = "",
    watch: Watch | None = None,
) -> Training:
    """Trains a match model on records, without labels unless some are given. Deterministic, whatever the order of the records.

    `blueprint` is the text of a model file or of what a model has beside what is learned; `extras` are further columns of the records as
    `(name, kind)`, kind `person` or `household`. `population` is the number of records that the priors shall speak of, those given unless
    it is stated. The version is `name` and a digest of all the rest of the model, or `version`; `provenance` is written into the model beside that.
    `watch` is called a few times a second, from another thread. Raises `ModelFileError` for a blueprint that is not valid, and `_core.InputError`
    for no records and for labels that do not fit them.
    """
    plan = Blueprint.read(blueprint or default_blueprint(), extras=extras)
    try:
        model = _core.Model.parse(plan.draft())
    except _core.ModelError as error:
        key, reason = error.args
        raise ModelFileError(f"the blueprint is not valid: {reason}", metadata={"key": key}) from None
    given = labels or Labels()
    with watched(watch) as progress:
        found = _core.train(
            records,
            model,
            seed=seed,
            population=population,
            left=given.left,
            right=given.right,
            same=given.same,
            persons=given.persons,
            progress=progress,
        )
    version, text = _model(plan, found, seed=seed, name=name, version=version, provenance=provenance)
    slope, intercept = found.calibration
    votes, judged = found.judged
    rounds, settled = found.rounds
    return Training(
        model_text=text,
        version=version,
        seed=seed,
        records=found.records,
        population=found.population,
        probes=found.probes,
        candidates=found.candidates,
        patterns=found.patterns,
        rounds=rounds,
        settled=settled,
        matches=found.matches,
        households=found.households,
        slope=slope / 1000,
        intercept=intercept / 1000,
        calibrated=found.believed,
        votes=votes,
        labels=judged,
        comparisons=tuple(_comparisons(plan, found)),
        passes=tuple(
            TrainedPass(
                name=row[0],
                pairs=row[1],
                new_pairs=row[2],
                matches=row[3],
                only=row[4],
                households=row[5],
                distrusted=row[6],
                kept=row[7],
            )
            for row in found.passes
        ),
        histogram=tuple(
            WeightBin(bits=start / 1000, strangers=strangers, households=households, matches=matches)
            for start, strangers, households, matches in found.histogram
        ),
        reliability=tuple(
            ReliabilityBin(pairs=pairs, expected=expected, observed=observed)
            for pairs, expected, observed in found.reliability
        ),
    )


def _comparisons(plan: Blueprint, found: _core.Estimates) -> list[TrainedComparison]:
    rows = []
    decided = plan.decided(found.weights, priors=found.priors, calibration=found.calibration)
    for (name, levels), weights, shares in zip(plan.levels(), decided, found.shares, strict=True):
        named = [] if shares is None else list(zip(levels, weights, *shares, strict=True))
        rows.append(
            TrainedComparison(
                name=name,
                levels=tuple(
                    TrainedLevel(
                        name=level,
                        same=same,
                        household=household,
                        strangers=strangers,
                        stranger_weight=weight[0],
                        household_weight=weight[1],
                    )
                    for level, weight, same, household, strangers in named
                ),
            )
        )
    return rows


def _model(
    plan: Blueprint, found: _core.Estimates, *, seed: int, name: str, version: str | None, provenance: str
) -> tuple[str, str]:
    """Version and text of the trained model."""
    limits = {kind.label: limit for kind, limit in zip(IdentifierType, found.limits, strict=True)}
    kept = Blueprint(
        sections={**plan.sections, "limits": limits},
        rules=[plan.rules[position] for position in found.rules],
        extras=plan.extras,
        shares=plan.shares,
        deterministic=plan.deterministic,
    )
    votes, judged = found.judged
    rounds, settled = found.rounds
    head: dict[str, str | bool] = {
        "version": version or name,
        "calibrated": found.believed,
        "description": f"Trained on {found.records:,} records, {'with' if judged else 'without'} labels.",
    }
    training: dict[str, str | int | float | list[str]] = {
        "normalizer": _core.NORMALIZER_VERSION,
        "seed": seed,
        "records": found.records,
        "probes": found.probes,
        "candidates": round(found.candidates),
        "matches": round(found.matches),
        "households": round(found.households),
        "rounds": rounds,
        "settled": settled,
        "votes": votes,
        "labels": judged,
    }
    if plan.deterministic:
        training["deterministic"] = [kind.label for kind in plan.deterministic]
    compared = [(name, shares) for (name, _), shares in zip(plan.levels(), found.shares, strict=True)]
    stranger, household = found.priors

    def text(beside: Mapping[str, str]) -> str:
        return model_text(
            kept,
            head=head,
            priors=(stranger, household, found.population),
            weights=plan.decided(found.weights, priors=found.priors, calibration=found.calibration),
            calibration=found.calibration if found.believed else None,
            frequencies=found.frequencies,
            training={**beside, **training},
            shares={name: shares for name, shares in compared if shares is not None},
        )

    if version is None:
        # What the model was learned from, not what the files were called: their names and order change nothing.
        head["version"] = f"{name}-{hashlib.sha256(text({}).encode()).hexdigest()[:8]}"
    return str(head["version"]), text({"provenance": provenance or "records"})
