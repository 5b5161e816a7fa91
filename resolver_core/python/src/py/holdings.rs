//! What a ledger holds of a load: evidence, and what follows from it, as rows for its tables.

use std::ops::Range;

use goldthread_matching as core;
use goldthread_matching::{CoreError, CoreResult};
use pyo3::prelude::*;
use pyo3::pybacked::{PyBackedBytes, PyBackedStr};
use pyo3::types::PyBytes;

use super::column::{slices, texts};
use super::detach::detached;
use super::gather::Claims;
use super::matching::Progress;
use super::model::Model;
use crate::tables;

fn refused<T>(argument: &'static str, reason: &str) -> CoreResult<T> {
    Err(CoreError::Input { argument, reason: reason.into() })
}

/// A range within so many.
fn within(start: u32, stop: u32, total: usize) -> CoreResult<Range<u32>> {
    if start > stop || stop as usize > total { refused("stop", "lies outside the load") } else { Ok(start..stop) }
}

fn words(bytes: &[u8]) -> CoreResult<Vec<i64>> {
    let (words, rest) = bytes.as_chunks::<8>();
    if rest.is_empty() {
        Ok(words.iter().map(|word| i64::from_ne_bytes(*word)).collect())
    } else {
        refused("columns", "are no numbers")
    }
}

/// The events of one chunk of rows.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct EventChunk {
    chunk: core::EventChunk,
}

#[pymethods]
impl EventChunk {
    /// Reads what rows say beside their claims.
    #[staticmethod]
    #[allow(clippy::needless_pass_by_value, clippy::too_many_arguments)]
    fn read(
        py: Python<'_>,
        claims: &Claims,
        sources: Vec<PyBackedStr>,
        ids: Vec<PyBackedStr>,
        kinds: PyBackedBytes,
        occurred: PyBackedBytes,
        amounts: PyBackedBytes,
        details: Vec<PyBackedStr>,
        contents: Vec<PyBackedStr>,
    ) -> PyResult<Self> {
        let chunk = detached(py, || {
            let (occurred, amounts) = (words(&occurred)?, words(&amounts)?);
            let (sources, ids, details, contents) = (texts(&sources), texts(&ids), texts(&details), texts(&contents));
            let said = core::Said {
                sources: &sources,
                ids: &ids,
                kinds: &kinds,
                occurred: &occurred,
                amounts: &amounts,
                details: &details,
                contents: &contents,
            };
            core::EventChunk::read(claims.chunk(), &said)
        })?;
        Ok(Self { chunk })
    }

    /// Rows that would be events if they had a usable claim.
    #[getter]
    fn unusable(&self) -> Vec<usize> {
        self.chunk.unusable().to_vec()
    }
}

/// What the events of a load say.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct Evidence {
    pub(crate) held: core::Evidence,
}

/// Name key, first and last time, and address of a carrier.
type Carrier<'py> = (String, i64, i64, Bound<'py, PyBytes>);

#[pymethods]
impl Evidence {
    /// Joins chunks of claims and events.
    #[staticmethod]
    #[allow(clippy::needless_pass_by_value)]
    fn of(
        py: Python<'_>,
        claims: Vec<Py<Claims>>,
        events: Vec<Py<EventChunk>>,
        model: &Model,
        milliseconds: u64,
        seed: PyBackedBytes,
    ) -> PyResult<Self> {
        let claims: Vec<&core::Claims> = claims.iter().map(|one| one.get().chunk()).collect();
        let events: Vec<&core::EventChunk> = events.iter().map(|one| &one.get().chunk).collect();
        detached(py, || core::Evidence::of(&claims, &events, &model.rules, milliseconds, &seed)).map(|held| Self { held })
    }

    /// Number of rows read.
    #[getter]
    fn rows(&self) -> usize {
        self.held.rows()
    }

    /// Number of records.
    #[getter]
    fn records(&self) -> usize {
        self.held.records().len()
    }

    /// Number of tokens.
    #[getter]
    fn tokens(&self) -> usize {
        self.held.tokens()
    }

    /// Rows that repeat another one.
    #[getter]
    fn repeated(&self) -> usize {
        self.held.repeated()
    }

