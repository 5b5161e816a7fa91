use super::*;

/// The shipped model.
const SHIPPED: &str = include_str!("../../../../server/goldthread/models/retail-persons-1.toml");

/// A model with round weights that stays as it is when the shipped one is trained anew.
pub(crate) const PLAIN: &str = include_str!("../../tests/models/plain.toml");

pub(crate) fn plain() -> Model {
    Model::parse(PLAIN).expect("the model of the tests is valid")
}

#[test]
fn the_shipped_model_reads() {
    let model = Model::parse(SHIPPED).expect("the shipped model is valid");
    assert_eq!(model.version(), "retail-persons-1");
    assert!(model.household_prior().is_some());
    assert_eq!(model.width(), COMPARISONS.len());
}

#[test]
fn a_model_tells_what_it_holds() {
    let model = plain();
    assert_eq!(model.version(), "plain");
    assert!(!model.calibrated());
    assert_eq!((model.stranger_prior(), model.household_prior()), (-20_000, Some(2000)));
    assert_eq!(model.block_depth(), 2);
    assert_eq!(model.generic_limit(1), Ok(8));
    assert_eq!(model.generic_records(), 200);
    assert_eq!((model.purchases_per_day(), model.stores_per_day()), (30, 5));
    assert_eq!(model.phone_gap_days(), 90);
    assert_eq!((1..=8).map(|kind| model.limit(kind)).collect::<Vec<_>>(), [5, 5, 3, 5, 5, 20, 20, 5]);
    assert!(model.generic_limit(9).is_err() && model.generic_limit(i64::MIN + 1).is_err());
    assert_eq!(model.level_names("email"), Ok(&["missing", "agree", "agree_folded", "differ"][..]));
    assert_eq!(model.level_names("sex"), Ok(&["missing", "exact", "near", "different"][..]));
    assert_eq!(model.comparisons().last(), Some("sex"));
    assert_eq!(model.extras(), [Extra { name: "sex".into(), kind: ExtraKind::Person }]);
    assert!(model.level_names("shoe_size").is_err());
}

#[test]
fn probabilities() {
    let model = plain();
    assert!((model.probability(0) - 0.5).abs() < 1e-12);
    assert!((model.probability(3970) - 0.94).abs() < 1e-3);
    assert!((model.probability(585) - 0.60).abs() < 1e-3);
    assert!(model.probability(i64::MAX) <= 1.0 && model.probability(i64::MIN) >= 0.0);
}

#[test]
fn corrections_by_frequency() {
    let model = plain();
    let family = model.family_frequency();
    assert!(family.correction("smith") < 0);
    assert_eq!(family.correction("zebulon"), 4000);
}

#[test]
fn a_calibration_is_applied_when_the_model_is_read() {
    let text =
        PLAIN.replace("calibrated = false", "calibrated = true") + "\n[calibration]\nslope = 1250\nintercept = -300\n";
    let model = Model::parse(&text).expect("valid");
    assert!(model.calibrated());
    assert_eq!((model.stranger_prior(), model.household_prior()), (-25_300, Some(2200)));
    assert_eq!(model.weight(GIVEN::INDEX, GIVEN::EXACT), Weight { stranger: 8750, household: 0 });
    // ⌊(1250 · -6501 + 500) / 1000⌋
    assert_eq!(model.weight(GIVEN::INDEX, GIVEN::DIFFERENT).stranger, -8126);
    assert_eq!(model.family_frequency().correction("zebulon"), 5000);
    assert_eq!(model.link(), 3970);
}

#[test]
fn a_prior_tells_how_many_records_a_person_has() {
    let once = |population: &str, more: &str| {
        let text = PLAIN.replace("population = 1800000", &format!("population = {population}"));
        Model::parse(&(text.replace("calibrated = false", &format!("calibrated = {}", !more.is_empty())) + more))
            .expect("valid")
            .once()
    };
    // 2²⁰ records and a prior of one in 2²⁰: each has one other, so that a person has one and a half.
    assert_eq!(once("1048576", ""), 585);
    assert_eq!(once("1800000", ""), 894);
    assert_eq!(once("1", ""), 0);
    // What nobody would be asked about is not linked, however many records a person has.
    assert_eq!(once("1000000000000", ""), 3970 - 585);
    // A calibration corrects what scores claim and not how many records there are.
    assert_eq!(once("1048576", "\n[calibration]\nslope = 500\nintercept = -300\n"), 585);
}
