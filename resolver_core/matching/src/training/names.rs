//! Term frequencies of the names of a file: how many strangers of a record share its name.
//!
//! Counting records would take the many records of one person for a common name. So the pairs that are one person or one household, as far as
//! the estimate goes, are taken off first. An estimate is no proof, and a model file must not tell who is in it: a name is listed only where
//! what stands beside it shows that strangers have it, too.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::candidates::Probes;
use super::compared::Compared;
use super::estimate::{Ratios, real};
use crate::model::{FAMILY, GIVEN, NameCounts, Shares};
use crate::record::{NameForm, Records, TextId};
use crate::score::Levels;

/// Strangers that must share a name before a model may list it, by the estimate and by the other names or the birth dates that stand beside it;
/// and the names a model lists at most.
const LEAST_STRANGERS: f64 = 20.0;
const LEAST_SEEN: usize = 20;
const MOST_LISTED: usize = 5000;
/// Records of a name whose candidates must have been looked at for the estimate to count.
const LEAST_PROBES: u32 = 10;
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

/// What a candidate of a level pattern adds to the sums of a name that both have.
#[derive(Clone, Copy)]
struct Share {
    given: bool,
    family: bool,
    parts: u64,
}

impl Share {
    fn of(levels: &Levels, ratios: &Ratios) -> Self {
        let posterior = ratios.posterior(levels);
        // Between 0 and PARTS.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let parts = ((posterior.same + posterior.household).clamp(0.0, 1.0) * PARTS + 0.5) as u64;
        Self { given: levels[GIVEN::INDEX] == GIVEN::EXACT, family: levels[FAMILY::INDEX] == FAMILY::EXACT, parts }
    }
}

/// Sums the candidates of the probes that agree exactly in a name. O(candidates).
pub(super) fn relatives(records: &Records, compared: &Compared, probes: &Probes, ratios: &Ratios) -> Relatives {
    let shares: Vec<Share> = compared.patterns().par_iter().map(|levels| Share::of(levels, ratios)).collect();
    let one = |mut sums: Relatives, (place, probe): (usize, &u32)| {
        let row = records.row(*probe as usize);
        let (mut given, mut family) = (None, None);
        for number in compared.of_probe(place) {
            let share = shares[*number as usize];
            if share.given {
                *given.get_or_insert(0) += share.parts;
            }
            if share.family {
                *family.get_or_insert(0) += share.parts;
            }
        }
        for (sums, name, parts) in
            [(&mut sums.given, records.given(row), given), (&mut sums.family, records.family(row), family)]
        {
            if let Some((name, parts)) = name.zip(parts) {
                *sums.entry(name.id).or_default() += parts;
            }
        }
        sums
    };
    let join = |one: Relatives, other: Relatives| Relatives {
        given: joined(one.given, other.given),
        family: joined(one.family, other.family),
    };
    probes.rows.par_iter().enumerate().with_min_len(64).fold(Relatives::default, one).reduce(Relatives::default, join)
}

fn rounded(number: f64, places: f64) -> f64 {
    libm::floor(number * places + 0.5) / places
}

/// A name column of the records, and the other.
struct Columns<'a, N, O> {
    records: &'a Records,
    name: N,
    other: O,
}

/// How often each text is the name of one of these rows.
fn occurrences<'a>(
    records: &Records,
    rows: impl Iterator<Item = u32>,
    name: impl Fn(usize) -> Option<&'a NameForm>,
) -> Vec<u32> {
    let mut by_text: Vec<u32> = vec![0; records.texts().len()];
    for form in rows.filter_map(|row| name(row as usize)) {
        by_text[form.id as usize] += 1;
    }
    by_text
}

