//! Weights, priors and frequencies of an estimate.

use super::candidates::Probes;
use super::estimate::{DatePairs, Estimate, bits, real};
use super::names::Relatives;
use super::start::{Start, is_identifier};
use super::{Estimated, Learnt};
use crate::model::{FAMILY, GIVEN, Learned, NameCounts, Shares, Weight};
use crate::record::{Day, Records, Slots};
use crate::words::{FORM_FOLDED, IDENTIFIER_TYPES};

/// Bounds of a weight, in millibits.
const LEAST_WEIGHT: f64 = -20_000.0;
const MOST_WEIGHT: f64 = 40_000.0;
/// Pairs that what is known of a level without the file counts for.
const LEAN: f64 = 2.0;
/// Pairs from which on a level speaks for itself.
const ENOUGH_SUPPORT: f64 = 20.0;

/// Rounded half up; the caller's value is inside i32.
pub(super) fn rounded(value: f64) -> i32 {
    #[allow(clippy::cast_possible_truncation)]
    let whole = libm::floor(value + 0.5).clamp(f64::from(i32::MIN), f64::from(i32::MAX)) as i32;
    whole
}

/// Bits of a level against strangers: of one person, and of one household.
#[derive(Clone, Copy, Default)]
struct Bits {
    same: f64,
    household: f64,
}

/// Bits of the levels of a comparison. Those that hardly a pair shows lean on what is known without the file: nothing was learned of them.
fn leaned_bits(start: &Start, shares: &Shares, support: &[f64]) -> Vec<Bits> {
    let known = start.strangers.as_ref().map(|strangers| (strangers, start.household(strangers)));
    let level = |level: usize| {
        let learned = Bits {
            same: bits(shares.same[level], shares.strangers[level]),
            household: bits(shares.household[level], shares.strangers[level]),
        };
        let Some((strangers, household)) = &known else { return learned };
        let lean = |learned: f64, known: f64| (support[level] * learned + LEAN * known) / (support[level] + LEAN);
        Bits {
            same: lean(learned.same, bits(start.same[level], strangers[level])),
            household: if start.personal {
                learned.household
            } else {
                lean(learned.household, bits(household[level], strangers[level]))
            },
        }
    };
    std::iter::once(Bits::default()).chain((1..start.levels).map(level)).collect()
}

/// A personal comparison says nothing against a household, save that namesakes occur in one.
fn weights(comparison: usize, start: &Start, found: &[Bits]) -> Vec<Weight> {
    let millibits = |bits: f64| rounded((1000.0 * bits).clamp(LEAST_WEIGHT, MOST_WEIGHT));
    let weight = |(level, bits): (usize, &Bits)| {
        let namesake = comparison == GIVEN::INDEX && level == usize::from(GIVEN::EXACT);
        Weight {
            stranger: millibits(bits.same),
            household: if start.personal && !namesake { 0 } else { millibits(bits.household) },
        }
    };
    found.iter().enumerate().map(weight).collect()
}

/// Shares as a further training starts from them: those of strangers and households at levels that hardly a pair shows agree with the weights.
fn stated(start: &Start, mut shares: Shares, support: &[f64], found: &[Bits]) -> Shares {
    for level in (1..start.levels).filter(|level| start.strangers.is_some() && support[*level] < ENOUGH_SUPPORT) {
        shares.strangers[level] = (shares.same[level] / libm::exp2(found[level].same)).min(1.0);
        shares.household[level] = (shares.strangers[level] * libm::exp2(found[level].household)).min(1.0);
    }
    shares
}

/// Priors of the file.
pub(super) fn priors(estimate: &Estimate) -> (i32, i32) {
    let Estimate { matches, households, .. } = estimate;
    let prior = |odds: f64| rounded((1000.0 * libm::log2(odds)).clamp(-100_000.0, 100_000.0));
    (prior(matches / (1.0 - matches - households)), prior(matches / households))
}

/// What has to be added to the uncalibrated prior against strangers, in millibits, so that the calibrated one speaks of a population instead of
/// the file: persons keep their number of records, so the share of pairs that are one person falls with it.
pub(super) fn population_shift(records: usize, population: u64, slope: i32) -> i32 {
    let bits = libm::log2(real(records.max(1) as u64) / real(population.max(1)));
    rounded((1000.0 * bits * 1000.0 / f64::from(slope)).clamp(-100_000.0, 100_000.0))
}

