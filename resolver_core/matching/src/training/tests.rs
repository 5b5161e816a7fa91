use rayon::ThreadPoolBuilder;

use super::sample::Draw;
use super::*;
use crate::model::tests::plain;
use crate::record::tests::{Sample, batch};
use crate::words::COMPARISONS;

const GIVEN_NAMES: [&str; 16] = [
    "anna", "bruno", "carla", "david", "elena", "felix", "greta", "henry", "irina", "jonas", "klara", "linus", "marta",
    "nils", "olga", "paul",
];
const FAMILY_NAMES: [&str; 12] = [
    "zimmer",
    "okafor",
    "lindqvist",
    "moreau",
    "tanaka",
    "byrne",
    "castillo",
    "novak",
    "haddad",
    "weber",
    "rossi",
    "dubois",
];
const STREETS: [&str; 8] = ["elm st", "main st", "oak ave", "mill rd", "high st", "park ln", "river dr", "hill ct"];

/// A person as written down: some of it missing, some of it wrong.
#[derive(Clone)]
struct Written {
    fields: [Option<String>; 8],
    mail: Option<String>,
    person: i64,
}

/// A hundred and fifty households of one to three people, each person written down one to three times.
fn written(seed: u64) -> Vec<Written> {
    let mut draw = Draw::new(seed);
    let mut all = Vec::new();
    let mut person = 0;
    for home in 0..150 {
        let family = FAMILY_NAMES[draw.below(12)];
        let street = format!("{} {}", 1 + draw.below(90), STREETS[draw.below(8)]);
        let postcode = format!("{:05}", 10_000 + 137 * draw.below(60));
        for _ in 0..=draw.below(3) {
            let given = GIVEN_NAMES[draw.below(16)];
            let date = format!("{}-{:02}-{:02}", 1940 + draw.below(60), 1 + draw.below(12), 1 + draw.below(28));
            for _ in 0..=draw.below(3) {
                let has = |draw: &mut Draw, value: &str| (draw.below(10) > 0).then(|| value.to_owned());
                let given = if draw.below(12) == 0 { &given[1..] } else { given };
                let fields = [
                    has(&mut draw, given),
                    None,
                    has(&mut draw, family),
                    None,
                    has(&mut draw, &date),
                    has(&mut draw, &street),
                    None,
                    has(&mut draw, &postcode),
                ];
                let mail = (draw.below(2) == 0).then(|| format!("home{home}person{person}@x.org"));
                all.push(Written { fields, mail, person });
            }
            person += 1;
        }
    }
    all
}

fn records(written: &[(usize, Written)]) -> Records {
    let names: Vec<String> = written.iter().map(|(number, _)| format!("row {number}")).collect();
    let mails: Vec<Vec<(i64, i64, &str)>> =
        written.iter().map(|(_, one)| one.mail.iter().map(|mail| (1, 1, mail.as_str())).collect()).collect();
    let samples: Vec<Sample<'_>> = written
        .iter()
        .zip(&mails)
        .map(|((_, one), mails)| (std::array::from_fn(|column| one.fields[column].as_deref()), mails.as_slice()))
        .collect();
    batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), &samples)
}

fn numbered(seed: u64) -> Vec<(usize, Written)> {
    written(seed).into_iter().enumerate().collect()
}

#[test]
fn the_order_of_rows_and_the_number_of_threads_change_nothing() {
    let forth = numbered(3);
    let mut back = forth.clone();
    back.reverse();
    let options = TrainingOptions { seed: 9, ..TrainingOptions::default() };
    let (batch, told) = (records(&forth), Progress::default());
    let one = train(&batch, &plain(), &TrainingOptions { progress: Some(&told), ..options }).expect("valid");
    assert_eq!(told.read(), (Stage::Calibrate, batch.len(), batch.len()));
    let on_threads = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
        pool.install(|| train(&records(&back), &plain(), &options)).expect("valid")
    };
    assert_eq!(one, on_threads(1));
    assert_eq!(one, on_threads(5));
    assert_ne!(one.comparisons, train(&records(&forth[..300]), &plain(), &options).expect("valid").comparisons);
}

