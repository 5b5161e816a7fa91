//! Constrained agglomeration of one component (docs/matching.md section 8).
//!
//! Cluster statistics are additive over cross pairs, so a merge folds one row into another: best and kinship are maxima, the rest sums and
//! first levels per comparison ([`Fields`]). Each live cluster remembers its strongest partner of higher number, and only rows that a step
//! touched are searched again.

use rustc_hash::FxHashMap;

use super::components::Component;
use super::field::{Evidence, Fields, crossings};
use super::limits::Carried;
use super::{AssertedPairs, Relation};
use crate::model::Model;
use crate::score::{PairScore, Scorer};

/// Strength between clusters that an assertion calls the same.
const ASSERTED: i64 = 1_000_000;

/// Assertions inside one component, as positions of its members.
#[derive(Default)]
pub(super) struct Assertions {
    pub(super) same: Vec<(usize, usize)>,
    pub(super) different: Vec<(usize, usize)>,
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

/// What lies between two clusters.
#[derive(Debug, Clone, Copy)]
struct Between {
    /// Largest score of a cross pair.
    best: i32,
    /// Largest evidence of a cross pair against strangers.
    kinship: i32,
    /// The two as wholes.
    field: Evidence,
    same: bool,
    different: bool,
}

impl Between {
    fn of(pair: &PairScore) -> Self {
        Self { best: pair.score(), kinship: pair.stranger, field: Evidence::of(pair), same: false, different: false }
    }

    /// Takes over all but the field.
    fn absorb(&mut self, other: &Self) {
        self.best = self.best.max(other.best);
        self.kinship = self.kinship.max(other.kinship);
        self.same |= other.same;
        self.different |= other.different;
    }

    /// Strength at which the two are linked: one pair has to say so, and the wholes must not say otherwise. Once clusters count as persons, by
    /// `once`, it is no less than the doubt is then.
    fn strength(&self, link: i64, once: Option<i64>) -> i64 {
        if self.same {
            return ASSERTED;
        }
        let paired = i64::from(self.best).min(self.field.least() + link);
        once.map_or(paired, |once| paired.max(self.doubt() + once))
    }

    /// The weaker of pair and wholes.
    fn doubt(&self) -> i64 {
        i64::from(self.best).min(self.field.least())
    }
}

/// Records that were set aside, and those whom they would fit.
#[derive(Default)]
struct Left {
    ambiguous: Vec<usize>,
    contenders: Vec<(usize, usize)>,
}

/// Live clusters of a component; a cluster is numbered by its lowest member.
struct Clusters<'a> {
    model: &'a Model,
    count: usize,
    between: Vec<Between>,
    pairs: Vec<PairScore>,
    fields: Fields<'a>,
    single: Vec<bool>,
    live: Vec<bool>,
    owner: Vec<usize>,
    carried: Carried,
    link: i64,
    /// What the odds of two clusters rise by where each counts as a person once; none as long as one may be part of a cluster to come.
    once: Option<i64>,
    /// Strongest linkable partner of higher number.
    favourite: Vec<Option<(i64, usize)>>,
}

impl<'a> Clusters<'a> {
    fn new(scorer: &Scorer<'a>, members: &[usize], assertions: &Assertions) -> Self {
        let count = members.len();
        let nothing = scorer.score(members[0], members[0]);
        let mut pairs = vec![nothing; count * count];
        for (a, b) in crossings(count) {
            let pair = scorer.score(members[a], members[b]);
            (pairs[a * count + b], pairs[b * count + a]) = (pair, pair);
        }
        let mut between: Vec<Between> = pairs.iter().map(Between::of).collect();
        for (a, b) in &assertions.same {
            between[a * count + b].same = true;
            between[b * count + a].same = true;
        }
        for (a, b) in &assertions.different {
            between[a * count + b].different = true;
            between[b * count + a].different = true;
        }
        let mut clusters = Self {
            model: scorer.model,
            count,
            between,
            fields: Fields::new(scorer, members, &pairs),
            pairs,
            single: vec![true; count],
            live: vec![true; count],
            owner: (0..count).collect(),
            carried: Carried::new(scorer.slots, members, scorer.model),
            link: i64::from(scorer.model.link()),
            once: None,
            favourite: vec![None; count],
        };
        (0..count).for_each(|x| clusters.search(x));
        clusters
    }

    fn at(&self, x: usize, y: usize) -> &Between {
        &self.between[x * self.count + y]
    }

    /// Whether an assertion or a limit keeps two clusters from merging.
    fn blocked(&self, x: usize, y: usize) -> bool {
        let between = self.at(x, y);
        between.different || (!between.same && self.carried.over(x, y))
    }

    /// Whether two clusters count as two people.
    fn apart(&self, x: usize, y: usize) -> bool {
        let between = self.at(x, y);
        self.blocked(x, y) || (!between.same && between.field.least() < 0 && self.fields.against(x, y) < self.model.apart())
    }

