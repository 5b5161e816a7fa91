//! The match model: weights, thresholds, blocking rules and limits, read from a TOML file.

mod levels;
mod parse;
mod reader;

use rustc_hash::FxHashMap;

pub use self::levels::level_names;
pub(crate) use self::levels::{
    ADDRESS, AGREE, AGREE_FOLDED, BIRTH_DATE, EMAIL_INDEX, FAMILY, GIVEN, MIDDLE, SUFFIX, differ_level,
};
use crate::error::{CoreError, CoreResult};
use crate::words::COMPARISONS;

/// Largest weight or threshold a model may state, in millibits.
pub(crate) const WEIGHT_LIMIT: i64 = 200_000;

/// What a blocking key is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Metaphone of the family name.
    FamilyMetaphone,
    /// Metaphone of the given name.
    GivenMetaphone,
    /// Canonical given name.
    GivenCanonical,
    /// First letter of the canonical given name.
    GivenInitial,
    /// Both Metaphones, sorted.
    NamesSorted,
    /// Postcode.
    Postcode,
    /// First three characters of the postcode.
    PostcodeArea,
    /// City.
    City,
    /// House number and Metaphone of the street's first word.
    StreetKey,
    /// Birth date.
    BirthDate,
    /// Year of birth.
    BirthYear,
}

/// A blocking rule: key of depth d = parts and the first d refinements.
#[derive(Debug, Clone)]
pub struct BlockingRule {
    /// Name, part of every key.
    pub name: String,
    /// Parts of the key of depth 0.
    pub parts: Vec<Part>,
    /// Parts added one by one where a key is crowded.
    pub refinements: Vec<Part>,
}

/// Weight of exact agreement by value.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frequencies {
    weights: FxHashMap<String, i32>,
    default: i32,
}

impl Frequencies {
    /// Correction of the exact weight for a joined value, in millibits. O(1).
    pub(crate) fn correction(&self, joined: &str) -> i32 {
        self.weights.get(joined).copied().unwrap_or(self.default)
    }
}

/// When a token means nobody.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Generic {
    /// Distinct name keys by type.
    names: [usize; 8],
    records: usize,
    purchases_per_day: usize,
    stores_per_day: usize,
}

/// An immutable match model.
#[derive(Debug, Clone)]
pub struct Model {
    version: String,
    calibrated: bool,
    population: i64,
    prior: i32,
    link: i32,
    review: i32,
    edge_floor: i32,
    max_component: usize,
    contradiction_limit: i64,
    ambiguity_margin: i64,
    max_block: usize,
    rules: Vec<BlockingRule>,
    generic: Generic,
    phone_gap_days: i64,
    limits: [usize; 8],
    corroboration: i32,
    weights: [Vec<i32>; COMPARISONS.len()],
    given_frequency: Frequencies,
    family_frequency: Frequencies,
    slope: f64,
    intercept: f64,
}

impl Model {
    /// Version, stored with every decision.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether probabilities were calibrated on labelled pairs.
    #[must_use]
    pub fn calibrated(&self) -> bool {
        self.calibrated
    }

    /// Number of records the prior speaks of.
    #[must_use]
    pub fn population(&self) -> i64 {
        self.population
    }

    /// Prior log2 odds in millibits.
    #[must_use]
    pub fn prior(&self) -> i32 {
        self.prior
    }

    /// Strength at which clusters are linked.
    #[must_use]
    pub fn link(&self) -> i32 {
        self.link
    }

    /// Strength at which a review is opened.
    #[must_use]
    pub fn review(&self) -> i32 {
        self.review
    }

    /// Score below which a pair is not kept.
    #[must_use]
    pub fn edge_floor(&self) -> i32 {
        self.edge_floor
    }

    /// Records that may share a blocking key before it is refined.
    #[must_use]
    pub fn max_block(&self) -> usize {
        self.max_block
    }

    /// Records a component may have before its floor is raised.
    #[must_use]
    pub fn max_component(&self) -> usize {
        self.max_component
    }

    /// Contradicting per 1000 comparable cross pairs above which clusters are blocked.
    #[must_use]
    pub fn contradiction_limit(&self) -> i64 {
        self.contradiction_limit
    }

    /// How much weaker, in millibits, a rival link may be and still make a cluster ambiguous.
    #[must_use]
    pub fn ambiguity_margin(&self) -> i64 {
        self.ambiguity_margin
    }

    /// Blocking rules, in file order.
    #[must_use]
    pub fn rules(&self) -> &[BlockingRule] {
        &self.rules
    }

