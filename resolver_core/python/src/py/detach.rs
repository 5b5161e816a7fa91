//! The only place that releases the interpreter lock and translates errors.

use std::panic::{AssertUnwindSafe, catch_unwind};

use goldthread_matching::{CoreError, CoreResult};
use pyo3::prelude::*;

use super::errors::exception;

/// Runs a computation without the interpreter lock; refusals and panics become exceptions of the core's family.
pub(crate) fn detached<T: Send>(py: Python<'_>, compute: impl FnOnce() -> CoreResult<T> + Send) -> PyResult<T> {
    let guarded = || catch_unwind(AssertUnwindSafe(compute)).unwrap_or(Err(CoreError::Internal { place: "the core" }));
    py.detach(guarded).map_err(exception)
}
