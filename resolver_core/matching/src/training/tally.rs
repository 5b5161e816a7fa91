//! Counts of what is seen of pairs: levels, free comparisons and the passes that found them.

use std::hash::Hash;

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::candidates::{Candidates, Found, Passes, Probes};
use super::compared::Compared;
use super::estimate::{Ratios, real};
use crate::engine::generic_tokens;
use crate::error::{CoreResult, same_length};
use crate::model::Model;
use crate::progress::Progress;
use crate::record::{Records, row_number};
use crate::score::{Levels, Scorer, checked_rows};

type Counts = FxHashMap<(Levels, u32, u32, Passes), u64>;

/// Pairs that look alike and were found alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    pub(super) levels: Levels,
    /// Comparisons that are free in it, and those that a trusted pass frees.
    pub(super) free: u32,
    pub(super) trusted: u32,
    pub(super) passes: Passes,
    pub(super) pairs: u64,
}

/// Pairs that look alike, whatever found them, with the comparisons that are free in them (docs/matching.md section 9): what the estimation
/// reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Level by comparison; 0 is missing.
    pub levels: Levels,
    /// Comparisons that some pass which found the pairs is not built on, as bits by comparison number: households may be learned of these.
    pub free: u32,
    /// Those that a trusted pass frees: one person may be learned of these.
    pub trusted: u32,
    /// Number of pairs.
    pub pairs: u64,
}

fn joined<K: Eq + Hash>(mut one: FxHashMap<K, u64>, mut other: FxHashMap<K, u64>) -> FxHashMap<K, u64> {
    if one.len() < other.len() {
        std::mem::swap(&mut one, &mut other);
    }
    for (key, pairs) in other {
        *one.entry(key).or_default() += pairs;
    }
    one
}

fn sorted(counts: Counts) -> Vec<Seen> {
    let mut seen: Vec<Seen> = counts
        .into_iter()
        .map(|((levels, free, trusted, passes), pairs)| Seen { levels, free, trusted, passes, pairs })
        .collect();
    seen.par_sort_unstable();
    seen
}

/// Every comparison of the model, as bits by number.
fn every(model: &Model) -> u32 {
    u32::MAX >> (u32::BITS as usize - model.width())
}

/// What is seen of the candidates of the probes, ascending. O(candidates), memory O(distinct).
pub(super) fn candidates(
    scorer: &Scorer<'_>,
    candidates: &Candidates,
    probes: &Probes,
    distrusted: Passes,
    progress: &Progress,
) -> Vec<Seen> {
    let known = every(scorer.model);
    let one = |(mut counts, mut found): (Counts, Vec<Found>), probe: &u32| {
        candidates.partners(*probe, distrusted, &mut found);
        for one in &found {
            let levels = scorer.score(*probe as usize, one.partner as usize).levels;
            *counts.entry((levels, one.free & known, one.trusted & known, one.passes)).or_default() += 1;
        }
        progress.one_more();
        (counts, found)
    };
    let counted = probes.rows.par_iter().with_min_len(64).fold(Default::default, one).map(|(counts, _)| counts);
    sorted(counted.reduce(Counts::default, joined))
}

/// The same of candidates that have been compared.
pub(super) fn compared(
    compared: &Compared,
    model: &Model,
    candidates: &Candidates,
    probes: &Probes,
    distrusted: Passes,
) -> Vec<Seen> {
    type Numbers = FxHashMap<(u32, u32, u32, Passes), u64>;
    let known = every(model);
    let one = |(mut counts, mut found): (Numbers, Vec<Found>), (place, probe): (usize, &u32)| {
        candidates.partners(*probe, distrusted, &mut found);
        for (number, one) in compared.of_probe(place).iter().zip(&found) {
            *counts.entry((*number, one.free & known, one.trusted & known, one.passes)).or_default() += 1;
        }
        (counts, found)
    };
    let folded = probes.rows.par_iter().enumerate().with_min_len(64).fold(Default::default, one);
    let counted = folded.map(|(counts, _)| counts).reduce(Numbers::default, joined);
    let seen = |((number, free, trusted, passes), pairs): ((u32, u32, u32, Passes), u64)| Seen {
        levels: compared.patterns()[number as usize],
        free,
        trusted,
        passes,
        pairs,
    };
    let mut seen: Vec<Seen> = counted.into_iter().map(seen).collect();
    seen.par_sort_unstable();
    seen
}

/// Patterns of given pairs, ascending. No pass found them, so that all comparisons are free. O(pairs).
pub(super) fn pairs(scorer: &Scorer<'_>, pairs: &[(u32, u32)]) -> Vec<Pattern> {
    let free = every(scorer.model);
    let one = |mut counts: Counts, &(left, right): &(u32, u32)| {
        *counts.entry((scorer.score(left as usize, right as usize).levels, free, free, 0)).or_default() += 1;
        counts
    };
    patterns(&sorted(pairs.par_iter().with_min_len(1024).fold(Counts::default, one).reduce(Counts::default, joined)))
}