impl<'a, N, O> Columns<'a, N, O>
where
    N: Fn(usize) -> Option<&'a NameForm>,
    O: Fn(usize) -> Option<&'a NameForm>,
{
    /// The wanted names beside which [`LEAST_SEEN`] other names or birth dates stand: one person does not have so many. O(records).
    fn shared(&self, wanted: &FxHashSet<TextId>) -> FxHashSet<TextId> {
        let mut beside: FxHashMap<TextId, [FxHashSet<u32>; 2]> = FxHashMap::default();
        for row in 0..self.records.len() {
            let Some(form) = (self.name)(row).filter(|form| wanted.contains(&form.id)) else { continue };
            let seen = beside.entry(form.id).or_default();
            let day = self.records.row(row).birth_date;
            let others = [(self.other)(row).map(|other| other.id), (!day.is_missing()).then(|| day.number())];
            for (seen, other) in seen.iter_mut().zip(others) {
                if seen.len() < LEAST_SEEN {
                    seen.extend(other);
                }
            }
        }
        beside.into_iter().filter(|(_, seen)| seen.iter().any(|seen| seen.len() >= LEAST_SEEN)).map(|(id, _)| id).collect()
    }

    /// Counts of the column; rounded as the model file writes them. O(records).
    fn counts(&self, shares: Option<&Shares>, related: &Related, probes: &Probes) -> NameCounts {
        let records = self.records;
        let all = 0..u32::try_from(records.len()).unwrap_or(u32::MAX);
        let by_text = occurrences(records, all, &self.name);
        let looked_at =
            if probes.once() { by_text.clone() } else { occurrences(records, probes.rows.iter().copied(), &self.name) };
        let total: f64 = by_text.iter().map(|count| f64::from(*count)).sum();
        let Some(shares) = shares.filter(|_| total > 0.0) else { return NameCounts::of_none() };
        let million = 1e6 / total;
        let one = |text: TextId| {
            let count = f64::from(by_text[text as usize]);
            let seen = looked_at[text as usize];
            let found = real(related.get(&text).copied().unwrap_or(0)) / PARTS;
            // Of a name that is told by its own records the sample's share of these is known.
            let told = if probes.once() { 1.0 } else { count / (2.0 * f64::from(seen.max(1))) };
            let pairs = |worth: f64| count * (count - 1.0) / 2.0 - found * worth;
            let strangers = if seen < LEAST_PROBES { 0.0 } else { 2.0 * pairs(told).max(0.0) / count };
            Name { text, count, pairs: pairs(probes.worth), strangers }
        };
        let names = (0..).zip(&by_text).filter(|(_, count)| **count > 0).map(|(text, _)| one(text));
        let (often, mut rest): (Vec<Name>, Vec<Name>) = names.partition(|name| name.strangers >= LEAST_STRANGERS);
        let public = self.shared(&often.iter().map(|name| name.text).collect());
        let (often, secret): (Vec<Name>, Vec<Name>) = often.into_iter().partition(|name| public.contains(&name.text));
        rest.extend(secret);
        let text = |name: &Name| records.texts().get(name.text).unwrap_or_default();
        let mut often = often;
        often.sort_unstable_by(|a, b| b.strangers.total_cmp(&a.strangers).then_with(|| text(a).cmp(text(b))));
        rest.extend(often.drain(often.len().min(MOST_LISTED)..));
        // Where records are sampled, what is taken off a name may be more than it has: only the sum says how many strangers share a name. Parts of
        // a pair add up without loss in any order.
        let (pairs, count) =
            rest.iter().fold((0.0, 0.0), |(pairs, count), name| (pairs + rounded(name.pairs, PARTS), count + name.count));
        let default = (if count > 0.0 { (2.0 * pairs / count).max(0.0) } else { 0.0 } + UNSEEN) * million;
        let frequency = |name: &Name| (text(name).to_owned(), rounded((name.strangers + UNSEEN) * million, 10.0));
        let mut listed: Vec<(String, f64)> = often.iter().map(frequency).collect();
        listed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        NameCounts {
            baseline: rounded((shares.strangers[1] * 1e6).max(0.001), 1000.0),
            default: rounded(default.max(0.001), 1000.0),
            limit: LIMIT,
            listed,
        }
    }
}

