//! Reads and validates a model file.

use rustc_hash::FxHashMap;

use super::levels::levels_at;
use super::reader::Section;
use super::trained::trained;
use super::{BlockingRule, Extra, ExtraKind, Frequencies, Generic, MOST_LEVELS, Model, Part, WEIGHT_LIMIT, Weight};
use crate::error::{CoreError, CoreResult};
use crate::normalize::fold;
use crate::words::{COMPARISONS, IDENTIFIER_TYPES, MOST_EXTRAS, is_extra_name};

const LIMIT: i64 = WEIGHT_LIMIT;
const ANY_COUNT: i64 = 1_000_000_000_000;
/// What the time and memory of a run are bounded by: a block or token of n records makes n²/2 candidates, a component of n takes n² sums.
const MOST_RECORDS: i64 = 1000;
const CENTURY_DAYS: i64 = 36_525;

fn part(name: &str) -> Option<Part> {
    Some(match name {
        "family_metaphone" => Part::FamilyMetaphone,
        "given_metaphone" => Part::GivenMetaphone,
        "given_canonical" => Part::GivenCanonical,
        "given_initial" => Part::GivenInitial,
        "given3" => Part::Given3,
        "family3" => Part::Family3,
        "family" => Part::Family,
        "family_end" => Part::FamilyEnd,
        "names_sorted" => Part::NamesSorted,
        "postcode" => Part::Postcode,
        "postcode_area" => Part::PostcodeArea,
        "city" => Part::City,
        "city_metaphone" => Part::CityMetaphone,
        "street_key" => Part::StreetKey,
        "street_name" => Part::StreetName,
        "birth_date" => Part::BirthDate,
        "birth_year" => Part::BirthYear,
        _ => return None,
    })
}

fn parts(section: &mut Section, name: &str) -> CoreResult<Vec<Part>> {
    let texts = section.texts(name)?;
    texts.iter().map(|text| part(text).ok_or_else(|| CoreError::model(section.key(name), "holds an unknown part"))).collect()
}

fn blocking_rules(blocking: &mut Section) -> CoreResult<Vec<BlockingRule>> {
    let mut rules: Vec<BlockingRule> = Vec::new();
    for mut section in blocking.sections("rules")? {
        let name = section.text("name")?;
        if name.contains('\0') || rules.iter().any(|rule| rule.name == name) {
            return section.refuse("name", "not usable or used twice");
        }
        let rule =
            BlockingRule { name, parts: parts(&mut section, "parts")?, refinements: parts(&mut section, "refinements")? };
        if rule.parts.is_empty() || rule.refinements.len() > 8 {
            return section.refuse("parts", "without parts, or with more than eight refinements");
        }
        section.close()?;
        rules.push(rule);
    }
    if rules.len() > 64 { blocking.refuse("rules", "more than 64") } else { Ok(rules) }
}

/// What makes scores calibrated: slope in thousandths, intercept in millibits.
#[derive(Clone, Copy)]
struct Calibration {
    slope: i64,
    intercept: i64,
}

impl Calibration {
    /// Slope one and intercept zero in a model that is not calibrated.
    fn read(root: &mut Section, calibrated: bool) -> CoreResult<Self> {
        if calibrated != root.has("calibration") {
            return root.refuse("calibration", "must stand in a calibrated model and in no other");
        }
        if !calibrated {
            return Ok(Self { slope: 1000, intercept: 0 });
        }
        let mut section = root.section("calibration")?;
        let found =
            Self { slope: section.integer("slope", 1, 10_000)?, intercept: section.integer("intercept", -LIMIT, LIMIT)? };
        section.close()?;
        Ok(found)
    }

    /// A weight in force, rounded half up. Within ten times [`WEIGHT_LIMIT`], which an i32 holds.
    fn scaled(self, weight: i64) -> i32 {
        i32::try_from((self.slope * weight + 500).div_euclid(1000)).unwrap_or(0)
    }

    fn prior(self, weight: i64) -> i32 {
        self.scaled(weight) + i32::try_from(self.intercept).unwrap_or(0)
    }
}

/// Log2, in millibits, of the records that a person has: by the prior as it is written a record has `population`·2^prior others of its person, and if as
/// many persons have another one however many they have already, that is twice what a person has beyond the first.
fn once(stranger: i64, population: i64) -> i64 {
    // Both are bounded far inside 2⁵³, and so is the outcome.
    #[allow(clippy::cast_precision_loss)]
    let others = population as f64 * libm::exp2(stranger as f64 / 1000.0);
    #[allow(clippy::cast_possible_truncation)]
    let millibits = libm::floor(1000.0 * libm::log2(1.0 + others / 2.0) + 0.5) as i64;
    millibits
}

