use super::field::{Evidence, Fields, crossings};
use super::*;
use crate::model::tests::{PLAIN, plain as plain_model};
use crate::record::tests::{Sample, batch, named};

mod held;
mod limits;
mod plain;

fn kept_edges(records: &Records, model: &Model) -> Vec<Edge> {
    let scorer = Scorer::new(records, records.slots(), model);
    let mut edges = Vec::new();
    for left in 0..records.len() {
        for right in left + 1..records.len() {
            let kept = scorer.score_at_least(left, right, model.edge_floor());
            edges.extend(kept.map(|pair| Edge { left: row_number(left), right: row_number(right), score: pair.score() }));
        }
    }
    edges
}

fn clusters_under(model: &Model, records: &Records, asserted: &AssertedPairs) -> Partition {
    let scorer = Scorer::new(records, records.slots(), model);
    partition_edges(&scorer, kept_edges(records, model), asserted).0
}

fn clusters(records: &Records, asserted: &AssertedPairs) -> Partition {
    clusters_under(&plain_model(), records, asserted)
}

const PHONE: &[(i64, i64, &str)] = &[(2, 1, "home")];

fn with_phone<'a>(given: &'a str, family: &'a str) -> Sample<'a> {
    (named(given, family).0, PHONE)
}

/// Names as members of the clusters they end in, sorted.
fn shape(names: &[&str], partition: &Partition) -> Vec<Vec<String>> {
    let mut groups: std::collections::BTreeMap<usize, Vec<String>> = std::collections::BTreeMap::new();
    for (name, cluster) in names.iter().zip(&partition.clusters) {
        groups.entry(*cluster).or_default().push((*name).to_owned());
    }
    let mut shaped: Vec<Vec<String>> = groups
        .into_values()
        .map(|mut members| {
            members.sort();
            members
        })
        .collect();
    shaped.sort();
    shaped
}

#[test]
fn a_shared_phone_does_not_merge_spouses() {
    let names = ["a", "b", "c", "d"];
    let samples = [
        with_phone("otto", "zimmer"),
        with_phone("o", "zimmer"),
        with_phone("zebulon", "zimmer"),
        with_phone("otto", "zimmer"),
    ];
    let partition = clusters(&batch(&names, &samples), &AssertedPairs::default());
    assert_eq!(partition.clusters[0], partition.clusters[3]);
    assert_ne!(partition.clusters[0], partition.clusters[2]);
}

#[test]
fn a_record_between_spouses_is_ambiguous() {
    let names = ["a", "b", "c"];
    let nameless: Sample<'_> = ([None; 8], PHONE);
    let samples = [with_phone("otto", "zimmer"), with_phone("zebulon", "zimmer"), nameless];
    let partition = clusters(&batch(&names, &samples), &AssertedPairs::default());
    assert_eq!(partition.ambiguous, [2]);
    let mut contenders = partition.contenders.clone();
    contenders.sort_unstable();
    assert_eq!(contenders, [(2, 0), (2, 1)]);
    assert_eq!(shape(&names, &partition), [["a"], ["b"], ["c"]]);
}

#[test]
fn assertions_win() {
    let names = ["a", "b", "c"];
    let nameless: Sample<'_> = ([None; 8], PHONE);
    let samples = [with_phone("otto", "zimmer"), with_phone("zebulon", "zimmer"), nameless];
    let records = batch(&names, &samples);
    let same = AssertedPairs { same: vec![(0, 1)], different: Vec::new() };
    assert_eq!(clusters(&records, &same).clusters[0], clusters(&records, &same).clusters[1]);
    let settled = AssertedPairs { same: vec![(2, 0)], different: vec![(2, 1)] };
    assert_eq!(shape(&names, &clusters(&records, &settled)), [vec!["a", "c"], vec!["b"]]);
    let both = AssertedPairs { same: vec![(0, 1)], different: vec![(1, 0)] };
    assert_ne!(clusters(&records, &both).clusters[0], clusters(&records, &both).clusters[1]);
}

#[test]
fn kin_below_the_floor_connects_a_component_that_fits() {
    let records = batch(&["a", "b", "c"], &[named("otto", "zimmer"); 3]);
    let edges = [(0, 1, 9000), (1, 2, -9000)].map(|(left, right, score)| Edge { left, right, score });
    let found = components(&plain_model(), &records, edges.to_vec(), &AssertedPairs::default());
    assert_eq!(found.sizes().collect::<Vec<_>>(), [3]);
}

#[test]
fn only_a_single_record_is_ambiguous() {
    let names = ["a", "b", "c", "d"];
    let nameless: Sample<'_> = ([None; 8], PHONE);
    let samples = [with_phone("otto", "zimmer"), with_phone("zebulon", "zimmer"), nameless, nameless];
    let records = batch(&names, &samples);
    let held = AssertedPairs { same: vec![(2, 3)], different: Vec::new() };
    let partition = clusters(&records, &held);
    assert_eq!(partition.ambiguous, [] as [usize; 0]);
    assert_eq!(partition.clusters[2], partition.clusters[3]);
}

