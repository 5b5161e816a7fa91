//! Expectation maximisation of the three-hypothesis model over level patterns (docs/training.md section 3).

use super::start::{Start, is_identifier, normalized};
use super::tally::Pattern;
use crate::model::{AGREE, BIRTH_DATE, FAMILY, GIVEN, MOST_LEVELS, Shares};
use crate::score::Levels;
use crate::words::{EMAIL, IDENTIFIER_TYPES};

/// Rounds at most, and the relative change of the share of matches below which they end.
const MOST_ROUNDS: usize = 150;
const FEWEST_ROUNDS: usize = 21;
const SETTLED: f64 = 1e-5;
/// Pairs in which a comparison must be free for its shares to be learned of them alone.
const ENOUGH_FREE: f64 = 50.0;
/// Pairs that the start of the shares counts for: among one person, and among one household.
const SAME_STRENGTH: f64 = 10.0;
const HOUSEHOLD_STRENGTH: f64 = 10.0;
/// Half the free parameters of the households, taken off their count: minimum message length (Wallace and Boulton 1968; Figueiredo and Jain 2002).
const HOUSEHOLD_COST: f64 = 30.0;
/// Rounds in which households find their pairs before they are charged for: a small file begins with fewer than the cost.
const FREE_ROUNDS: usize = 10;
/// How far `different` of given names may be from that of family names, as a ratio: errors and changes strike both alike.
const TIE: f64 = 1.01;
/// Share of the pairs of one household that have one given name for a reason: father and son.
const NAMESAKES: f64 = 0.02;
/// Most of all pairs that either class may have.
const MOST_SHARE: f64 = 0.4;
/// The pair that a level has more among strangers than was seen.
const HALF: f64 = 0.5;
/// Most of the pairs of strangers that may share an identifier.
const MOST_SHARERS: f64 = 0.25;
/// Most of the pairs of strangers that either kind of equal birth dates may have.
const MOST_EQUAL_DATES: f64 = 0.25;
/// Shares below which a level counts as this rare.
const RAREST_SAME: f64 = 1e-9;
const RAREST_STRANGER: f64 = 1e-12;

/// Counted pairs and what is known of the file beside them.
pub(super) struct Evidence<'a> {
    /// Patterns of candidates with the comparisons that are free in them.
    pub(super) candidates: &'a [Pattern],
    /// Candidate pairs of the file that one counted pair stands for.
    pub(super) worth: f64,
    /// Patterns of random pairs.
    pub(super) random: &'a [Pattern],
    /// Pairs of all records.
    pub(super) pairs: f64,
    /// Pairs of records that both hold an identifier of a type.
    pub(super) holder_pairs: [f64; IDENTIFIER_TYPES.len()],
    pub(super) dates: DatePairs,
}

/// Pairs of all records by their birth dates.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct DatePairs {
    /// Both have one.
    pub(super) dated: f64,
    /// Equal ones.
    pub(super) equal: f64,
    /// Equal ones of a default day.
    pub(super) equal_default: f64,
}

/// The estimated model.
#[derive(Debug, Clone)]
pub(super) struct Estimate {
    /// Share of all pairs that are one person.
    pub(super) matches: f64,
    /// Share of all pairs that are two people of one household.
    pub(super) households: f64,
    /// By comparison; `None` where no candidate has it on both sides.
    pub(super) shares: Vec<Option<Shares>>,
    pub(super) rounds: usize,
    pub(super) settled: bool,
}

/// Posterior of "one person" and of "two people of one household".
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Posterior {
    pub(super) same: f64,
    pub(super) household: f64,
}

impl Posterior {
    fn strangers(self) -> f64 {
        (1.0 - self.same - self.household).max(0.0)
    }
}

/// Log2 likelihood ratio of a level.
pub(super) fn bits(shares: f64, strangers: f64) -> f64 {
    libm::log2(shares.max(RAREST_SAME) / strangers.max(RAREST_STRANGER))
}

/// Sums that decide a pair, by comparison and level: against strangers.
pub(super) struct Ratios {
    same: Vec<f64>,
    household: Vec<f64>,
    matches: f64,
    households: f64,
}

impl Ratios {
    pub(super) fn of(estimate: &Estimate) -> Self {
        let mut ratios = Self {
            same: vec![0.0; estimate.shares.len() * MOST_LEVELS],
            household: vec![0.0; estimate.shares.len() * MOST_LEVELS],
            matches: estimate.matches,
            households: estimate.households,
        };
        for (comparison, shares) in estimate.shares.iter().enumerate() {
            for level in 1..shares.as_ref().map_or(0, |shares| shares.strangers.len()) {
                if let Some(shares) = shares {
                    let place = comparison * MOST_LEVELS + level;
                    ratios.same[place] = bits(shares.same[level], shares.strangers[level]);
                    ratios.household[place] = bits(shares.household[level], shares.strangers[level]);
                }
            }
        }
        ratios
    }

