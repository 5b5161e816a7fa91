//! Limits of identifiers and the relations they leave behind.

use super::*;

const SAME_MAIL: (i64, i64, &str) = (1, 1, "otto@zimmer");

/// Records of one name that share a mail address and carry these beside it.
fn people(owned: &[&[(i64, i64, &'static str)]]) -> (Vec<String>, Records) {
    let names: Vec<String> = (0..owned.len()).map(|row| format!("record {row}")).collect();
    let carried: Vec<Vec<(i64, i64, &str)>> = owned.iter().map(|own| [&[SAME_MAIL], *own].concat()).collect();
    let samples: Vec<Sample<'_>> = carried.iter().map(|carried| (named("otto", "zimmer").0, carried.as_slice())).collect();
    let records = batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), &samples);
    (names, records)
}

fn sizes(partition: &Partition) -> Vec<usize> {
    let mut sizes: Vec<usize> = (0..partition.clusters.len())
        .map(|home| partition.clusters.iter().filter(|cluster| **cluster == home).count())
        .filter(|size| *size > 0)
        .collect();
    sizes.sort_unstable();
    sizes
}

#[test]
fn cards_beyond_the_limit_wait_for_somebody() {
    let cards: [&[(i64, i64, &str)]; 5] = [&[(3, 1, "a")], &[(3, 1, "b")], &[(3, 1, "c")], &[(3, 1, "c")], &[(3, 1, "d")]];
    let (_, three) = people(&cards[..4]);
    assert_eq!(sizes(&clusters(&three, &AssertedPairs::default())), [4]);
    let (_, four) = people(&cards);
    let partition = clusters(&four, &AssertedPairs::default());
    assert!(sizes(&partition).len() > 1);
    assert_eq!(partition.households, []);
    let link = i64::from(plain_model().link());
    assert!(partition.reviews.iter().all(|review| review.strength >= link));
    assert!(!partition.reviews.is_empty() || !partition.ambiguous.is_empty());
}

#[test]
fn two_that_only_the_limit_keeps_apart_are_one_review_however_strong() {
    let text = PLAIN.replace("loyalty_card = 3", "loyalty_card = 1");
    let model = Model::parse(&text).expect("valid");
    let (_, records) = people(&[&[(3, 1, "a")], &[(3, 1, "b")]]);
    let run = |asserted: &AssertedPairs| clusters_under(&model, &records, asserted);
    let partition = run(&AssertedPairs::default());
    assert_eq!((sizes(&partition), partition.households.len()), (vec![1, 1], 0));
    let strength = i64::from(Scorer::new(&records, records.slots(), &model).score(0, 1).score());
    let [review] = partition.reviews[..] else { panic!("one review") };
    assert_eq!(review.strength, strength + model.once());
    assert!(review.strength >= i64::from(model.link()));
    let apart = run(&AssertedPairs { same: Vec::new(), different: vec![(0, 1)] });
    assert_eq!((sizes(&apart), apart.reviews.len()), (vec![1, 1], 0));
    assert_eq!(sizes(&run(&AssertedPairs { same: vec![(0, 1)], different: Vec::new() })), [2]);
}

#[test]
fn what_adds_nothing_joins_a_cluster_that_assertions_took_beyond_the_limit() {
    let text = PLAIN.replace("loyalty_card = 3", "loyalty_card = 1");
    let model = Model::parse(&text).expect("valid");
    let (_, records) = people(&[&[(3, 1, "a")], &[(3, 1, "b")], &[(3, 1, "a")], &[], &[(3, 1, "c")]]);
    let asserted = AssertedPairs { same: vec![(0, 1)], different: Vec::new() };
    let partition = clusters_under(&model, &records, &asserted);
    assert_eq!(partition.clusters[0], partition.clusters[1]);
    assert_eq!(partition.clusters[0], partition.clusters[2]);
    assert_ne!(partition.clusters[0], partition.clusters[4]);
}

#[test]
fn customer_numbers_count_within_their_source_and_others_do_not() {
    let text = PLAIN.replace("customer_number = 5", "customer_number = 1");
    let model = Model::parse(&text.replace("webshop_number = 5", "webshop_number = 1")).expect("valid");
    let merged = |owned: &[&[(i64, i64, &'static str)]]| {
        sizes(&clusters_under(&model, &people(owned).1, &AssertedPairs::default())).len() == 1
    };
    assert!(merged(&[&[(8, 1, "pos:1")], &[(8, 1, "crm:1")], &[(8, 1, "erp:1")]]));
    assert!(!merged(&[&[(8, 1, "pos:1")], &[(8, 1, "pos:2")]]));
    assert!(!merged(&[&[(5, 1, "app:1")], &[(5, 1, "web:1")]]));
}

#[test]
fn a_folded_form_is_not_counted_and_an_anchor_is() {
    let text = PLAIN.replace("email = 5", "email = 1");
    let model = Model::parse(&text).expect("valid");
    let merged = |form: i64| {
        let (_, records) = people(&[&[(1, form, "x")], &[(1, form, "y")]]);
        sizes(&clusters_under(&model, &records, &AssertedPairs::default())).len() == 1
    };
    assert!(merged(2));
    assert!(!merged(3));
}

#[test]
fn spouses_with_one_phone_are_a_household() {
    let names = ["a", "b", "c"];
    let samples = [with_phone("otto", "zimmer"), with_phone("zebulon", "zimmer"), with_phone("zebulon", "zimmer")];
    let records = batch(&names, &samples);
    let partition = clusters(&records, &AssertedPairs::default());
    let model = plain_model();
    let score = i64::from(Scorer::new(&records, records.slots(), &model).score(0, 1).stranger);
    let [household] = partition.households[..] else { panic!("one household") };
    let mut clusters_of = [household.x, household.y];
    clusters_of.sort_unstable();
    let mut expected = [partition.clusters[0], partition.clusters[1]];
    expected.sort_unstable();
    assert_eq!((clusters_of, household.strength), (expected, score));
    assert_eq!(partition.clusters[household.left], household.x);
    assert_eq!(partition.clusters[household.right], household.y);
    assert_eq!(partition.reviews, []);
    let said = AssertedPairs { same: Vec::new(), different: vec![(0, 1)] };
    assert_eq!(clusters(&records, &said).households, []);
}

#[test]
fn a_phone_that_went_to_the_holder_of_another_card_merges_nobody() {
    let before: Sample<'_> = ([None; 8], &[(2, 1, "home"), (3, 1, "a")]);
    let after: Sample<'_> = ([None; 8], &[(2, 1, "home"), (3, 1, "b")]);
    let partition = clusters(&batch(&["a", "b"], &[before, after]), &AssertedPairs::default());
    assert_eq!((sizes(&partition), partition.households.len()), (vec![1, 1], 0));
}