fn frequencies(mut section: Section, calibration: Calibration) -> CoreResult<Frequencies> {
    let baseline = section.real("baseline")?;
    let default = section.real("default")?;
    let limit: i32 = section.number("limit", 0, LIMIT)?;
    if baseline <= 0.0 || default <= 0.0 {
        return section.refuse("baseline", "baseline and default must be positive");
    }
    let correction = |count: f64| calibration.scaled(i64::from(Frequencies::millibits(baseline, count, limit)));
    let mut counts = section.section("per_million")?;
    let mut weights = FxHashMap::default();
    for name in counts.names() {
        let count = counts.real(&name)?;
        if count <= 0.0 || fold(&name).replace(' ', "") != name {
            return counts.refuse(&name, "not a positive count of a joined name");
        }
        weights.insert(name, correction(count));
    }
    section.close()?;
    Ok(Frequencies { weights, default: correction(default) })
}

/// `[stranger, household]`, or one integer where household is zero.
fn level_weight(section: &mut Section, level: &str, households: bool, calibration: Calibration) -> CoreResult<Weight> {
    let (stranger, household) = section.integers(level, -LIMIT, LIMIT)?;
    if household.is_some() && !households {
        return section.refuse(level, "against households, of which the model has no prior");
    }
    Ok(Weight { stranger: calibration.scaled(stranger), household: calibration.scaled(household.unwrap_or(0)) })
}

/// Reads the levels of a comparison into its row of the table.
fn row(
    mut section: Section,
    comparison: usize,
    households: bool,
    calibration: Calibration,
    table: &mut Vec<Weight>,
) -> CoreResult<()> {
    table.push(Weight::default());
    for level in &levels_at(comparison)[1..] {
        table.push(level_weight(&mut section, level, households, calibration)?);
    }
    table.resize((comparison + 1) * MOST_LEVELS, Weight::default());
    section.close()
}

/// Weights of all comparisons, and the extras among them.
fn weights(root: &mut Section, households: bool, calibration: Calibration) -> CoreResult<(Vec<Weight>, Vec<Extra>)> {
    let mut comparisons = root.section("comparisons")?;
    let mut table = Vec::with_capacity(COMPARISONS.len() * MOST_LEVELS);
    for (index, name) in COMPARISONS.iter().enumerate() {
        row(comparisons.section(name)?, index, households, calibration, &mut table)?;
    }
    comparisons.close()?;
    let mut extras: Vec<Extra> = Vec::new();
    for mut section in if root.has("extra") { root.sections("extra")? } else { Vec::new() } {
        let name = section.text("name")?;
        if !is_extra_name(&name) || extras.iter().any(|extra| extra.name == name) {
            return section.refuse("name", "not usable or used twice");
        }
        let kind = match section.text("kind")?.as_str() {
            "person" => ExtraKind::Person,
            "household" => ExtraKind::Household,
            _ => return section.refuse("kind", "neither person nor household"),
        };
        row(section.section("levels")?, COMPARISONS.len() + extras.len(), households, calibration, &mut table)?;
        section.close()?;
        extras.push(Extra { name, kind });
    }
    if extras.len() > MOST_EXTRAS { root.refuse("extra", "more than 16") } else { Ok((table, extras)) }
}

/// A count for every identifier type.
fn by_type(section: &mut Section) -> CoreResult<[usize; 8]> {
    let mut counts = [0; 8];
    for (name, count) in IDENTIFIER_TYPES.iter().zip(&mut counts) {
        *count = section.number(name, 1, ANY_COUNT)?;
    }
    Ok(counts)
}

fn generic(mut section: Section) -> CoreResult<Generic> {
    let generic = Generic {
        names: by_type(&mut section)?,
        records: section.number("records", 2, MOST_RECORDS)?,
        purchases_per_day: section.number("purchases_per_day", 1, ANY_COUNT)?,
        stores_per_day: section.number("stores_per_day", 1, ANY_COUNT)?,
    };
    section.close()?;
    Ok(generic)
}

