use proptest::prelude::*;

use super::*;
use crate::model::tests::{PLAIN, plain};
use crate::record::tests::{Sample, batch, batch_with, named};
use crate::words::COMPARISONS;

fn pair(a: Sample<'_>, b: Sample<'_>) -> PairScore {
    let records = batch(&["a", "b"], &[a, b]);
    let model = plain();
    Scorer::new(&records, records.slots(), &model).score(0, 1)
}

/// A phone that two records share.
const PHONE: &[(i64, i64, &str)] = &[(2, 1, "+1")];

fn level(comparison: &str, a: Sample<'_>, b: Sample<'_>) -> &'static str {
    let index = COMPARISONS.iter().position(|name| *name == comparison).expect("a comparison");
    plain().level_names(comparison).expect("a comparison")[usize::from(pair(a, b).levels[index])]
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
        ("xyla", "ksyla", "loose"),
        ("phil", "fyl", "phonetic"),
        ("c", "k", "different"),
        ("j", "aj", "different"),
        ("otto", "ottokar", "close"),
        ("jones", "johnson", "close"),
        ("zebulon", "otto", "different"),
    ] {
        assert_eq!(level("given_name", at(0, a), at(0, b)), expected, "{a} {b}");
        assert_eq!(level("given_name", at(0, b), at(0, a)), expected, "{b} {a}");
    }
    assert_eq!(level("given_name", at(0, "otto"), at(2, "otto")), "missing");
}

#[test]
fn family_name_levels() {
    for (a, b, expected) in [
        ("van dyke", "dyke", "exact"),
        ("smith", "smiht", "near"),
        ("ng", "ny", "loose"),
        ("z", "zimmer", "initial"),
        ("miller-otto", "otto", "compound"),
        ("meyer", "maier", "phonetic"),
        ("jones", "johnson", "close"),
    ] {
        assert_eq!(level("family_name", at(2, a), at(2, b)), expected, "{a} {b}");
    }
}

#[test]
fn crossed_names() {
    let only = |column: usize, name: &'static str| at(column, name);
    for (a, b, given, family) in [
        (named("otto", "zimmer"), named("zimmer", "otto"), "swapped", "missing"),
        (named("otto", "zimmer"), named("zimer", "otto"), "crossed", "missing"),
        (named("gabruella", "williakns"), named("williams", "gabriella"), "crossed", "missing"),
        (named("otto", "zimmer"), named("z", "otto"), "crossed", "missing"),
        (named("otto", "zimmer"), named("zimmer", "marta"), "different", "different"),
        (named("jan", "jana"), named("jana", "jan"), "near", "near"),
        (only(0, "zimmer"), named("otto", "zimer"), "missing", "crossed"),
        (only(0, "zimmer"), only(2, "zimmer"), "missing", "crossed"),
        (only(0, "zimmer"), only(2, "otto"), "missing", "missing"),
        (only(0, "bill"), only(2, "william"), "missing", "missing"),
        (only(0, "otto"), named("otto", "zimmer"), "exact", "missing"),
    ] {
        assert_eq!((level("given_name", a, b), level("family_name", a, b)), (given, family), "{a:?} {b:?}");
        assert_eq!((level("given_name", b, a), level("family_name", b, a)), (given, family), "{b:?} {a:?}");
    }
}

#[test]
fn other_levels() {
    assert_eq!(level("middle_name", at(1, "q"), at(1, "quincy")), "initial");
    assert_eq!(level("middle_name", at(1, "q"), at(1, "adams")), "different");
    assert_eq!(level("name_suffix", at(3, "jr"), at(3, "sr")), "different");
    for (a, b, expected) in [
        ("1980-05-12", "1980-05-12", "exact"),
        ("1980-01-01", "1980-01-01", "exact_january"),
        ("1980-00-00", "1980-00-00", "exact_january"),
        ("1980-05-12", "1980-12-05", "near"),
        ("1980-05-12", "1980-05-21", "near"),
        ("1980-13-40", "1980-13-41", "near"),
        ("1980-05-12", "1962-05-12", "part"),
        ("1980-05-12", "1980-05-30", "part"),
        ("1980-05-12", "1980-07-13", "near2"),
        ("1980-01-01", "1962-01-01", "near2"),
        ("1980-01-01", "1762-01-01", "different"),
        ("1980-05-12", "1980-11-30", "year"),
        ("1980-05-12", "1951-11-30", "different"),
    ] {
        assert_eq!(level("birth_date", at(4, a), at(4, b)), expected, "{a} {b}");
        assert_eq!(level("birth_date", at(4, b), at(4, a)), expected, "{b} {a}");
    }
}

