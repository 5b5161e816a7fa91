//! From raw columns to prepared records, chunk by chunk: what the batch engine reads of a file too large to be held as texts.
//!
//! A chunk of rows is cleaned and addressed at once ([`Claims`]) and keeps numbers, digests and each distinct clean text once. All chunks
//! together become one batch of distinct records ([`gather`]). Both do what the functions of single columns do, row by row, so the records are the
//! same however the rows are cut.

mod attributes;
mod chunk;
mod identifiers;
mod join;
mod profile;

pub(crate) use self::attributes::CleanColumn;
pub use self::chunk::{Claims, GatherKeys, RawColumns};
pub(crate) use self::join::gather_kept;
pub use self::join::{Gathered, gather};
pub use self::profile::{IdTexts, ProfileIds};

#[cfg(test)]
mod tests;
