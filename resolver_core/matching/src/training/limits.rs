//! Identifier limits that a file shows to be needed: how many different ones a person's records carry together.

use rustc_hash::FxHashMap;

use super::votes::ScoredPair;
use crate::record::Slots;
use crate::words::{CUSTOMER_NUMBER, FORM_FOLDED, IDENTIFIER_TYPES};

/// A limit is so many times what all but one in [`ONE_IN`] records have around them.
const MARGIN: usize = 2;
const ONE_IN: usize = 1000;

type ByType = [usize; IDENTIFIER_TYPES.len()];

/// Distinct tokens by type that some records carry together; customer numbers within one namespace, the largest.
fn distinct(slots: &Slots, rows: &[u32]) -> ByType {
    let mut carried: Vec<(u8, u32, u32)> = Vec::new();
    for row in rows {
        let plain = slots.of(*row as usize).iter().filter(|slot| slot.form != FORM_FOLDED);
        carried.extend(plain.map(|slot| (slot.kind, slot.namespace, slot.token)));
    }
    carried.sort_unstable();
    carried.dedup();
    let mut counts = ByType::default();
    let spaces = |a: &(u8, u32, u32), b: &(u8, u32, u32)| (a.0, a.1) == (b.0, b.1);
    for run in carried.chunk_by(spaces) {
        let place = usize::from(run[0].0) - 1;
        counts[place] = if run[0].0 == CUSTOMER_NUMBER { counts[place].max(run.len()) } else { counts[place] + run.len() };
    }
    counts
}

/// Limits by type: twice what the records linked to one record carry together with it, save for the one in a thousand that has most, and never less
/// than `least`. `linked` are pairs that reach the link; where they stand for a sample, the left one is of the sample. O(linked · log linked).
pub(super) fn limits(slots: &Slots, linked: &[ScoredPair], both_ways: bool, least: ByType) -> ByType {
    let mut around: FxHashMap<u32, Vec<u32>> = FxHashMap::default();
    for pair in linked {
        around.entry(pair.left).or_default().push(pair.right);
        if both_ways {
            around.entry(pair.right).or_default().push(pair.left);
        }
    }
    let mut counts: Vec<ByType> = Vec::with_capacity(around.len());
    for (row, mut rows) in around {
        rows.push(row);
        counts.push(distinct(slots, &rows));
    }
    let mut limits = least;
    for (place, limit) in limits.iter_mut().enumerate() {
        let mut found: Vec<usize> = counts.iter().map(|one| one[place]).collect();
        found.sort_unstable();
        let rank = found.len().saturating_sub(1 + found.len() / ONE_IN);
        *limit = (*limit).max(MARGIN * found.get(rank).copied().unwrap_or(0));
    }
    limits
}