#[test]
fn street_levels() {
    for (a, b, expected) in [
        ("12 main st", "12 main st", "equal_equal"),
        ("12 main st", "112 main st", "equal_near"),
        ("12 main st", "main st", "equal_none"),
        ("12 main st", "77", "none_different"),
        ("1 main st", "2 main st", "equal_different"),
        ("12 main st", "21 maine st", "near_near"),
        ("12 main st", "12 martin st", "near_equal"),
        ("12 washington st", "12 wellington st", "close_equal"),
        ("12 main st", "9 elm ave", "different_different"),
        ("5th ave", "5th ave", "equal_none"),
        ("12", "12", "none_equal"),
        ("main st", "12", "missing"),
    ] {
        assert_eq!(level("street", at(5, a), at(5, b)), expected, "{a} {b}");
        assert_eq!(level("street", at(5, b), at(5, a)), expected, "{b} {a}");
    }
}

#[test]
fn place_levels() {
    for ((city, code), (other_city, other_code), expected) in [
        (("new york", "02134"), ("newyork", "02134"), "equal_equal"),
        (("boston", "02134"), ("bostn", "02135"), "near_near"),
        (("boston", "02134"), ("salem", "02199"), "area_different"),
        (("boston", "02134"), ("", "99501"), "different_none"),
        (("boston", ""), ("boston", "99501"), "none_equal"),
        (("springfield", ""), ("springfld", ""), "none_near"),
        (("boston", "21"), ("salem", "21x"), "near_different"),
        (("boston", "2134"), ("salem", "21"), "different_different"),
        (("boston", ""), ("", "02134"), "missing"),
    ] {
        assert_eq!(level("place", place("", city, code), place("", other_city, other_code)), expected);
        assert_eq!(level("place", place("", other_city, other_code), place("", city, code)), expected);
    }
}

#[test]
fn a_joint_level_is_four_times_the_first_part_and_the_second() {
    let model = plain();
    for comparison in ["street", "place"] {
        let names = model.level_names(comparison).expect("a comparison");
        let first: Vec<&str> = (1..5).map(|part| names[4 * part].split_once('_').expect("two parts").0).collect();
        let second: Vec<&str> = (1..4).map(|part| names[part].split_once('_').expect("two parts").1).collect();
        for level in 1..20 {
            let part = |names: &[&str], part: usize| if part == 0 { "none".to_owned() } else { names[part - 1].to_owned() };
            assert_eq!(names[level], format!("{}_{}", part(&first, level / 4), part(&second, level % 4)));
        }
    }
}

#[test]
fn extra_levels() {
    let sex = |left: Option<&str>, right: Option<&str>| {
        let column = [left, right];
        let records = batch_with(&["a", "b"], &[named("otto", "zimmer"); 2], &[("sex", &column), ("hat", &[None, None])]);
        let model = plain();
        Scorer::new(&records, records.slots(), &model).score(0, 1).levels[EXTRA::INDEX]
    };
    assert_eq!(sex(Some("new born"), Some("newborn")), EXTRA::EXACT);
    assert_eq!(sex(Some("male"), Some("mael")), EXTRA::NEAR);
    assert_eq!(sex(Some("shopkeeper"), Some("shopkeepers wife")), EXTRA::NEAR);
    assert_eq!(sex(Some("m"), Some("f")), EXTRA::DIFFERENT);
    assert_eq!((sex(Some("m"), None), sex(None, None)), (0, 0));
    assert_eq!(pair(named("otto", "zimmer"), named("otto", "zimmer")).levels[EXTRA::INDEX], 0);
}