/// Takes back of the identifiers what a population adds to the prior: somebody shares an identifier with as many strangers as before, who are so
/// much fewer of all.
pub(super) fn restate_identifiers(comparisons: &mut [Learnt], shift: i32) {
    for (_, learnt) in comparisons.iter_mut().enumerate().filter(|(place, _)| is_identifier(*place)) {
        let learned = !learnt.shares.same.is_empty();
        let differ = learnt.weights.len() - 1;
        for weight in learnt.weights[..differ].iter_mut().skip(1).filter(|_| learned) {
            weight.stranger -= shift;
            weight.household -= shift;
        }
    }
}

/// Pairs of records that both hold a token of a type that says something on its own. O(slots).
pub(super) fn holder_pairs(slots: &Slots, records: usize) -> [f64; IDENTIFIER_TYPES.len()] {
    let mut holders = [0_u64; IDENTIFIER_TYPES.len()];
    for record in 0..records {
        let mut last = 0;
        for slot in slots.of(record).iter().filter(|slot| slot.form != FORM_FOLDED) {
            if slot.kind != last {
                holders[usize::from(slot.kind) - 1] += 1;
                last = slot.kind;
            }
        }
    }
    holders.map(|count| real(count) * (real(count) - 1.0) / 2.0)
}

/// Pairs of records by their birth dates. O(records · log records).
pub(super) fn date_pairs(records: &Records) -> DatePairs {
    let mut days: Vec<Day> =
        (0..records.len()).map(|row| records.row(row).birth_date).filter(|day| !day.is_missing()).collect();
    days.sort_unstable_by_key(|day| day.number());
    let pairs = |count: usize| real(count as u64) * (real(count as u64) - 1.0) / 2.0;
    let mut found = DatePairs { dated: pairs(days.len()), ..DatePairs::default() };
    for run in days.chunk_by(|a, b| a == b) {
        let equal = if run[0].is_default() { &mut found.equal_default } else { &mut found.equal };
        *equal += pairs(run.len());
    }
    found
}

/// What an estimate becomes in a model.
pub(super) struct Lesson {
    pub(super) comparisons: Vec<Learnt>,
    pub(super) given_names: NameCounts,
    pub(super) family_names: NameCounts,
    /// Bits that each comparison brings on average to a pair of one person that has it on both sides.
    pub(super) expected: Vec<f64>,
}

impl Lesson {
    /// The same with priors, as a model takes it.
    pub(super) fn with(&self, (stranger_prior, household_prior): (i32, i32)) -> Learned<'_> {
        Learned {
            stranger_prior,
            household_prior,
            weights: self.comparisons.iter().map(|learnt| learnt.weights.as_slice()).collect(),
            given: &self.given_names,
            family: &self.family_names,
        }
    }
}

fn expected_bits(shares: &Shares) -> f64 {
    let levels = shares.same.iter().zip(&shares.strangers).skip(1);
    levels.map(|(same, strangers)| same * bits(*same, *strangers)).sum()
}

/// Weights and frequencies of an estimate. O(records).
pub(super) fn learn(
    records: &Records,
    starts: &[Start],
    estimated: &Estimated,
    relatives: &Relatives,
    probes: &Probes,
) -> Lesson {
    let shares = |place: usize| estimated.estimate.shares[place].as_ref();
    let learnt = |(place, start): (usize, &Start)| {
        let Some(shares) = shares(place) else {
            return Learnt { shares: Shares::default(), weights: vec![Weight::default(); start.levels] };
        };
        let support = &estimated.support[place];
        let found = leaned_bits(start, shares, support);
        Learnt { weights: weights(place, start, &found), shares: stated(start, shares.clone(), support, &found) }
    };
    Lesson {
        comparisons: starts.iter().enumerate().map(learnt).collect(),
        given_names: relatives.given(records, shares(GIVEN::INDEX), probes),
        family_names: relatives.family(records, shares(FAMILY::INDEX), probes),
        expected: (0..starts.len()).map(|place| shares(place).map_or(0.0, expected_bits)).collect(),
    }
}
