//! Reads and validates a model file.

use rustc_hash::FxHashMap;

use super::levels::levels_at;
use super::reader::Section;
use super::{BlockingRule, Frequencies, Generic, Model, Part, WEIGHT_LIMIT};
use crate::error::{CoreError, CoreResult};
use crate::normalize::fold;
use crate::words::{COMPARISONS, IDENTIFIER_TYPES};

const LIMIT: i64 = WEIGHT_LIMIT;
const ANY_COUNT: i64 = 1_000_000_000_000;
const CENTURY_DAYS: i64 = 36_525;

fn part(name: &str) -> Option<Part> {
    Some(match name {
        "family_metaphone" => Part::FamilyMetaphone,
        "given_metaphone" => Part::GivenMetaphone,
        "given_canonical" => Part::GivenCanonical,
        "given_initial" => Part::GivenInitial,
        "names_sorted" => Part::NamesSorted,
        "postcode" => Part::Postcode,
        "postcode_area" => Part::PostcodeArea,
        "city" => Part::City,
        "street_key" => Part::StreetKey,
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

fn frequencies(mut section: Section) -> CoreResult<Frequencies> {
    let baseline = section.real("baseline")?;
    let default = section.real("default")?;
    let limit: i32 = section.number("limit", 0, LIMIT)?;
    if baseline <= 0.0 || default <= 0.0 {
        return section.refuse("baseline", "baseline and default must be positive");
    }
    let correction = |count: f64| {
        let bound = f64::from(limit);
        // The clamp keeps the value well inside i32, so the conversion only drops the zero fraction.
        #[allow(clippy::cast_possible_truncation)]
        let millibits = libm::floor((1000.0 * libm::log2(baseline / count)) + 0.5).clamp(-bound, bound) as i32;
        millibits
    };
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

fn weights(root: &mut Section) -> CoreResult<[Vec<i32>; COMPARISONS.len()]> {
    let mut comparisons = root.section("comparisons")?;
    let mut weights: [Vec<i32>; COMPARISONS.len()] = Default::default();
    for (index, (name, slot)) in COMPARISONS.iter().zip(&mut weights).enumerate() {
        let mut section = comparisons.section(name)?;
        slot.push(0);
        for level in &levels_at(index)[1..] {
            slot.push(section.number(level, -LIMIT, LIMIT)?);
        }
        section.close()?;
    }
    comparisons.close()?;
    Ok(weights)
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
        records: section.number("records", 2, 1_000_000)?,
        purchases_per_day: section.number("purchases_per_day", 1, ANY_COUNT)?,
        stores_per_day: section.number("stores_per_day", 1, ANY_COUNT)?,
    };
    section.close()?;
    Ok(generic)
}

/// Slope, and intercept in millibits, of the calibration.
fn calibration(root: &mut Section, calibrated: bool) -> CoreResult<(f64, f64)> {
    if calibrated != root.has("calibration") {
        return root.refuse("calibration", "must stand in a calibrated model and in no other");
    }
    if !calibrated {
        return Ok((1.0, 0.0));
    }
    let mut section = root.section("calibration")?;
    let (slope, intercept) = (section.real("slope")?, section.real("intercept")?);
    if slope <= 0.0 {
        return section.refuse("slope", "not positive");
    }
    section.close()?;
    Ok((slope, intercept))
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
        let mut identifiers = root.section("identifiers")?;
        let mut frequency = root.section("frequency")?;
        let (slope, intercept) = calibration(&mut root, calibrated)?;
        let mut epochs = root.section("epochs")?;
        let mut limits = root.section("limits")?;

        let model = Self {
            version,
            calibrated,
            population: prior.integer("population", 1, ANY_COUNT)?,
            prior: prior.number("weight", -LIMIT, 0)?,
            link: thresholds.number("link", -LIMIT, LIMIT)?,
            review: thresholds.number("review", -LIMIT, LIMIT)?,
            edge_floor: thresholds.number("edge_floor", -LIMIT, LIMIT)?,
            max_component: partition.number("max_component", 2, 10_000)?,
            contradiction_limit: partition.integer("contradiction_limit", 0, 1000)?,
            ambiguity_margin: partition.integer("ambiguity_margin", 0, LIMIT)?,
            max_block: blocking.number("max_block", 2, 1_000_000)?,
            rules: blocking_rules(&mut blocking)?,
            generic: generic(root.section("generic")?)?,
            phone_gap_days: epochs.integer("phone_gap_days", 1, CENTURY_DAYS)?,
            limits: by_type(&mut limits)?,
            corroboration: identifiers.number("corroboration", 0, LIMIT)?,
            weights: weights(&mut root)?,
            given_frequency: frequencies(frequency.section("given_name")?)?,
            family_frequency: frequencies(frequency.section("family_name")?)?,
            slope,
            intercept,
        };
        if model.review > model.link {
            return thresholds.refuse("review", "above link");
        }
        if model.edge_floor > model.review {
            return thresholds.refuse("edge_floor", "above review");
        }
        for section in [prior, thresholds, partition, blocking, epochs, limits, identifiers, frequency, root] {
            section.close()?;
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::SHIPPED;
    use super::*;

    fn complaint(from: &str, to: &str) -> String {
        assert!(SHIPPED.contains(from), "{from} is not in the model");
        match Model::parse(&SHIPPED.replacen(from, to, 1)) {
            Err(CoreError::Model { key, .. }) => key,
            other => format!("{:?}", other.map(|model| model.version)),
        }
    }

    #[test]
    fn errors_name_the_key() {
        assert_eq!(complaint("[generic]", "[generic]\nshoe = 1"), "generic.shoe");
        assert_eq!(complaint("records = 200\n", ""), "generic.records");
        assert_eq!(complaint("records = 200", "records = 1"), "generic.records");
        assert_eq!(complaint("records = 200", "records = 1000001"), "generic.records");
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
        assert_eq!(complaint("agree_folded = 24500\n", ""), "comparisons.email.agree_folded");
        assert_eq!(complaint("link = 3970", "link = \"high\""), "thresholds.link");
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
    fn a_calibrated_model_has_a_calibration() {
        let text =
            SHIPPED.replace("calibrated = false", "calibrated = true") + "\n[calibration]\nslope = 0.5\nintercept = 1000\n";
        let model = Model::parse(&text).expect("valid");
        assert!(model.calibrated());
        assert!((model.probability(-2000) - 0.5).abs() < 1e-12);
    }
}