#[test]
fn one_strong_pair_does_not_merge_what_differs_as_wholes() {
    // The first two are one person; the third shares a mail address with one of them and neither name nor birth date with either.
    let born = |given, born| [Some(given), None, Some("zimmer"), None, Some(born), None, None, None];
    let mail: &[(i64, i64, &str)] = &[(1, 1, "a@b")];
    let both: &[(i64, i64, &str)] = &[(1, 1, "a@b"), (3, 1, "c")];
    let card: &[(i64, i64, &str)] = &[(3, 1, "c")];
    let bare: Sample<'_> = ([None; 8], both);
    let samples = [bare, (born("otto", "1980-05-12"), card), (born("zebulon", "1951-11-30"), mail)];
    let records = batch(&["a", "b", "c"], &samples);
    let model = plain_model();
    let scorer = Scorer::new(&records, records.slots(), &model);
    assert!(scorer.score(0, 1).score() >= model.link() && scorer.score(0, 2).score() >= model.link());
    let held = AssertedPairs { same: vec![(0, 1)], different: Vec::new() };
    let partition = clusters(&records, &held);
    assert_eq!(partition.clusters[0], partition.clusters[1]);
    assert_ne!(partition.clusters[0], partition.clusters[2]);
    let [household] = partition.households[..] else { panic!("one household") };
    assert_eq!(household.strength, i64::from(scorer.score(1, 2).stranger.max(scorer.score(0, 2).stranger)));
}

const WORK: (i64, i64, &str) = (1, 1, "otto@work");
const HOME: (i64, i64, &str) = (1, 1, "otto@home");
const CARD: (i64, i64, &str) = (3, 1, "c");

#[test]
fn a_nameless_record_finds_whoever_has_two_addresses() {
    // The commonest event of all: a purchase with nothing but one of a customer's addresses, here the one that they seldom give.
    let otto = |owned: &'static [(i64, i64, &'static str)]| -> Sample<'static> { (named("otto", "zimmer").0, owned) };
    let mut samples = vec![otto(&[WORK, CARD])];
    samples.extend([otto(&[HOME, CARD]); 9]);
    samples.push(([None; 8], &[WORK]));
    let names: Vec<String> = (0..samples.len()).map(|record| format!("record {record}")).collect();
    let records = batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), &samples);
    let partition = clusters(&records, &AssertedPairs::default());
    assert!(partition.clusters.iter().all(|&cluster| cluster == partition.clusters[0]), "{:?}", partition.clusters);
    assert_eq!((partition.reviews.len(), partition.ambiguous.len()), (0, 0));
}

#[test]
fn clusters_hold_sets_of_identifiers_and_a_household_the_mean_of_them() {
    let given = |given, owned| -> Sample<'static> { ([Some(given), None, None, None, None, None, None, None], owned) };
    let nameless: Sample<'_> = ([None; 8], &[WORK]);
    let samples =
        [given("otto", &[WORK]), given("otto", &[HOME]), given("otto", &[HOME]), given("marta", &[WORK]), nameless];
    let records = batch(&["a", "b", "c", "d", "e"], &samples);
    let model = plain_model();
    let scorer = Scorer::new(&records, records.slots(), &model);
    let members = [0, 1, 2, 3, 4];
    let pairs: Vec<_> = members.iter().flat_map(|&a| members.map(|b| scorer.score(a, b))).collect();
    let mut fields = Fields::new(&scorer, &members, &pairs);
    for (x, y) in crossings(members.len()) {
        assert_eq!(fields.between(x, y), Evidence::of(&pairs[x * members.len() + y]), "of two records it is their score");
    }
    for other in [3, 4] {
        fields.absorb(0, 1, other);
        fields.absorb(0, 2, other);
    }
    // Against strangers the address that both have, 25000. In a household ⌊(2000 − 1500 − 1500) / 3⌋ of it, and the given names differ.
    assert_eq!(fields.between(0, 3), Evidence { stranger: -20_000 + 25_000 - 6501, household: 2000 - 334 - 6501 });
    assert_eq!(fields.against(0, 3), -334 - 6501);
    // Nothing tells the nameless one from another member, so that the other address is no sign of one.
    assert_eq!(fields.between(0, 4), Evidence { stranger: -20_000 + 25_000, household: 2000 + 2000 });
    assert_eq!(fields.against(0, 4), 0);
}

