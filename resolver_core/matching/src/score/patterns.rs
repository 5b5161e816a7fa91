//! Counts of level patterns: what training without labels sees of pairs (docs/matching.md section 9).

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{Levels, Scorer, checked_rows};
use crate::error::{CoreResult, same_length};
use crate::model::Model;
use crate::record::Records;

/// Levels, and the free comparisons as bits by comparison number.
type Key = (Levels, u32);

/// How many pairs have the same levels and the same free comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern {
    /// Level by comparison; 0 is missing.
    pub levels: Levels,
    /// Comparisons that some pass which found the pair is not built on, as bits by comparison number.
    pub free: u32,
    /// Number of pairs.
    pub pairs: u64,
}

/// Patterns on their way to being counted.
#[derive(Default)]
pub(crate) struct PatternCounts {
    counts: FxHashMap<Key, u64>,
}

impl PatternCounts {
    /// Counts one pair.
    pub(crate) fn add(&mut self, levels: Levels, free: u32) {
        *self.counts.entry((levels, free)).or_default() += 1;
    }

    /// Adds what another counted; the larger table is kept.
    pub(crate) fn join(mut self, mut other: Self) -> Self {
        if self.counts.len() < other.counts.len() {
            std::mem::swap(&mut self, &mut other);
        }
        for (key, pairs) in other.counts {
            *self.counts.entry(key).or_default() += pairs;
        }
        self
    }
}

/// The patterns in their order. O(patterns · log patterns).
pub(crate) fn sorted_patterns(counts: PatternCounts) -> Vec<Pattern> {
    let mut patterns: Vec<Pattern> =
        counts.counts.into_iter().map(|((levels, free), pairs)| Pattern { levels, free, pairs }).collect();
    patterns.sort_unstable();
    patterns
}

/// Counts the patterns of given pairs of rows, whose comparisons are all free; ascending. O(pairs), memory O(patterns).
///
/// # Errors
/// `Input` for columns of different lengths and rows outside the batch.
pub fn count_pairs(records: &Records, left: &[i64], right: &[i64], model: &Model) -> CoreResult<Vec<Pattern>> {
    same_length("right", right.len(), left.len())?;
    let (left, right) = (checked_rows("left", left, records)?, checked_rows("right", right, records)?);
    let scorer = Scorer::new(records, records.slots(), model);
    let free = u32::MAX >> (u32::BITS as usize - model.width());
    let one = |mut counts: PatternCounts, index: usize| {
        counts.add(scorer.score(left[index], right[index]).levels, free);
        counts
    };
    let counts = (0..left.len())
        .into_par_iter()
        .with_min_len(1024)
        .fold(PatternCounts::default, one)
        .reduce(PatternCounts::default, PatternCounts::join);
    Ok(sorted_patterns(counts))
}