#[test]
fn a_file_is_learned_from() {
    let written = numbered(4);
    let batch = records(&written);
    let found = train(&batch, &plain(), &TrainingOptions::default()).expect("valid");
    let pairs = |same: &dyn Fn(&Written, &Written) -> bool| {
        let mut count = 0;
        for (place, (_, a)) in written.iter().enumerate() {
            count += written[..place].iter().filter(|(_, b)| same(a, b)).count();
        }
        real(count as u64)
    };
    let truth = pairs(&|a, b| a.person == b.person);
    assert!((found.matches / truth - 1.0).abs() < 0.15, "{} of {truth}", found.matches);
    assert!(found.households > 50.0 && found.settled);
    let date = COMPARISONS.iter().position(|name| *name == "birth_date").expect("a comparison");
    assert!(found.comparisons[date].weights[1].stranger > 8000 && found.comparisons[date].weights[7].stranger < -3000);
    assert!(found.comparisons[date].weights.iter().all(|weight| weight.household == 0));
    let mail = &found.comparisons[0];
    assert!(mail.weights[1].stranger > 10_000 && mail.shares.strangers[1] < 1e-4);
    assert!(
        found.comparisons[1].shares.same.is_empty() && found.comparisons[1].weights.iter().all(|w| *w == Weight::default())
    );
    assert!(found.passes.iter().any(|pass| pass.name == "email" && pass.kept && pass.matches > 20.0));
    assert!(found.judged.0 > 20 && found.judged.1 == 0);
    let histogram: f64 = found.weights.iter().map(|bin| bin.strangers + bin.households).sum();
    assert!((histogram - found.candidates).abs() < 1e-6);
}

#[test]
fn a_larger_population_makes_a_match_less_likely() {
    let batch = records(&numbered(5));
    let own = train(&batch, &plain(), &TrainingOptions::default()).expect("valid");
    let options = TrainingOptions { population: Some(1024 * own.records as u64), ..TrainingOptions::default() };
    let wide = train(&batch, &plain(), &options).expect("valid");
    // Ten bits after calibration.
    let shift = own.stranger_prior - wide.stranger_prior;
    assert!((shift * own.calibration.0 / 1000 - 10_000).abs() < 50, "{shift}");
    assert_eq!((own.household_prior, own.calibration), (wide.household_prior, wide.calibration));
    for (place, (own, wide)) in own.comparisons.iter().zip(&wide.comparisons).enumerate() {
        assert_eq!(own.shares, wide.shares);
        let last = own.weights.len() - 1;
        for (level, (own, wide)) in own.weights.iter().zip(&wide.weights).enumerate() {
            // Who shares an e-mail is as likely one person in the larger population as in the file.
            let moved = place == 0 && (1..last).contains(&level);
            let shift = if moved { shift } else { 0 };
            assert_eq!((own.stranger + shift, own.household + shift), (wide.stranger, wide.household), "{place} {level}");
        }
    }
}

