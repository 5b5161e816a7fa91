//! What a trained model says of its training, and a model with what a training found.

use super::levels::levels_at;
use super::reader::Section;
use super::{MOST_LEVELS, Model, NameCounts, Weight};
use crate::error::{CoreError, CoreResult};

/// Shares of the levels of a comparison, by level, among the pairs that have it on both sides; that of `missing` is zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shares {
    /// Among pairs of one person.
    pub same: Vec<f64>,
    /// Among pairs of two people of one household.
    pub household: Vec<f64>,
    /// Among pairs of strangers.
    pub strangers: Vec<f64>,
}

/// Weights and priors that take the place of a model's own.
pub(crate) struct Learned<'a> {
    pub(crate) stranger_prior: i32,
    pub(crate) household_prior: i32,
    /// By comparison and level, `missing` first.
    pub(crate) weights: Vec<&'a [Weight]>,
    pub(crate) given: &'a NameCounts,
    pub(crate) family: &'a NameCounts,
}

impl Model {
    /// Shares a comparison was trained to, if the model states them.
    pub(crate) fn shares(&self, comparison: usize) -> Option<&Shares> {
        self.shares.get(comparison)?.as_ref()
    }

    /// The same model with learned weights and priors, uncalibrated; thresholds, rules and limits stay.
    pub(crate) fn relearned(&self, learned: &Learned<'_>) -> Self {
        let mut model = self.clone();
        model.calibrated = false;
        model.stranger_prior = learned.stranger_prior;
        model.household_prior = Some(learned.household_prior);
        model.weights.clear();
        for weights in &learned.weights {
            model.weights.extend_from_slice(weights);
            model.weights.resize(model.weights.len().next_multiple_of(MOST_LEVELS), Weight::default());
        }
        model.given_frequency = learned.given.corrections();
        model.family_frequency = learned.family.corrections();
        model
    }
}

/// Shares of one comparison: a list to each class, one number to a level without `missing`.
fn shares(mut section: Section, levels: usize) -> CoreResult<Shares> {
    let mut list = |name: &str| -> CoreResult<Vec<f64>> {
        let numbers = section.reals(name)?;
        if numbers.len() != levels - 1 || numbers.iter().any(|number| !(0.0..=1.0).contains(number)) {
            return Err(CoreError::model(section.key(name), "not one number between 0 and 1 for each level"));
        }
        Ok(std::iter::once(0.0).chain(numbers).collect())
    };
    let found = Shares { same: list("same")?, household: list("household")?, strangers: list("strangers")? };
    section.close()?;
    Ok(found)
}

/// Reads the section `training` of a model: what a further training starts from. What else it tells is for people.
pub(super) fn trained(root: &mut Section, names: &[String]) -> CoreResult<Vec<Option<Shares>>> {
    let mut found = vec![None; names.len()];
    if !root.has("training") {
        return Ok(found);
    }
    let mut training = root.section("training")?;
    if !training.has("shares") {
        return Ok(found);
    }
    let mut section = training.section("shares")?;
    for (comparison, name) in names.iter().enumerate() {
        if section.has(name) {
            found[comparison] = Some(shares(section.section(name)?, levels_at(comparison).len())?);
        }
    }
    section.close()?;
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{PLAIN, plain};
    use super::*;
    use crate::model::{GIVEN, SUFFIX};

    const SHARES: &str = "
[training]
seed = 1
note = \"anything\"
[training.shares.name_suffix]
same = [0.9, 0.1]
household = [0.5, 0.5]
strangers = [0.25, 0.75]
";

    #[test]
    fn a_model_tells_what_it_was_trained_to() {
        let model = Model::parse(&format!("{PLAIN}{SHARES}")).expect("valid");
        let shares = model.shares(SUFFIX::INDEX).expect("stated");
        assert_eq!((&shares.same, &shares.strangers), (&vec![0.0, 0.9, 0.1], &vec![0.0, 0.25, 0.75]));
        assert_eq!(model.shares(GIVEN::INDEX), None);
        assert_eq!(plain().shares(SUFFIX::INDEX), None);
    }

    #[test]
    fn errors_name_the_key() {
        let complaint = |from: &str, to: &str| match Model::parse(&format!("{PLAIN}{}", SHARES.replacen(from, to, 1))) {
            Err(CoreError::Model { key, .. }) => key,
            other => format!("{:?}", other.map(|model| model.version)),
        };
        assert_eq!(complaint("0.9, 0.1", "0.9"), "training.shares.name_suffix.same");
        assert_eq!(complaint("0.5, 0.5", "0.5, 1.5"), "training.shares.name_suffix.household");
        assert_eq!(complaint("0.5, 0.5", "0.5, \"a\""), "training.shares.name_suffix.household");
        assert_eq!(complaint("strangers =", "others ="), "training.shares.name_suffix.strangers");
        assert_eq!(complaint("shares.name_suffix", "shares.shoe_size"), "training.shares.shoe_size");
    }

    #[test]
    fn learned_weights_take_the_place_of_the_old_ones() {
        let model = plain();
        let weights: Vec<Vec<Weight>> = (0..model.width())
            .map(|comparison| {
                let levels = i32::try_from(levels_at(comparison).len()).expect("few");
                (0..levels).map(|level| Weight { stranger: 10 * level, household: level }).collect()
            })
            .collect();
        let given = NameCounts { baseline: 1000.0, default: 500.0, limit: 3000, listed: vec![("ann".into(), 4000.0)] };
        let learned = Learned {
            stranger_prior: -9000,
            household_prior: 500,
            weights: weights.iter().map(Vec::as_slice).collect(),
            given: &given,
            family: &NameCounts::of_none(),
        };
        let changed = model.relearned(&learned);
        assert_eq!((changed.stranger_prior(), changed.household_prior()), (-9000, Some(500)));
        assert_eq!(changed.weight(GIVEN::INDEX, GIVEN::DIFFERENT), Weight { stranger: 110, household: 11 });
        assert_eq!(changed.weight(model.width() - 1, 3), Weight { stranger: 30, household: 3 });
        assert_eq!((changed.given_frequency().correction("ann"), changed.given_frequency().correction("bo")), (-2000, 1000));
        assert_eq!(changed.family_frequency().correction("lee"), 0);
        assert_eq!(changed.link(), model.link());
    }
}
