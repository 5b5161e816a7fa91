//! Fellegi-Sunter scores of pairs over ordered comparison levels, against two rivals: strangers, and members of one household.

mod ceiling;
mod compare;
mod identifiers;

use rayon::prelude::*;

pub(crate) use self::ceiling::{Ceiling, Marks};
use crate::error::{CoreError, CoreResult, same_length};
use crate::model::{
    BIRTH_DATE, EXTRA, FAMILY, Frequencies, GIVEN, MIDDLE, Model, PLACE, STREET, SUFFIX, Weight, differ_level,
};
use crate::record::{MISSING, NameForm, Records, Slots, TextId};
use crate::words::MOST_COMPARISONS;

/// Levels of a pair, by comparison; 0 is missing.
pub type Levels = [u8; MOST_COMPARISONS];

/// What a household sum is in a model without households: no rival.
const NO_RIVAL: i32 = i32::MAX;

/// A scored pair, in calibrated millibits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairScore {
    /// Evidence against "strangers", with its prior.
    pub stranger: i32,
    /// Evidence against "two people of one household", with its prior; the largest number where the model knows no households.
    pub household: i32,
    /// Level by comparison; 0 is missing.
    pub levels: Levels,
}

impl PairScore {
    /// Evidence against the nearest rival.
    #[must_use]
    pub fn score(&self) -> i32 {
        self.stranger.min(self.household)
    }

    /// Whether the nearest rival of "one person" is "two people of one household".
    #[must_use]
    pub fn against_household(&self) -> bool {
        self.household < self.stranger
    }

    /// Whether the pair would be one person if there were no households.
    pub(crate) fn is_kin(&self, model: &Model) -> bool {
        self.against_household() && self.stranger >= model.link()
    }
}

/// A pair with the weights of its comparisons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeighedPair {
    /// The pair.
    pub pair: PairScore,
    /// Weight by comparison against the nearest rival.
    pub weights: [i32; MOST_COMPARISONS],
}

/// What the comparisons that are left can add at most.
#[derive(Debug, Clone, Copy, Default)]
struct Rest {
    stranger: i32,
    household: i32,
}

/// The highest type number of identifiers.
const IDENTIFIERS: u8 = 8;

/// The comparisons that cost most, in the order in which they are made; the names are compared together.
const DEAR: [usize; 4] = [GIVEN::INDEX, FAMILY::INDEX, PLACE::INDEX, STREET::INDEX];
/// Where names, place and street stand in [`DEAR`].
const STEPS: [usize; 3] = [0, 2, 3];

/// Scores pairs of one batch under one model.
pub(crate) struct Scorer<'a> {
    pub(crate) records: &'a Records,
    pub(crate) slots: &'a Slots,
    pub(crate) model: &'a Model,
    /// Weight of exact agreement against strangers by text number of a given name.
    given_exact: Vec<i32>,
    /// The same of a family name.
    family_exact: Vec<i32>,
    /// Columns of the model's extras; `None` where the records have no such column.
    extras: Vec<Option<&'a [TextId]>>,
    /// What is left before each of [`DEAR`].
    rest: [Rest; DEAR.len()],
    /// What the identifiers of two records without a token in common can add at most.
    apart: Rest,
}

/// Weights of exact agreement of the names that occur, by text number.
fn exact_weights(forms: &[NameForm], texts: usize, weight: i32, frequencies: &Frequencies) -> Vec<i32> {
    let mut weights = vec![weight; texts];
    for form in forms {
        weights[form.id as usize] = weight + frequencies.correction(&form.joined);
    }
    weights
}

impl<'a> Scorer<'a> {
    /// Looks every frequency up once. O(distinct values).
    pub(crate) fn new(records: &'a Records, slots: &'a Slots, model: &'a Model) -> Self {
        let (given, family) = records.names();
        let texts = records.texts().len();
        let given_weight = model.weight(GIVEN::INDEX, GIVEN::EXACT).stranger;
        let family_weight = model.weight(FAMILY::INDEX, FAMILY::EXACT).stranger;
        let given_exact = exact_weights(given, texts, given_weight, model.given_frequency());
        let family_exact = exact_weights(family, texts, family_weight, model.family_frequency());
        let mut scorer = Self {
            extras: model.extras().iter().map(|extra| records.extra(&extra.name)).collect(),
            records,
            slots,
            model,
            given_exact,
            family_exact,
            rest: [Rest::default(); DEAR.len()],
            apart: Rest::default(),
        };
        for kind in 1..=IDENTIFIERS {
            let weight = model.weight(usize::from(kind) - 1, differ_level(kind));
            scorer.apart.stranger += weight.stranger.max(0);
            scorer.apart.household += (weight.stranger - weight.household).max(0);
        }
        let mut rest = Rest::default();
        for extra in 0..model.extras().len() {
            scorer.raise(&mut rest, EXTRA::INDEX + extra, &[]);
        }
        for (place, &comparison) in DEAR.iter().enumerate().rev() {
            let exact: &[i32] = match comparison {
                GIVEN::INDEX => &scorer.given_exact,
                FAMILY::INDEX => &scorer.family_exact,
                _ => &[],
            };
            scorer.raise(&mut rest, comparison, exact);
            scorer.rest[place] = rest;
        }
        scorer
    }

