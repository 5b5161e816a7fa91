use proptest::prelude::*;

use super::*;
use crate::model::level_names;
use crate::model::tests::shipped;
use crate::record::tests::{Sample, batch, named};

fn pair(a: Sample<'_>, b: Sample<'_>) -> PairScore {
    let records = batch(&["a", "b"], &[a, b]);
    let model = shipped();
    Scorer::new(&records, records.slots(), &model).score(0, 1)
}

fn level(comparison: &str, a: Sample<'_>, b: Sample<'_>) -> &'static str {
    let index = COMPARISONS.iter().position(|name| *name == comparison).expect("a comparison");
    level_names(comparison).expect("a comparison")[usize::from(pair(a, b).levels[index])]
}

fn at(column: usize, value: &str) -> Sample<'_> {
    let mut attributes = [None; 8];
    attributes[column] = Some(value);
    (attributes, &[])
}

fn place<'a>(street: &'a str, city: &'a str, postcode: &'a str) -> Sample<'a> {
    let some = |value: &'a str| (!value.is_empty()).then_some(value);
    ([None, None, None, None, None, some(street), some(city), some(postcode)], &[])
}

#[test]
fn given_name_levels() {
    for (a, b, expected) in [
        ("mary-jane", "mary jane", "exact"),
        ("bill", "william", "nickname"),
        ("stacey-ann", "stacey-anne", "nickname"),
        ("zebulon", "zebulan", "near"),
        ("zeb", "zeb-otto", "compound"),
        ("z", "zebulon", "initial"),
        ("xyla", "ksyla", "different"),
        ("zebulon", "otto", "different"),
    ] {
        assert_eq!(level("given_name", at(0, a), at(0, b)), expected, "{a} {b}");
        assert_eq!(level("given_name", at(0, b), at(0, a)), expected, "{b} {a}");
    }
    assert_eq!(level("given_name", named("otto", "zimmer"), named("zimmer", "otto")), "swapped");
    assert_eq!(level("family_name", named("otto", "zimmer"), named("zimmer", "otto")), "swapped");
    assert_eq!(level("given_name", at(0, "otto"), at(2, "otto")), "missing");
}

#[test]
fn family_name_levels() {
    for (a, b, expected) in [
        ("van dyke", "dyke", "exact"),
        ("smith", "smiht", "near"),
        ("ng", "ny", "different"),
        ("miller-otto", "otto", "compound"),
        ("meyer", "maier", "phonetic"),
        ("jones", "johnson", "close"),
    ] {
        assert_eq!(level("family_name", at(2, a), at(2, b)), expected, "{a} {b}");
    }
}

#[test]
fn other_levels() {
    assert_eq!(level("middle_name", at(1, "q"), at(1, "quincy")), "initial");
    assert_eq!(level("middle_name", at(1, "q"), at(1, "adams")), "different");
    assert_eq!(level("name_suffix", at(3, "jr"), at(3, "sr")), "different");
    for (a, b, expected) in [
        ("1980-05-12", "1980-05-12", "exact"),
        ("1980-05-12", "1980-12-05", "near"),
        ("1980-05-12", "1980-05-21", "near"),
        ("1980-05-12", "1962-05-12", "part"),
        ("1980-05-12", "1980-11-30", "year"),
        ("1980-05-12", "1951-11-30", "different"),
    ] {
        assert_eq!(level("birth_date", at(4, a), at(4, b)), expected, "{a} {b}");
    }
}

#[test]
fn address_levels() {
    let home = place("12 main st apt 4", "boston", "02134");
    for (other, expected) in [
        (place("12 main st apt 4", "cambridge", "02134"), "street_postcode"),
        (place("12 main st", "boston", "02134"), "near_street_postcode"),
        (place("12 main st", "boston", "99501"), "street_city"),
        (place("12 main st apt 4", "salem", "02143"), "street_city"),
        (place("12 main st apt 4", "", ""), "street"),
        (place("14 main st", "boston", "02134"), "postcode"),
        (place("9 elm st", "salem", "02199"), "postcode_near"),
        (place("9 elm st", "bosten", "99501"), "city"),
        (place("9 elm st", "salem", "99501"), "different"),
        (place("", "", ""), "missing"),
    ] {
        assert_eq!(level("address", home, other), expected);
        assert_eq!(level("address", other, home), expected);
    }
}