#[test]
fn labels_correct_the_calibration() {
    let written = numbered(6);
    let batch = records(&written);
    let persons: Vec<i64> = written.iter().map(|(_, one)| one.person).collect();
    let labels = Labels { persons: &persons, ..Labels::default() };
    let told = train(&batch, &plain(), &TrainingOptions { labels, ..TrainingOptions::default() }).expect("valid");
    assert!(told.judged.1 > 50);
    // The bins are too small to be judged one by one; over all of them the claim holds.
    let sum = |value: &dyn Fn(&ReliabilityBin) -> f64| -> f64 {
        told.reliability.iter().map(|bin| value(bin) * real(bin.pairs as u64)).sum()
    };
    let (expected, observed, pairs) = (sum(&|bin| bin.expected), sum(&|bin| bin.observed), sum(&|_| 1.0));
    assert!(pairs > 50.0 && ((expected - observed) / pairs).abs() < 0.05, "{:?}", told.reliability);
    let untold = train(&batch, &plain(), &TrainingOptions::default()).expect("valid");
    assert_eq!((told.judged.0, &told.comparisons), (untold.judged.0, &untold.comparisons));
    assert_ne!(told.calibration, untold.calibration);
    let refused =
        |labels: Labels<'_>| match train(&batch, &plain(), &TrainingOptions { labels, ..TrainingOptions::default() }) {
            Err(CoreError::Input { argument, .. }) => argument,
            _ => "",
        };
    let (rows, outside, same) = ([0_i64], [99_999_i64], [true]);
    assert_eq!(refused(Labels { left: &rows, right: &outside, same: &same, persons: &[] }), "right");
    assert_eq!(refused(Labels { left: &rows, right: &rows, same: &[], persons: &[] }), "same");
    assert_eq!(refused(Labels { persons: &rows, ..Labels::default() }), "persons");
}

#[test]
fn little_and_nothing_to_learn_from() {
    let refused = train(&records(&[]), &plain(), &TrainingOptions::default());
    assert!(matches!(refused, Err(CoreError::Input { argument: "records", .. })));
    let all = numbered(7);
    for count in [1, 2, 5] {
        let found = train(&records(&all[..count]), &plain(), &TrainingOptions::default()).expect("valid");
        assert_eq!((found.records, found.population), (count, count as u64));
        assert!(found.stranger_prior < 1000 && found.matches.is_finite());
        assert_eq!(found.rules.len(), plain().rules().len());
    }
    let empty: Sample<'_> = ([None; 8], &[]);
    let found = train(&batch(&["a", "b", "c"], &[empty; 3]), &plain(), &TrainingOptions::default()).expect("valid");
    assert_eq!((found.candidates, found.calibration), (0.0, (1000, 0)));
    assert!(found.comparisons.iter().all(|learnt| learnt.shares.same.is_empty()));
}

/// A sample of the records tells nearly what all of them do.
#[test]
fn a_sample_of_the_records_stands_for_all() {
    let batch = records(&numbered(8));
    let slots = batch.slots();
    let model = plain();
    let scorer = Scorer::new(&batch, slots, &model);
    let rules: Vec<usize> = (0..model.rules().len()).collect();
    let count = |most: usize| {
        let probes = Probes::new(&batch, 3, most);
        let candidates = Candidates::new(&batch, slots, &model, &rules, &probes);
        let seen = tally::candidates(&scorer, &candidates, &probes, 0, &Progress::default());
        (seen.iter().map(|one| real(one.pairs)).sum::<f64>() * probes.worth, probes.once())
    };
    let ((whole, once), (sampled, not_once)) = (count(100_000), count(200));
    assert!(once && !not_once);
    assert!((sampled / whole - 1.0).abs() < 0.15, "{sampled} of {whole}");
    let all: Vec<u32> = (0..u32::try_from(batch.len()).expect("few")).collect();
    let some = Probes::of(&batch, all[..150].to_vec());
    let (wide, narrow) = (
        Candidates::new(&batch, slots, &model, &rules, &Probes::of(&batch, all)),
        Candidates::new(&batch, slots, &model, &rules, &some),
    );
    let (mut found, mut other) = (Vec::new(), Vec::new());
    for probe in some.rows {
        narrow.partners(probe, 0, &mut found);
        wide.partners(probe, 0, &mut other);
        let above: Vec<_> = found.iter().filter(|one| one.partner > probe).copied().collect();
        assert_eq!(above, other);
    }
}

