//! Votes of third records: whether two records are one person, as the records say that are certainly one person with either (docs/training.md section 5).

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::calibrate::Judged;
use crate::score::Scorer;

/// Bits from which a pair is certain enough for one to speak for the other, and how many speak at most for one record.
pub(super) const STRONG: i32 = 8000;
const MOST_VOICES: usize = 6;
/// A vote counts with so many bits at most; votes that sum up to fewer than `CLEAR` say nothing.
const LOUDEST: i32 = 10_000;
const CLEAR: i64 = 8000;
/// Bits that a pair with the same fields could have been expected to reach: a voice that could not have said yes is not asked.
const ABLE: f64 = 6.0;

/// A scored pair of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ScoredPair {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) score: i32,
}

/// The records that speak for a record: those most certainly one person with it.
pub(super) struct Voices {
    by_record: FxHashMap<u32, Vec<u32>>,
}

impl Voices {
    /// Of the pairs at or above [`STRONG`]; ties go by address. O(pairs · log pairs).
    pub(super) fn new(scorer: &Scorer<'_>, pairs: &[ScoredPair]) -> Self {
        let mut strong: FxHashMap<u32, Vec<(i32, u32)>> = FxHashMap::default();
        for pair in pairs.iter().filter(|pair| pair.score >= STRONG) {
            strong.entry(pair.left).or_default().push((-pair.score, pair.right));
            strong.entry(pair.right).or_default().push((-pair.score, pair.left));
        }
        let best = |mut found: Vec<(i32, u32)>| {
            found.sort_unstable_by_key(|(score, row)| (*score, *scorer.records.address(*row as usize)));
            found.dedup();
            found.into_iter().take(MOST_VOICES).map(|(_, row)| row).collect()
        };
        Self { by_record: strong.into_iter().map(|(row, found)| (row, best(found))).collect() }
    }

    fn of(&self, row: u32) -> &[u32] {
        self.by_record.get(&row).map_or(&[], Vec::as_slice)
    }
}

/// What the third records say of each pair; pairs of which none says anything clear are left out. `expected` is the weight that each comparison
/// brings on average to a pair of one person, in bits. O(pairs · voices).
pub(super) fn votes(scorer: &Scorer<'_>, pairs: &[ScoredPair], voices: &Voices, expected: &[f64]) -> Vec<Judged> {
    let voice = |third: u32, other: u32| {
        let pair = scorer.score(third as usize, other as usize);
        let present = pair.levels.iter().zip(expected).filter(|(level, _)| **level != 0).map(|(_, bits)| *bits);
        let able = f64::from(scorer.model.stranger_prior()) / 1000.0 + present.sum::<f64>() >= ABLE;
        if able { i64::from(pair.score().clamp(-LOUDEST, LOUDEST)) } else { 0 }
    };
    let judge = |pair: &ScoredPair| {
        let left = voices.of(pair.left).iter().filter(|third| **third != pair.right).map(|third| voice(*third, pair.right));
        let right = voices.of(pair.right).iter().filter(|third| **third != pair.left).map(|third| voice(*third, pair.left));
        let sum: i64 = left.chain(right).sum();
        (sum.abs() >= CLEAR).then(|| Judged { bits: f64::from(pair.score) / 1000.0, same: sum > 0 })
    };
    pairs.par_iter().with_min_len(256).filter_map(judge).collect()
}