    /// Strength of a pair that could be merged. It depends on the two clusters alone, so it changes only when one of them does.
    fn linkable(&self, x: usize, y: usize) -> Option<i64> {
        let strength = self.at(x, y).strength(self.link, self.once);
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
        if !self.single[side] || self.at(side, other).same {
            return Vec::new();
        }
        let least = self.at(side, other).field.least().saturating_sub(self.model.ambiguity_margin());
        let is_rival = |&z: &usize| {
            z != side
                && z != other
                && self.live[z]
                && self.at(side, z).field.least() >= least
                && self.linkable(side, z).is_some()
                && self.apart(other, z)
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
        for z in 0..self.count {
            if z == x || z == y || !self.live[z] {
                continue;
            }
            self.fields.absorb(x, y, z);
            let mut merged = *self.at(x, z);
            merged.absorb(self.at(y, z));
            merged.field = self.fields.between(x, z);
            (self.between[x * self.count + z], self.between[z * self.count + x]) = (merged, merged);
        }
        self.carried.merge(x, y);
        self.single[x] = false;
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

    /// Merges what can be linked, the strongest first, and sets aside what is ambiguous, until nothing is left to link.
    fn settle(&mut self, left: &mut Left) {
        while let Some((x, y)) = self.strongest() {
            let found = [(x, y), (y, x)].map(|(side, other)| (side, other, self.rivals(side, other)));
            let mut undecided = false;
            for (side, other, rivals) in found {
                if !rivals.is_empty() {
                    undecided = true;
                    left.ambiguous.push(side);
                    left.contenders.extend(std::iter::once(other).chain(rivals).map(|contender| (side, contender)));
                    self.retire(side);
                }
            }
            if !undecided {
                self.merge(x, y);
            }
        }
    }

    /// From here on clusters are taken for all that can be told of a person.
    fn count_persons(&mut self) {
        self.once = Some(self.model.once());
        for x in (0..self.count).filter(|&x| self.live[x]).collect::<Vec<_>>() {
            self.search(x);
        }
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

    /// The cross pair that is the largest by `measure`; ties go to the lowest numbers.
    fn largest_pair(&self, x: usize, y: usize, measure: impl Fn(&PairScore) -> i32) -> (usize, usize) {
        let mut best: Option<(i32, usize, usize)> = None;
        for a in self.members(x) {
            for b in self.members(y) {
                let measured = measure(&self.pairs[a * self.count + b]);
                if best.is_none_or(|(other, _, _)| measured > other) {
                    best = Some((measured, a, b));
                }
            }
        }
        best.map_or((x, y), |(_, a, b)| (a, b))
    }
}

/// Partitions one component; `members` are rows by ascending address. O(n²) scores, O(n² · comparisons) typically
/// and O(n³) at worst for the rest.
pub(super) fn agglomerate(scorer: &Scorer<'_>, members: &[usize], assertions: &Assertions) -> Outcome {
    let mut clusters = Clusters::new(scorer, members, assertions);
    let mut left = Left::default();
    clusters.settle(&mut left);
    clusters.count_persons();
    clusters.settle(&mut left);
    let name = |node: usize| members[clusters.owner[node]];
    let mut named: Vec<(usize, usize)> = left.contenders.iter().map(|&(side, other)| (name(side), name(other))).collect();
    named.sort_unstable();
    named.dedup();
    let (reviews, households) = relations(&clusters, members, i64::from(scorer.model.review()));
    Outcome {
        clusters: (0..members.len()).map(|node| (members[node], name(node))).collect(),
        ambiguous: left.ambiguous.into_iter().map(name).collect(),
        contenders: named,
        reviews,
        households,
    }
}

/// Reviews and households among the clusters that are live at the end.
fn relations(clusters: &Clusters<'_>, members: &[usize], review: i64) -> (Vec<Relation>, Vec<Relation>) {
    let (mut reviews, mut households) = (Vec::new(), Vec::new());
    let live: Vec<usize> = (0..clusters.count).filter(|&x| clusters.live[x]).collect();
    for (position, &x) in live.iter().enumerate() {
        for &y in &live[position + 1..] {
            let between = clusters.at(x, y);
            if between.different {
                continue;
            }
            let relation = |strength: i64, (left, right): (usize, usize)| Relation {
                x: members[x],
                y: members[y],
                strength,
                left: members[left],
                right: members[right],
            };
            // Nothing linkable is left, so a pair that reaches the link here is one that only the limit keeps apart.
            let strength = between.strength(clusters.link, clusters.once);
            let doubt = if strength >= clusters.link { strength } else { between.doubt() + clusters.once.unwrap_or(0) };
            if doubt >= review {
                reviews.push(relation(doubt, clusters.largest_pair(x, y, PairScore::score)));
            } else if i64::from(between.kinship) >= clusters.link && between.field.household < between.field.stranger {
                let shown = clusters.largest_pair(x, y, |pair| pair.stranger);
                households.push(relation(i64::from(between.kinship), shown));
            }
        }
    }
    (reviews, households)
}
