//! Blocking keys of records as a ledger holds them: refined ones only below crowded keys (docs/matching.md section 6).

use rayon::prelude::*;

use crate::block::KeyMaker;
use crate::error::CoreResult;
use crate::model::Model;
use crate::record::{Records, row_number};

/// The keys of one rule at one depth.
#[derive(Debug)]
pub struct HeldBlocks {
    /// Position of the rule in the model.
    pub rule: usize,
    /// Number of refinements used.
    pub depth: usize,
    /// Key and record, ascending.
    pub carried: Vec<(i64, u32)>,
}

impl HeldBlocks {
    /// Each key with the number of records that carry it.
    pub fn counts(&self) -> impl Iterator<Item = (i64, usize)> {
        self.carried.chunk_by(|a, b| a.0 == b.0).map(|run| (run[0].0, run.len()))
    }
}

/// Keys of one rule, depth by depth: all of depth 0, and deeper ones of the records below a key that more than `max_block` carry.
/// O(records · log records), on all cores.
///
/// # Errors
/// `Input` for a key shorter than 32 bytes.
pub fn held_blocks(key: &[u8], records: &Records, model: &Model, rule: usize) -> CoreResult<Vec<HeldBlocks>> {
    let maker = KeyMaker::new(key, records)?;
    let definition = &model.rules()[rule];
    let mut waiting: Vec<u32> = (0..row_number(records.len())).collect();
    let mut held = Vec::new();
    for depth in 0..=definition.refinements.len() {
        let one = |record: u32| maker.key(definition, depth, record as usize).map(|key| (key, record));
        let mut carried: Vec<(i64, u32)> = waiting.into_par_iter().with_min_len(1024).filter_map(one).collect();
        carried.par_sort_unstable();
        let crowded = carried.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > model.max_block());
        waiting = crowded.flatten().map(|(_, record)| *record).collect();
        held.push(HeldBlocks { rule, depth, carried });
        if waiting.is_empty() {
            break;
        }
    }
    Ok(held)
}