    /// Bayes' rule for a pattern; the prior is that of two records drawn at random, for a blocked pair as for any other.
    pub(super) fn posterior(&self, levels: &Levels) -> Posterior {
        let (mut same, mut household) = (0.0, 0.0);
        let tables = self.same.chunks_exact(MOST_LEVELS).zip(self.household.chunks_exact(MOST_LEVELS));
        for (level, (own, rival)) in levels.iter().zip(tables) {
            same += own[usize::from(*level)];
            household += rival[usize::from(*level)];
        }
        let same = self.matches * libm::exp2(same.min(200.0));
        let household = self.households * libm::exp2(household.min(200.0));
        let total = 1.0 - self.matches - self.households + same + household;
        Posterior { same: same / total, household: household / total }
    }
}

/// A count without loss below 2⁵³.
#[allow(clippy::cast_precision_loss)]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

/// Shares with `strength` pairs of a start added to the counted ones.
fn leaned(mut counts: Vec<f64>, start: &[f64], strength: f64) -> Vec<f64> {
    counts[0] = 0.0;
    let total: f64 = counts.iter().sum::<f64>() + strength;
    counts.iter().zip(start).map(|(count, start)| (count + strength * start) / total).collect()
}

/// Whether the shares of a comparison are learned only from pairs in which it is free: where there are enough of them.
struct Taught {
    same: bool,
    household: bool,
}

impl Taught {
    fn of(candidates: &[Pattern], comparison: usize) -> Self {
        let enough = |free: &dyn Fn(&Pattern) -> u32| {
            let pairs =
                candidates.iter().filter(|pattern| free(pattern) >> comparison & 1 == 1).map(|pattern| pattern.pairs);
            real(pairs.sum()) > ENOUGH_FREE
        };
        Self { same: enough(&|pattern| pattern.trusted), household: enough(&|pattern| pattern.free) }
    }
}

/// One estimation: the evidence, the starts, and what is learned from which pairs.
struct Estimation<'a> {
    evidence: &'a Evidence<'a>,
    starts: &'a [Start],
    /// Number of random pairs.
    drawn: f64,
    /// By comparison: the patterns of which one person, and households, are learned.
    taught: Vec<Taught>,
}

/// Estimates shares and priors from the starts. O(rounds · patterns · comparisons).
pub(super) fn estimate(evidence: &Evidence<'_>, starts: &[Start]) -> Estimate {
    let drawn = evidence.random.iter().map(|pattern| real(pattern.pairs)).sum::<f64>();
    let taught = (0..starts.len()).map(|comparison| Taught::of(evidence.candidates, comparison)).collect();
    let estimation = Estimation { evidence, starts, drawn, taught };
    let mut estimate = estimation.first();
    while estimate.rounds < MOST_ROUNDS && !estimate.settled {
        estimate = estimation.next(&estimate);
    }
    estimate
}

