//! Prepared records, blocking keys, scores and partitions.

use goldthread_matching as core;
use goldthread_matching::{Records as Batch, TokenColumns};
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyMapping};

use super::column::{NamedColumns, by_attribute, by_name, numbers, slices, texts};
use super::detach::detached;
use super::model::Model;

/// Record, rule, depth, key and parent key.
type KeyColumns = (Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>, Vec<i64>);
/// Index into `left`, score, levels and weights.
type ScoreColumns<'py> = (Vec<i64>, Vec<i32>, Bound<'py, PyBytes>, Vec<i32>);
/// Two clusters, strength and the pair shown.
type RelationRow = (i64, i64, i64, i64, i64);
/// Cluster of each record, ambiguous clusters, contenders, reviews and households.
type PartitionColumns = (Vec<i64>, Vec<i64>, Vec<(i64, i64)>, Vec<RelationRow>, Vec<RelationRow>);
/// The columns of a partition, and counts.
type MatchColumns<'py> = (Vec<i64>, Vec<i64>, Vec<(i64, i64)>, Vec<RelationRow>, Vec<RelationRow>, Bound<'py, PyDict>);

/// An immutable batch of prepared records; record i is row i of every column.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct Records {
    pub(crate) batch: Batch,
}

impl Records {
    /// Wraps prepared records.
    pub(crate) fn of(batch: Batch) -> Self {
        Self { batch }
    }

    pub(crate) fn batch(&self) -> &Batch {
        &self.batch
    }
}

#[pymethods]
impl Records {
    #[new]
    #[pyo3(signature = (addresses, attributes, offsets, types, namespaces, forms, tokens, *, extras = None))]
    #[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        addresses: Vec<PyBackedBytes>,
        attributes: &Bound<'_, PyMapping>,
        offsets: Vec<i64>,
        types: Vec<i64>,
        namespaces: Vec<PyBackedStr>,
        forms: Vec<i64>,
        tokens: Vec<PyBackedBytes>,
        extras: Option<&Bound<'_, PyMapping>>,
    ) -> PyResult<Self> {
        let (named, more) = (NamedColumns::extract(attributes)?, NamedColumns::extract_optional(extras)?);
        let (borrowed, more) = (named.borrowed(), more.borrowed());
        let attributes = by_attribute(&borrowed)?;
        let extras = by_name(&more);
        let (addresses, namespaces, tokens) = (slices(&addresses), texts(&namespaces), slices(&tokens));
        let owned =
            TokenColumns { offsets: &offsets, types: &types, namespaces: &namespaces, forms: &forms, tokens: &tokens };
        detached(py, || Batch::new(&addresses, &attributes, &extras, &owned)).map(|batch| Self { batch })
    }

    fn __len__(&self) -> usize {
        self.batch.len()
    }

    /// Address of a record.
    fn address<'py>(&self, py: Python<'py>, record: usize) -> PyResult<Bound<'py, PyBytes>> {
        if record >= self.batch.len() {
            return Err(PyIndexError::new_err("no such record"));
        }
        Ok(PyBytes::new(py, self.batch.address(record)))
    }

    /// The name key of each record.
    fn name_keys(&self, py: Python<'_>) -> PyResult<Vec<Option<String>>> {
        detached(py, || Ok(self.batch.name_keys()))
    }
}

/// All blocking keys: record index, rule index, depth, key, parent key, ordered by record, rule, depth.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn blocking_keys(py: Python<'_>, key: PyBackedBytes, records: &Records, model: &Model) -> PyResult<KeyColumns> {
    detached(py, || {
        let keys = core::blocking_keys(&key, &records.batch, &model.rules)?;
        Ok((
            numbers(keys.iter().map(|key| key.record)),
            numbers(keys.iter().map(|key| key.rule)),
            numbers(keys.iter().map(|key| key.depth)),
            keys.iter().map(|key| key.key).collect(),
            keys.iter().map(|key| key.parent).collect(),
        ))
    })
}

/// Scores pairs of row indices: index into `left`, score, levels, weights.
#[pyfunction]
#[pyo3(signature = (records, left, right, model, *, cutoff = None))]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn score_pairs<'py>(
    py: Python<'py>,
    records: &Records,
    left: Vec<i64>,
    right: Vec<i64>,
    model: &Model,
    cutoff: Option<i64>,
) -> PyResult<ScoreColumns<'py>> {
    let (index, scores, levels, weights) = detached(py, || {
        let pairs = core::score_pairs(&records.batch, &left, &right, &model.rules, cutoff)?;
        let width = model.rules.width();
        let levels: Vec<u8> = pairs.iter().flat_map(|(_, weighed)| &weighed.pair.levels[..width]).copied().collect();
        let weights: Vec<i32> = pairs.iter().flat_map(|(_, weighed)| &weighed.weights[..width]).copied().collect();
        let scores: Vec<i32> = pairs.iter().map(|(_, weighed)| weighed.pair.score()).collect();
        Ok((numbers(pairs.iter().map(|(index, _)| *index)), scores, levels, weights))
    })?;
    Ok((index, scores, PyBytes::new(py, &levels), weights))
}

/// Levels, free comparisons and pairs of patterns.
type PatternColumns<'py> = (Bound<'py, PyBytes>, Vec<u32>, Vec<u64>);

