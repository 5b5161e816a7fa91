//! The evidence between clusters as wholes (docs/matching.md section 8): per comparison, the mean weight over the cross pairs that have it.

use crate::model::{Model, Weight};
use crate::score::{PairScore, Scorer};
use crate::words::MOST_COMPARISONS;

/// Sums of one comparison over the cross pairs of two clusters in which it is not missing.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    pairs: i64,
    stranger: i64,
    /// Of `stranger − household`.
    household: i64,
}

/// Evidence against the two rivals of "one person"; `household` is as large as can be where the model knows no households.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) stranger: i64,
    pub(super) household: i64,
}

impl Evidence {
    /// Of a pair of records.
    pub(super) fn of(pair: &PairScore) -> Self {
        let household = if pair.household == i32::MAX { i64::MAX } else { i64::from(pair.household) };
        Self { stranger: i64::from(pair.stranger), household }
    }

    /// Against the nearest rival.
    pub(super) fn least(self) -> i64 {
        self.stranger.min(self.household)
    }
}

/// Sums of the cross pairs of every two clusters of one component, one row to a pair of numbers x < y. They are additive: a merge adds one
/// row to another.
pub(super) struct Fields {
    count: usize,
    /// Comparisons in which some pair of the component is not missing.
    present: Vec<usize>,
    sums: Vec<Sum>,
    stranger_prior: i64,
    household_prior: Option<i64>,
}

impl Fields {
    /// Sums of single records: `pairs[x * count + y]` is the score of members x < y. O(pairs × comparisons present).
    pub(super) fn new(scorer: &Scorer<'_>, members: &[usize], pairs: &[PairScore]) -> Self {
        let model: &Model = scorer.model;
        let count = members.len();
        let mut seen = [false; MOST_COMPARISONS];
        for (x, y) in crossings(count) {
            for (seen, level) in seen.iter_mut().zip(pairs[x * count + y].levels) {
                *seen |= level != 0;
            }
        }
        let present: Vec<usize> = (0..model.width()).filter(|&comparison| seen[comparison]).collect();
        let mut sums = Vec::with_capacity(count * count.saturating_sub(1) / 2 * present.len());
        let mut weights = [Weight::default(); MOST_COMPARISONS];
        for (x, y) in crossings(count) {
            let pair = &pairs[x * count + y];
            scorer.sums(members[x], pair, &mut weights);
            sums.extend(present.iter().map(|&comparison| Sum {
                pairs: i64::from(pair.levels[comparison] != 0),
                stranger: i64::from(weights[comparison].stranger),
                household: i64::from(weights[comparison].household),
            }));
        }
        Self {
            count,
            present,
            sums,
            stranger_prior: i64::from(model.stranger_prior()),
            household_prior: model.household_prior().map(i64::from),
        }
    }

    /// First sum of a pair of clusters.
    fn row(&self, x: usize, y: usize) -> usize {
        let (x, y) = (x.min(y), x.max(y));
        (x * (2 * self.count - x - 1) / 2 + y - x - 1) * self.present.len()
    }

    /// Adds what lies between y and z to what lies between x and z.
    pub(super) fn absorb(&mut self, x: usize, y: usize, z: usize) {
        let (into, from) = (self.row(x, z), self.row(y, z));
        for place in 0..self.present.len() {
            let gained = self.sums[from + place];
            let sum = &mut self.sums[into + place];
            sum.pairs += gained.pairs;
            sum.stranger += gained.stranger;
            sum.household += gained.household;
        }
    }

    /// The evidence between two clusters. O(comparisons present).
    pub(super) fn between(&self, x: usize, y: usize) -> Evidence {
        let row = self.row(x, y);
        let (mut stranger, mut household) = (self.stranger_prior, self.household_prior.unwrap_or(0));
        for sum in self.sums[row..row + self.present.len()].iter().filter(|sum| sum.pairs > 0) {
            stranger += sum.stranger.div_euclid(sum.pairs);
            household += sum.household.div_euclid(sum.pairs);
        }
        Evidence { stranger, household: if self.household_prior.is_some() { household } else { i64::MAX } }
    }

    /// What speaks against the nearest kind of other person alone: the sum of the negative means, against a household where the model
    /// knows one. Zero or less. O(comparisons present).
    pub(super) fn against(&self, x: usize, y: usize) -> i64 {
        let row = self.row(x, y);
        let mean = |sum: &Sum| {
            let total = if self.household_prior.is_some() { sum.household } else { sum.stranger };
            total.div_euclid(sum.pairs).min(0)
        };
        self.sums[row..row + self.present.len()].iter().filter(|sum| sum.pairs > 0).map(mean).sum()
    }
}

/// Every two numbers below `count`, the lower first, in the order of the rows.
pub(super) fn crossings(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |x| (x + 1..count).map(move |y| (x, y)))
}
