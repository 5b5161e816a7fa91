//! The module `goldthread._core`. Every entry point extracts, detaches, computes and wraps, in that order.

mod column;
mod detach;
mod digests;
mod errors;
mod gather;
mod holdings;
mod incoming;
mod matching;
mod model;
mod register;
mod strings;
mod training;

use goldthread_matching::words::{ATTRIBUTES, COMPARISONS};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::panics::report_panics_by_place;

/// Level names of the comparisons that every model has, `missing` first.
fn standard_levels() -> Vec<Vec<&'static str>> {
    (0..COMPARISONS.len()).map(|comparison| goldthread_matching::levels_at(comparison).to_vec()).collect()
}

#[pymodule]
#[pyo3(name = "_core")]
fn core_module(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    report_panics_by_place();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("NORMALIZER_VERSION", goldthread_matching::NORMALIZER_VERSION)?;
    module.add("ATTRIBUTES", PyTuple::new(py, ATTRIBUTES)?)?;
    module.add("COMPARISONS", PyTuple::new(py, COMPARISONS)?)?;
    module.add("LEVELS", PyTuple::new(py, standard_levels())?)?;
    errors::register(module)?;
    module.add_class::<model::Model>()?;
    module.add_class::<matching::Records>()?;
    module.add_class::<training::Estimates>()?;
    module.add_class::<matching::Progress>()?;
    module.add_class::<gather::Claims>()?;
    module.add_class::<gather::ProfileIds>()?;
    module.add_class::<holdings::EventChunk>()?;
    module.add_class::<holdings::Evidence>()?;
    module.add_class::<holdings::HeldProfiles>()?;
    module.add_class::<incoming::EventReader>()?;
    module.add_class::<register::Register>()?;
    module.add_function(wrap_pyfunction!(gather::gather, module)?)?;
    module.add_function(wrap_pyfunction!(digests::normalize_attributes, module)?)?;
    module.add_function(wrap_pyfunction!(digests::normalize_extras, module)?)?;
    module.add_function(wrap_pyfunction!(digests::normalize_identifiers, module)?)?;
    module.add_function(wrap_pyfunction!(digests::check_digests, module)?)?;
    module.add_function(wrap_pyfunction!(digests::tokenize, module)?)?;
    module.add_function(wrap_pyfunction!(digests::address_records, module)?)?;
    module.add_function(wrap_pyfunction!(digests::payload_digests, module)?)?;
    module.add_function(wrap_pyfunction!(digests::seal, module)?)?;
    module.add_function(wrap_pyfunction!(digests::unseal, module)?)?;
    module.add_function(wrap_pyfunction!(matching::blocking_keys, module)?)?;
    module.add_function(wrap_pyfunction!(matching::score_pairs, module)?)?;
    module.add_function(wrap_pyfunction!(matching::partition, module)?)?;
    module.add_function(wrap_pyfunction!(matching::match_records, module)?)?;
    module.add_function(wrap_pyfunction!(matching::count_candidates, module)?)?;
    module.add_function(wrap_pyfunction!(matching::count_pairs, module)?)?;
    module.add_function(wrap_pyfunction!(matching::candidate_pairs, module)?)?;
    module.add_function(wrap_pyfunction!(training::train, module)?)?;
    module.add_function(wrap_pyfunction!(strings::levenshtein, module)?)?;
    module.add_function(wrap_pyfunction!(strings::osa, module)?)?;
    module.add_function(wrap_pyfunction!(strings::jaro_winkler, module)?)?;
    module.add_function(wrap_pyfunction!(strings::soundex, module)?)?;
    module.add_function(wrap_pyfunction!(strings::double_metaphone, module)?)?;
    Ok(())
}