#[test]
fn identifier_levels_and_correlation() {
    let one: Sample<'_> = ([None; 8], &[(1, 1, "a@gmail.com"), (1, 2, "a@gmail.com"), (2, 1, "+1"), (3, 1, "c")]);
    let two: Sample<'_> = ([None; 8], &[(1, 1, "a.@gmail.com"), (1, 2, "a@gmail.com"), (2, 1, "+1"), (3, 1, "d")]);
    let anchor: Sample<'_> = ([None; 8], &[(1, 3, "x")]);
    assert_eq!(level("email", one, two), "agree_folded");
    assert_eq!(level("phone", one, two), "agree");
    assert_eq!(level("loyalty_card", one, two), "differ");
    assert_eq!(level("email", one, anchor), "missing");
    let model = shipped();
    let scored = pair(one, two);
    assert_eq!(scored.weights[0], model.weight(0, 2));
    assert_eq!(scored.weights[1], model.corroboration());
    assert_eq!(scored.score, model.prior() + scored.weights.iter().sum::<i32>());
}

#[test]
fn contradictions() {
    assert!(pair(named("otto", "zimmer"), named("zebulon", "zimmer")).contradicts());
    assert!(!pair(named("o", "zimmer"), named("otto", "zimmer")).comparable());
    assert!(pair(at(4, "1980-05-12"), at(4, "1951-11-30")).contradicts());
}

#[test]
fn something_as_personal_outweighs_a_contradiction() {
    let born = |given, birth| [Some(given), None, Some("zimmer"), None, Some(birth), None, None, None];
    let card: &[(i64, i64, &str)] = &[(3, 1, "card")];
    let otto: Sample<'_> = (born("otto", "1980-05-12"), card);
    assert!(!pair(otto, (born("zebulon", "1980-05-12"), &[])).contradicts());
    assert!(pair(otto, (born("zebulon", "1951-11-30"), card)).contradicts());
    assert!(!pair(otto, (born("otto", "1951-11-30"), card)).contradicts());
    assert!(pair(otto, (born("otto", "1951-11-30"), &[])).contradicts());
}