    /// Rows whose content lost against another one under the same event id.
    #[getter]
    fn lost(&self) -> Vec<u32> {
        self.held.lost().to_vec()
    }

    /// Source and id of the first event of a record.
    fn first_event(&self, record: u32) -> PyResult<(String, String)> {
        self.checked(record)?;
        let (source, id) = self.held.event(self.held.sums(record).first_row);
        Ok((source.to_owned(), id.to_owned()))
    }

    /// Tokens of a type that are evidence and have several names, with their named carriers.
    fn contested<'py>(&self, py: Python<'py>, kind: u8) -> PyResult<Vec<(u32, Vec<Carrier<'py>>)>> {
        let found = detached(py, || Ok(self.held.contested(kind)))?;
        let carrier = |one: core::NamedCarrier| {
            let sums = self.held.sums(one.record);
            let address = PyBytes::new(py, self.held.records().address(one.record as usize));
            (one.name_key, sums.first, sums.last, address)
        };
        Ok(found.into_iter().map(|(token, carriers)| (token, carriers.into_iter().map(carrier).collect())).collect())
    }

    /// Records that carry any of these tokens.
    #[allow(clippy::needless_pass_by_value)]
    fn carriers_of(&self, py: Python<'_>, tokens: Vec<u32>) -> PyResult<Vec<u32>> {
        detached(py, || Ok(self.held.carriers_of(&tokens)))
    }

    /// A range of rows of one table.
    #[pyo3(signature = (table, start, stop, *, key_version = 0, normalizer = "", currency = ""))]
    #[allow(clippy::too_many_arguments)]
    fn copied<'py>(
        &self,
        py: Python<'py>,
        table: &str,
        start: u32,
        stop: u32,
        key_version: i16,
        normalizer: &str,
        currency: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let held = &self.held;
        let bytes = detached(py, || {
            let rows = || within(start, stop, held.rows());
            let records = || within(start, stop, held.records().len());
            let tokens = || within(start, stop, held.tokens());
            Ok(match table {
                "inbox" => tables::inbox(held, rows()?),
                "event_conflict" => tables::conflicts(held),
                "purchase" => tables::purchases(held, rows()?, currency),
                "consent_event" => tables::consents(held, rows()?),
                "record" => tables::records(held, records()?),
                "token" => tables::tokens(held, tokens()?, key_version, normalizer),
                "record_token" => tables::record_tokens(held, records()?),
                "token_name" => tables::token_names(held, tokens()?),
                _ => return refused("table", "is none that evidence is written to"),
            })
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// The rows of `block` of one rule, and those of `record_block`, depth by depth.
    #[allow(clippy::needless_pass_by_value)]
    fn copied_blocks<'py>(
        &self,
        py: Python<'py>,
        key: PyBackedBytes,
        model: &Model,
        rule: usize,
    ) -> PyResult<(Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>)> {
        let (blocks, carried) = detached(py, || {
            if rule >= model.rules.rules().len() {
                return refused("rule", "is none of the model");
            }
            let held = core::held_blocks(&key, self.held.records(), &model.rules, rule)?;
            Ok((tables::blocks(&held, &model.rules), held.iter().map(tables::record_blocks).collect::<Vec<_>>()))
        })?;
        Ok((PyBytes::new(py, &blocks), carried.iter().map(|rows| PyBytes::new(py, rows)).collect()))
    }
}

impl Evidence {
    fn checked(&self, record: u32) -> PyResult<()> {
        if (record as usize) < self.held.records().len() {
            return Ok(());
        }
        Err(super::errors::InputError::new_err(("record", "lies outside the load")))
    }
}

/// Profiles of a load and the pairs that made them.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct HeldProfiles {
    held: core::Profiles,
}

/// Id, birth ids of the records, purchases and their sum, and when the last one was.
type Fact<'py> = (Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>, i64, i64, Option<i64>);

