//! Columns as they cross the boundary: Python texts and bytes are borrowed, not copied.

use goldthread_matching::words::ATTRIBUTES;
use goldthread_matching::{AttributeColumns, Column};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyMapping};

use super::errors::InputError;

/// A column of optional texts.
pub(crate) type OptionalTexts = Vec<Option<PyBackedStr>>;

/// The texts of a column.
pub(crate) fn texts(column: &[PyBackedStr]) -> Vec<&str> {
    column.iter().map(AsRef::as_ref).collect()
}

/// The byte strings of a column.
pub(crate) fn slices(column: &[PyBackedBytes]) -> Vec<&[u8]> {
    column.iter().map(AsRef::as_ref).collect()
}

/// The optional texts of a column.
pub(crate) fn optional_texts(column: &[Option<PyBackedStr>]) -> Vec<Option<&str>> {
    column.iter().map(Option::as_deref).collect()
}

/// Byte strings for Python.
pub(crate) fn to_bytes<'py, T: AsRef<[u8]>>(py: Python<'py>, values: &[T]) -> Vec<Bound<'py, PyBytes>> {
    values.iter().map(|value| PyBytes::new(py, value.as_ref())).collect()
}

/// Numbers of rows for Python.
pub(crate) fn numbers(rows: impl IntoIterator<Item = usize>) -> Vec<i64> {
    rows.into_iter().map(|row| i64::try_from(row).unwrap_or(i64::MAX)).collect()
}

/// Named columns of optional texts.
pub(crate) struct NamedColumns(Vec<(String, OptionalTexts)>);

impl NamedColumns {
    /// Reads a mapping of columns.
    pub(crate) fn extract(mapping: &Bound<'_, PyMapping>) -> PyResult<Self> {
        let items = mapping.items()?;
        let mut columns = Vec::with_capacity(items.len());
        for item in items.iter() {
            columns.push(item.extract::<(String, OptionalTexts)>()?);
        }
        Ok(Self(columns))
    }

    /// Reads a mapping of columns; none if there is no mapping.
    pub(crate) fn extract_optional(mapping: Option<&Bound<'_, PyMapping>>) -> PyResult<Self> {
        mapping.map_or(Ok(Self(Vec::new())), Self::extract)
    }

    /// Names and borrowed columns.
    pub(crate) fn borrowed(&self) -> Vec<(&str, Vec<Option<&str>>)> {
        self.0.iter().map(|(name, column)| (name.as_str(), optional_texts(column))).collect()
    }
}

/// Columns placed by attribute; other names are refused.
pub(crate) fn by_attribute<'a>(columns: &'a [(&'a str, Vec<Option<&'a str>>)]) -> PyResult<AttributeColumns<'a>> {
    let mut placed: AttributeColumns<'_> = [None; ATTRIBUTES.len()];
    for (name, column) in columns {
        let position = ATTRIBUTES
            .iter()
            .position(|attribute| attribute == name)
            .ok_or_else(|| InputError::new_err(("attributes", "holds a name that is not an attribute")))?;
        placed[position] = Some(column);
    }
    Ok(placed)
}

/// Columns under their names.
pub(crate) fn by_name<'a>(columns: &'a [(&'a str, Vec<Option<&'a str>>)]) -> Vec<(&'a str, Column<'a>)> {
    columns.iter().map(|(name, column)| (*name, column.as_slice())).collect()
}
