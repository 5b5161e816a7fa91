//! Constrained agglomeration of one component (docs/matching.md section 8).
//!
//! Cluster statistics are additive over cross pairs, so a merge folds one row into another: best is a maximum, the other sums. Each
//! live cluster remembers its strongest partner of higher number, and only rows that a step touched are searched again.

use rustc_hash::FxHashMap;

use super::components::Component;
use super::limits::Carried;
use super::{AssertedPairs, Relation};
use crate::score::Scorer;

/// Best score between clusters that an assertion calls the same.
const ASSERTED: i64 = 1_000_000;

/// Assertions inside one component, as positions of its members.
#[derive(Default)]
pub(super) struct Assertions {
    same: Vec<(usize, usize)>,
    different: Vec<(usize, usize)>,
}

impl Assertions {
    pub(super) fn of(component: &Component, asserted: &AssertedPairs) -> Self {
        if component.same.is_empty() && component.different.is_empty() {
            return Self::default();
        }
        let local: FxHashMap<usize, usize> = component.members.iter().enumerate().map(|(node, row)| (*row, node)).collect();
        let inside = |positions: &[usize], pairs: &[(usize, usize)]| {
            let ends = positions.iter().map(|&position| pairs[position]);
            ends.filter_map(|(a, b)| Some((*local.get(&a)?, *local.get(&b)?))).filter(|(a, b)| a != b).collect()
        };
        Self { same: inside(&component.same, &asserted.same), different: inside(&component.different, &asserted.different) }
    }
}

/// What became of one component; clusters are named by rows.
pub(super) struct Outcome {
    pub(super) clusters: Vec<(usize, usize)>,
    pub(super) ambiguous: Vec<usize>,
    pub(super) contenders: Vec<(usize, usize)>,
    pub(super) reviews: Vec<Relation>,
    pub(super) households: Vec<Relation>,
}

/// Sums over the cross pairs of two clusters.
#[derive(Debug, Clone, Copy, Default)]
struct Between {
    best: i32,
    opposition: i64,
    contradicts: u32,
    comparable: u32,
    same: bool,
    different: bool,
}

impl Between {
    fn absorb(&mut self, other: &Self) {
        self.best = self.best.max(other.best);
        self.opposition += other.opposition;
        self.contradicts += other.contradicts;
        self.comparable += other.comparable;
        self.same |= other.same;
        self.different |= other.different;
    }

    /// Whether more pairs contradict than are allowed and no assertion overrules that.
    fn contradicted(&self, limit: i64) -> bool {
        !self.same && i64::from(self.contradicts) * 1000 > limit * i64::from(self.comparable)
    }

    fn strength(&self, cross_pairs: i64) -> i64 {
        let best = if self.same { ASSERTED } else { i64::from(self.best) };
        best + self.opposition.div_euclid(cross_pairs)
    }
}

/// Live clusters of a component; a cluster is numbered by its lowest member.
struct Clusters {
    count: usize,
    between: Vec<Between>,
    scores: Vec<i32>,
    sizes: Vec<i64>,
    live: Vec<bool>,
    owner: Vec<usize>,
    carried: Carried,
    contradiction_limit: i64,
    link: i64,
    margin: i64,
    /// Strongest linkable partner of higher number.
    favourite: Vec<Option<(i64, usize)>>,
}

