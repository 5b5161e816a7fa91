//! The batch engine: generic tokens, blocks, scores and partition of all records in memory.

mod pairs;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

pub(crate) use self::pairs::score_candidates;
use crate::candidates::{Candidates, Probes, carriers};
use crate::error::{CoreError, CoreResult};
use crate::model::Model;
use crate::normalize::Digest32;
use crate::partition::{AssertedPairs, KeptPairs, Partition, partition_edges};
use crate::progress::{Progress, Stage};
use crate::record::{Records, Slot, Slots};
use crate::score::Scorer;
use crate::words::IDENTIFIER_TYPES;

/// What the batch engine counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Distinct candidate pairs.
    pub candidates: usize,
    /// Candidates at or above the model's floor.
    pub pairs: usize,
    /// Components of two or more records.
    pub components: usize,
    /// Records of the largest component.
    pub largest_component: usize,
    /// Tokens that too many different names, or too many records, carry, or that were closed from outside.
    pub generic_tokens: usize,
    /// Blocking keys that too many records carry, at any depth.
    pub crowded_keys: usize,
}

/// Marks the closed tokens, and those that more distinct name keys carry than their type allows, or more records than the model does.
/// O(slots · log slots).
pub(crate) fn generic_tokens(records: &Records, model: &Model, closed: &[&[u8]]) -> CoreResult<Vec<bool>> {
    let slots = records.slots();
    let closed = closed
        .iter()
        .map(|token| {
            Digest32::try_from(*token).map_err(|_| CoreError::input("closed_tokens", "holds one that is not 32 bytes"))
        })
        .collect::<CoreResult<FxHashSet<_>>>()?;
    let carriers = carriers(slots, records.len());
    let mut generic = records.tokens().among(&closed);
    for (generic, carriers) in generic.iter_mut().zip(&carriers) {
        *generic |= *carriers > model.generic_records();
    }
    let mut limits = [0; IDENTIFIER_TYPES.len() + 1];
    for (kind, limit) in (0..).zip(&mut limits).skip(1) {
        *limit = model.generic_limit(kind)?;
    }
    // Whoever has no more carriers than its type allows names has no more names either.
    let many = |slot: &&Slot| carriers[slot.token as usize] > limits[usize::from(slot.kind)];
    let mut seen: Vec<(u32, [u8; 5], u8)> = Vec::new();
    for record in 0..records.len() {
        let mut held = slots.of(record).iter().filter(many).peekable();
        if held.peek().is_none() {
            continue;
        }
        if let Some(([a, b, c, d], initial)) = records.name_key(record) {
            seen.extend(held.map(|slot| (slot.token, [a, b, c, d, initial], slot.kind)));
        }
    }
    seen.par_sort_unstable();
    seen.dedup();
    for run in seen.chunk_by(|a, b| a.0 == b.0) {
        if run.len() > limits[usize::from(run[0].2)] {
            generic[run[0].0 as usize] = true;
        }
    }
    Ok(generic)
}

/// A prepared batch without its generic tokens.
struct Prepared {
    slots: Slots,
    generic_tokens: usize,
    candidates: Candidates,
}

fn prepare(records: &Records, model: &Model, closed: &[&[u8]]) -> CoreResult<Prepared> {
    let generic = generic_tokens(records, model, closed)?;
    let slots = records.slots().without(&generic);
    let rules: Vec<usize> = (0..model.rules().len()).collect();
    let candidates = Candidates::new(records, &slots, model, &rules, &Probes::all(records));
    Ok(Prepared { slots, generic_tokens: generic.iter().filter(|generic| **generic).count(), candidates })
}

/// A candidate pair of rows, the lower first, and its score.
pub type ScoredRows = (u32, u32, i32);

/// All candidates with a score of at least `floor`, and kin, by rows; what calibration and the measuring of blocks read. Memory: that of the
/// answer. O(records · log records + candidates).
///
/// # Errors
/// `Input` for closed tokens that are not 32 bytes.
pub fn candidate_pairs(records: &Records, model: &Model, closed: &[&[u8]], floor: i64) -> CoreResult<Vec<ScoredRows>> {
    let prepared = prepare(records, model, closed)?;
    let scorer = Scorer::new(records, &prepared.slots, model);
    let floor = i32::try_from(floor.clamp(i64::from(i32::MIN), i64::from(i32::MAX))).unwrap_or(i32::MIN);
    let kept = KeptPairs::all(records.len());
    score_candidates(&scorer, &prepared.candidates, floor, &kept, &Progress::default());
    let mut pairs: Vec<ScoredRows> = kept.into_pairs().into_iter().map(|pair| (pair.left, pair.right, pair.score)).collect();
    pairs.par_sort_unstable();
    Ok(pairs)
}

/// Blocks, scores and partitions all records; generic tokens are found here, except those that only events tell: `closed` holds them, and
/// any that no record carries is passed over. `progress` is told how far the work is, and may stop it. Memory: the blocks and a few dozen bytes to a record, however
/// many pairs are kept. O(records · log records + candidates).
///
/// # Errors
/// `Input` for closed tokens that are not 32 bytes, and for a run that was stopped.
pub fn match_records(
    records: &Records,
    model: &Model,
    closed: &[&[u8]],
    progress: &Progress,
) -> CoreResult<(Partition, Counts)> {
    progress.begin(Stage::Block, model.rules().len());
    let Prepared { slots, generic_tokens, candidates } = prepare(records, model, closed)?;
    progress.go_on()?;
    let scorer = Scorer::new(records, &slots, model);
    let crowded_keys = candidates.crowded_keys();
    progress.begin(Stage::Score, candidates.groups().count());
    let kept = KeptPairs::of_components(records.len());
    let (counted, pairs) = score_candidates(&scorer, &candidates, model.edge_floor(), &kept, progress);
    drop(candidates);
    progress.go_on()?;
    progress.begin(Stage::Partition, 0);
    let (partition, sizes) = partition_edges(&scorer, kept.into_pairs(), &AssertedPairs::default());
    let counts = Counts {
        candidates: counted,
        pairs,
        components: sizes.components,
        largest_component: sizes.largest,
        generic_tokens,
        crowded_keys,
    };
    Ok((partition, counts))
}

#[cfg(test)]
mod tests;