#[test]
fn held_by_a_line_alone() {
    type Owned = &'static [(i64, i64, &'static str)];
    const PHONE: (i64, i64, &str) = (2, 1, "+1");
    const MAIL: (i64, i64, &str) = (1, 1, "a@gmail.com");
    let judged = |given: [Option<&'static str>; 2], born: [Option<&'static str>; 2], left: Owned, right: Owned| {
        let row = |side: usize| [given[side], None, Some("zimmer"), None, born[side], None, None, None];
        let scored = pair((row(0), left), (row(1), right));
        (scored.contradicts(), scored.comparable())
    };
    let nameless = [None, None];
    let (left, right): (Owned, Owned) = (&[PHONE, (3, 1, "c")], &[PHONE, (3, 1, "d")]);
    assert_eq!(judged(nameless, nameless, left, right), (true, true));
    for (a, b) in [("otto", "o"), ("otto", "zebulon")] {
        assert_eq!(judged([Some(a), Some(b)], nameless, left, right), (true, true), "{a} {b}");
    }
    for (a, b) in [
        ("otto", "otto"),
        ("bill", "william"),
        ("zebulon", "zebulan"),
        ("zeb", "zeb-otto"),
        ("meyer", "maier"),
        ("otto", "ottokar"),
    ] {
        assert!(!judged([Some(a), Some(b)], nameless, left, right).0, "{a} {b}");
    }
    assert!(!pair((named("otto", "zimmer").0, left), (named("zimmer", "otto").0, right)).contradicts());
    let date = Some("1980-05-12");
    assert!(!judged(nameless, [date, date], left, right).0);
    assert!(!judged(nameless, [date, Some("1980-12-05")], left, right).0);
    assert!(!judged(nameless, [date, Some("1980-05-30")], left, right).0);
    assert!(judged(nameless, [date, Some("1980-11-30")], left, right).0);

    let nothing: [(Owned, Owned); 7] = [
        (&[PHONE, (3, 1, "c"), MAIL], &[PHONE, (3, 1, "d"), MAIL]),
        (&[PHONE, (3, 1, "c"), (1, 2, "a@gmail.com")], &[PHONE, (3, 1, "d"), (1, 2, "a@gmail.com")]),
        (&[PHONE, (3, 1, "c"), (4, 1, "7")], &[PHONE, (3, 1, "d"), (4, 1, "7")]),
        (&[PHONE, (3, 1, "c"), (5, 1, "7")], &[PHONE, (3, 1, "d"), (5, 1, "7")]),
        (&[PHONE, (5, 1, "c")], &[PHONE, (5, 1, "d")]),
        (&[PHONE, (8, 1, "pos:1")], &[PHONE, (8, 1, "crm:1")]),
        (&[(2, 1, "+1"), (3, 1, "c")], &[(2, 1, "+2"), (3, 1, "d")]),
    ];
    for (left, right) in nothing {
        assert_eq!(judged(nameless, nameless, left, right), (false, false), "{left:?} {right:?}");
    }
    let held: [(Owned, Owned); 4] = [
        (&[(6, 1, "x"), (4, 1, "c")], &[(6, 1, "x"), (4, 1, "d")]),
        (&[(7, 1, "x"), (8, 1, "pos:1")], &[(7, 1, "x"), (8, 1, "pos:2")]),
        (&[PHONE, (3, 1, "c"), MAIL], &[PHONE, (3, 1, "d"), (1, 1, "b@gmail.com")]),
        (&[PHONE, (3, 3, "c")], &[PHONE, (3, 3, "d")]),
    ];
    for (left, right) in held {
        assert_eq!(judged(nameless, nameless, left, right), (true, true), "{left:?} {right:?}");
    }
}

#[test]
fn rows_are_checked() {
    let records = batch(&["a"], &[named("otto", "zimmer")]);
    let refused = |left: &[i64], right: &[i64]| match score_pairs(&records, left, right, &shipped(), None) {
        Err(CoreError::Input { argument, .. }) => argument,
        _ => "",
    };
    assert_eq!(refused(&[0], &[1]), "right");
    assert_eq!(refused(&[-1], &[0]), "left");
    assert_eq!(refused(&[0], &[]), "right");
}

proptest! {
    #[test]
    fn symmetric_and_consistent_with_the_cutoff(
        names in prop::collection::vec(("[abz]{0,4}", "[abz]{0,4}", "[ab ]{0,6}", "[0-9]{4}"), 2..6),
        cutoff in -60_000_i32..20_000,
    ) {
        let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
        let owned: Vec<[Option<String>; 4]> =
            names.iter().map(|(g, f, s, p)| [some(g), some(f), some(s), some(p)]).collect();
        let samples: Vec<Sample<'_>> = owned
            .iter()
            .map(|[g, f, s, p]| {
                ([g.as_deref(), None, f.as_deref(), None, None, s.as_deref(), None, p.as_deref()], &[] as &[_])
            })
            .collect();
        let labels: Vec<String> = (0..samples.len()).map(|row| row.to_string()).collect();
        let records = batch(&labels.iter().map(String::as_str).collect::<Vec<_>>(), &samples);
        let model = shipped();
        let scorer = Scorer::new(&records, records.slots(), &model);
        for a in 0..records.len() {
            for b in 0..records.len() {
                let scored = scorer.score(a, b);
                prop_assert_eq!(scored, scorer.score(b, a));
                prop_assert_eq!(scored.score, model.prior() + scored.weights.iter().sum::<i32>());
                prop_assert_eq!(scorer.score_at_least(a, b, cutoff), (scored.score >= cutoff).then_some(scored));
            }
        }
    }
}
