//! Columns as they cross the boundary: Python texts and bytes are borrowed, not copied.

use goldthread_matching::words::ATTRIBUTES;
use goldthread_matching::{AttributeColumns, Column, CoreError, CoreResult};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::{PyBytes, PyMapping};

use super::errors::InputError;

/// A column of optional texts.
pub(crate) type OptionalTexts = Vec<Option<PyBackedStr>>;

/// A column of optional texts as a list, or packed as Arrow packs it: 32-bit offsets, bytes, and a bitmap of the rows that have a value.
#[derive(FromPyObject)]
pub(crate) enum TextColumn {
    Packed(PyBackedBytes, PyBackedBytes, Option<PyBackedBytes>),
    Listed(OptionalTexts),
}

fn packed_texts<'a>(offsets: &[u8], bytes: &'a [u8], validity: Option<&[u8]>) -> CoreResult<Vec<Option<&'a str>>> {
    let refused = |reason: &str| CoreError::Input { argument: "columns", reason: reason.into() };
    let text = std::str::from_utf8(bytes).map_err(|_| refused("a packed column is not UTF-8"))?;
    let word = |bytes: &[u8]| bytes.first_chunk().and_then(|bytes| usize::try_from(i32::from_ne_bytes(*bytes)).ok());
    let mut places = offsets.chunks_exact(4).map(word);
    let rows = (offsets.len() / 4).checked_sub(1).ok_or_else(|| refused("a packed column has no offsets"))?;
    if !offsets.len().is_multiple_of(4) || validity.is_some_and(|bits| bits.len() * 8 < rows) {
        return Err(refused("a packed column has parts of different lengths"));
    }
    let mut start = places.next().flatten();
    let mut column = Vec::with_capacity(rows);
    for (row, end) in places.enumerate() {
        let range = start.zip(end);
        let value = range.and_then(|(start, end)| text.get(start..end));
        let value = value.ok_or_else(|| refused("a packed column has offsets outside its bytes"))?;
        let valid = validity.is_none_or(|bits| bits[row / 8] >> (row % 8) & 1 == 1);
        column.push(valid.then_some(value));
        start = end;
    }
    Ok(column)
}

impl TextColumn {
    /// The texts, borrowed.
    pub(crate) fn texts(&self) -> CoreResult<Vec<Option<&str>>> {
        match self {
            Self::Packed(offsets, bytes, validity) => packed_texts(offsets, bytes, validity.as_deref()),
            Self::Listed(column) => Ok(optional_texts(column)),
        }
    }
}

/// Names and borrowed columns.
pub(crate) type TextsByName<'a> = Vec<(&'a str, Vec<Option<&'a str>>)>;

/// Named columns of optional texts, listed or packed.
pub(crate) struct NamedTexts(Vec<(String, TextColumn)>);

impl NamedTexts {
    /// Reads a mapping of columns.
    pub(crate) fn extract(mapping: &Bound<'_, PyMapping>) -> PyResult<Self> {
        let items = mapping.items()?;
        items.iter().map(|item| item.extract()).collect::<PyResult<_>>().map(Self)
    }

    /// Names and borrowed columns.
    pub(crate) fn texts(&self) -> CoreResult<TextsByName<'_>> {
        self.0.iter().map(|(name, column)| Ok((name.as_str(), column.texts()?))).collect()
    }
}

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