/// A name that records have.
struct Name {
    text: TextId,
    /// Records that have it.
    count: f64,
    /// Pairs of strangers among them; where records were sampled possibly fewer than none.
    pairs: f64,
    /// Strangers that a record shares it with, as far as its own records tell.
    strangers: f64,
}

impl Relatives {
    /// Counts of the given names. O(records).
    pub(super) fn given(&self, records: &Records, shares: Option<&Shares>, probes: &Probes) -> NameCounts {
        let (given, family) = (|row| records.given(records.row(row)), |row| records.family(records.row(row)));
        Columns { records, name: given, other: family }.counts(shares, &self.given, probes)
    }

    /// Counts of the family names. O(records).
    pub(super) fn family(&self, records: &Records, shares: Option<&Shares>, probes: &Probes) -> NameCounts {
        let (given, family) = (|row| records.given(records.row(row)), |row| records.family(records.row(row)));
        Columns { records, name: family, other: given }.counts(shares, &self.family, probes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{Sample, batch, named};

    fn people(samples: &[Sample<'_>]) -> Records {
        let names: Vec<String> = (0..samples.len()).map(|row| format!("row {row}")).collect();
        batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), samples)
    }

    fn family_counts(records: &Records, related: Related) -> NameCounts {
        let shares = Shares { strangers: vec![0.0, 0.05], ..Shares::default() };
        let relatives = Relatives { family: related, ..Relatives::default() };
        relatives.family(records, Some(&shares), &Probes::new(records, 1, usize::MAX))
    }

    #[test]
    fn the_records_of_one_person_make_no_name_common() {
        let given: Vec<String> = (0..30_u8)
            .map(|number| format!("ann{}", char::from(b'a' + number % 26)).repeat(1 + usize::from(number / 26)))
            .collect();
        let mut samples: Vec<Sample<'_>> = given.iter().map(|given| named(given, "smith")).collect();
        samples.extend(given.iter().map(|given| named(given, "zimmer")));
        samples.extend([named("cy", "okafor"), named("di", "novak")]);
        let records = people(&samples);
        let id = |row: usize| records.family(records.row(row)).expect("named").id;
        // Thirty strangers are called Smith; all Zimmers are one person.
        let related: Related = [(id(30), 435 << 20)].into_iter().collect();
        let found = family_counts(&records, related);
        assert_eq!(found.listed, [("smith".to_owned(), 475_806.5)]);
        assert!((found.baseline - 50_000.0).abs() < 1e-9);
        assert!((found.default - 0.5 / 62.0 * 1e6).abs() < 0.001, "{}", found.default);
        assert_eq!(family_counts(&records, Related::default()).listed.len(), 2);
        let none = Relatives::default().family(&records, None, &Probes::new(&records, 1, 100));
        assert_eq!(none, NameCounts::of_none());
    }

    /// An estimate that misses the relations of a person's records must not put the name into the model.
    #[test]
    fn a_name_is_listed_only_where_many_other_names_stand_beside_it() {
        let given: Vec<String> = (b'a'..=b'z').map(|letter| format!("b{}n", char::from(letter))).collect();
        let mut samples = vec![named("zebulon", "quartermain"); 40];
        samples.extend(given.iter().map(|given| named(given, "smith")));
        assert_eq!(family_counts(&people(&samples), Related::default()).listed.len(), 1);
        let days: Vec<String> = (10..35).map(|day| format!("19{day}-03-04")).collect();
        let dated = |day| {
            let (mut fields, tokens) = named("ann", "okafor");
            fields[4] = Some(day);
            (fields, tokens)
        };
        let samples: Vec<Sample<'_>> = days.iter().map(|day| dated(day.as_str())).collect();
        assert_eq!(family_counts(&people(&samples), Related::default()).listed.len(), 1);
        assert_eq!(family_counts(&people(&samples[..19]), Related::default()).listed.len(), 0);
    }
}