    /// Adds the most a comparison can give.
    fn raise(&self, rest: &mut Rest, comparison: usize, exact: &[i32]) {
        let weights = self.model.weights_of(comparison);
        let stranger = weights.iter().map(|weight| weight.stranger).chain(exact.iter().copied()).max();
        let household = weights.iter().map(|weight| weight.stranger - weight.household).max();
        rest.stranger += stranger.unwrap_or(0);
        rest.household += household.unwrap_or(0);
    }

    fn empty(&self) -> PairScore {
        PairScore {
            stranger: self.model.stranger_prior(),
            household: self.model.household_prior().unwrap_or(0),
            levels: [0; MOST_COMPARISONS],
        }
    }

    fn set(&self, pair: &mut PairScore, comparison: usize, level: u8) {
        let weight = self.model.weight(comparison, level);
        pair.levels[comparison] = level;
        pair.stranger += weight.stranger;
        pair.household += weight.stranger - weight.household;
    }

    /// Whether a pair may still be kept, given what is left.
    fn hopeful(&self, pair: &PairScore, rest: Rest, cutoff: i32) -> bool {
        let stranger = pair.stranger.saturating_add(rest.stranger);
        if self.model.household_prior().is_none() {
            return stranger >= cutoff;
        }
        let household = pair.household.saturating_add(rest.household);
        stranger.min(household) >= cutoff || stranger >= self.model.link()
    }

    /// Score of a pair. O(length of the values).
    pub(crate) fn score(&self, left: usize, right: usize) -> PairScore {
        self.score_at_least(left, right, i32::MIN).unwrap_or_else(|| self.empty())
    }

    /// Score of a pair, or `None` if it is below the cutoff and no kin; cheap comparisons go first, and what cannot be kept any more stops.
    pub(crate) fn score_at_least(&self, left: usize, right: usize, cutoff: i32) -> Option<PairScore> {
        let mut pair = self.empty();
        self.set_identifiers(&mut pair, left, right);
        self.kept(self.compared(left, right, pair, Rest::default(), cutoff)?, cutoff)
    }

    /// The same for a pair that has no token in common: its identifiers can do little more than differ, so they are looked at last.
    pub(crate) fn score_apart_at_least(&self, left: usize, right: usize, cutoff: i32) -> Option<PairScore> {
        let mut pair = self.compared(left, right, self.empty(), self.apart, cutoff)?;
        self.set_identifiers(&mut pair, left, right);
        self.kept(pair, cutoff)
    }

    fn set_identifiers(&self, pair: &mut PairScore, left: usize, right: usize) {
        identifiers::levels(self.slots.of(left), self.slots.of(right), |comparison, level| {
            self.set(pair, comparison, level);
        });
    }

    /// The pair with all its sums, if it is kept.
    fn kept(&self, mut pair: PairScore, cutoff: i32) -> Option<PairScore> {
        if self.model.household_prior().is_none() {
            pair.household = NO_RIVAL;
        }
        (pair.score() >= cutoff || pair.is_kin(self.model)).then_some(pair)
    }

    /// Adds everything but the identifiers to a pair; `None` as soon as it cannot be kept any more, though `more` were still to come.
    fn compared(&self, left: usize, right: usize, mut pair: PairScore, more: Rest, cutoff: i32) -> Option<PairScore> {
        let (a, b) = (self.records.row(left), self.records.row(right));
        self.set(&mut pair, BIRTH_DATE::INDEX, compare::birth_date(a.birth_date, b.birth_date));
        self.set(&mut pair, SUFFIX::INDEX, compare::suffix(a.suffix, b.suffix));
        self.set(&mut pair, MIDDLE::INDEX, compare::middle(self.records, a.middle, b.middle));
        for step in STEPS {
            let rest = self.rest[step];
            let rest = Rest { stranger: rest.stranger + more.stranger, household: rest.household + more.household };
            if !self.hopeful(&pair, rest, cutoff) {
                return None;
            }
            match DEAR[step] {
                GIVEN::INDEX => {
                    let (given, family) = compare::names(self.records, a, b);
                    self.set(&mut pair, GIVEN::INDEX, given);
                    self.set(&mut pair, FAMILY::INDEX, family);
                    pair.stranger += self.corrections(left, &pair).iter().sum::<i32>();
                }
                PLACE::INDEX => self.set(&mut pair, PLACE::INDEX, compare::place(self.records, a, b)),
                _ => self.set(&mut pair, STREET::INDEX, compare::street(self.records, a, b)),
            }
        }
        for (position, column) in self.extras.iter().enumerate() {
            if let Some(column) = column {
                self.set(&mut pair, EXTRA::INDEX + position, compare::extra(self.records, column[left], column[right]));
            }
        }
        Some(pair)
    }

