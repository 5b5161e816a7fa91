use super::super::sample::Draw;
use super::super::start::starts;
use super::*;
use crate::model::tests::plain;
use crate::model::{BIRTH_DATE, Model, STREET};
use crate::words::MOST_COMPARISONS;

const PHONE: usize = 1;
/// Pairs in all, of one person, and of one household.
const PAIRS: u64 = 400_000;
const MATCHES: u64 = 3000;
const HOUSEHOLDS: u64 = 2500;

/// Shares of the levels of five comparisons, by class: one person, one household, strangers. A household is known by what it shares, and it takes
/// three such comparisons to tell it from chance.
fn planted() -> [(usize, [Vec<f64>; 3]); 5] {
    let given_strangers = vec![0.0, 0.01, 0.005, 0.001, 0.001, 0.003, 0.002, 0.01, 0.006, 0.03, 0.1, 0.832];
    let mut given_household: Vec<f64> = given_strangers.iter().map(|share| share * (1.0 - NAMESAKES)).collect();
    given_household[1] += NAMESAKES;
    // Levels 5, 9 and 19: both parts equal, the name near, both different.
    let street = |equal: f64, near: f64| {
        let mut shares = vec![0.0; 20];
        (shares[5], shares[9], shares[19]) = (equal, near, 1.0 - equal - near);
        shares
    };
    let date_strangers = vec![0.0, 0.0005, 0.0001, 0.001, 0.02, 0.0084, 0.02, 0.95];
    [
        (PHONE, [vec![0.0, 0.75, 0.25], vec![0.0, 0.7, 0.3], vec![0.0, 0.0002, 0.9998]]),
        (
            GIVEN::INDEX,
            [vec![0.0, 0.7, 0.08, 0.01, 0.01, 0.06, 0.02, 0.03, 0.02, 0.02, 0.01, 0.04], given_household, given_strangers],
        ),
        (
            FAMILY::INDEX,
            [
                vec![0.0, 0.85, 0.01, 0.05, 0.02, 0.005, 0.01, 0.01, 0.005, 0.04],
                vec![0.0, 0.95, 0.005, 0.01, 0.005, 0.002, 0.003, 0.005, 0.005, 0.015],
                vec![0.0, 0.004, 0.001, 0.001, 0.001, 0.001, 0.006, 0.02, 0.08, 0.886],
            ],
        ),
        (BIRTH_DATE::INDEX, [vec![0.0, 0.9, 0.02, 0.04, 0.02, 0.005, 0.005, 0.01], date_strangers.clone(), date_strangers]),
        (STREET::INDEX, [street(0.6, 0.1), street(0.9, 0.05), street(0.0005, 0.0005)]),
    ]
}

fn drawn(draw: &mut Draw, shares: &[f64]) -> u8 {
    let mut left = f64::from(u32::try_from(draw.below(1 << 31)).expect("small")) / f64::from(1_u32 << 31);
    for (level, share) in (0_u8..).zip(shares).skip(1) {
        left -= share;
        if left < 0.0 {
            return level;
        }
    }
    u8::try_from(shares.len() - 1).expect("small")
}

fn counted(pairs: impl Iterator<Item = Levels>) -> Vec<Pattern> {
    let mut pairs: Vec<Levels> = pairs.collect();
    pairs.sort_unstable();
    pairs
        .chunk_by(|a, b| a == b)
        .map(|run| Pattern { levels: run[0], free: u32::MAX, trusted: u32::MAX, pairs: run.len() as u64 })
        .collect()
}

/// All pairs that agree exactly in something (nearly all of one person or household do), and a sample of all pairs.
fn simulated(seed: u64) -> (Vec<Pattern>, Vec<Pattern>) {
    let mut draw = Draw::new(seed);
    let planted = planted();
    let mut pairs = Vec::new();
    for number in 0..PAIRS {
        let class = usize::from(number >= MATCHES) + usize::from(number >= MATCHES + HOUSEHOLDS);
        let mut levels: Levels = [0; MOST_COMPARISONS];
        for (comparison, shares) in &planted {
            levels[*comparison] = drawn(&mut draw, &shares[class]);
        }
        pairs.push(levels);
    }
    let random = counted((0..100_000).map(|_| pairs[draw.below(pairs.len())]));
    let agree =
        |levels: &Levels| levels[STREET::INDEX] == 5 || planted.iter().any(|(comparison, _)| levels[*comparison] == 1);
    (counted(pairs.into_iter().filter(agree)), random)
}