#[test]
fn without_households_what_strangers_share_is_what_is_against() {
    let text = PLAIN.replace("household = 2000\n", "");
    let text = text.lines().map(|line| match line.split_once(" = [") {
        Some((level, weights)) if weights.ends_with(']') && !weights.contains('"') => {
            format!("{level} = {}", weights.split(',').next().unwrap_or("0"))
        }
        _ => line.to_owned(),
    });
    let model = Model::parse(&text.collect::<Vec<_>>().join("\n")).expect("valid");
    let bare = |owned: &'static [(i64, i64, &'static str)]| -> Sample<'static> { ([None; 8], owned) };
    let records = batch(&["a", "b", "c", "d"], &[bare(&[WORK]), bare(&[HOME]), bare(&[WORK]), bare(&[CARD, HOME])]);
    let scorer = Scorer::new(&records, records.slots(), &model);
    let members = [0, 1, 2, 3];
    let pairs: Vec<_> = members.iter().flat_map(|&a| members.map(|b| scorer.score(a, b))).collect();
    let mut fields = Fields::new(&scorer, &members, &pairs);
    assert_eq!((fields.against(0, 1), fields.against(0, 2), fields.against(0, 3)), (-1500, 0, -1500));
    fields.absorb(0, 1, 2);
    assert_eq!(fields.against(0, 2), 0);
    assert_eq!(fields.between(0, 2), Evidence { stranger: 5000, household: i64::MAX });
}

/// The model of the tests under another prior, for so many records.
fn model_of(stranger: i32, population: u64) -> Model {
    let text = PLAIN.replace("stranger = -20000\n", &format!("stranger = {stranger}\n"));
    Model::parse(&text.replace("population = 1800000", &format!("population = {population}"))).expect("valid")
}

#[test]
fn a_middling_pair_is_a_review_and_linked_where_a_person_has_many_records() {
    let home = |given: &'static str| -> Sample<'static> {
        ([Some(given), None, Some("zimmer"), None, None, None, Some("boston"), None], &[])
    };
    let records = batch(&["a", "b"], &[home("zebulon"), home("z")]);
    let score = |model: &Model| i64::from(Scorer::new(&records, records.slots(), model).score(0, 1).score());
    let prior = -20_000 + 3000 - i32::try_from(score(&plain_model())).expect("small");
    // By this prior a record has one other of its person to so many records.
    let one_other = 1 << (-prior / 1000);
    for (others, merged) in [(0, false), (1, false), (8, true)] {
        let model = model_of(prior, (others * one_other).max(1));
        assert_eq!(score(&model), 3000);
        let partition = clusters_under(&model, &records, &AssertedPairs::default());
        assert_eq!(partition.clusters[0] == partition.clusters[1], merged, "{others}");
        let asked: Vec<i64> = partition.reviews.iter().map(|review| review.strength).collect();
        assert_eq!(asked, if merged { vec![] } else { vec![3000 + model.once()] });
        assert!(partition.reviews.iter().all(|review| (review.x, review.y) == (review.left, review.right)));
    }
}

#[test]
fn an_oversized_component_falls_apart_at_a_higher_floor() {
    let text = PLAIN.replace("max_component = 200", "max_component = 2");
    let model = Model::parse(&text).expect("valid");
    let records = batch(&["a", "b", "c", "d"], &[named("otto", "zimmer"); 4]);
    let edge = |left, right, score| Edge { left, right, score };
    let edges = [edge(0, 1, 9000), edge(1, 2, 4500), edge(2, 3, 9000)];
    let sizes = |asserted: &AssertedPairs| -> Vec<usize> {
        components(&model, &records, edges.to_vec(), asserted).sizes().collect()
    };
    assert_eq!(sizes(&AssertedPairs::default()), [2, 2]);
    let held = AssertedPairs { same: vec![(1, 2)], different: Vec::new() };
    assert_eq!(sizes(&held), [2]);
    let kin = [edge(0, 1, 9000), edge(1, 2, -9000), edge(2, 3, 9000)];
    let few = |edges: &[Edge]| components(&model, &records, edges.to_vec(), &AssertedPairs::default()).count();
    assert_eq!((few(&kin), few(&kin[..2])), (2, 1));
    let apart = AssertedPairs { same: Vec::new(), different: vec![(1, 2)] };
    assert_eq!(sizes(&apart), [2, 2]);
}

#[test]
fn the_first_raise_only_drops_what_was_said_to_be_different() {
    let text = PLAIN.replace("max_component = 200", "max_component = 3");
    let model = Model::parse(&text).expect("valid");
    let records = batch(&["a", "b", "c", "d", "e"], &[named("otto", "zimmer"); 5]);
    let edges = [(0, 1, 28_200), (1, 2, 5500), (3, 4, 12_500)].map(|(left, right, score)| Edge { left, right, score });
    let apart = AssertedPairs { same: Vec::new(), different: vec![(0, 3)] };
    let mut sizes: Vec<usize> = components(&model, &records, edges.to_vec(), &apart).sizes().collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [2, 3]);
}
