//! String distances and phonetic codes over columns.

use goldthread_matching as core;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedStr;

use super::detach::detached;

fn pairwise(
    py: Python<'_>,
    left: &[PyBackedStr],
    right: &[PyBackedStr],
    measure: impl Fn(&str, &str) -> i64 + Sync,
) -> PyResult<Vec<i64>> {
    detached(py, || {
        if left.len() != right.len() {
            let reason = format!("{} rows where {} are expected", right.len(), left.len());
            return Err(core::CoreError::Input { argument: "right", reason });
        }
        Ok(left.iter().zip(right).map(|(a, b)| measure(a, b)).collect())
    })
}

fn number(distance: usize) -> i64 {
    i64::try_from(distance).unwrap_or(i64::MAX)
}

/// Levenshtein distance per pair.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn levenshtein(py: Python<'_>, left: Vec<PyBackedStr>, right: Vec<PyBackedStr>) -> PyResult<Vec<i64>> {
    pairwise(py, &left, &right, |a, b| number(core::levenshtein(a, b)))
}

/// Optimal string alignment distance per pair (adjacent transposition costs one).
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn osa(py: Python<'_>, left: Vec<PyBackedStr>, right: Vec<PyBackedStr>) -> PyResult<Vec<i64>> {
    pairwise(py, &left, &right, |a, b| number(core::osa(a, b)))
}

/// Jaro-Winkler similarity in units of 1/10000, rounded half up.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn jaro_winkler(py: Python<'_>, left: Vec<PyBackedStr>, right: Vec<PyBackedStr>) -> PyResult<Vec<i64>> {
    pairwise(py, &left, &right, |a, b| i64::from(core::jaro_winkler(a, b)))
}

/// American Soundex.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn soundex(py: Python<'_>, values: Vec<PyBackedStr>) -> PyResult<Vec<String>> {
    detached(py, || Ok(values.iter().map(|value| core::soundex(value)).collect()))
}

/// Primary and alternate Double Metaphone codes, at most four characters each.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn double_metaphone(py: Python<'_>, values: Vec<PyBackedStr>) -> PyResult<Vec<(String, String)>> {
    detached(py, || Ok(values.iter().map(|value| core::double_metaphone(value)).collect()))
}
