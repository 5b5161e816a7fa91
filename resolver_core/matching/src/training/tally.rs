//! Counts of what is seen of pairs: levels, free comparisons and the passes that found them.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::candidates::{Candidates, Found, Passes, Probes};
use super::estimate::{Ratios, real};
use crate::score::{Levels, Scorer};

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

/// Pairs that look alike, whatever found them, with the comparisons that are free in them: what the estimation reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern {
    pub(super) levels: Levels,
    /// Comparisons of which households may be learned from these pairs, as bits.
    pub(super) free: u32,
    /// Those of which one person may.
    pub(super) trusted: u32,
    pub(super) pairs: u64,
}

fn joined(mut one: Counts, mut other: Counts) -> Counts {
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

/// What is seen of the candidates of the probes, ascending. O(candidates), memory O(distinct).
pub(super) fn candidates(scorer: &Scorer<'_>, candidates: &Candidates, probes: &Probes, distrusted: Passes) -> Vec<Seen> {
    let known = u32::MAX >> (u32::BITS as usize - scorer.model.width());
    let one = |(mut counts, mut found): (Counts, Vec<Found>), probe: &u32| {
        candidates.partners(*probe, distrusted, &mut found);
        for one in &found {
            let levels = scorer.score(*probe as usize, one.partner as usize).levels;
            *counts.entry((levels, one.free & known, one.trusted & known, one.passes)).or_default() += 1;
        }
        (counts, found)
    };
    let counted = probes.rows.par_iter().with_min_len(64).fold(Default::default, one).map(|(counts, _)| counts);
    sorted(counted.reduce(Counts::default, joined))
}

/// Patterns of given pairs, ascending. O(pairs).
pub(super) fn pairs(scorer: &Scorer<'_>, pairs: &[(u32, u32)]) -> Vec<Pattern> {
    let one = |mut counts: Counts, &(left, right): &(u32, u32)| {
        *counts.entry((scorer.score(left as usize, right as usize).levels, 0, 0, 0)).or_default() += 1;
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