/// What of 480 records a sample of 160 tells is nearly what all of them do, whatever their order.
#[test]
fn a_sample_of_the_records_trains_alike() {
    let forth = numbered(8);
    let mut back = forth.clone();
    back.reverse();
    let whole = train(&records(&forth), &plain(), &TrainingOptions::default()).expect("valid");
    let sampled = train_with(&records(&forth), &plain(), &TrainingOptions::default(), 160).expect("valid");
    assert_eq!((sampled.probes, sampled.records), (160, forth.len()));
    assert_eq!(sampled, train_with(&records(&back), &plain(), &TrainingOptions::default(), 160).expect("valid"));
    assert!((sampled.matches / whole.matches - 1.0).abs() < 0.25, "{} of {}", sampled.matches, whole.matches);
    // Half a stranger more than is counted, in a million: names that hardly anybody shares are as rare by a sample.
    let strangers = |training: &Training| training.family_names.default * real(forth.len() as u64) / 1e6;
    assert!(
        (strangers(&sampled) / strangers(&whole) - 1.0).abs() < 0.35,
        "{} of {}",
        strangers(&sampled),
        strangers(&whole)
    );
}

fn on_file(place: usize, given: &str, family: &str, day: usize) -> (usize, Written) {
    let field = |text: String| Some(text);
    let fields = [
        field(given.to_owned()),
        None,
        field(family.to_owned()),
        None,
        field(format!("19{:02}-{:02}-11", 40 + day / 12 % 60, 1 + day % 12)),
        field(format!("{} elm st", 1 + place)),
        None,
        None,
    ];
    (place, Written { fields, mail: None, person: 0 })
}

/// Somebody with sixty records that stand in no block together, and in a sample that none of them is in: whatever the estimate makes of them, the
/// name is one person's.
#[test]
fn no_model_names_one_person() {
    let mut all = numbered(9);
    let first = all.len();
    all.extend((first..first + 60).map(|place| on_file(place, "zebulon", "quartermain", 3)));
    // Forty strangers share another name.
    all.extend((first + 60..first + 100).map(|place| on_file(place, GIVEN_NAMES[place % 16], "strange", place)));
    for most_probes in [100_000, 200, 20] {
        let found = train_with(&records(&all), &plain(), &TrainingOptions::default(), most_probes).expect("valid");
        let lists = |counts: &NameCounts, name: &str| counts.listed.iter().any(|(listed, _)| listed == name);
        assert!(!lists(&found.family_names, "quartermain") && !lists(&found.given_names, "zebulon"), "{most_probes}");
        assert_eq!(lists(&found.family_names, "strange"), most_probes == 100_000, "{most_probes}");
    }
}

/// Everybody has two records at most, so third records speak of strangers only: that must not be taken for what they are.
#[test]
fn a_file_of_few_records_to_a_person_is_not_taken_for_strangers() {
    let mut seen = std::collections::HashMap::new();
    let mut few = numbered(10);
    few.retain(|(_, one)| {
        let count = seen.entry(one.person).or_insert(0);
        *count += 1;
        *count <= 2
    });
    let found = train(&records(&few), &plain(), &TrainingOptions::default()).expect("valid");
    assert!((900..1260).contains(&found.calibration.0) && found.calibration.1 > -500, "{:?}", found.calibration);
}

/// A column that hardly a record has weighs about what it is known to weigh, whatever the seed.
#[test]
fn a_rare_column_does_not_depend_on_the_seed() {
    let mut all = numbered(11);
    for (place, (_, one)) in all.iter_mut().enumerate() {
        if place % 40 > 1 {
            one.fields[1] = None;
        } else {
            one.fields[1] = Some(["kim", "lou"][usize::try_from(one.person).expect("known") % 2].to_owned());
        }
    }
    let middle = COMPARISONS.iter().position(|name| *name == "middle_name").expect("a comparison");
    let weights: Vec<i32> = (1..6)
        .map(|seed| {
            let options = TrainingOptions { seed, ..TrainingOptions::default() };
            train_with(&records(&all), &plain(), &options, 200).expect("valid").comparisons[middle].weights[1].stranger
        })
        .collect();
    assert!(weights.iter().all(|weight| (0..6000).contains(weight)), "{weights:?}");
}