fn pattern_columns<'py>(py: Python<'py>, patterns: &[core::Pattern], model: &Model) -> PatternColumns<'py> {
    let width = model.rules.width();
    let levels: Vec<u8> = patterns.iter().flat_map(|pattern| &pattern.levels[..width]).copied().collect();
    (
        PyBytes::new(py, &levels),
        patterns.iter().map(|pattern| pattern.free).collect(),
        patterns.iter().map(|pattern| pattern.pairs).collect(),
    )
}

/// Counts the level patterns of all candidates.
#[pyfunction]
#[pyo3(signature = (records, model, *, closed_tokens = Vec::new()))]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn count_candidates<'py>(
    py: Python<'py>,
    records: &Records,
    model: &Model,
    closed_tokens: Vec<PyBackedBytes>,
) -> PyResult<PatternColumns<'py>> {
    let closed = slices(&closed_tokens);
    let patterns = detached(py, || core::count_candidates(&records.batch, &model.rules, &closed))?;
    Ok(pattern_columns(py, &patterns, model))
}

/// Counts the level patterns of pairs of row indices.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn count_pairs<'py>(
    py: Python<'py>,
    records: &Records,
    left: Vec<i64>,
    right: Vec<i64>,
    model: &Model,
) -> PyResult<PatternColumns<'py>> {
    let patterns = detached(py, || core::count_pairs(&records.batch, &left, &right, &model.rules))?;
    Ok(pattern_columns(py, &patterns, model))
}

/// Candidates at or above a floor, and kin: row indices and score.
#[pyfunction]
#[pyo3(signature = (records, model, floor, *, closed_tokens = Vec::new()))]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn candidate_pairs(
    py: Python<'_>,
    records: &Records,
    model: &Model,
    floor: i64,
    closed_tokens: Vec<PyBackedBytes>,
) -> PyResult<(Vec<i64>, Vec<i64>, Vec<i32>)> {
    let closed = slices(&closed_tokens);
    detached(py, || {
        let pairs = core::candidate_pairs(&records.batch, &model.rules, &closed, floor)?;
        let rows = |row: fn(&core::ScoredRows) -> u32| pairs.iter().map(|pair| i64::from(row(pair))).collect();
        Ok((rows(|pair| pair.0), rows(|pair| pair.1), pairs.iter().map(|pair| pair.2).collect()))
    })
}

fn columns(partition: core::Partition) -> PartitionColumns {
    let row = |row: usize| i64::try_from(row).unwrap_or(i64::MAX);
    let relations = |found: Vec<core::Relation>| -> Vec<RelationRow> {
        found.into_iter().map(|one| (row(one.x), row(one.y), one.strength, row(one.left), row(one.right))).collect()
    };
    (
        numbers(partition.clusters),
        numbers(partition.ambiguous),
        partition.contenders.into_iter().map(|(cluster, contender)| (row(cluster), row(contender))).collect(),
        relations(partition.reviews),
        relations(partition.households),
    )
}

/// Partition of any number of components.
#[pyfunction]
#[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
pub(crate) fn partition(
    py: Python<'_>,
    records: &Records,
    left: Vec<i64>,
    right: Vec<i64>,
    scores: Vec<i64>,
    same: Vec<(i64, i64)>,
    different: Vec<(i64, i64)>,
    model: &Model,
) -> PyResult<PartitionColumns> {
    detached(py, || core::partition(&records.batch, &left, &right, &scores, &same, &different, &model.rules).map(columns))
}

/// Where a batch run or a training is.
#[pyclass(frozen, module = "goldthread._core")]
#[derive(Default)]
pub(crate) struct Progress {
    pub(super) state: core::Progress,
}

impl Progress {
    /// The state that the core is told of.
    pub(crate) fn state(&self) -> &core::Progress {
        &self.state
    }
}

#[pymethods]
impl Progress {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Stage, how much of it is done, and how much there is.
    fn read(&self) -> (&'static str, usize, usize) {
        let (stage, done, total) = self.state.read();
        (stage.name(), done, total)
    }

    /// Lets a batch run end soon, with an error.
    fn stop(&self) {
        self.state.stop();
    }
}

/// Batch engine: block, score, partition all records, on all cores; result as `partition` plus counts.
#[pyfunction]
#[pyo3(signature = (records, model, *, closed_tokens = Vec::new(), progress = None))]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn match_records<'py>(
    py: Python<'py>,
    records: &Records,
    model: &Model,
    closed_tokens: Vec<PyBackedBytes>,
    progress: Option<&Progress>,
) -> PyResult<MatchColumns<'py>> {
    let closed = slices(&closed_tokens);
    let nobody = core::Progress::default();
    let progress = progress.map_or(&nobody, |progress| &progress.state);
    let ((clusters, ambiguous, contenders, reviews, households), counts) = detached(py, || {
        let (partition, counts) = core::match_records(&records.batch, &model.rules, &closed, progress)?;
        Ok((columns(partition), counts))
    })?;
    let counts = [
        ("candidates", counts.candidates),
        ("pairs", counts.pairs),
        ("components", counts.components),
        ("largest_component", counts.largest_component),
        ("generic_tokens", counts.generic_tokens),
        ("crowded_keys", counts.crowded_keys),
    ];
    Ok((clusters, ambiguous, contenders, reviews, households, counts.into_py_dict(py)?))
}
