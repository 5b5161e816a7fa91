//! Fellegi-Sunter scores of pairs over ordered comparison levels.

mod compare;
mod identifiers;

use rayon::prelude::*;

use crate::error::{CoreError, CoreResult, same_length};
use crate::model::{
    ADDRESS, AGREE, AGREE_FOLDED, BIRTH_DATE, EMAIL_INDEX, FAMILY, GIVEN, MIDDLE, Model, SUFFIX, differ_level,
};
use crate::record::{MISSING, Records, Slots};
use crate::words::{COMPARISONS, COOKIE, CRM_NUMBER, CUSTOMER_NUMBER, DEVICE, EMAIL, LOYALTY_CARD, PHONE, WEBSHOP_NUMBER};

/// Levels of a pair, by comparison.
pub type Levels = [u8; COMPARISONS.len()];

/// A scored pair. `score = prior + Σ weights`, in millibits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairScore {
    /// Match weight including the prior.
    pub score: i32,
    /// Level by comparison; 0 is missing.
    pub levels: Levels,
    /// Contribution by comparison.
    pub weights: [i32; COMPARISONS.len()],
}

impl PairScore {
    /// Whether the pair has evidence that only different persons should have, with nothing as personal beside it that says otherwise.
    #[must_use]
    pub fn contradicts(&self) -> bool {
        let born = self.levels[BIRTH_DATE::INDEX];
        let given = self.levels[GIVEN::INDEX];
        let same_birth = matches!(born, BIRTH_DATE::EXACT | BIRTH_DATE::NEAR);
        let same_name = matches!(given, GIVEN::EXACT | GIVEN::NICKNAME | GIVEN::NEAR)
            && matches!(self.levels[FAMILY::INDEX], FAMILY::EXACT | FAMILY::NEAR);
        self.held_by_a_line_alone()
            || self.levels[SUFFIX::INDEX] == SUFFIX::DIFFERENT
            || (given == GIVEN::DIFFERENT && !same_birth)
            || (born == BIRTH_DATE::DIFFERENT && !(same_name && self.identified()))
    }

    /// Whether all that speaks for the pair is a phone, device or cookie while each side holds another card or number. Lines are
    /// recycled and shared, so they alone never merge two people.
    fn held_by_a_line_alone(&self) -> bool {
        let level = |kind: u8| self.levels[usize::from(kind) - 1];
        let agrees = |kind: &u8| level(*kind) == AGREE;
        let named = matches!(
            self.levels[GIVEN::INDEX],
            GIVEN::EXACT | GIVEN::NICKNAME | GIVEN::SWAPPED | GIVEN::NEAR | GIVEN::COMPOUND | GIVEN::PHONETIC | GIVEN::CLOSE
        );
        let born = matches!(self.levels[BIRTH_DATE::INDEX], BIRTH_DATE::EXACT | BIRTH_DATE::NEAR | BIRTH_DATE::PART);
        [LOYALTY_CARD, CRM_NUMBER, CUSTOMER_NUMBER].iter().any(|&kind| level(kind) == differ_level(kind))
            && [PHONE, DEVICE, COOKIE].iter().any(agrees)
            && ![EMAIL, LOYALTY_CARD, CRM_NUMBER, WEBSHOP_NUMBER, CUSTOMER_NUMBER].iter().any(agrees)
            && level(EMAIL) != AGREE_FOLDED
            && !named
            && !born
    }

    /// Whether an identifier agrees.
    fn identified(&self) -> bool {
        self.levels[..GIVEN::INDEX].contains(&AGREE) || self.levels[EMAIL_INDEX] == AGREE_FOLDED
    }

    /// Whether the pair could have contradicted.
    #[must_use]
    pub fn comparable(&self) -> bool {
        self.held_by_a_line_alone()
            || !matches!(self.levels[GIVEN::INDEX], 0 | GIVEN::INITIAL)
            || self.levels[BIRTH_DATE::INDEX] != 0
            || self.levels[SUFFIX::INDEX] != 0
    }
}

/// Scores pairs of one batch under one model.
pub(crate) struct Scorer<'a> {
    pub(crate) records: &'a Records,
    pub(crate) slots: &'a Slots,
    pub(crate) model: &'a Model,
    /// Exact weight of a given name by text number.
    given_exact: Vec<i32>,
    /// Exact weight of a family name by text number.
    family_exact: Vec<i32>,
    most_given: i32,
    most_family: i32,
    most_address: i32,
}