fn estimated(model: &Model, (candidates, random): &(Vec<Pattern>, Vec<Pattern>)) -> Estimate {
    let pairs = real(PAIRS);
    let mut holder_pairs = [0.0; IDENTIFIER_TYPES.len()];
    holder_pairs[PHONE] = pairs;
    // Of equal dates the strangers' share, and those of one person and one household that are no chance.
    let [same, household, strangers] = &planted()[3].1;
    let (alone, shared) = (real(PAIRS - MATCHES - HOUSEHOLDS), [real(MATCHES), real(HOUSEHOLDS)]);
    let of = |level: usize| alone * strangers[level] + shared[0] * same[level] + shared[1] * household[level];
    let dates = DatePairs { dated: pairs, equal: of(1), equal_default: of(2) };
    estimate(&Evidence { candidates, worth: 1.0, random, pairs, holder_pairs, dates }, &starts(model))
}

/// What was planted comes back: priors within a tenth, shares of a level within .03 of one person, .05 of a household, and of strangers
/// within .01.
#[test]
fn planted_shares_come_back() {
    let found = estimated(&plain(), &simulated(5));
    assert!(found.settled && found.rounds < MOST_ROUNDS);
    assert!((found.matches * real(PAIRS) / real(MATCHES) - 1.0).abs() < 0.1, "{}", found.matches * real(PAIRS));
    assert!((found.households * real(PAIRS) / real(HOUSEHOLDS) - 1.0).abs() < 0.1, "{}", found.households * real(PAIRS));
    for (comparison, [same, household, strangers]) in planted() {
        let shares = found.shares[comparison].as_ref().expect("seen");
        for level in 1..same.len() {
            let distance = |list: &[f64], planted: &[f64]| (list[level] - planted[level]).abs();
            assert!(distance(&shares.same, &same) < 0.03, "same {comparison} {level}: {:?}", shares.same);
            assert!(
                distance(&shares.household, &household) < 0.05,
                "household {comparison} {level}: {:?}",
                shares.household
            );
            assert!(
                distance(&shares.strangers, &strangers) < 0.01,
                "strangers {comparison} {level}: {:?}",
                shares.strangers
            );
        }
    }
}

#[test]
fn shares_sum_to_one_and_are_never_impossible() {
    let found = estimated(&plain(), &simulated(6));
    for shares in found.shares.iter().flatten() {
        for list in [&shares.same, &shares.household, &shares.strangers] {
            assert!((list.iter().sum::<f64>() - 1.0).abs() < 1e-9 && list[1..].iter().all(|share| *share > 0.0));
        }
    }
    let (given, family) = (found.shares[GIVEN::INDEX].as_ref(), found.shares[FAMILY::INDEX].as_ref());
    let last = |shares: Option<&Shares>| shares.and_then(|shares| shares.same.last().copied()).expect("seen");
    assert!((last(given) / last(family)).max(last(family) / last(given)) <= TIE * 1.000_001);
}

#[test]
fn nothing_seen_leaves_the_priors_finite() {
    let nothing = (Vec::new(), Vec::new());
    let found = estimated(&plain(), &nothing);
    assert!(found.shares.iter().all(Option::is_none));
    assert!(found.matches > 0.0 && found.households > 0.0 && found.matches + found.households < 1.0);
    let evidence = Evidence {
        candidates: &[],
        worth: 1.0,
        random: &[],
        pairs: 0.0,
        holder_pairs: [0.0; IDENTIFIER_TYPES.len()],
        dates: DatePairs::default(),
    };
    let found = estimate(&evidence, &starts(&plain()));
    assert!(found.matches > 0.0 && found.matches + found.households < 1.0);
}

#[test]
fn a_posterior_is_the_rule_of_bayes() {
    let shares = Shares { same: vec![0.0, 0.8, 0.2], household: vec![0.0, 0.5, 0.5], strangers: vec![0.0, 0.1, 0.9] };
    let estimate = Estimate { matches: 0.01, households: 0.02, shares: vec![Some(shares), None], rounds: 1, settled: true };
    let ratios = Ratios::of(&estimate);
    let mut levels: Levels = [0; MOST_COMPARISONS];
    levels[0] = 1;
    let found = ratios.posterior(&levels);
    let total = 0.01 * 0.8 + 0.02 * 0.5 + 0.97 * 0.1;
    assert!((found.same - 0.008 / total).abs() < 1e-12 && (found.household - 0.01 / total).abs() < 1e-12);
    levels[0] = 0;
    assert!((ratios.posterior(&levels).same - 0.01).abs() < 1e-12);
}
