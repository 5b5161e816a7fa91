//! The records whose candidates a training looks at: all of a small batch, a sample of a large one.

use super::sample::lowest;
pub(super) use crate::candidates::{Candidates, FIRST_RULE, Found, Passes, Probes};
use crate::record::Records;

impl Probes {
    /// All records, or the `most` of lowest rank.
    pub(super) fn new(records: &Records, seed: u64, most: usize) -> Self {
        if records.len() <= most {
            return Self::all(records);
        }
        let rows = lowest(records, seed, most);
        // A pair is found from either of its records that is a probe.
        #[allow(clippy::cast_precision_loss)]
        let worth = records.len() as f64 / (2.0 * rows.len().max(1) as f64);
        Self { rows, all: false, worth }
    }
}