#[test]
fn identifiers_add_up() {
    let one: Sample<'_> = ([None; 8], &[(1, 1, "a@gmail.com"), (1, 2, "a@gmail.com"), (2, 1, "+1"), (3, 1, "c")]);
    let two: Sample<'_> = ([None; 8], &[(1, 1, "a.@gmail.com"), (1, 2, "a@gmail.com"), (2, 1, "+1"), (3, 1, "d")]);
    let anchor: Sample<'_> = ([None; 8], &[(1, 3, "x")]);
    assert_eq!(level("email", one, two), "agree_folded");
    assert_eq!(level("phone", one, two), "agree");
    assert_eq!(level("loyalty_card", one, two), "differ");
    assert_eq!(level("email", one, anchor), "missing");
    let scored = pair(one, two);
    assert_eq!(scored.stranger, -20_000 + 24_500 + 24_200 - 2000);
    assert_eq!(scored.household, 2000 + (24_500 - 23_000) + (24_200 - 22_000) - 2000);
}

#[test]
fn the_nearest_rival_decides() {
    let (otto, zebulon) = ((named("otto", "zimmer").0, PHONE), (named("zebulon", "zimmer").0, PHONE));
    let spouses = pair(otto, zebulon);
    assert_eq!(spouses.stranger, -20_000 + 24_200 - 6501 + 9000 + 4000);
    assert_eq!(spouses.household, 2000 + 2200 - 6501 + 200);
    assert_eq!((spouses.score(), spouses.against_household()), (spouses.household, true));
    assert!(spouses.is_kin(&plain()));
    let apart = pair(named("otto", "zimmer"), named("otto", "zimmer"));
    assert_eq!((apart.score(), apart.against_household(), apart.is_kin(&plain())), (apart.stranger, false, false));

    let records = batch(&["a", "b"], &[otto, zebulon]);
    let model = plain();
    let [(0, found)] = score_pairs(&records, &[0], &[1], &model, Some(3000)).expect("valid")[..] else {
        panic!("kin is kept below the cutoff")
    };
    assert_eq!(found.pair, spouses);
    assert_eq!(found.weights.iter().sum::<i32>() + 2000, spouses.score());
    assert_eq!(found.weights[GIVEN::INDEX], -6501);
}

#[test]
fn without_households_there_is_one_rival() {
    let start = PLAIN.find("[comparisons.email]").expect("comparisons");
    let line = |line: &str| match line.split_once(" = [") {
        Some((name, pair)) => format!("{name} = {}\n", pair.split(',').next().unwrap_or("0")),
        None => format!("{line}\n"),
    };
    let single: String = PLAIN[start..].lines().map(line).collect();
    let model = Model::parse(&(PLAIN[..start].replace("household = 2000\n", "") + &single)).expect("valid");
    let samples = [(named("otto", "zimmer").0, PHONE), (named("zebulon", "zimmer").0, PHONE)];
    let records = batch(&["a", "b"], &samples);
    let scored = Scorer::new(&records, records.slots(), &model).score(0, 1);
    assert_eq!((scored.score(), scored.against_household()), (scored.stranger, false));
    assert_eq!(scored.stranger, pair(samples[0], samples[1]).stranger);
}

#[test]
fn rows_are_checked() {
    let records = batch(&["a"], &[named("otto", "zimmer")]);
    let refused = |left: &[i64], right: &[i64]| match score_pairs(&records, left, right, &plain(), None) {
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
        let model = plain();
        let scorer = Scorer::new(&records, records.slots(), &model);
        for a in 0..records.len() {
            for b in 0..records.len() {
                let scored = scorer.score(a, b);
                prop_assert_eq!(scored, scorer.score(b, a));
                let weighed = scorer.weighed(a, scored);
                let prior = if scored.against_household() { 2000 } else { model.stranger_prior() };
                prop_assert_eq!(scored.score(), prior + weighed.weights.iter().sum::<i32>());
                let kept = scored.score() >= cutoff || scored.is_kin(&model);
                prop_assert_eq!(scorer.score_at_least(a, b, cutoff), kept.then_some(scored));
            }
        }
    }
}

/// The model of the tests with other weights, which are taken in turn.
fn weighing(drawn: &[(i32, i32)]) -> Model {
    let mut turn = drawn.iter().cycle();
    let start = PLAIN.find("[comparisons.email]").expect("comparisons");
    let line = |line: &str| match (line.split_once(" = ["), turn.next()) {
        (Some((name, _)), Some((stranger, household))) => format!("{name} = [{stranger}, {household}]\n"),
        _ => format!("{line}\n"),
    };
    let weights: String = PLAIN[start..].lines().map(line).collect();
    Model::parse(&(PLAIN[..start].to_owned() + &weights)).expect("valid")
}