impl Clusters {
    fn new(scorer: &Scorer<'_>, members: &[usize], assertions: &Assertions) -> Self {
        let count = members.len();
        let mut between = vec![Between::default(); count * count];
        let mut pair_scores = vec![0; count * count];
        let prior = scorer.model.prior();
        for a in 0..count {
            for b in a + 1..count {
                let pair = scorer.score(members[a], members[b]);
                let entry = Between {
                    best: pair.score,
                    opposition: i64::from((pair.score - prior).min(0)),
                    contradicts: u32::from(pair.contradicts()),
                    comparable: u32::from(pair.comparable()),
                    same: false,
                    different: false,
                };
                (between[a * count + b], between[b * count + a]) = (entry, entry);
                (pair_scores[a * count + b], pair_scores[b * count + a]) = (pair.score, pair.score);
            }
        }
        for (a, b) in &assertions.same {
            between[a * count + b].same = true;
            between[b * count + a].same = true;
        }
        for (a, b) in &assertions.different {
            between[a * count + b].different = true;
            between[b * count + a].different = true;
        }
        let mut clusters = Self {
            count,
            between,
            scores: pair_scores,
            sizes: vec![1; count],
            live: vec![true; count],
            owner: (0..count).collect(),
            carried: Carried::new(scorer.slots, members, scorer.model),
            contradiction_limit: scorer.model.contradiction_limit(),
            link: i64::from(scorer.model.link()),
            margin: scorer.model.ambiguity_margin(),
            favourite: vec![None; count],
        };
        (0..count).for_each(|x| clusters.search(x));
        clusters
    }

    fn at(&self, x: usize, y: usize) -> &Between {
        &self.between[x * self.count + y]
    }

    fn strength(&self, x: usize, y: usize) -> i64 {
        self.at(x, y).strength(self.sizes[x] * self.sizes[y])
    }

    fn contradicted(&self, x: usize, y: usize) -> bool {
        self.at(x, y).contradicted(self.contradiction_limit)
    }

    fn blocked(&self, x: usize, y: usize) -> bool {
        let between = self.at(x, y);
        between.different || self.contradicted(x, y) || (!between.same && self.carried.over(x, y))
    }

    /// Strength of a pair that could be merged. It depends on the two clusters alone, so it changes only when one of them does.
    fn linkable(&self, x: usize, y: usize) -> Option<i64> {
        let strength = self.strength(x, y);
        (strength >= self.link && !self.blocked(x, y)).then_some(strength)
    }

    fn search(&mut self, x: usize) {
        let mut best: Option<(i64, usize)> = None;
        for y in (x + 1..self.count).filter(|&y| self.live[y]) {
            if let Some(strength) = self.linkable(x, y)
                && best.is_none_or(|(other, _)| strength > other)
            {
                best = Some((strength, y));
            }
        }
        self.favourite[x] = best;
    }

    /// The strongest linkable pair; ties go to the lowest numbers.
    fn strongest(&self) -> Option<(usize, usize)> {
        let mut best: Option<(i64, usize, usize)> = None;
        for x in (0..self.count).filter(|&x| self.live[x]) {
            if let Some((strength, y)) = self.favourite[x]
                && best.is_none_or(|(other, _, _)| strength > other)
            {
                best = Some((strength, x, y));
            }
        }
        best.map(|(_, x, y)| (x, y))
    }

    /// Rivals that make `side` ambiguous between them and `other`.
    fn rivals(&self, side: usize, other: usize) -> Vec<usize> {
        if self.at(side, other).same {
            return Vec::new();
        }
        let least = self.strength(side, other) - self.margin;
        let is_rival = |&z: &usize| {
            z != side
                && z != other
                && self.live[z]
                && self.blocked(other, z)
                && self.linkable(side, z).is_some_and(|strength| strength >= least)
        };
        (0..self.count).filter(is_rival).collect()
    }

    fn retire(&mut self, gone: usize) {
        self.live[gone] = false;
        self.favourite[gone] = None;
        for x in 0..gone {
            if self.live[x] && self.favourite[x].is_some_and(|(_, y)| y == gone) {
                self.search(x);
            }
        }
    }

    /// Folds `y` into `x`, x being the lower.
    fn merge(&mut self, x: usize, y: usize) {
        for z in (0..self.count).filter(|&z| z != x && z != y) {
            let other = self.between[y * self.count + z];
            self.between[x * self.count + z].absorb(&other);
            self.between[z * self.count + x] = self.between[x * self.count + z];
        }
        self.carried.merge(x, y);
        self.sizes[x] += self.sizes[y];
        for owner in self.owner.iter_mut().filter(|owner| **owner == y) {
            *owner = x;
        }
        self.live[y] = false;
        self.favourite[y] = None;
        for row in (0..self.count).filter(|&row| row < y && row != x) {
            if !self.live[row] {
                continue;
            }
            let stale = self.favourite[row].is_some_and(|(_, partner)| partner == x || partner == y);
            if stale {
                self.search(row);
            } else if row < x {
                self.offer(row, x);
            }
        }
        self.search(x);
    }