/// The same whatever found the pairs. O(seen).
pub(super) fn patterns(seen: &[Seen]) -> Vec<Pattern> {
    let alike = seen.chunk_by(|a, b| (a.levels, a.free, a.trusted) == (b.levels, b.free, b.trusted));
    let pattern = |run: &[Seen]| Pattern {
        levels: run[0].levels,
        free: run[0].free,
        trusted: run[0].trusted,
        pairs: run.iter().map(|one| one.pairs).sum(),
    };
    alike.map(pattern).collect()
}

/// Counts the level patterns of all candidates, with the comparisons free in them; ascending. Pairs are streamed: memory is that of the
/// groups and of what was seen. O(records · log records + candidates).
///
/// # Errors
/// `Input` for closed tokens that are not 32 bytes.
pub fn count_candidates(records: &Records, model: &Model, closed: &[&[u8]]) -> CoreResult<Vec<Pattern>> {
    let slots = records.slots().without(&generic_tokens(records, model, closed)?);
    let (rules, probes): (Vec<usize>, _) = ((0..model.rules().len()).collect(), Probes::all(records));
    let found = Candidates::new(records, &slots, model, &rules, &probes);
    let scorer = Scorer::new(records, &slots, model);
    Ok(patterns(&candidates(&scorer, &found, &probes, 0, &Progress::default())))
}

/// Counts the patterns of given pairs of rows, whose comparisons are all free; ascending. O(pairs), memory that of the rows and the patterns.
///
/// # Errors
/// `Input` for columns of different lengths and rows outside the batch.
pub fn count_pairs(records: &Records, left: &[i64], right: &[i64], model: &Model) -> CoreResult<Vec<Pattern>> {
    same_length("right", right.len(), left.len())?;
    let (left, right) = (checked_rows("left", left, records)?, checked_rows("right", right, records)?);
    let rows: Vec<(u32, u32)> = left.into_iter().map(row_number).zip(right.into_iter().map(row_number)).collect();
    Ok(pairs(&Scorer::new(records, records.slots(), model), &rows))
}

/// What one set of passes found: pairs, and of these the expected ones of one person and of one household.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Finds {
    pub(super) pairs: f64,
    pub(super) matches: f64,
    pub(super) households: f64,
}

impl Finds {
    fn add(&mut self, other: Self) {
        self.pairs += other.pairs;
        self.matches += other.matches;
        self.households += other.households;
    }

    /// The sum of many. O(finds).
    pub(super) fn sum(finds: impl Iterator<Item = Self>) -> Self {
        let mut total = Self::default();
        for one in finds {
            total.add(one);
        }
        total
    }
}

/// Finds by the exact set of passes, ascending. O(seen · comparisons).
pub(super) fn finds(seen: &[Seen], ratios: &Ratios) -> Vec<(Passes, Finds)> {
    let mut by_passes: FxHashMap<Passes, Finds> = FxHashMap::default();
    for one in seen {
        let (pairs, posterior) = (real(one.pairs), ratios.posterior(&one.levels));
        by_passes.entry(one.passes).or_default().add(Finds {
            pairs,
            matches: pairs * posterior.same,
            households: pairs * posterior.household,
        });
    }
    let mut finds: Vec<(Passes, Finds)> = by_passes.into_iter().collect();
    finds.sort_unstable_by_key(|(passes, _)| *passes);
    finds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::CoreError;
    use crate::model::tests::plain;
    use crate::model::{FAMILY, GIVEN};
    use crate::record::tests::{batch, named};

    #[test]
    fn pairs_are_counted_by_pattern() {
        let records = batch(&["a", "b", "c"], &[named("otto", "zimmer"), named("otto", "zimmer"), named("otto", "smith")]);
        let patterns = count_pairs(&records, &[0, 0, 1, 0], &[1, 2, 2, 1], &plain()).expect("valid");
        let shown: Vec<(u8, u8, u32, u64)> =
            patterns.iter().map(|one| (one.levels[GIVEN::INDEX], one.levels[FAMILY::INDEX], one.free, one.pairs)).collect();
        let all = 0xffff;
        assert_eq!(shown, [(GIVEN::EXACT, FAMILY::EXACT, all, 2), (GIVEN::EXACT, FAMILY::DIFFERENT, all, 2)]);
        assert!(matches!(count_pairs(&records, &[0], &[3], &plain()), Err(CoreError::Input { argument: "right", .. })));
    }
}
