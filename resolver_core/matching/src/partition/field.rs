//! The evidence between clusters as wholes (docs/matching.md section 8): per comparison, the mean weight over the cross pairs that have it,
//! save that identifiers are compared as sets.

use crate::model::{Model, Weight};
use crate::score::{PairScore, Scorer};
use crate::words::{IDENTIFIER_TYPES, MOST_COMPARISONS};

/// One comparison over the cross pairs of two clusters in which it is not missing.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    stranger: i64,
    /// Of `stranger − household`.
    household: i64,
    pairs: u32,
    /// The first level that some pair reaches, 0 if there is no pair.
    first: u8,
}

impl Sum {
    fn absorb(&mut self, other: &Self) {
        self.stranger += other.stranger;
        self.household += other.household;
        self.pairs += other.pairs;
        self.first = match (self.first, other.first) {
            (0, level) | (level, 0) => level,
            (one, another) => one.min(another),
        };
    }
}

/// How a comparison is made between clusters.
enum Manner<'a> {
    /// As sets: weights by level.
    Sets(&'a [Weight]),
    /// By means, of what tells members of a household apart.
    Personal,
    /// By means.
    Means,
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
pub(super) struct Fields<'a> {
    count: usize,
    /// Comparisons in which some pair of the component is not missing.
    present: Vec<Manner<'a>>,
    sums: Vec<Sum>,
    stranger_prior: i64,
    household_prior: Option<i64>,
}

impl<'a> Fields<'a> {
    /// Sums of single records: `pairs[x * count + y]` is the score of members x < y. O(pairs × comparisons present).
    pub(super) fn new(scorer: &Scorer<'a>, members: &[usize], pairs: &[PairScore]) -> Self {
        let model: &'a Model = scorer.model;
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
                stranger: i64::from(weights[comparison].stranger),
                household: i64::from(weights[comparison].household),
                pairs: u32::from(pair.levels[comparison] != 0),
                first: pair.levels[comparison],
            }));
        }
        let manner = |&comparison: &usize| match comparison {
            _ if comparison < IDENTIFIER_TYPES.len() => Manner::Sets(model.weights_of(comparison)),
            _ if model.is_personal(comparison) => Manner::Personal,
            _ => Manner::Means,
        };
        Self {
            count,
            present: present.iter().map(manner).collect(),
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
            self.sums[into + place].absorb(&gained);
        }
    }

    /// What each comparison says of two clusters as wholes: against strangers, and within a household.
    fn evidence(&self, x: usize, y: usize) -> impl Iterator<Item = (i64, i64)> {
        let row = self.row(x, y);
        let known = self.present.iter().zip(&self.sums[row..row + self.present.len()]).filter(|(_, sum)| sum.pairs > 0);
        // Members of a household share some identifiers and not others. Where nothing could tell them apart, that is no reason to think of one.
        let told_apart = known.clone().any(|(manner, _)| matches!(manner, Manner::Personal));
        known.map(move |(manner, sum)| {
            let mean = |total: i64| total.div_euclid(i64::from(sum.pairs));
            match manner {
                Manner::Sets(weights) => {
                    let Weight { stranger, household } = weights[usize::from(sum.first)];
                    let within = if told_apart { mean(sum.household) } else { i64::from(stranger) - i64::from(household) };
                    (i64::from(stranger), within)
                }
                Manner::Personal | Manner::Means => (mean(sum.stranger), mean(sum.household)),
            }
        })
    }

    /// The evidence between two clusters. O(comparisons present).
    pub(super) fn between(&self, x: usize, y: usize) -> Evidence {
        let start = (self.stranger_prior, self.household_prior.unwrap_or(0));
        let (stranger, household) =
            self.evidence(x, y).fold(start, |(stranger, household), (s, d)| (stranger + s, household + d));
        Evidence { stranger, household: if self.household_prior.is_some() { household } else { i64::MAX } }
    }

    /// What speaks against the nearest kind of other person alone: the sum of what is negative, against a household where the model
    /// knows one. Zero or less. O(comparisons present).
    pub(super) fn against(&self, x: usize, y: usize) -> i64 {
        let knows_households = self.household_prior.is_some();
        self.evidence(x, y).map(|(s, d)| if knows_households { d } else { s }.min(0)).sum()
    }
}

/// Every two numbers below `count`, the lower first, in the order of the rows.
pub(super) fn crossings(count: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..count).flat_map(move |x| (x + 1..count).map(move |y| (x, y)))
}