    /// Lets `x` become the favourite of `row` if it is stronger, or as strong and lower.
    fn offer(&mut self, row: usize, x: usize) {
        let Some(strength) = self.linkable(row, x) else { return };
        let better = self.favourite[row].is_none_or(|(other, y)| strength > other || (strength == other && x < y));
        if better {
            self.favourite[row] = Some((strength, x));
        }
    }

    fn members(&self, x: usize) -> impl Iterator<Item = usize> {
        self.owner.iter().enumerate().filter(move |(_, owner)| **owner == x).map(|(node, _)| node)
    }

    /// The best-scoring cross pair; ties go to the lowest numbers.
    fn best_pair(&self, x: usize, y: usize) -> (usize, usize) {
        let mut best: Option<(i32, usize, usize)> = None;
        for a in self.members(x) {
            for b in self.members(y) {
                let score = self.scores[a * self.count + b];
                if best.is_none_or(|(other, _, _)| score > other) {
                    best = Some((score, a, b));
                }
            }
        }
        best.map_or((x, y), |(_, a, b)| (a, b))
    }
}

/// Partitions one component; `members` are rows by ascending address. O(n²) scores, O(n²) typically and O(n³) at worst for the rest.
pub(super) fn agglomerate(scorer: &Scorer<'_>, members: &[usize], assertions: &Assertions) -> Outcome {
    let mut clusters = Clusters::new(scorer, members, assertions);
    let mut contenders: Vec<(usize, usize)> = Vec::new();
    let mut ambiguous: Vec<usize> = Vec::new();
    while let Some((x, y)) = clusters.strongest() {
        let found = [(x, y), (y, x)].map(|(side, other)| (side, other, clusters.rivals(side, other)));
        let mut undecided = false;
        for (side, other, rivals) in found {
            if !rivals.is_empty() {
                undecided = true;
                ambiguous.push(side);
                contenders.extend(std::iter::once(other).chain(rivals).map(|contender| (side, contender)));
                clusters.retire(side);
            }
        }
        if !undecided {
            clusters.merge(x, y);
        }
    }
    let name = |node: usize| members[clusters.owner[node]];
    let mut named: Vec<(usize, usize)> = contenders.iter().map(|&(side, other)| (name(side), name(other))).collect();
    named.sort_unstable();
    named.dedup();
    let (reviews, households) = relations(&clusters, members, i64::from(scorer.model.review()));
    Outcome {
        clusters: (0..members.len()).map(|node| (members[node], name(node))).collect(),
        ambiguous: ambiguous.into_iter().map(name).collect(),
        contenders: named,
        reviews,
        households,
    }
}

/// Reviews and households among the clusters that are live at the end.
fn relations(clusters: &Clusters, members: &[usize], review: i64) -> (Vec<Relation>, Vec<Relation>) {
    let (mut reviews, mut households) = (Vec::new(), Vec::new());
    let live: Vec<usize> = (0..clusters.count).filter(|&x| clusters.live[x]).collect();
    for (position, &x) in live.iter().enumerate() {
        for &y in &live[position + 1..] {
            let between = clusters.at(x, y);
            let shown = |strength: i64| {
                let (left, right) = clusters.best_pair(x, y);
                Relation { x: members[x], y: members[y], strength, left: members[left], right: members[right] }
            };
            if between.different {
                continue;
            }
            if clusters.contradicted(x, y) {
                let best = i64::from(between.best);
                households.extend((best >= clusters.link).then(|| shown(best)));
                continue;
            }
            // Nothing linkable is left, so a pair that reaches the link here is one that only the limit keeps apart.
            let strength = clusters.strength(x, y);
            reviews.extend((strength >= review).then(|| shown(strength)));
        }
    }
    (reviews, households)
}