    /// Score of a pair with these levels but for the corrections of its names. O(comparisons).
    pub(crate) fn uncorrected(&self, levels: &Levels) -> PairScore {
        let mut pair = self.empty();
        for (comparison, level) in levels.iter().enumerate().take(self.model.width()) {
            self.set(&mut pair, comparison, *level);
        }
        if self.model.household_prior().is_none() {
            pair.household = NO_RIVAL;
        }
        pair
    }

    /// The same pair with the corrections of its names; `record` is one of the two. O(1).
    pub(crate) fn corrected(&self, record: usize, mut pair: PairScore) -> PairScore {
        pair.stranger += self.corrections(record, &pair).iter().sum::<i32>();
        pair
    }

    /// Term-frequency corrections of the given and the family name of a pair, of which `record` is one.
    fn corrections(&self, record: usize, pair: &PairScore) -> [i32; 2] {
        let row = self.records.row(record);
        let correction = |comparison: usize, exact: u8, weights: &[i32], name: Option<&NameForm>| match name {
            Some(name) if pair.levels[comparison] == exact => {
                weights[name.id as usize] - self.model.weight(comparison, exact).stranger
            }
            _ => 0,
        };
        [
            correction(GIVEN::INDEX, GIVEN::EXACT, &self.given_exact, self.records.given(row)),
            correction(FAMILY::INDEX, FAMILY::EXACT, &self.family_exact, self.records.family(row)),
        ]
    }

    /// Weights by comparison of a scored pair, of which `record` is one, with their term-frequency corrections: against strangers in
    /// `stranger`, and what the household sum adds, `stranger − household` without a correction, in `household`.
    pub(crate) fn sums(&self, record: usize, pair: &PairScore, into: &mut [Weight; MOST_COMPARISONS]) {
        for (comparison, (slot, &level)) in into.iter_mut().zip(&pair.levels).enumerate().take(self.model.width()) {
            let weight = self.model.weight(comparison, level);
            *slot = Weight { stranger: weight.stranger, household: weight.stranger - weight.household };
        }
        let [given, family] = self.corrections(record, pair);
        into[GIVEN::INDEX].stranger += given;
        into[FAMILY::INDEX].stranger += family;
    }

    /// A scored pair, of which `record` is one, with its weights.
    pub(crate) fn weighed(&self, record: usize, pair: PairScore) -> WeighedPair {
        let mut sums = [Weight::default(); MOST_COMPARISONS];
        self.sums(record, &pair, &mut sums);
        let household = pair.against_household();
        WeighedPair { pair, weights: sums.map(|sum| if household { sum.household } else { sum.stranger }) }
    }
}

/// Pairs below this many are scored on one thread.
const PARALLEL_PAIRS: usize = 4096;

/// Row numbers of the boundary, checked against the batch.
pub(crate) fn checked_rows(argument: &'static str, rows: &[i64], records: &Records) -> CoreResult<Vec<usize>> {
    let row = |&row: &i64| {
        usize::try_from(row)
            .ok()
            .filter(|row| *row < records.len() && *row < MISSING as usize)
            .ok_or_else(|| CoreError::input(argument, "holds a row outside the batch"))
    };
    rows.iter().map(row).collect()
}

/// Scores pairs of rows; those below the cutoff are left out unless they are kin. Gives the position in `left` and the score. O(pairs).
///
/// # Errors
/// `Input` for columns of different lengths and rows outside the batch.
pub fn score_pairs(
    records: &Records,
    left: &[i64],
    right: &[i64],
    model: &Model,
    cutoff: Option<i64>,
) -> CoreResult<Vec<(usize, WeighedPair)>> {
    same_length("right", right.len(), left.len())?;
    let (left, right) = (checked_rows("left", left, records)?, checked_rows("right", right, records)?);
    let bounded = cutoff.unwrap_or(i64::MIN).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    let cutoff = i32::try_from(bounded).unwrap_or(i32::MIN);
    let scorer = Scorer::new(records, records.slots(), model);
    let one = |index: usize| {
        let pair = scorer.score_at_least(left[index], right[index], cutoff)?;
        Some((index, scorer.weighed(left[index], pair)))
    };
    Ok(if left.len() > PARALLEL_PAIRS {
        (0..left.len()).into_par_iter().with_min_len(1024).filter_map(one).collect()
    } else {
        (0..left.len()).filter_map(one).collect()
    })
}

#[cfg(test)]
mod tests;