impl Estimation<'_> {
    /// Shares of levels among strangers. Each level has half a pair more, of as many pairs as hold half a pair by what is known without the file:
    /// a column that hardly a pair has keeps to that, and no level is impossible. How rare an identifier is nobody knows before; it is counted
    /// later, and begins as what no pair of those drawn has.
    fn smoothed(&self, start: &Start, mut counts: Vec<f64>) -> Vec<f64> {
        counts[0] = 0.0;
        let total = counts.iter().sum::<f64>();
        if let Some(known) = &start.strangers {
            let share = |(count, known): (&f64, &f64)| (count + HALF) / (total + HALF / known.max(RAREST_STRANGER));
            return normalized(counts.iter().zip(known).map(share).collect());
        }
        let unseen = HALF / self.drawn.max(1.0);
        let last = counts.len() - 1;
        let mut shares: Vec<f64> = counts.iter().map(|count| (count / total.max(1.0) + unseen).min(MOST_SHARERS)).collect();
        shares[0] = 0.0;
        shares[last] = 1.0 - shares[..last].iter().sum::<f64>();
        shares
    }

    fn first(&self) -> Estimate {
        // Three pairs of one person and one of a household to ten records.
        let records = 0.5 + libm::sqrt(0.25 + 2.0 * self.evidence.pairs);
        let pairs = self.evidence.pairs.max(1.0);
        let shares = (0..self.starts.len()).map(|comparison| {
            let seen = self.evidence.candidates.iter().any(|pattern| pattern.levels[comparison] != 0);
            seen.then(|| {
                let start = &self.starts[comparison];
                let strangers = self.smoothed(start, self.random_counts(comparison, |_| 1.0));
                let household = if start.personal { strangers.clone() } else { start.household(&strangers) };
                Shares { same: start.same.clone(), household, strangers }
            })
        });
        Estimate {
            matches: (0.3 * records / pairs).min(MOST_SHARE),
            households: (0.1 * records / pairs).min(MOST_SHARE),
            shares: shares.collect(),
            rounds: 0,
            settled: false,
        }
    }

    /// Expected pairs of one person of the file where the random pairs are all there are: no blocking hides any of them. Else 0.
    fn among_all(&self, drawn: &[Posterior]) -> f64 {
        if self.drawn < self.evidence.pairs {
            return 0.0;
        }
        self.evidence.random.iter().zip(drawn).map(|(pattern, posterior)| real(pattern.pairs) * posterior.same).sum()
    }

    fn random_counts(&self, comparison: usize, weight: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut counts = vec![0.0; self.starts[comparison].levels];
        for (place, pattern) in self.evidence.random.iter().enumerate() {
            counts[usize::from(pattern.levels[comparison])] += real(pattern.pairs) * weight(place);
        }
        counts
    }

    /// Counts by level over the candidates that teach something of the comparison.
    fn counts(&self, comparison: usize, found: &[Posterior], weight: impl Fn(&Pattern, Posterior) -> f64) -> Vec<f64> {
        let mut counts = vec![0.0; self.starts[comparison].levels];
        for (pattern, posterior) in self.evidence.candidates.iter().zip(found) {
            counts[usize::from(pattern.levels[comparison])] += weight(pattern, *posterior);
        }
        counts
    }

    fn same_counts(&self, comparison: usize, found: &[Posterior]) -> Vec<f64> {
        let all = !self.taught[comparison].same;
        self.counts(comparison, found, |pattern, posterior| {
            if all || pattern.trusted >> comparison & 1 == 1 { real(pattern.pairs) * posterior.same } else { 0.0 }
        })
    }

    fn household_counts(&self, comparison: usize, found: &[Posterior]) -> Vec<f64> {
        let all = !self.taught[comparison].household;
        self.counts(comparison, found, |pattern, posterior| {
            if all || pattern.free >> comparison & 1 == 1 { real(pattern.pairs) * posterior.household } else { 0.0 }
        })
    }

    /// One round: posteriors of all patterns under the last estimate, then shares and priors from them.
    fn next(&self, last: &Estimate) -> Estimate {
        let ratios = Ratios::of(last);
        let evidence = self.evidence;
        let found: Vec<Posterior> = evidence.candidates.iter().map(|pattern| ratios.posterior(&pattern.levels)).collect();
        let drawn: Vec<Posterior> = evidence.random.iter().map(|pattern| ratios.posterior(&pattern.levels)).collect();
        let (mut matches, mut households) = (0.0, 0.0);
        for (pattern, posterior) in evidence.candidates.iter().zip(&found) {
            matches += real(pattern.pairs) * posterior.same;
            households += real(pattern.pairs) * posterior.household;
        }
        let pairs = evidence.pairs.max(1.0);
        let matches = (matches * evidence.worth).max(self.among_all(&drawn));
        let matches = (matches.max(evidence.worth) / pairs).min(MOST_SHARE);
        let cost = if last.rounds < FREE_ROUNDS { 0.0 } else { HOUSEHOLD_COST };
        let households = ((households - cost).max(0.01) * evidence.worth / pairs).min(MOST_SHARE);
        let mut shares: Vec<Option<Shares>> = vec![None; self.starts.len()];
        for (comparison, start) in self.starts.iter().enumerate() {
            if last.shares[comparison].is_none() {
                continue;
            }
            let same = leaned(self.same_counts(comparison, &found), &start.same, SAME_STRENGTH);
            let mut strangers = self.smoothed(start, self.random_counts(comparison, |place| drawn[place].strangers()));
            if is_identifier(comparison) {
                self.count_sharers(comparison, &found, &mut strangers);
            }
            if comparison == BIRTH_DATE::INDEX {
                self.count_dates(&found, &mut strangers);
            }
            let household = if start.personal {
                let mut shares = strangers.clone();
                if comparison == GIVEN::INDEX {
                    for share in &mut shares {
                        *share *= 1.0 - NAMESAKES;
                    }
                    shares[usize::from(GIVEN::EXACT)] += NAMESAKES;
                }
                shares
            } else {
                let counts = self.household_counts(comparison, &found);
                leaned(counts, &start.household(&strangers), HOUSEHOLD_STRENGTH)
            };
            shares[comparison] = Some(Shares { same, household, strangers });
        }
        tie(&mut shares);
        let rounds = last.rounds + 1;
        let settled = rounds > FEWEST_ROUNDS && (matches / last.matches - 1.0).abs() < SETTLED;
        Estimate { matches, households, shares, rounds, settled }
    }

    /// How often strangers share an identifier is too rare to be sampled: it is counted over the candidates, where all that share one are.
    fn count_sharers(&self, comparison: usize, found: &[Posterior], strangers: &mut [f64]) {
        let folded = if comparison + 1 == usize::from(EMAIL) { 2 } else { 1 };
        for level in AGREE..=folded {
            let sharers =
                self.evidence.candidates.iter().zip(found).filter(|(pattern, _)| pattern.levels[comparison] == level);
            let count: f64 = sharers.map(|(pattern, posterior)| real(pattern.pairs) * posterior.strangers()).sum();
            let pairs = self.evidence.holder_pairs[comparison].max(1.0);
            strangers[usize::from(level)] = ((count * self.evidence.worth + HALF) / pairs).min(MOST_SHARERS);
        }
        if let Some((differ, agree)) = strangers.split_last_mut() {
            *differ = 1.0 - agree.iter().sum::<f64>();
        }
    }

    /// Equal birth dates are as rare. All pairs that have one are counted, less the expected ones of one person or one household; what is drawn
    /// says how the other levels share the rest.
    fn count_dates(&self, found: &[Posterior], strangers: &mut [f64]) {
        let dates = self.evidence.dates;
        for (level, equal) in [(BIRTH_DATE::EXACT, dates.equal), (BIRTH_DATE::EXACT_JANUARY, dates.equal_default)] {
            let alike = self.evidence.candidates.iter().zip(found);
            let related: f64 = alike
                .filter(|(pattern, _)| pattern.levels[BIRTH_DATE::INDEX] == level)
                .map(|(pattern, posterior)| real(pattern.pairs) * (posterior.same + posterior.household))
                .sum();
            let count = (equal - related * self.evidence.worth).max(0.0);
            strangers[usize::from(level)] = ((count + 0.5) / dates.dated.max(1.0)).min(MOST_EQUAL_DATES);
        }
        let (equal, others) = strangers.split_at_mut(usize::from(BIRTH_DATE::EXACT_JANUARY) + 1);
        let factor = (1.0 - equal.iter().sum::<f64>()) / others.iter().sum::<f64>().max(1e-9);
        for share in others {
            *share *= factor;
        }
    }
}

