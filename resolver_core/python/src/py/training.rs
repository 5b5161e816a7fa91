//! Training without labels.

use goldthread_matching as core;
use goldthread_matching::{Labels, Training, TrainingOptions};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;

use super::column::{numbers, slices};
use super::detach::detached;
use super::matching::{Progress, Records};
use super::model::Model;

/// Weights `(stranger, household)` by level.
type LevelWeights = Vec<(i32, i32)>;
/// Shares by level among one person, one household, strangers.
type LevelShares = (Vec<f64>, Vec<f64>, Vec<f64>);
/// Baseline, default, limit, and frequencies by name.
type NameFrequencies = (f64, f64, i32, Vec<(String, f64)>);
/// Name, pairs, new pairs, matches, matches found by it only, households, distrusted, kept.
type PassRow = (String, f64, f64, f64, f64, f64, bool, bool);

/// What a training found. Weights and priors are uncalibrated.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct Estimates {
    found: Training,
}

#[pymethods]
impl Estimates {
    #[getter]
    fn records(&self) -> usize {
        self.found.records
    }

    #[getter]
    fn population(&self) -> u64 {
        self.found.population
    }

    /// Records whose candidates were looked at.
    #[getter]
    fn probes(&self) -> usize {
        self.found.probes
    }

    /// Candidate pairs of the batch.
    #[getter]
    fn candidates(&self) -> f64 {
        self.found.candidates
    }

    /// Distinct level patterns among them.
    #[getter]
    fn patterns(&self) -> usize {
        self.found.patterns
    }

    /// Rounds of the estimation, and whether it settled.
    #[getter]
    fn rounds(&self) -> (usize, bool) {
        (self.found.rounds, self.found.settled)
    }

    /// Expected pairs of one person in the batch.
    #[getter]
    fn matches(&self) -> f64 {
        self.found.matches
    }

    /// Expected pairs of two people of one household in the batch.
    #[getter]
    fn households(&self) -> f64 {
        self.found.households
    }

    /// Priors against strangers and against a household, in millibits.
    #[getter]
    fn priors(&self) -> (i32, i32) {
        (self.found.stranger_prior, self.found.household_prior)
    }

    /// By comparison, the weights of its levels without `missing`.
    #[getter]
    fn weights(&self) -> Vec<LevelWeights> {
        let level = |weight: &core::Weight| (weight.stranger, weight.household);
        let row = |learnt: &core::Learnt| learnt.weights[1..].iter().map(level).collect();
        self.found.comparisons.iter().map(row).collect()
    }

    /// By comparison, the shares of its levels without `missing`; `None` where no candidate has it on both sides.
    #[getter]
    fn shares(&self) -> Vec<Option<LevelShares>> {
        let row = |learnt: &core::Learnt| {
            let shares = &learnt.shares;
            let tail = |list: &[f64]| list.get(1..).map(<[f64]>::to_vec);
            Some((tail(&shares.same)?, tail(&shares.household)?, tail(&shares.strangers)?))
        };
        self.found.comparisons.iter().map(row).collect()
    }

    /// Frequencies of given and of family names.
    #[getter]
    fn frequencies(&self) -> (NameFrequencies, NameFrequencies) {
        let row = |counts: &core::NameCounts| (counts.baseline, counts.default, counts.limit, counts.listed.clone());
        (row(&self.found.given_names), row(&self.found.family_names))
    }

    /// Identifier limits by type.
    #[getter]
    fn limits(&self) -> Vec<i64> {
        numbers(self.found.limits)
    }

    /// Slope in thousandths, intercept in millibits.
    #[getter]
    fn calibration(&self) -> (i32, i32) {
        self.found.calibration
    }

    /// Whether the calibration was held against labels, or against votes that say the same wherever one looks.
    #[getter]
    fn believed(&self) -> bool {
        self.found.believed
    }

    /// Pairs that third records voted on, and pairs that labels judged.
    #[getter]
    fn judged(&self) -> (usize, usize) {
        self.found.judged
    }

    /// Positions of the blueprint's blocking rules that the model keeps.
    #[getter]
    fn rules(&self) -> Vec<i64> {
        numbers(self.found.rules.iter().copied())
    }

    /// What each pass found.
    #[getter]
    fn passes(&self) -> Vec<PassRow> {
        let row = |pass: &core::PassReport| {
            let name = pass.name.clone();
            (name, pass.pairs, pass.new_pairs, pass.matches, pass.only, pass.households, pass.distrusted, pass.kept)
        };
        self.found.passes.iter().map(row).collect()
    }

    /// Candidates by calibrated score: lower edge, against strangers, against households, expected matches.
    #[getter]
    fn histogram(&self) -> Vec<(i32, f64, f64, f64)> {
        self.found.weights.iter().map(|bin| (bin.from, bin.strangers, bin.households, bin.matches)).collect()
    }

    /// Pairs, mean probability, and share of them that is one person.
    #[getter]
    fn reliability(&self) -> Vec<(usize, f64, f64)> {
        self.found.reliability.iter().map(|bin| (bin.pairs, bin.expected, bin.observed)).collect()
    }
}

/// Estimates a model for a batch from its records alone, beginning with a blueprint.
#[pyfunction]
#[pyo3(signature = (records, model, *, seed, population = None, left = Vec::new(), right = Vec::new(), same = Vec::new(), persons = Vec::new(), closed_tokens = Vec::new(), progress = None))]
#[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
pub(crate) fn train(
    py: Python<'_>,
    records: &Records,
    model: &Model,
    seed: u64,
    population: Option<u64>,
    left: Vec<i64>,
    right: Vec<i64>,
    same: Vec<bool>,
    persons: Vec<i64>,
    closed_tokens: Vec<PyBackedBytes>,
    progress: Option<&Progress>,
) -> PyResult<Estimates> {
    let closed = slices(&closed_tokens);
    let labels = Labels { left: &left, right: &right, same: &same, persons: &persons };
    let progress = progress.map(|progress| &progress.state);
    let options = TrainingOptions { seed, population, closed: &closed, labels, progress };
    detached(py, || core::train(&records.batch, &model.rules, &options)).map(|found| Estimates { found })
}