#[pymethods]
impl HeldProfiles {
    /// Scores, partitions and sums up.
    #[staticmethod]
    #[pyo3(signature = (evidence, model, held_back, *, progress = None))]
    #[allow(clippy::needless_pass_by_value)]
    fn of(
        py: Python<'_>,
        evidence: &Evidence,
        model: &Model,
        held_back: Vec<u32>,
        progress: Option<&Progress>,
    ) -> PyResult<Self> {
        let nobody = core::Progress::default();
        let progress = progress.map_or(&nobody, |progress| progress.state());
        detached(py, || core::Profiles::of(&evidence.held, &model.rules, &held_back, progress)).map(|held| Self { held })
    }

    /// Number of profiles.
    fn __len__(&self) -> usize {
        self.held.all().len()
    }

    /// Number of kept pairs.
    #[getter]
    fn pairs(&self) -> usize {
        self.held.pairs()
    }

    /// Number of pairs shown with profiles.
    #[getter]
    fn links(&self) -> usize {
        self.held.links().len()
    }

    /// Number of reviews.
    #[getter]
    fn reviews(&self) -> usize {
        self.held.reviews().len()
    }

    /// Number of candidates that were compared.
    #[getter]
    fn candidates(&self) -> usize {
        self.held.candidates()
    }

    /// Records that have evidence only.
    #[getter]
    fn held_back(&self) -> Vec<u32> {
        self.held.held_back().collect()
    }

    /// What changes tell of a range of profiles.
    fn facts<'py>(&self, py: Python<'py>, evidence: &Evidence, start: u32, stop: u32) -> PyResult<Vec<Fact<'py>>> {
        let range = detached(py, || within(start, stop, self.held.all().len()))?;
        let uuid = |id: u128| PyBytes::new(py, &id.to_be_bytes());
        let fact = |profile: &core::Profile| {
            let members = self.held.members(profile).iter().map(|record| uuid(evidence.held.birth_id(*record))).collect();
            let last = profile.last_purchase.map(|record| evidence.held.sums(record).last_purchase);
            (uuid(profile.id), members, profile.purchases, profile.total, last)
        };
        Ok(self.held.all()[range.start as usize..range.end as usize].iter().map(fact).collect())
    }

    /// A range of rows of one table.
    #[pyo3(signature = (table, evidence, model, start, stop, *, first_version = 1, model_id = 0, cause = "", actor = ""))]
    #[allow(clippy::too_many_arguments)]
    fn copied<'py>(
        &self,
        py: Python<'py>,
        table: &str,
        evidence: &Evidence,
        model: &Model,
        start: u32,
        stop: u32,
        first_version: i64,
        model_id: i32,
        cause: &str,
        actor: &str,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let (held, evidence, rules) = (&self.held, &evidence.held, &model.rules);
        let by = tables::Written { cause, actor, model_id, first_version };
        let bytes = detached(py, || {
            let profiles = || within(start, stop, held.all().len());
            Ok(match table {
                "membership" => tables::memberships(held, within(start, stop, evidence.records().len())?),
                "pair" => tables::pairs(held, evidence, rules, within(start, stop, held.pairs())?, model_id),
                "profile" => tables::profile_rows(held, evidence, profiles()?, first_version),
                "journal" => tables::journal(held, evidence, profiles()?, &by),
                "journal_link" => {
                    tables::journal_links(held, evidence, rules, within(start, stop, held.links().len())?, first_version)
                }
                "review" => tables::tied(held, held.reviews(), Some(model_id)),
                "household" => tables::tied(held, held.households(), None),
                "contender" => tables::contenders(held),
                _ => return refused("table", "is none that profiles are written to"),
            })
        })?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Rows of `outbox` for the encoded changes of the profiles from `start` on.
    #[allow(clippy::needless_pass_by_value)]
    fn copied_outbox<'py>(
        &self,
        py: Python<'py>,
        evidence: &Evidence,
        start: u32,
        first_version: i64,
        changes: Vec<PyBackedBytes>,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let changes = slices(&changes);
        let bytes = detached(py, || {
            let stop = u32::try_from(changes.len()).ok().and_then(|count| start.checked_add(count)).unwrap_or(u32::MAX);
            within(start, stop, self.held.all().len())?;
            Ok(tables::outbox(&self.held, &evidence.held, start, first_version, &changes))
        })?;
        Ok(PyBytes::new(py, &bytes))
    }
}
