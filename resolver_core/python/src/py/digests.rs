//! Normaliser, tokens, addresses and seals over columns.

use goldthread_matching as core;
use goldthread_matching::words::ATTRIBUTES;
use goldthread_matching::{Canonical, CleanRow, Column, Identifiers};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyMapping};

use super::column::{NamedColumns, OptionalTexts, by_attribute, by_name, optional_texts, slices, texts, to_bytes};
use super::detach::detached;

/// Clean columns by attribute name, and `(row, attribute)` of every invalid value.
type CleanColumns<'py> = (Bound<'py, PyDict>, Vec<(usize, &'static str)>);

/// Statuses, canonical digests and gmail-folded digests.
type IdentifierColumns<'py> = (Vec<i64>, Vec<Option<Bound<'py, PyBytes>>>, Vec<Option<Bound<'py, PyBytes>>>);

/// Clean forms of the eight attributes, and `(row, attribute)` of every value that is present but invalid.
#[pyfunction]
#[pyo3(signature = (columns, *, region))]
pub(crate) fn normalize_attributes<'py>(
    py: Python<'py>,
    columns: &Bound<'py, PyMapping>,
    region: &str,
) -> PyResult<CleanColumns<'py>> {
    let named = NamedColumns::extract(columns)?;
    let borrowed = named.borrowed();
    let (table, invalid) = detached(py, || {
        let columns: Vec<(&str, Column<'_>)> = borrowed.iter().map(|(name, column)| (*name, column.as_slice())).collect();
        let clean = core::normalize_attributes(&columns, region)?;
        let mut table: [Vec<Option<String>>; ATTRIBUTES.len()] =
            std::array::from_fn(|_| Vec::with_capacity(clean.rows.len()));
        for row in clean.rows {
            for (column, value) in table.iter_mut().zip::<CleanRow>(row) {
                column.push(value);
            }
        }
        let invalid = clean.invalid.into_iter().map(|(row, position)| (row, ATTRIBUTES[position])).collect();
        Ok((table, invalid))
    })?;
    Ok((ATTRIBUTES.into_iter().zip(table).into_py_dict(py)?, invalid))
}

/// Status (0 ok, 1 missing, 2 placeholder, 3 invalid), canonical SHA-256 digest, and gmail-folded digest per value.
#[pyfunction]
#[pyo3(signature = (types, values, *, region))]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn normalize_identifiers<'py>(
    py: Python<'py>,
    types: Vec<i64>,
    values: OptionalTexts,
    region: &str,
) -> PyResult<IdentifierColumns<'py>> {
    let borrowed = optional_texts(&values);
    let digested = detached(py, || {
        let canonical = core::canonical_identifiers(&types, &borrowed, region)?;
        let digest = |canonical: &Canonical| match canonical {
            Canonical::Ok { value, folded } => (0, Some(core::sha256(value)), folded.as_ref().map(core::sha256)),
            Canonical::Missing => (1, None, None),
            Canonical::Placeholder => (2, None, None),
            Canonical::Invalid => (3, None, None),
        };
        Ok(canonical.iter().map(digest).collect::<Vec<(i64, Option<_>, Option<_>)>>())
    })?;
    let wrap = |digest: &Option<core::Digest32>| digest.as_ref().map(|bytes| PyBytes::new(py, bytes));
    Ok((
        digested.iter().map(|row| row.0).collect(),
        digested.iter().map(|row| wrap(&row.1)).collect(),
        digested.iter().map(|row| wrap(&row.2)).collect(),
    ))
}

/// Status of digests made elsewhere: 0 ok, 2 digest of a blank or placeholder value, 3 not 32 bytes.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn check_digests(py: Python<'_>, types: Vec<i64>, digests: Vec<PyBackedBytes>) -> PyResult<Vec<i64>> {
    let borrowed = slices(&digests);
    detached(py, || {
        let shaped: Vec<Option<&core::Digest32>> = borrowed.iter().map(|bytes| (*bytes).try_into().ok()).collect();
        let answers = core::placeholder_digests(&types, &shaped)?;
        Ok(answers.into_iter().map(|answer| answer.map_or(3, |placeholder| if placeholder { 2 } else { 0 })).collect())
    })
}

