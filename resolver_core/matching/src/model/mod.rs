//! The match model: weights, thresholds, blocking rules and limits, read from a TOML file.

mod frequencies;
mod levels;
mod parse;
mod reader;
mod trained;

pub(crate) use self::frequencies::Frequencies;
pub use self::frequencies::NameCounts;
pub use self::levels::levels_at;
pub(crate) use self::levels::{
    AGREE, AGREE_FOLDED, BIRTH_DATE, EXTRA, FAMILY, GIVEN, MIDDLE, MOST_LEVELS, PLACE, STREET, SUFFIX, differ_level,
};
pub(crate) use self::trained::Learned;
pub use self::trained::Shares;
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
    /// First three characters of the joined given name.
    Given3,
    /// First three characters of the joined family name.
    Family3,
    /// Joined family name.
    Family,
    /// Last three characters of the joined family name.
    FamilyEnd,
    /// Both Metaphones, sorted.
    NamesSorted,
    /// Postcode.
    Postcode,
    /// First three characters of the postcode.
    PostcodeArea,
    /// City.
    City,
    /// Metaphone of the city, six characters.
    CityMetaphone,
    /// House number and Metaphone of the street's first word.
    StreetKey,
    /// Metaphone of the street name, eight characters.
    StreetName,
    /// Birth date.
    BirthDate,
    /// Year of birth.
    BirthYear,
}

impl Part {
    /// The comparisons a key with this part is built on, as a set of bits by comparison number.
    pub(crate) fn built_on(self) -> u32 {
        match self {
            Self::GivenMetaphone | Self::GivenCanonical | Self::GivenInitial | Self::Given3 => 1 << GIVEN::INDEX,
            Self::FamilyMetaphone | Self::Family3 | Self::Family | Self::FamilyEnd => 1 << FAMILY::INDEX,
            Self::NamesSorted => 1 << GIVEN::INDEX | 1 << FAMILY::INDEX,
            Self::Postcode | Self::PostcodeArea | Self::City | Self::CityMetaphone => 1 << PLACE::INDEX,
            Self::StreetKey | Self::StreetName => 1 << STREET::INDEX,
            Self::BirthDate | Self::BirthYear => 1 << BIRTH_DATE::INDEX,
        }
    }
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

/// Weights of a level against the two rivals of "one person", in millibits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weight {
    /// Evidence against "strangers".
    pub stranger: i32,
    /// Evidence against "two people of one household".
    pub household: i32,
}

/// Whether an extra column describes the person or is shared by a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtraKind {
    /// Members of a household differ in it as strangers do.
    Person,
    /// Members of a household tend to share it.
    Household,
}

/// A column beyond the attributes that a model compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Its name.
    pub name: String,
    /// What it describes.
    pub kind: ExtraKind,
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

/// An immutable match model. Weights, priors and corrections are those in force: its calibration is applied to them when it is read, so
/// that every score is a calibrated log2 odds.
#[derive(Debug, Clone)]
pub struct Model {
    version: String,
    calibrated: bool,
    population: i64,
    stranger_prior: i32,
    household_prior: Option<i32>,
    once: i64,
    link: i32,
    review: i32,
    edge_floor: i32,
    max_component: usize,
    ambiguity_margin: i64,
    apart: i64,
    max_block: usize,
    rules: Vec<BlockingRule>,
    generic: Generic,
    phone_gap_days: i64,
    limits: [usize; 8],
    extras: Vec<Extra>,
    /// [`MOST_LEVELS`] entries for each comparison.
    weights: Vec<Weight>,
    given_frequency: Frequencies,
    family_frequency: Frequencies,
    /// By comparison, what a trained model says of its training.
    shares: Vec<Option<Shares>>,
}

impl Model {
    /// Version, stored with every decision.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether a calibration was applied to the weights.
    #[must_use]
    pub fn calibrated(&self) -> bool {
        self.calibrated
    }

    /// Number of records the prior speaks of.
    #[must_use]
    pub fn population(&self) -> i64 {
        self.population
    }

    /// Log2 odds of "one person" against "strangers", in millibits.
    #[must_use]
    pub fn stranger_prior(&self) -> i32 {
        self.stranger_prior
    }

    /// Log2 odds of "one person" against "two people of one household", in millibits; `None` in a model without households.
    #[must_use]
    pub fn household_prior(&self) -> Option<i32> {
        self.household_prior
    }

    /// How much larger, in millibits, the odds of "one person" are between two that count once each than between two of their records: log2 of the records
    /// that a person has (docs/matching.md section 8).
    #[must_use]
    pub fn once(&self) -> i64 {
        self.once
    }

    /// Columns it compares beyond the attributes, in file order.
    #[must_use]
    pub fn extras(&self) -> &[Extra] {
        &self.extras
    }

    /// Number of comparisons: those of [`COMPARISONS`] and the extras.
    #[must_use]
    pub fn width(&self) -> usize {
        COMPARISONS.len() + self.extras.len()
    }

    /// Names of its comparisons, in their order.
    pub fn comparisons(&self) -> impl Iterator<Item = &str> {
        COMPARISONS.into_iter().chain(self.extras.iter().map(|extra| extra.name.as_str()))
    }

    /// Level names of a comparison; index 0 is `missing`.
    ///
    /// # Errors
    /// `Input` if there is no such comparison.
    pub fn level_names(&self, comparison: &str) -> CoreResult<&'static [&'static str]> {
        let position = self.comparisons().position(|name| name == comparison);
        position.map(levels_at).ok_or_else(|| CoreError::input("comparison", "not a comparison"))
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

    /// How much weaker, in millibits, a rival link may be and still make a record ambiguous.
    #[must_use]
    pub fn ambiguity_margin(&self) -> i64 {
        self.ambiguity_margin
    }

    /// Sum of what speaks against one person, in millibits, below which two clusters count as two people.
    #[must_use]
    pub fn apart(&self) -> i64 {
        self.apart
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

    /// Distinct tokens by type to which two clusters may grow by merging.
    pub(crate) fn limits(&self) -> [usize; 8] {
        self.limits
    }

    /// Distinct tokens of the type number `kind` to which two clusters may grow by merging.
    pub(crate) fn limit(&self, kind: u8) -> usize {
        self.limits[usize::from(kind) - 1]
    }

    /// Whether members of a household differ in a comparison as strangers do.
    pub(crate) fn is_personal(&self, comparison: usize) -> bool {
        match comparison.checked_sub(COMPARISONS.len()).and_then(|place| self.extras.get(place)) {
            Some(extra) => extra.kind == ExtraKind::Person,
            None => matches!(comparison, GIVEN::INDEX | MIDDLE::INDEX | SUFFIX::INDEX | BIRTH_DATE::INDEX),
        }
    }

    /// Weights of a level.
    pub(crate) fn weight(&self, comparison: usize, level: u8) -> Weight {
        self.weights[comparison * MOST_LEVELS + usize::from(level)]
    }

    /// Weights of all levels of a comparison, `missing` first.
    pub(crate) fn weights_of(&self, comparison: usize) -> &[Weight] {
        &self.weights[comparison * MOST_LEVELS..][..levels_at(comparison).len()]
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
        1.0 / (1.0 + libm::exp2(-f64::from(clamped) / 1000.0))
    }
}

#[cfg(test)]
pub(crate) mod tests;
