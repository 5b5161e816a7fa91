//! Term frequencies of the names of a file: how many strangers of a record share its name.
//!
//! Counting records would take the many records of one person for a common name. So the pairs that are one person or one household, as far as
//! the estimate goes, are taken off first.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::candidates::{Candidates, Found, Probes};
use super::estimate::{Ratios, real};
use crate::model::{FAMILY, GIVEN, NameCounts, Shares};
use crate::record::{NameForm, Records, TextId};
use crate::score::Scorer;

/// Strangers that must share a name before a model may list it, and the names it lists at most.
const LEAST_STRANGERS: f64 = 20.0;
const MOST_LISTED: usize = 5000;
/// Strangers that every name is given beside those that were counted.
const UNSEEN: f64 = 0.5;
/// Largest correction, in millibits.
const LIMIT: i32 = 6000;
/// Parts of a pair in which expected pairs are summed, so that their order does not matter.
const PARTS: f64 = 1_048_576.0;

/// Expected pairs of one person or one household that have one name, by its text, in [`PARTS`].
type Related = FxHashMap<TextId, u64>;

/// Expected pairs of relatives by given name and by family name.
#[derive(Default)]
pub(super) struct Relatives {
    given: Related,
    family: Related,
}

fn joined(mut one: Related, mut other: Related) -> Related {
    if one.len() < other.len() {
        std::mem::swap(&mut one, &mut other);
    }
    for (text, parts) in other {
        *one.entry(text).or_default() += parts;
    }
    one
}

/// Sums the candidates of the probes that agree exactly in a name. O(candidates).
pub(super) fn relatives(scorer: &Scorer<'_>, candidates: &Candidates, probes: &Probes, ratios: &Ratios) -> Relatives {
    let records = scorer.records;
    let one = |(mut sums, mut found): (Relatives, Vec<Found>), probe: &u32| {
        candidates.partners(*probe, 0, &mut found);
        let row = records.row(*probe as usize);
        for one in &found {
            let levels = scorer.score(*probe as usize, one.partner as usize).levels;
            let (given, family) = (levels[GIVEN::INDEX] == GIVEN::EXACT, levels[FAMILY::INDEX] == FAMILY::EXACT);
            if !given && !family {
                continue;
            }
            let posterior = ratios.posterior(&levels);
            // Between 0 and PARTS.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let parts = ((posterior.same + posterior.household).clamp(0.0, 1.0) * PARTS + 0.5) as u64;
            if let Some(name) = records.given(row).filter(|_| given) {
                *sums.given.entry(name.id).or_default() += parts;
            }
            if let Some(name) = records.family(row).filter(|_| family) {
                *sums.family.entry(name.id).or_default() += parts;
            }
        }
        (sums, found)
    };
    let join = |one: Relatives, other: Relatives| Relatives {
        given: joined(one.given, other.given),
        family: joined(one.family, other.family),
    };
    let folded = probes.rows.par_iter().with_min_len(64).fold(Default::default, one);
    folded.map(|(sums, _)| sums).reduce(Relatives::default, join)
}

fn rounded(number: f64, places: f64) -> f64 {
    libm::floor(number * places + 0.5) / places
}

/// Counts of one name column; rounded as the model file writes them. O(records).
fn counts<'a>(
    records: &'a Records,
    shares: Option<&Shares>,
    related: &Related,
    worth: f64,
    name: impl Fn(usize) -> Option<&'a NameForm>,
) -> NameCounts {
    let mut by_text: Vec<u32> = vec![0; records.texts().len()];
    let mut total: u32 = 0;
    for form in (0..records.len()).filter_map(name) {
        by_text[form.id as usize] += 1;
        total += 1;
    }
    let Some(shares) = shares.filter(|_| total > 0) else { return NameCounts::of_none() };
    let million = 1e6 / f64::from(total);
    let mut often: Vec<(f64, f64, &str)> = Vec::new();
    // Records of names that are not listed, and their pairs of strangers.
    let (mut rest, mut rest_pairs) = (0.0, 0.0);
    for (text, count) in (0..).zip(by_text).filter(|(_, count)| *count > 0) {
        let Some(value) = records.texts().get(text) else { continue };
        let count = f64::from(count);
        let relatives = real(related.get(&text).copied().unwrap_or(0)) / PARTS * worth;
        let pairs = (count * (count - 1.0) / 2.0 - relatives).max(0.0);
        if 2.0 * pairs / count >= LEAST_STRANGERS {
            often.push((2.0 * pairs / count, count, value));
        } else {
            rest += count;
            rest_pairs += rounded(pairs, PARTS);
        }
    }
    often.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.2.cmp(b.2)));
    for (strangers, count, _) in often.iter().skip(MOST_LISTED) {
        rest += count;
        rest_pairs += rounded(strangers * count / 2.0, PARTS);
    }
    often.truncate(MOST_LISTED);
    let default = (if rest > 0.0 { 2.0 * rest_pairs / rest } else { 0.0 } + UNSEEN) * million;
    let listed =
        often.into_iter().map(|(strangers, _, name)| (name.to_owned(), rounded((strangers + UNSEEN) * million, 10.0)));
    let mut listed: Vec<(String, f64)> = listed.collect();
    listed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    NameCounts {
        baseline: rounded((shares.strangers[1] * 1e6).max(0.001), 1000.0),
        default: rounded(default.max(0.001), 1000.0),
        limit: LIMIT,
        listed,
    }
}

impl Relatives {
    /// Counts of the given names. O(records).
    pub(super) fn given(&self, records: &Records, shares: Option<&Shares>, worth: f64) -> NameCounts {
        counts(records, shares, &self.given, worth, |row| records.given(records.row(row)))
    }

    /// Counts of the family names. O(records).
    pub(super) fn family(&self, records: &Records, shares: Option<&Shares>, worth: f64) -> NameCounts {
        counts(records, shares, &self.family, worth, |row| records.family(records.row(row)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{batch, named};

    #[test]
    fn the_records_of_one_person_make_no_name_common() {
        let mut people = vec![named("ann", "smith"); 30];
        people.extend(vec![named("bo", "zimmer"); 30]);
        people.extend([named("cy", "okafor"), named("di", "novak")]);
        let names: Vec<String> = (0..people.len()).map(|row| format!("row {row}")).collect();
        let records = batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), &people);
        let shares = Shares { strangers: vec![0.0, 0.05], ..Shares::default() };
        let id = |row: usize| records.family(records.row(row)).expect("named").id;
        // Thirty strangers are called Smith; all Zimmers are one person.
        let related: Related = [(id(30), 435 << 20)].into_iter().collect();
        let found = counts(&records, Some(&shares), &related, 1.0, |row| records.family(records.row(row)));
        assert_eq!(found.listed, [("smith".to_owned(), 475_806.5)]);
        assert!((found.baseline - 50_000.0).abs() < 1e-9);
        assert!((found.default - 0.5 / 62.0 * 1e6).abs() < 0.001, "{}", found.default);
        let plain = counts(&records, Some(&shares), &Related::default(), 1.0, |row| records.family(records.row(row)));
        assert_eq!(plain.listed.len(), 2);
        assert_eq!(counts(&records, None, &related, 1.0, |_| None), NameCounts::of_none());
    }
}