proptest! {
    #[test]
    fn nothing_that_is_kept_is_refused_by_its_marks(
        drawn in prop::collection::vec(
            ("[ab]{1,3}|[abcdé]{0,9}|bill|william|will|annabel|annabell|ann abel|belann|z|van dyke|mary ann|maryann",
             "[ab]{1,3}|[abcdé]{0,9}|bill|william|annabel|smith|smyth|smith annabel|de z|zz",
             "|[ab]{1,2}", "|[12] [ab]{2,4} st|1[12] main st|main st", "|[ab]{4,6}|new york|newyork", "|[12]{3,5}", 0_usize..8, 0_usize..4),
            2..7,
        ),
        weights in prop::collection::vec((-9000_i32..9000, -9000_i32..9000), 100),
        cutoff in -40_000_i32..20_000,
    ) {
        const DAYS: [Option<&str>; 8] = [
            None, Some("1980-05-12"), Some("1980-05-13"), Some("1980-12-05"), Some("1962-05-12"), Some("1980-01-01"), Some("1981-01-01"), Some("1933-11-30"),
        ];
        const SUFFIXES: [Option<&str>; 4] = [None, None, Some("jr"), Some("sr")];
        const OWN: [(i64, i64, &str); 7] =
            [(1, 1, "0"), (1, 1, "1"), (1, 1, "2"), (1, 1, "3"), (1, 1, "4"), (1, 1, "5"), (1, 1, "6")];
        let some = |text: &'static str| (!text.is_empty()).then_some(text);
        let kept = |text: &str| -> &'static str { crate::normalize::fold(text).leak() };
        let samples: Vec<Sample<'_>> = drawn
            .iter()
            .enumerate()
            .map(|(row, (given, family, middle, street, city, code, day, suffix))| {
                let [given, family, middle, street, city, code] =
                    [given, family, middle, street, city, code].map(|text| some(kept(text)));
                let owned = if row % 2 == 0 { &OWN[row..=row] } else { &[] };
                ([given, middle, family, SUFFIXES[*suffix], DAYS[*day], street, city, code], owned)
            })
            .collect();
        let labels: Vec<String> = (0..samples.len()).map(|row| row.to_string()).collect();
        let records = batch(&labels.iter().map(String::as_str).collect::<Vec<_>>(), &samples);
        for model in [plain(), weighing(&weights)] {
            let scorer = Scorer::new(&records, records.slots(), &model);
            let ceiling = Ceiling::new(&scorer);
            for left in 0..samples.len() {
                for right in 0..samples.len() {
                    if left == right {
                        continue;
                    }
                    let [a, b] = [left, right].map(|row| ceiling.marks(u32::try_from(row).expect("few")));
                    let exact = scorer.score(left, right);
                    for cutoff in [cutoff, exact.score()] {
                        let is_kept = scorer.score_apart_at_least(left, right, cutoff).is_some();
                        prop_assert!(!is_kept || ceiling.may_be_kept(&a, &b, cutoff), "{:?} {:?}", samples[left], samples[right]);
                    }
                }
            }
        }
    }
}

#[test]
fn marks_refuse_pairs_of_one_block() {
    let names = ["otto", "marta", "ilse", "bruno", "greta", "paul", "frida", "hugo"];
    let home = |given| ([Some(given), None, Some("zimmer"), None, None, None, None, Some("02134")], &[] as &[_]);
    let samples: Vec<Sample<'_>> = names.into_iter().map(home).collect();
    let records = batch(&names, &samples);
    let model = plain();
    let scorer = Scorer::new(&records, records.slots(), &model);
    let ceiling = Ceiling::new(&scorer);
    let may = |a: u32, b: u32| ceiling.may_be_kept(&ceiling.marks(a), &ceiling.marks(b), model.edge_floor());
    let left = (0..8).flat_map(|a| (a + 1..8).map(move |b| (a, b))).filter(|(a, b)| may(*a, *b)).count();
    assert!(left < 14, "{left} of 28");
    assert!(ceiling.may_be_kept(&ceiling.marks(0), &ceiling.marks(0), 0));
}
