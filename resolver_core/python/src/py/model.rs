//! The match model as a frozen class.

use goldthread_matching::{ExtraKind, Model as Rules};
use pyo3::prelude::*;

use super::detach::detached;
use super::errors::exception;

/// An immutable match model.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct Model {
    pub(crate) rules: Rules,
}

#[pymethods]
impl Model {
    /// Reads a TOML model file; unknown keys, missing levels and inconsistent thresholds raise `ModelError`.
    #[staticmethod]
    fn parse(py: Python<'_>, text: &str) -> PyResult<Self> {
        detached(py, || Rules::parse(text)).map(|rules| Self { rules })
    }

    #[getter]
    fn version(&self) -> &str {
        self.rules.version()
    }

    #[getter]
    fn calibrated(&self) -> bool {
        self.rules.calibrated()
    }

    #[getter]
    fn population(&self) -> i64 {
        self.rules.population()
    }

    /// Log2 odds of "one person" against "strangers", in millibits.
    #[getter]
    fn stranger_prior(&self) -> i32 {
        self.rules.stranger_prior()
    }

    /// Log2 odds of "one person" against "two people of one household", in millibits; `None` in a model without households.
    #[getter]
    fn household_prior(&self) -> Option<i32> {
        self.rules.household_prior()
    }

    /// How much larger, in millibits, the odds of "one person" are between two clusters than between two of their records.
    #[getter]
    fn once(&self) -> i64 {
        self.rules.once()
    }

    /// Names of the comparisons, in their order: `COMPARISONS` and the extras.
    #[getter]
    fn comparisons(&self) -> Vec<&str> {
        self.rules.comparisons().collect()
    }

    /// Name and kind of the columns beyond the attributes that are compared.
    #[getter]
    fn extras(&self) -> Vec<(&str, &'static str)> {
        let kind = |kind: ExtraKind| match kind {
            ExtraKind::Person => "person",
            ExtraKind::Household => "household",
        };
        self.rules.extras().iter().map(|extra| (extra.name.as_str(), kind(extra.kind))).collect()
    }

    #[getter]
    fn link(&self) -> i32 {
        self.rules.link()
    }

    #[getter]
    fn review(&self) -> i32 {
        self.rules.review()
    }

    #[getter]
    fn edge_floor(&self) -> i32 {
        self.rules.edge_floor()
    }

    /// Number of blocking rules.
    #[getter]
    fn blocking_rules(&self) -> usize {
        self.rules.rules().len()
    }

    #[getter]
    fn max_block(&self) -> usize {
        self.rules.max_block()
    }

    #[getter]
    fn max_component(&self) -> usize {
        self.rules.max_component()
    }

    /// Largest number of refinements of any blocking rule.
    #[getter]
    fn block_depth(&self) -> usize {
        self.rules.block_depth()
    }

    /// More distinct name keys than this make a token of the type generic.
    fn generic_limit(&self, identifier_type: i64) -> PyResult<usize> {
        self.rules.generic_limit(identifier_type).map_err(exception)
    }

    /// More records than this make a token of any type generic.
    #[getter]
    fn generic_records(&self) -> usize {
        self.rules.generic_records()
    }

    /// More purchases than this, by the records that carry a token on one UTC day, make it generic.
    #[getter]
    fn purchases_per_day(&self) -> usize {
        self.rules.purchases_per_day()
    }

    /// More stores than this, in which the records that carry a token bought on one UTC day, make it generic.
    #[getter]
    fn stores_per_day(&self) -> usize {
        self.rules.stores_per_day()
    }

    /// Days without a named carrier after which a phone that somebody else carries has changed hands.
    #[getter]
    fn phone_gap_days(&self) -> i64 {
        self.rules.phone_gap_days()
    }

    /// Level names of a comparison; index 0 is `missing`.
    fn level_names(&self, comparison: &str) -> PyResult<Vec<&'static str>> {
        self.rules.level_names(comparison).map(<[&str]>::to_vec).map_err(exception)
    }

    /// Posterior probabilities of "same person".
    #[allow(clippy::needless_pass_by_value)]
    fn probabilities(&self, py: Python<'_>, scores: Vec<i64>) -> PyResult<Vec<f64>> {
        detached(py, || Ok(scores.iter().map(|score| self.rules.probability(*score)).collect()))
    }
}
