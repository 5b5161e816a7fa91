//! From raw columns to a batch of records, chunk by chunk.

use goldthread_matching as core;
use goldthread_matching::words::IDENTIFIER_TYPES;
use goldthread_matching::{CoreResult, GatherKeys, RawColumns};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyMapping};

use super::column::{NamedTexts, TextColumn, TextsByName};
use super::detach::detached;
use super::errors::InputError;
use super::matching::Records;

/// The distinct records of one chunk of rows.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct Claims {
    chunk: core::Claims,
}

impl Claims {
    /// The chunk itself.
    pub(crate) fn chunk(&self) -> &core::Claims {
        &self.chunk
    }
}

/// Raw columns by what they are.
fn raw_columns<'a>(
    sources: &'a [Option<&'a str>],
    default_source: &'a str,
    identifiers: &'a [(i64, Vec<Option<&'a str>>)],
    attributes: &'a TextsByName<'a>,
    extras: &'a TextsByName<'a>,
) -> CoreResult<RawColumns<'a>> {
    let mut placed = [None; IDENTIFIER_TYPES.len()];
    for (kind, column) in identifiers {
        let place = usize::try_from(*kind).ok().and_then(|kind| placed.get_mut(kind.checked_sub(1)?));
        let unknown = || core::CoreError::Input { argument: "identifiers", reason: "holds an unknown type".into() };
        *place.ok_or_else(unknown)? = Some(column.as_slice());
    }
    let named = |columns: &'a TextsByName<'a>| columns.iter().map(|(name, column)| (*name, column.as_slice())).collect();
    Ok(RawColumns { sources, default_source, identifiers: placed, attributes: named(attributes), extras: named(extras) })
}

#[pymethods]
impl Claims {
    /// Reads a chunk of rows.
    #[staticmethod]
    #[pyo3(signature = (address_key, token_key, sources, identifiers, attributes, extras, *, default_source, region))]
    #[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
    fn read(
        py: Python<'_>,
        address_key: PyBackedBytes,
        token_key: PyBackedBytes,
        sources: TextColumn,
        identifiers: &Bound<'_, PyMapping>,
        attributes: &Bound<'_, PyMapping>,
        extras: &Bound<'_, PyMapping>,
        default_source: &str,
        region: &str,
    ) -> PyResult<Self> {
        let (attributes, extras) = (NamedTexts::extract(attributes)?, NamedTexts::extract(extras)?);
        let mut typed: Vec<(i64, TextColumn)> = Vec::new();
        for item in identifiers.items()?.iter() {
            typed.push(item.extract()?);
        }
        detached(py, || {
            let sources = sources.texts()?;
            let (attributes, extras) = (attributes.texts()?, extras.texts()?);
            let identifiers =
                typed.iter().map(|(kind, column)| Ok((*kind, column.texts()?))).collect::<CoreResult<Vec<_>>>()?;
            let columns = raw_columns(&sources, default_source, &identifiers, &attributes, &extras)?;
            core::Claims::read(&GatherKeys { address: &address_key, token: &token_key }, &columns, region)
        })
        .map(|chunk| Self { chunk })
    }

    /// Number of rows.
    #[getter]
    fn rows(&self) -> usize {
        self.chunk.rows()
    }

    /// Number of distinct records among them.
    #[getter]
    fn records(&self) -> usize {
        self.chunk.records()
    }

    /// Rows by column whose value is present but invalid.
    fn invalid<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.chunk.invalid().to_vec().into_py_dict(py)
    }

    /// Rows by identifier type whose value stands for "none".
    fn placeholders<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.chunk.placeholders().to_vec().into_py_dict(py)
    }
}

/// 32-bit numbers as bytes in the order of the machine.
fn number_bytes<'py, const N: usize, T: Copy>(
    py: Python<'py>,
    numbers: &[T],
    bytes: fn(T) -> [u8; N],
) -> Bound<'py, PyBytes> {
    let flat: Vec<u8> = numbers.iter().flat_map(|number| bytes(*number)).collect();
    PyBytes::new(py, &flat)
}

/// The distinct records of all chunks, and the record of each row as 32-bit numbers; -1 where a row has no usable claim.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn gather(py: Python<'_>, chunks: Vec<Py<Claims>>) -> PyResult<(Records, Bound<'_, PyBytes>)> {
    let chunks: Vec<&core::Claims> = chunks.iter().map(|chunk| &chunk.get().chunk).collect();
    let gathered = detached(py, || core::gather(&chunks))?;
    let rows = number_bytes(py, &gathered.rows, u32::to_ne_bytes);
    Ok((Records::of(gathered.records), rows))
}

/// Public profile ids of the clusters of a batch.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct ProfileIds {
    ids: core::ProfileIds,
}

/// Offsets, texts and validity of a column.
type PackedColumn<'py> = (Bound<'py, PyBytes>, Bound<'py, PyBytes>, Bound<'py, PyBytes>);

#[pymethods]
impl ProfileIds {
    #[new]
    #[allow(clippy::needless_pass_by_value)]
    fn new(py: Python<'_>, records: &Records, clusters: Vec<i64>) -> PyResult<Self> {
        detached(py, || core::ProfileIds::new(records.batch(), &clusters)).map(|ids| Self { ids })
    }

    /// Ids of rows given by their records, as `gather` numbers them, as a packed column.
    #[allow(clippy::needless_pass_by_value)]
    fn column<'py>(&self, py: Python<'py>, rows: PyBackedBytes) -> PyResult<PackedColumn<'py>> {
        if !rows.len().is_multiple_of(4) {
            return Err(InputError::new_err(("rows", "is no column of 32-bit numbers")));
        }
        let (texts, validity) = detached(py, || {
            let word = |bytes: &[u8]| bytes.first_chunk().map_or(u32::MAX, |bytes| u32::from_ne_bytes(*bytes));
            let rows: Vec<u32> = rows.chunks_exact(4).map(word).collect();
            let present = |rows: &[u32]| {
                rows.iter().enumerate().fold(0_u8, |byte, (bit, row)| byte | u8::from(*row != u32::MAX) << bit)
            };
            let validity: Vec<u8> = rows.chunks(8).map(present).collect();
            Ok((self.ids.texts(&rows)?, validity))
        })?;
        let offsets = number_bytes(py, &texts.offsets, i32::to_ne_bytes);
        Ok((offsets, PyBytes::new(py, texts.text.as_bytes()), PyBytes::new(py, &validity)))
    }
}