impl<'a> Scorer<'a> {
    /// Looks every frequency up once. O(distinct values).
    pub(crate) fn new(records: &'a Records, slots: &'a Slots, model: &'a Model) -> Self {
        let exact = |comparison: usize, level: u8, frequencies: &crate::model::Frequencies| -> Vec<i32> {
            let weight = model.weight(comparison, level);
            records.texts().iter().map(|text| weight + frequencies.correction(text)).collect()
        };
        let given_exact = exact(GIVEN::INDEX, GIVEN::EXACT, model.given_frequency());
        let family_exact = exact(FAMILY::INDEX, FAMILY::EXACT, model.family_frequency());
        let most = |comparison: usize, last: u8, exact: &[i32]| {
            let levels = (0..=last).map(|level| model.weight(comparison, level));
            levels.chain(exact.iter().copied()).max().unwrap_or(0)
        };
        Self {
            most_given: most(GIVEN::INDEX, GIVEN::DIFFERENT, &given_exact),
            most_family: most(FAMILY::INDEX, FAMILY::DIFFERENT, &family_exact),
            most_address: most(ADDRESS::INDEX, ADDRESS::DIFFERENT, &[]),
            records,
            slots,
            model,
            given_exact,
            family_exact,
        }
    }

    /// Score of a pair. O(length of the values).
    pub(crate) fn score(&self, left: usize, right: usize) -> PairScore {
        self.score_at_least(left, right, i32::MIN).unwrap_or_else(|| self.empty())
    }

    fn empty(&self) -> PairScore {
        PairScore { score: self.model.prior(), levels: Levels::default(), weights: [0; COMPARISONS.len()] }
    }

    fn set(&self, pair: &mut PairScore, comparison: usize, level: u8) {
        pair.levels[comparison] = level;
        pair.weights[comparison] = self.model.weight(comparison, level);
        pair.score += pair.weights[comparison];
    }

    /// Score of a pair, or `None` if it is below the cutoff; cheap comparisons go first, and what cannot reach the cutoff any more stops.
    pub(crate) fn score_at_least(&self, left: usize, right: usize, cutoff: i32) -> Option<PairScore> {
        let mut pair = self.empty();
        identifiers::compare(self.model, self.slots.of(left), self.slots.of(right), &mut pair);
        let (a, b) = (self.records.row(left), self.records.row(right));
        self.set(&mut pair, BIRTH_DATE::INDEX, compare::birth_date(a.birth_date, b.birth_date));
        self.set(&mut pair, SUFFIX::INDEX, compare::suffix(a.suffix, b.suffix));
        self.set(&mut pair, MIDDLE::INDEX, compare::middle(self.records, a.middle, b.middle));
        let mut left_over = self.most_given.saturating_add(self.most_family).saturating_add(self.most_address);
        if pair.score.saturating_add(left_over) < cutoff {
            return None;
        }
        let names = compare::names(self.records, a, b);
        self.set(&mut pair, GIVEN::INDEX, compare::given(&names));
        if pair.levels[GIVEN::INDEX] == GIVEN::EXACT {
            let weight = names.given.map_or(0, |(name, _)| self.given_exact[name.id as usize]);
            pair.score += weight - pair.weights[GIVEN::INDEX];
            pair.weights[GIVEN::INDEX] = weight;
        }
        left_over -= self.most_given;
        if pair.score.saturating_add(left_over) < cutoff {
            return None;
        }
        self.set(&mut pair, FAMILY::INDEX, compare::family(&names));
        if pair.levels[FAMILY::INDEX] == FAMILY::EXACT {
            let weight = names.family.map_or(0, |(name, _)| self.family_exact[name.id as usize]);
            pair.score += weight - pair.weights[FAMILY::INDEX];
            pair.weights[FAMILY::INDEX] = weight;
        }
        left_over -= self.most_family;
        if pair.score.saturating_add(left_over) < cutoff {
            return None;
        }
        self.set(&mut pair, ADDRESS::INDEX, compare::address(self.records, a, b));
        (pair.score >= cutoff).then_some(pair)
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

/// Scores pairs of rows; those below the cutoff are left out. Gives the position in `left` and the score. O(pairs).
///
/// # Errors
/// `Input` for columns of different lengths and rows outside the batch.
pub fn score_pairs(
    records: &Records,
    left: &[i64],
    right: &[i64],
    model: &Model,
    cutoff: Option<i64>,
) -> CoreResult<Vec<(usize, PairScore)>> {
    same_length("right", right.len(), left.len())?;
    let (left, right) = (checked_rows("left", left, records)?, checked_rows("right", right, records)?);
    let bounded = cutoff.unwrap_or(i64::MIN).clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    let cutoff = i32::try_from(bounded).unwrap_or(i32::MIN);
    let scorer = Scorer::new(records, records.slots(), model);
    let one = |index: usize| scorer.score_at_least(left[index], right[index], cutoff).map(|pair| (index, pair));
    Ok(if left.len() > PARALLEL_PAIRS {
        (0..left.len()).into_par_iter().with_min_len(1024).filter_map(one).collect()
    } else {
        (0..left.len()).filter_map(one).collect()
    })
}

#[cfg(test)]
mod tests;
