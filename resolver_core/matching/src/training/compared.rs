//! Levels of the candidates of the probes: compared once for all that reads them.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::candidates::{Candidates, Found, Probes};
use crate::progress::Progress;
use crate::score::{Levels, Scorer};

/// Probes that a thread compares at a time.
const TOGETHER: usize = 256;

/// The level patterns of the candidates of all probes. Memory: 4 bytes to a candidate.
pub(super) struct Compared {
    patterns: Vec<Levels>,
    /// Numbers of the patterns of probe `i`: `numbers[cuts[i]..cuts[i + 1]]`.
    cuts: Vec<usize>,
    numbers: Vec<u32>,
}

/// Patterns in the order in which they came, and their numbers.
#[derive(Default)]
struct Numbered {
    patterns: Vec<Levels>,
    numbers: FxHashMap<Levels, u32>,
}

impl Numbered {
    fn number(&mut self, levels: Levels) -> u32 {
        *self.numbers.entry(levels).or_insert_with(|| {
            self.patterns.push(levels);
            // Fewer than there are candidates of 30,000 probes.
            u32::try_from(self.patterns.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

impl Compared {
    /// Compares every probe with its candidates, in the order in which [`Candidates::partners`] gives them. O(candidates).
    pub(super) fn of(scorer: &Scorer<'_>, candidates: &Candidates, probes: &Probes, progress: &Progress) -> Self {
        let some = |rows: &[u32]| {
            let (mut own, mut found, mut numbers, mut counts) =
                (Numbered::default(), Vec::<Found>::new(), Vec::new(), Vec::new());
            for probe in rows {
                candidates.partners(*probe, 0, &mut found);
                counts.push(found.len());
                progress.one_more();
                numbers
                    .extend(found.iter().map(|one| own.number(scorer.score(*probe as usize, one.partner as usize).levels)));
            }
            (own.patterns, numbers, counts)
        };
        let parts: Vec<(Vec<Levels>, Vec<u32>, Vec<usize>)> = probes.rows.par_chunks(TOGETHER).map(some).collect();
        let mut all = Numbered::default();
        let mut compared = Self { patterns: Vec::new(), cuts: vec![0], numbers: Vec::new() };
        let mut end = 0;
        for (patterns, numbers, counts) in parts {
            let renumbered: Vec<u32> = patterns.into_iter().map(|levels| all.number(levels)).collect();
            compared.numbers.extend(numbers.into_iter().map(|number| renumbered[number as usize]));
            compared.cuts.extend(counts.into_iter().map(|count| {
                end += count;
                end
            }));
        }
        compared.patterns = all.patterns;
        compared
    }

    /// Patterns of the candidates of the probe at a position, in their order.
    pub(super) fn of_probe(&self, place: usize) -> &[u32] {
        &self.numbers[self.cuts[place]..self.cuts[place + 1]]
    }

    /// Distinct patterns, by number.
    pub(super) fn patterns(&self) -> &[Levels] {
        &self.patterns
    }
}