impl Model {
    /// Reads a TOML model file. O(length).
    ///
    /// # Errors
    /// `Model`, naming the key, for unknown and missing keys, values out of range and inconsistent thresholds.
    pub fn parse(text: &str) -> CoreResult<Self> {
        let mut root = Section::root(text)?;
        let version = root.text("version")?;
        let calibrated = root.flag("calibrated")?;
        root.text("description")?;

        let mut prior = root.section("prior")?;
        let mut thresholds = root.section("thresholds")?;
        let mut partition = root.section("partition")?;
        let mut blocking = root.section("blocking")?;
        let mut frequency = root.section("frequency")?;
        let calibration = Calibration::read(&mut root, calibrated)?;
        let mut epochs = root.section("epochs")?;
        let mut limits = root.section("limits")?;
        let stranger = prior.integer("stranger", -LIMIT, LIMIT)?;
        let population = prior.integer("population", 1, ANY_COUNT)?;
        let household_prior =
            if prior.has("household") { Some(calibration.prior(prior.integer("household", -LIMIT, LIMIT)?)) } else { None };
        let (weights, extras) = weights(&mut root, household_prior.is_some(), calibration)?;
        let names: Vec<String> =
            COMPARISONS.into_iter().chain(extras.iter().map(|extra| extra.name.as_str())).map(str::to_owned).collect();
        let shares = trained(&mut root, &names)?;

        let link: i32 = thresholds.number("link", 0, LIMIT)?;
        let review: i32 = thresholds.number("review", -LIMIT, LIMIT)?;
        let model = Self {
            version,
            calibrated,
            population,
            stranger_prior: calibration.prior(stranger),
            household_prior,
            once: once(stranger, population).min(i64::from(link.saturating_sub(review)).max(0)),
            link,
            review,
            edge_floor: thresholds.number("edge_floor", -LIMIT, LIMIT)?,
            max_component: partition.number("max_component", 2, MOST_RECORDS)?,
            ambiguity_margin: partition.integer("ambiguity_margin", 0, LIMIT)?,
            apart: partition.integer("apart", -LIMIT, 0)?,
            max_block: blocking.number("max_block", 2, MOST_RECORDS)?,
            rules: blocking_rules(&mut blocking)?,
            generic: generic(root.section("generic")?)?,
            phone_gap_days: epochs.integer("phone_gap_days", 1, CENTURY_DAYS)?,
            limits: by_type(&mut limits)?,
            extras,
            weights,
            given_frequency: frequencies(frequency.section("given_name")?, calibration)?,
            family_frequency: frequencies(frequency.section("family_name")?, calibration)?,
            shares,
        };
        if model.review > model.link {
            return thresholds.refuse("review", "above link");
        }
        if model.edge_floor > model.review {
            return thresholds.refuse("edge_floor", "above review");
        }
        for section in [prior, thresholds, partition, blocking, epochs, limits, frequency, root] {
            section.close()?;
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::PLAIN;
    use super::*;

    fn complaint(from: &str, to: &str) -> String {
        assert!(PLAIN.contains(from), "{from} is not in the model");
        match Model::parse(&PLAIN.replacen(from, to, 1)) {
            Err(CoreError::Model { key, .. }) => key,
            other => format!("{:?}", other.map(|model| model.version)),
        }
    }

    #[test]
    fn errors_name_the_key() {
        assert_eq!(complaint("[generic]", "[generic]\nshoe = 1"), "generic.shoe");
        assert_eq!(complaint("records = 200\n", ""), "generic.records");
        assert_eq!(complaint("records = 200", "records = 1"), "generic.records");
        assert_eq!(complaint("records = 200", "records = 1001"), "generic.records");
        assert_eq!(complaint("max_block = 100", "max_block = 1"), "blocking.max_block");
        assert_eq!(complaint("max_block = 100", "max_block = 1001"), "blocking.max_block");
        assert_eq!(complaint("max_component = 200", "max_component = 1"), "partition.max_component");
        assert_eq!(complaint("max_component = 200", "max_component = 1001"), "partition.max_component");
        assert_eq!(complaint("purchases_per_day = 30\n", ""), "generic.purchases_per_day");
        assert_eq!(complaint("stores_per_day = 5\n", ""), "generic.stores_per_day");
        assert_eq!(complaint("stores_per_day = 5", "stores_per_day = 0"), "generic.stores_per_day");
        assert_eq!(complaint("[epochs]", "[ages]"), "epochs");
        assert_eq!(complaint("[epochs]", "[epochs]\nemail_gap_days = 1"), "epochs.email_gap_days");
        assert_eq!(complaint("phone_gap_days = 90\n", ""), "epochs.phone_gap_days");
        assert_eq!(complaint("phone_gap_days = 90", "phone_gap_days = 0"), "epochs.phone_gap_days");
        assert_eq!(complaint("phone_gap_days = 90", "phone_gap_days = 36526"), "epochs.phone_gap_days");
        assert_eq!(complaint("[limits]", "[caps]"), "limits");
        assert_eq!(complaint("[limits]", "[limits]\nshoe = 1"), "limits.shoe");
        assert_eq!(complaint("loyalty_card = 3\n", ""), "limits.loyalty_card");
        assert_eq!(complaint("loyalty_card = 3", "loyalty_card = 0"), "limits.loyalty_card");
        assert_eq!(complaint("agree_folded = [24500, 23000]\n", ""), "comparisons.email.agree_folded");
        assert_eq!(complaint("[24500, 23000]", "[24500]"), "comparisons.email.agree_folded");
        assert_eq!(complaint("[24500, 23000]", "[24500, \"many\"]"), "comparisons.email.agree_folded");
        assert_eq!(complaint("[24500, 23000]", "[24500, 200001]"), "comparisons.email.agree_folded");
        assert_eq!(complaint("household = 2000\n", ""), "comparisons.email.agree");
        assert_eq!(complaint("stranger = -20000\n", ""), "prior.stranger");
        assert_eq!(complaint("apart = -2000", "apart = 1"), "partition.apart");
        assert_eq!(complaint("equal_none = ", "equal_nine = "), "comparisons.street.equal_none");
        assert_eq!(complaint("name = \"sex\"", "name = \"Sex\""), "extra.0.name");
        assert_eq!(complaint("name = \"sex\"", "name = \"place\""), "extra.0.name");
        assert_eq!(complaint("kind = \"person\"", "kind = \"shop\""), "extra.0.kind");
        assert_eq!(complaint("levels = { exact = 900,", "levels = {"), "extra.0.levels.exact");
        assert_eq!(complaint("kind = \"person\"", "kind = \"person\"\nshoe = 1"), "extra.0.shoe");
        assert_eq!(complaint("link = 3970", "link = \"high\""), "thresholds.link");
        assert_eq!(complaint("link = 3970", "link = -1"), "thresholds.link");
        assert_eq!(complaint("review = 585", "review = 5850"), "thresholds.review");
        assert_eq!(complaint("edge_floor = -2000", "edge_floor = 1000"), "thresholds.edge_floor");
        assert_eq!(complaint("name = \"names\"", "name = \"street\""), "blocking.rules.5.name");
        assert_eq!(complaint("\"birth_year\"", "\"shoe\""), "blocking.rules.6.refinements");
        assert_eq!(complaint("\ncalibrated = false", "\ncalibrated = true"), "calibration");
        assert_eq!(complaint("james = 16600", "\"James T\" = 16600"), "frequency.given_name.per_million.James T");
        assert_eq!(complaint("[prior]", "[prior"), "model");
        assert_eq!(complaint("population = 1800000", "population = 0"), "prior.population");
    }

    #[test]
    fn extras_and_calibrations_have_bounds() {
        let refused = |text: String| match Model::parse(&text) {
            Err(CoreError::Model { key, .. }) => key,
            other => format!("{:?}", other.map(|model| model.version)),
        };
        let extra = |number: usize| {
            format!(
                "\n[[extra]]\nname = \"x{number}\"\nkind = \"household\"\nlevels = {{ exact = 1, near = 1, different = 1 }}\n"
            )
        };
        let many = |count: usize| PLAIN.to_owned() + &(0..count).map(extra).collect::<String>();
        assert!(Model::parse(&many(15)).is_ok_and(|model| model.width() == 31));
        assert_eq!(refused(many(16)), "extra");
        assert_eq!(refused(many(1) + &extra(0)), "extra.2.name");
        let calibrated = PLAIN.replace("calibrated = false", "calibrated = true");
        assert_eq!(refused(format!("{calibrated}\n[calibration]\nslope = 0\nintercept = 0\n")), "calibration.slope");
        assert_eq!(refused(format!("{calibrated}\n[calibration]\nslope = 1.5\nintercept = 0\n")), "calibration.slope");
        assert_eq!(refused(format!("{PLAIN}\n[calibration]\nslope = 1\nintercept = 0\n")), "calibration");
    }

    #[test]
    fn a_model_without_households_has_one_weight_to_a_level() {
        let start = PLAIN.find("[comparisons.email]").expect("comparisons");
        let single: String = PLAIN[start..]
            .lines()
            .map(|line| match line.split_once(" = [") {
                Some((name, pair)) => format!("{name} = {}\n", pair.split(',').next().unwrap_or("0")),
                None => format!("{line}\n"),
            })
            .collect();
        let text = PLAIN[..start].replace("household = 2000\n", "") + &single;
        let model = Model::parse(&text).expect("valid");
        assert_eq!(model.household_prior(), None);
        assert_eq!(model.weight(0, 1), Weight { stranger: 25_000, household: 0 });
    }
}