/// Pairs by comparison and level that say something of its weight: expected ones of one person among the candidates, and of strangers among the
/// random pairs.
pub(super) fn support(evidence: &Evidence<'_>, estimate: &Estimate, starts: &[Start]) -> Vec<Vec<f64>> {
    let ratios = Ratios::of(estimate);
    let mut support: Vec<Vec<f64>> = starts.iter().map(|start| vec![0.0; start.levels]).collect();
    let mut add = |pattern: &Pattern, weight: f64| {
        for (counts, level) in support.iter_mut().zip(&pattern.levels) {
            counts[usize::from(*level)] += real(pattern.pairs) * weight;
        }
    };
    evidence.candidates.iter().for_each(|pattern| add(pattern, ratios.posterior(&pattern.levels).same));
    evidence.random.iter().for_each(|pattern| add(pattern, ratios.posterior(&pattern.levels).strangers()));
    support
}

/// Sets the share of given names of one person that differ to that of family names, within [`TIE`]; their other levels keep their proportions.
fn tie(shares: &mut [Option<Shares>]) {
    let Some(family) = shares[FAMILY::INDEX].as_ref().map(|family| family.same[usize::from(FAMILY::DIFFERENT)]) else {
        return;
    };
    let Some(given) = shares[GIVEN::INDEX].as_mut() else { return };
    let last = usize::from(GIVEN::DIFFERENT);
    let wanted = given.same[last].clamp(family / TIE, family * TIE);
    let factor = (1.0 - wanted) / (1.0 - given.same[last]).max(1e-9);
    for share in &mut given.same[..last] {
        *share *= factor;
    }
    given.same[last] = wanted;
}

#[cfg(test)]
mod tests;