/// Tokens of 32 bytes under `key` (≥ 32 bytes).
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn tokenize(
    py: Python<'_>,
    key: PyBackedBytes,
    types: Vec<i64>,
    namespaces: Vec<PyBackedStr>,
    forms: Vec<i64>,
    digests: Vec<PyBackedBytes>,
) -> PyResult<Vec<Bound<'_, PyBytes>>> {
    let (namespaces, digests) = (texts(&namespaces), slices(&digests));
    let identifiers = Identifiers { types: &types, namespaces: &namespaces, forms: &forms, digests: &digests };
    let tokens = detached(py, || core::tokenize(&key, &identifiers))?;
    Ok(to_bytes(py, &tokens))
}

/// Clean forms of a column beyond the attributes.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn normalize_extras(py: Python<'_>, values: OptionalTexts) -> PyResult<Vec<Option<String>>> {
    let borrowed = optional_texts(&values);
    detached(py, || Ok(core::normalize_extras(&borrowed)))
}

/// Record addresses. Record i owns identifiers `offsets[i]:offsets[i + 1]`.
#[pyfunction]
#[pyo3(signature = (key, sources, offsets, types, namespaces, forms, digests, attributes, epochs, *, extras = None))]
#[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
pub(crate) fn address_records<'py>(
    py: Python<'py>,
    key: PyBackedBytes,
    sources: Vec<PyBackedStr>,
    offsets: Vec<i64>,
    types: Vec<i64>,
    namespaces: Vec<PyBackedStr>,
    forms: Vec<i64>,
    digests: Vec<PyBackedBytes>,
    attributes: &Bound<'_, PyMapping>,
    epochs: Vec<i64>,
    extras: Option<&Bound<'_, PyMapping>>,
) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let (named, more) = (NamedColumns::extract(attributes)?, NamedColumns::extract_optional(extras)?);
    let (borrowed, more) = (named.borrowed(), more.borrowed());
    let attributes = by_attribute(&borrowed)?;
    let extras = by_name(&more);
    let (sources, namespaces, digests) = (texts(&sources), texts(&namespaces), slices(&digests));
    let identifiers = Identifiers { types: &types, namespaces: &namespaces, forms: &forms, digests: &digests };
    let addresses =
        detached(py, || core::address_records(&key, &sources, &offsets, &identifiers, &attributes, &extras, &epochs))?;
    Ok(to_bytes(py, &addresses))
}

/// SHA-256 of each payload.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn payload_digests(py: Python<'_>, payloads: Vec<PyBackedBytes>) -> PyResult<Vec<Bound<'_, PyBytes>>> {
    let borrowed = slices(&payloads);
    let digests = detached(py, || Ok(borrowed.iter().map(core::sha256).collect::<Vec<_>>()))?;
    Ok(to_bytes(py, &digests))
}

/// XChaCha20-Poly1305 of each value under a 32-byte key; output is nonce ‖ ciphertext.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn seal(
    py: Python<'_>,
    key: PyBackedBytes,
    nonces: Vec<PyBackedBytes>,
    contexts: Vec<PyBackedBytes>,
    values: Vec<PyBackedBytes>,
) -> PyResult<Vec<Bound<'_, PyBytes>>> {
    let (nonces, contexts, values) = (slices(&nonces), slices(&contexts), slices(&values));
    let sealed = detached(py, || core::seal(&key, &nonces, &contexts, &values))?;
    Ok(to_bytes(py, &sealed))
}

/// Opens what `seal` made; `SealError` if key, context or bytes differ.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn unseal(
    py: Python<'_>,
    key: PyBackedBytes,
    contexts: Vec<PyBackedBytes>,
    sealed: Vec<PyBackedBytes>,
) -> PyResult<Vec<Bound<'_, PyBytes>>> {
    let (contexts, sealed) = (slices(&contexts), slices(&sealed));
    let values = detached(py, || core::unseal(&key, &contexts, &sealed))?;
    Ok(to_bytes(py, &values))
}
