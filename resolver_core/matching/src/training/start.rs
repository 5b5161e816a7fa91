//! Where the estimation starts, and what it leans on where a file says little.

use crate::model::{BIRTH_DATE, FAMILY, GIVEN, MIDDLE, Model, PLACE, STREET, SUFFIX, Shares, levels_at};
use crate::words::IDENTIFIER_TYPES;

/// Start of the share of pairs of one person that agree exactly, and of those that differ; what is between shares the rest.
const EXACT: f64 = 0.9;
const DIFFERENT: f64 = 0.04;
/// Starts of the parts of a joint level: missing counts as one, the others are equal, near, close (or area), different.
const STREET_NAME: [f64; 5] = [1.0, 0.8, 0.1, 0.05, 0.05];
const STREET_NUMBER: [f64; 4] = [1.0, 0.8, 0.12, 0.08];
const POSTCODE: [f64; 5] = [1.0, 0.75, 0.12, 0.05, 0.08];
const CITY: [f64; 4] = [1.0, 0.75, 0.15, 0.1];

/// What strangers are like before a file is seen, roughly: without `missing`, in the order of the levels.
const GIVEN_STRANGERS: [f64; 11] = [0.005, 0.005, 0.0005, 0.001, 0.003, 0.002, 0.01, 0.005, 0.03, 0.1, 0.8385];
const FAMILY_STRANGERS: [f64; 9] = [0.002, 0.001, 0.002, 0.002, 0.005, 0.005, 0.02, 0.1, 0.863];
const MIDDLE_STRANGERS: [f64; 3] = [0.05, 0.05, 0.9];
const SUFFIX_STRANGERS: [f64; 2] = [0.4, 0.6];
const DATE_STRANGERS: [f64; 7] = [0.0001, 0.0005, 0.001, 0.02, 0.01, 0.015, 0.9534];
const EXTRA_STRANGERS: [f64; 3] = [0.3, 0.02, 0.68];
const STREET_NAME_STRANGERS: [f64; 5] = [1.0, 0.003, 0.002, 0.01, 0.985];
const STREET_NUMBER_STRANGERS: [f64; 4] = [1.0, 0.02, 0.08, 0.9];
const POSTCODE_STRANGERS: [f64; 5] = [1.0, 0.003, 0.005, 0.05, 0.942];
const CITY_STRANGERS: [f64; 4] = [1.0, 0.02, 0.005, 0.975];

/// Shares that sum to one; the first, of `missing`, is not counted and becomes zero.
pub(super) fn normalized(mut shares: Vec<f64>) -> Vec<f64> {
    if let Some(first) = shares.first_mut() {
        *first = 0.0;
    }
    let total: f64 = shares.iter().sum();
    if total > 0.0 {
        for share in &mut shares {
            *share /= total;
        }
    }
    shares
}

/// Every combination of the parts of a joint level.
fn joint(first: [f64; 5], second: [f64; 4]) -> Vec<f64> {
    normalized(first.iter().flat_map(|one| second.iter().map(move |other| one * other)).collect())
}

/// Start of the shares among pairs of one person, for a comparison of so many levels.
fn plain(comparison: usize, levels: usize) -> Vec<f64> {
    match comparison {
        STREET::INDEX => joint(STREET_NAME, STREET_NUMBER),
        PLACE::INDEX => joint(POSTCODE, CITY),
        _ => {
            #[allow(clippy::cast_precision_loss)]
            let between = (1.0 - EXACT - DIFFERENT) / levels.saturating_sub(3).max(1) as f64;
            let mut shares = vec![between; levels];
            shares[1] = EXACT;
            shares[levels - 1] = DIFFERENT;
            normalized(shares)
        }
    }
}

/// Start of the shares among strangers; of no identifier, which depends on how many records there are.
fn plain_strangers(comparison: usize) -> Option<Vec<f64>> {
    let of = |shares: &[f64]| Some(std::iter::once(0.0).chain(shares.iter().copied()).collect());
    match comparison {
        _ if is_identifier(comparison) => None,
        GIVEN::INDEX => of(&GIVEN_STRANGERS),
        FAMILY::INDEX => of(&FAMILY_STRANGERS),
        MIDDLE::INDEX => of(&MIDDLE_STRANGERS),
        SUFFIX::INDEX => of(&SUFFIX_STRANGERS),
        BIRTH_DATE::INDEX => of(&DATE_STRANGERS),
        STREET::INDEX => Some(joint(STREET_NAME_STRANGERS, STREET_NUMBER_STRANGERS)),
        PLACE::INDEX => Some(joint(POSTCODE_STRANGERS, CITY_STRANGERS)),
        _ => of(&EXTRA_STRANGERS),
    }
}

/// What is known of a comparison before a file is seen.
pub(super) struct Start {
    /// Number of levels, `missing` among them.
    pub(super) levels: usize,
    /// Whether members of a household differ in it as strangers do.
    pub(super) personal: bool,
    /// Shares among pairs of one person.
    pub(super) same: Vec<f64>,
    /// Shares among pairs of one household where a model states them; of a comparison that is not personal.
    pub(super) household: Option<Vec<f64>>,
    /// Shares among strangers; none of an identifier.
    pub(super) strangers: Option<Vec<f64>>,
}

impl Start {
    /// Shares among pairs of one household, given those of strangers: something between one person and strangers unless stated.
    pub(super) fn household(&self, strangers: &[f64]) -> Vec<f64> {
        self.household
            .clone()
            .unwrap_or_else(|| self.same.iter().zip(strangers).map(|(same, stranger)| 0.6 * same + 0.4 * stranger).collect())
    }
}

/// Starts of all comparisons of a model: those it was trained to, or the plain ones.
pub(super) fn starts(model: &Model) -> Vec<Start> {
    let one = |comparison: usize| {
        let levels = levels_at(comparison).len();
        let personal = model.is_personal(comparison);
        let known: Option<&Shares> = model.shares(comparison);
        Start {
            levels,
            personal,
            same: known.map_or_else(|| plain(comparison, levels), |shares| normalized(shares.same.clone())),
            household: known.filter(|_| !personal).map(|shares| normalized(shares.household.clone())),
            strangers: plain_strangers(comparison)
                .map(|plain| known.map_or(plain, |shares| normalized(shares.strangers.clone()))),
        }
    };
    (0..model.width()).map(one).collect()
}

/// Whether a comparison is that of an identifier type.
pub(super) fn is_identifier(comparison: usize) -> bool {
    comparison < IDENTIFIER_TYPES.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::plain as model;

    #[test]
    fn starts_are_shares_of_every_level() {
        let model = model();
        let starts = starts(&model);
        assert_eq!(starts.len(), model.width());
        for (start, name) in starts.iter().zip(model.comparisons()) {
            assert_eq!(start.levels, model.level_names(name).expect("known").len(), "{name}");
            assert_eq!((start.same.len(), start.same[0]), (start.levels, 0.0), "{name}");
            assert!((start.same.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{name}");
            assert!(start.same[1..].iter().all(|share| *share > 0.0), "{name}");
            let Some(strangers) = &start.strangers else { continue };
            assert_eq!(strangers.len(), start.levels, "{name}");
            assert!((strangers.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{name}");
            assert!(start.same[1] > strangers[1] && start.same[start.levels - 1] < strangers[start.levels - 1], "{name}");
        }
        let personal: Vec<&str> =
            model.comparisons().zip(&starts).filter(|(_, start)| start.personal).map(|(name, _)| name).collect();
        assert_eq!(personal, ["given_name", "middle_name", "name_suffix", "birth_date", "sex"]);
    }
}
