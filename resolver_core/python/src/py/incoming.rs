//! Valid events from messages.

use goldthread_matching as core;
use goldthread_matching::KeyStatus;
use goldthread_matching::words::{ATTRIBUTES, IDENTIFIER_TYPES};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyList};

use super::column::{numbers, slices};
use super::detach::detached;
use super::errors::exception;

/// Places, sources, event ids, times, kinds, amounts, details, addresses and digests of events.
type EventColumns<'py> = (
    Vec<i64>,
    Bound<'py, PyList>,
    Bound<'py, PyList>,
    Vec<i64>,
    Vec<u8>,
    Vec<i64>,
    Bound<'py, PyList>,
    Bound<'py, PyList>,
    Bound<'py, PyList>,
);

/// Offsets, types, namespaces, forms and digests of keys.
type KeyColumns<'py> = (Vec<i64>, Vec<u8>, Bound<'py, PyList>, Vec<u8>, Bound<'py, PyList>);

/// Types, statuses and how many identifiers had both.
type Seen = Vec<(usize, u8, u64)>;

/// Reads events under one key, region and currency.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct EventReader(core::EventReader);

#[pymethods]
impl EventReader {
    #[new]
    #[pyo3(signature = (address_key, *, region, currency))]
    #[allow(clippy::needless_pass_by_value)]
    fn new(address_key: PyBackedBytes, region: &str, currency: &str) -> PyResult<Self> {
        core::EventReader::new(&address_key, region, currency).map(Self).map_err(exception)
    }

    /// The events of those messages that are valid beyond doubt.
    #[pyo3(signature = (messages, *, latest))]
    #[allow(clippy::needless_pass_by_value)]
    fn read<'py>(
        &self,
        py: Python<'py>,
        messages: Vec<PyBackedBytes>,
        latest: i64,
    ) -> PyResult<(EventColumns<'py>, KeyColumns<'py>, Vec<Bound<'py, PyList>>, Seen)> {
        let borrowed = slices(&messages);
        let read = detached(py, || Ok(self.0.read(&borrowed, latest)))?;
        let places = numbers((0..read.len()).filter(|&place| read[place].is_some()));
        let events: Vec<core::IncomingEvent<'_>> = read.into_iter().flatten().collect();
        let told = (
            places,
            PyList::new(py, events.iter().map(|event| event.source))?,
            PyList::new(py, events.iter().map(|event| event.event_id))?,
            events.iter().map(|event| event.occurred).collect(),
            events.iter().map(|event| event.kind.number()).collect(),
            events.iter().map(|event| event.amount).collect(),
            PyList::new(py, events.iter().map(|event| event.detail))?,
            PyList::new(py, events.iter().map(|event| PyBytes::new(py, &event.address)))?,
            PyList::new(py, events.iter().map(|event| PyBytes::new(py, &event.digest)))?,
        );
        let attributes = (0..ATTRIBUTES.len())
            .map(|place| PyList::new(py, events.iter().map(|event| event.attributes[place].as_deref())))
            .collect::<PyResult<_>>()?;
        Ok((told, key_columns(py, &events)?, attributes, seen(&events)))
    }
}

fn key_columns<'py>(py: Python<'py>, events: &[core::IncomingEvent<'_>]) -> PyResult<KeyColumns<'py>> {
    let ends = events.iter().scan(0, |end, event| {
        *end += event.keys.len();
        Some(*end)
    });
    let offsets = numbers(std::iter::once(0).chain(ends));
    let keys: Vec<&core::Key<'_>> = events.iter().flat_map(|event| &event.keys).collect();
    Ok((
        offsets,
        keys.iter().map(|key| key.0).collect(),
        PyList::new(py, keys.iter().map(|key| key.1))?,
        keys.iter().map(|key| key.2).collect(),
        PyList::new(py, keys.iter().map(|key| PyBytes::new(py, &key.3)))?,
    ))
}

/// Identifiers by type and status, those that there were.
fn seen(events: &[core::IncomingEvent<'_>]) -> Seen {
    let mut counts = [[0; 3]; IDENTIFIER_TYPES.len() + 1];
    for (kind, status) in events.iter().flat_map(|event| &event.seen) {
        counts[usize::from(*kind)][status_number(*status)] += 1;
    }
    let every =
        counts.iter().enumerate().flat_map(|(kind, row)| (0..).zip(row).map(move |(status, count)| (kind, status, *count)));
    every.filter(|(_, _, count)| *count > 0).collect()
}

/// As everywhere at the boundary: 0 ok, 1 missing, 2 placeholder.
fn status_number(status: KeyStatus) -> usize {
    match status {
        KeyStatus::Ok => 0,
        KeyStatus::Missing => 1,
        KeyStatus::Placeholder => 2,
    }
}