    /// Largest number of refinements of any blocking rule.
    #[must_use]
    pub fn block_depth(&self) -> usize {
        self.rules.iter().map(|rule| rule.refinements.len()).max().unwrap_or(0)
    }

    /// More distinct name keys than this make a token of the type generic.
    ///
    /// # Errors
    /// `Input` if there is no such identifier type.
    pub fn generic_limit(&self, identifier_type: i64) -> CoreResult<usize> {
        usize::try_from(identifier_type - 1)
            .ok()
            .and_then(|index| self.generic.names.get(index).copied())
            .ok_or_else(|| CoreError::input("identifier_type", "not an identifier type"))
    }

    /// More records than this make a token of any type generic.
    #[must_use]
    pub fn generic_records(&self) -> usize {
        self.generic.records
    }

    /// More purchases than this, by the records that carry a token on one UTC day, make it generic.
    #[must_use]
    pub fn purchases_per_day(&self) -> usize {
        self.generic.purchases_per_day
    }

    /// More stores than this, in which the records that carry a token bought on one UTC day, make it generic.
    #[must_use]
    pub fn stores_per_day(&self) -> usize {
        self.generic.stores_per_day
    }

    /// Days without a named carrier after which a phone that somebody else carries has changed hands.
    #[must_use]
    pub fn phone_gap_days(&self) -> i64 {
        self.phone_gap_days
    }

    /// Distinct tokens of the type number `kind` to which two clusters may grow by merging.
    pub(crate) fn limit(&self, kind: u8) -> usize {
        self.limits[usize::from(kind) - 1]
    }

    /// Weight of each agreeing identifier beyond the strongest.
    pub(crate) fn corroboration(&self) -> i32 {
        self.corroboration
    }

    /// Weight of a level.
    pub(crate) fn weight(&self, comparison: usize, level: u8) -> i32 {
        self.weights[comparison][usize::from(level)]
    }

    pub(crate) fn given_frequency(&self) -> &Frequencies {
        &self.given_frequency
    }

    pub(crate) fn family_frequency(&self) -> &Frequencies {
        &self.family_frequency
    }

    /// Posterior probability of "same person" at a score in millibits. O(1).
    #[must_use]
    pub fn probability(&self, score: i64) -> f64 {
        // Beyond ±60 bits a double knows no difference; i32 converts without loss.
        let clamped = i32::try_from(score.clamp(-10_000_000, 10_000_000)).unwrap_or(0);
        let bits = (f64::from(clamped) * self.slope + self.intercept) / 1000.0;
        1.0 / (1.0 + libm::exp2(-bits))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The shipped model.
    pub(crate) const SHIPPED: &str = include_str!("../../../../server/goldthread/models/retail-persons-0.toml");

    pub(crate) fn shipped() -> Model {
        Model::parse(SHIPPED).expect("the shipped model is valid")
    }

    #[test]
    fn the_shipped_model_reads() {
        let model = shipped();
        assert_eq!(model.version(), "retail-persons-0");
        assert!(!model.calibrated());
        assert_eq!(model.block_depth(), 2);
        assert_eq!(model.generic_limit(1), Ok(8));
        assert_eq!(model.generic_records(), 200);
        assert_eq!((model.purchases_per_day(), model.stores_per_day()), (30, 5));
        assert_eq!(model.phone_gap_days(), 90);
        assert_eq!((1..=8).map(|kind| model.limit(kind)).collect::<Vec<_>>(), [5, 5, 3, 5, 5, 20, 20, 5]);
        assert!(model.generic_limit(9).is_err() && model.generic_limit(i64::MIN + 1).is_err());
        assert_eq!(level_names("email"), Ok(&["missing", "agree", "agree_folded", "differ"][..]));
        assert!(level_names("shoe_size").is_err());
    }

    #[test]
    fn probabilities() {
        let model = shipped();
        assert!((model.probability(0) - 0.5).abs() < 1e-12);
        assert!((model.probability(3970) - 0.94).abs() < 1e-3);
        assert!((model.probability(585) - 0.60).abs() < 1e-3);
        assert!(model.probability(i64::MAX) <= 1.0 && model.probability(i64::MIN) >= 0.0);
    }

    #[test]
    fn corrections_by_frequency() {
        let model = shipped();
        let family = model.family_frequency();
        assert!(family.correction("smith") < 0);
        assert_eq!(family.correction("zebulon"), 4000);
    }
}
