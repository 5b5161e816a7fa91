//! The one error of the core.

use thiserror::Error;

/// What the core can refuse. Messages name arguments and keys, never the values that were passed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CoreError {
    /// An argument breaks the contract of the function.
    #[error("{argument}: {reason}")]
    Input {
        /// Name of the argument.
        argument: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A match model file is not valid.
    #[error("{key}: {reason}")]
    Model {
        /// Dotted key of the offending entry.
        key: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A sealed value does not open under this key and context.
    #[error("value {index} does not open under this key and context")]
    Seal {
        /// Row of the value.
        index: usize,
    },
    /// A defect of the core itself; never expected.
    #[error("internal defect in {place}")]
    Internal {
        /// Where it was noticed.
        place: &'static str,
    },
}

/// Result of a core function.
pub type CoreResult<T> = Result<T, CoreError>;

impl CoreError {
    pub(crate) fn input(argument: &'static str, reason: impl Into<String>) -> Self {
        Self::Input { argument, reason: reason.into() }
    }

    pub(crate) fn model(key: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Model { key: key.into(), reason: reason.into() }
    }
}

/// Refuses a column whose length differs from the number of rows.
pub(crate) fn same_length(argument: &'static str, length: usize, rows: usize) -> CoreResult<()> {
    if length == rows { Ok(()) } else { Err(CoreError::input(argument, format!("{length} rows where {rows} are expected"))) }
}
