//! The most that two records without a token in common can score, told by a line of memory of either: most candidates are refused by it, and
//! never compared.
//!
//! Every bound is one of the comparisons in `compare`: what it calls possible may be too much, never too little.

use rayon::prelude::*;

use super::{Rest, Scorer, compare};
use crate::distance::jaro_winkler_least;
use crate::model::{BIRTH_DATE, EXTRA, FAMILY, GIVEN, MIDDLE, PLACE, STREET, SUFFIX, Weight};
use crate::record::{Day, MISSING, NameForm, Records, TextId};

/// Names of more letters are taken to fit any.
const LONGEST: usize = 24;
/// How many first letters two names may have in common, as far as the first two of them tell.
const PREFIXES: [usize; 3] = [0, 1, 4];

/// What bounds the fit of a name.
#[derive(Debug, Clone, Copy, Default)]
struct NameMarks {
    /// Which letters it has: those of the alphabet by themselves, others together.
    letters: u32,
    code: [u8; 4],
    start: [u8; 2],
    length: u8,
    /// Letters beyond the first of each kind.
    repeated: u8,
}

impl NameMarks {
    fn of(form: &NameForm) -> Self {
        let bytes = form.joined.as_bytes();
        let kind = |byte: &u8| match byte {
            b'a'..=b'z' => 1 << (byte - b'a'),
            _ => 1_u32 << (26 + byte % 6),
        };
        let letters = bytes.iter().fold(0, |letters, byte| letters | kind(byte));
        let small = |count: usize| u8::try_from(count).unwrap_or(u8::MAX);
        Self {
            letters,
            code: form.code,
            start: [bytes[0], bytes.get(1).copied().unwrap_or(0)],
            length: small(bytes.len()),
            repeated: small(bytes.len() - letters.count_ones() as usize),
        }
    }
}

const GIVEN_WORDS: u8 = 1;
const FAMILY_WORDS: u8 = 1 << 1;
const NICKNAMES: u8 = 1 << 2;
const DEFAULT_DAY: u8 = 1 << 3;

/// What bounds the score of a record with another.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Marks {
    /// Numbers of the joined texts.
    given: TextId,
    family: TextId,
    birth_date: Day,
    street: TextId,
    number: TextId,
    city: TextId,
    postcode: TextId,
    /// First letter, 0 if there is no middle name.
    middle: u8,
    suffix: u8,
    flags: u8,
    given_name: NameMarks,
    family_name: NameMarks,
}

impl Marks {
    fn of(records: &Records, record: usize) -> Self {
        let row = records.row(record);
        let (given, family) = (records.given(row), records.family(row));
        let street = records.street(row).map(|street| street.ids);
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        let words = |name: Option<&NameForm>| name.is_some_and(|name| name.long_ids.iter().any(|word| *word != name.id));
        let middle = records.text(row.middle).and_then(|text| text.bytes().next());
        Self {
            given: given.map_or(MISSING, |name| name.id),
            family: family.map_or(MISSING, |name| name.id),
            birth_date: row.birth_date,
            street: street.map_or(MISSING, |ids| ids.name),
            number: street.map_or(MISSING, |ids| ids.number),
            city: records.city(row).map_or(MISSING, |city| city.id),
            postcode: row.postcode,
            middle: middle.map_or(0, |letter| letter.max(1)),
            suffix: row.suffix,
            flags: flag(words(given), GIVEN_WORDS)
                | flag(words(family), FAMILY_WORDS)
                | flag(given.is_some_and(|name| !name.classes.is_empty()), NICKNAMES)
                | flag(!row.birth_date.is_missing() && row.birth_date.is_default(), DEFAULT_DAY),
            given_name: given.map_or_else(NameMarks::default, NameMarks::of),
            family_name: family.map_or_else(NameMarks::default, NameMarks::of),
        }
    }
}

/// Whether two values can be equal: 0 where one is missing, 1 if they are, 2 if they are not.
fn sides(a: u32, b: u32) -> usize {
    if a == MISSING || b == MISSING { 0 } else { 2 - usize::from(a == b) }
}

/// How near two different names may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Nearness {
    Different,
    Loose,
    Close,
    Near,
    /// One of them is a letter, with which the other begins, or does not.
    Initial,
    OtherInitial,
}

const NEARNESSES: [Nearness; 6] =
    [Nearness::Different, Nearness::Loose, Nearness::Close, Nearness::Near, Nearness::Initial, Nearness::OtherInitial];

/// The bounds of a model, and the marks of the records of a batch.
pub(crate) struct Ceiling<'a> {
    scorer: &'a Scorer<'a>,
    marks: Vec<Marks>,
    /// Priors, extras and identifiers.
    start: Rest,
    /// By equality of the parts, the first of them first.
    place: [Rest; 9],
    street: [Rest; 9],
    birth_date: [Rest; 4],
    middle: [Rest; 3],
    suffix: [Rest; 3],
    /// By nearness, and whether they may share a word, sound alike, and be short for one name.
    given: [Rest; 48],
    family: [Rest; 24],
    given_exact: Rest,
    family_exact: Rest,
    given_crossed: Rest,
    family_crossed: Rest,
    /// Letters that names of these lengths and beginnings must share to be loosely alike, close and near.
    least: Vec<[u8; 3]>,
}

impl Rest {
    const LEAST: Self = Self { stranger: i32::MIN, household: i32::MIN };

    fn of(weight: Weight) -> Self {
        Self { stranger: weight.stranger, household: weight.stranger - weight.household }
    }

    fn plus(self, other: Self) -> Self {
        Self { stranger: self.stranger + other.stranger, household: self.household + other.household }
    }

    fn or(self, other: Self) -> Self {
        Self { stranger: self.stranger.max(other.stranger), household: self.household.max(other.household) }
    }
}

impl<'a> Ceiling<'a> {
    /// Marks every record. O(records).
    pub(crate) fn new(scorer: &'a Scorer<'a>) -> Self {
        let model = scorer.model;
        let at = |comparison: usize, level: u8| Rest::of(model.weight(comparison, level));
        let any =
            |comparison: usize, levels: &[u8]| levels.iter().map(|level| at(comparison, *level)).fold(Rest::LEAST, Rest::or);
        let mut start = scorer.apart;
        for extra in 0..model.extras().len() {
            scorer.raise(&mut start, EXTRA::INDEX + extra, &[]);
        }
        let empty = scorer.empty();
        let start = start.plus(Rest { stranger: empty.stranger, household: empty.household });
        // Parts of joint levels: missing, equal, or another.
        let joint = |comparison: usize, firsts: [&[u8]; 3], seconds: [&[u8]; 3]| {
            std::array::from_fn(|sides| {
                let pairs = firsts[sides / 3]
                    .iter()
                    .flat_map(|first| seconds[sides % 3].iter().map(move |second| 4 * first + second));
                any(comparison, &pairs.collect::<Vec<u8>>())
            })
        };
        let fits = |comparison: usize, nearness: Nearness, words: Option<u8>, sound: Option<u8>, levels: [u8; 5]| {
            let [initial, near, close, loose, different] = levels;
            let mut found: Vec<u8> = match nearness {
                Nearness::Initial => return at(comparison, initial),
                Nearness::OtherInitial => return at(comparison, different),
                Nearness::Different => vec![different],
                Nearness::Loose => vec![different, loose],
                Nearness::Close => vec![different, loose, close],
                Nearness::Near => vec![different, loose, close, near],
            };
            found.extend(words.into_iter().chain(sound));
            any(comparison, &found)
        };
        let given_levels = [GIVEN::INITIAL, GIVEN::NEAR, GIVEN::CLOSE, GIVEN::LOOSE, GIVEN::DIFFERENT];
        let given = std::array::from_fn(|place| {
            let may = |bit: usize, level: u8| (place >> bit & 1 == 1).then_some(level);
            let (words, sound) = (may(2, GIVEN::COMPOUND), may(1, GIVEN::PHONETIC));
            let found = fits(GIVEN::INDEX, NEARNESSES[place / 8], words, sound, given_levels);
            may(0, GIVEN::NICKNAME).map_or(found, |level| found.or(at(GIVEN::INDEX, level)))
        });
        let family_levels = [FAMILY::INITIAL, FAMILY::NEAR, FAMILY::CLOSE, FAMILY::LOOSE, FAMILY::DIFFERENT];
        let family = std::array::from_fn(|place| {
            let may = |bit: usize, level: u8| (place >> bit & 1 == 1).then_some(level);
            let (words, sound) = (may(1, FAMILY::COMPOUND), may(0, FAMILY::PHONETIC));
            fits(FAMILY::INDEX, NEARNESSES[place / 4], words, sound, family_levels)
        });
        let born = [BIRTH_DATE::NEAR, BIRTH_DATE::PART, BIRTH_DATE::NEAR2, BIRTH_DATE::YEAR, BIRTH_DATE::DIFFERENT];
        let exact = |comparison: usize, level: u8| Rest { stranger: 0, household: at(comparison, level).household };
        let rows = 0..scorer.records.len();
        Self {
            scorer,
            marks: rows.into_par_iter().with_min_len(1024).map(|row| Marks::of(scorer.records, row)).collect(),
            start,
            place: joint(PLACE::INDEX, [&[0], &[1], &[2, 3, 4]], [&[0], &[1], &[2, 3]]),
            street: joint(STREET::INDEX, [&[0], &[1], &[2, 3, 4]], [&[0], &[1], &[2, 3]]),
            birth_date: [
                at(BIRTH_DATE::INDEX, 0),
                at(BIRTH_DATE::INDEX, BIRTH_DATE::EXACT),
                any(BIRTH_DATE::INDEX, &born),
                at(BIRTH_DATE::INDEX, BIRTH_DATE::EXACT_JANUARY),
            ],
            middle: [
                at(MIDDLE::INDEX, 0),
                any(MIDDLE::INDEX, &[MIDDLE::EXACT, MIDDLE::INITIAL]),
                at(MIDDLE::INDEX, MIDDLE::DIFFERENT),
            ],
            suffix: [at(SUFFIX::INDEX, 0), at(SUFFIX::INDEX, SUFFIX::EXACT), at(SUFFIX::INDEX, SUFFIX::DIFFERENT)],
            given,
            family,
            given_exact: exact(GIVEN::INDEX, GIVEN::EXACT),
            family_exact: exact(FAMILY::INDEX, FAMILY::EXACT),
            given_crossed: any(GIVEN::INDEX, &[GIVEN::SWAPPED, GIVEN::CROSSED]).plus(at(FAMILY::INDEX, 0)),
            family_crossed: at(FAMILY::INDEX, FAMILY::CROSSED).plus(at(GIVEN::INDEX, 0)),
            least: least_shared(),
        }
    }

    pub(crate) fn scorer(&self) -> &'a Scorer<'a> {
        self.scorer
    }

    /// Marks of a record. O(1).
    pub(crate) fn marks(&self, record: u32) -> Marks {
        self.marks[record as usize]
    }

    /// Whether two records without a token in common may be kept. O(1).
    pub(crate) fn may_be_kept(&self, a: &Marks, b: &Marks, cutoff: i32) -> bool {
        let place = self.place[3 * sides(a.postcode, b.postcode) + sides(a.city, b.city)];
        let street = self.street[3 * sides(a.street, b.street) + sides(a.number, b.number)];
        let middle = self.middle[letter_sides(a.middle, b.middle)];
        let suffix = self.suffix[letter_sides(a.suffix, b.suffix)];
        let known = self.start.plus(place).plus(street).plus(middle).plus(suffix).plus(self.names(a, b));
        let born = sides(a.birth_date.number(), b.birth_date.number());
        let default = born == 1 && a.flags & DEFAULT_DAY != 0;
        if !self.hopeful(known.plus(self.birth_date[if default { 3 } else { born }]), cutoff) {
            return false;
        }
        let level = |a: Day, b: Day| Rest::of(self.scorer.model.weight(BIRTH_DATE::INDEX, compare::birth_date(a, b)));
        born != 2 || self.hopeful(known.plus(level(a.birth_date, b.birth_date)), cutoff)
    }

    fn hopeful(&self, most: Rest, cutoff: i32) -> bool {
        let model = self.scorer.model;
        let household = if model.household_prior().is_some() { most.household } else { i32::MAX };
        most.stranger.min(household) >= cutoff || most.stranger >= model.link()
    }

    fn names(&self, a: &Marks, b: &Marks) -> Rest {
        let (given, family) = (sides(a.given, b.given), sides(a.family, b.family));
        let given_most = match given {
            0 => Rest::default(),
            1 => self.given_exact.plus(Rest { stranger: self.scorer.given_exact[a.given as usize], household: 0 }),
            _ => {
                let (nearness, sound) = self.nearness(&a.given_name, &b.given_name);
                let either = a.flags | b.flags;
                let words = usize::from(either & GIVEN_WORDS != 0);
                let nick = usize::from(a.flags & b.flags & NICKNAMES != 0);
                self.given[8 * nearness as usize + 4 * words + 2 * usize::from(sound) + nick]
            }
        };
        let family_most = match family {
            0 => Rest::default(),
            1 => self.family_exact.plus(Rest { stranger: self.scorer.family_exact[a.family as usize], household: 0 }),
            _ => {
                let (nearness, sound) = self.nearness(&a.family_name, &b.family_name);
                let words = usize::from((a.flags | b.flags) & FAMILY_WORDS != 0);
                self.family[4 * nearness as usize + 2 * words + usize::from(sound)]
            }
        };
        let most = given_most.plus(family_most);
        if given == 1 || family == 1 {
            return most;
        }
        let across = |a: &Marks, b: &Marks| a.given != MISSING && b.family != MISSING;
        let (one, other) = (across(a, b), across(b, a));
        let fits = |a: &Marks, b: &Marks| {
            let (nearness, sound) = self.nearness(&a.given_name, &b.family_name);
            let words = a.flags & GIVEN_WORDS != 0 || b.flags & FAMILY_WORDS != 0;
            sound || words || matches!(nearness, Nearness::Close | Nearness::Near | Nearness::Initial)
        };
        match (one, other) {
            (true, true) if fits(a, b) && fits(b, a) => most.or(self.given_crossed),
            (true, false) if fits(a, b) => most.or(self.family_crossed),
            (false, true) if fits(b, a) => most.or(self.family_crossed),
            _ => most,
        }
    }

    /// How near two names may be, and whether they sound alike.
    fn nearness(&self, a: &NameMarks, b: &NameMarks) -> (Nearness, bool) {
        let (short, long) = (a.length.min(b.length), a.length.max(b.length));
        let prefix = match (a.start[0] == b.start[0], a.start[1] == b.start[1]) {
            (false, _) => 0,
            (true, false) => 1,
            (true, true) => 2,
        };
        if short == 1 {
            return (if prefix > 0 { Nearness::Initial } else { Nearness::OtherInitial }, false);
        }
        let sound = a.code == b.code && a.code != [0; 4];
        if usize::from(long) > LONGEST {
            return (Nearness::Near, sound);
        }
        let shared = u8::try_from((a.letters & b.letters).count_ones()).unwrap_or(u8::MAX) + a.repeated.min(b.repeated);
        let [loose, close, near] = self.least[place_of(prefix, usize::from(a.length), usize::from(b.length))];
        let nearness = if shared < loose {
            Nearness::Different
        } else if shared >= near || (short >= 4 && shared + 1 >= long) {
            Nearness::Near
        } else if shared >= close {
            Nearness::Close
        } else {
            Nearness::Loose
        };
        (nearness, sound)
    }
}

fn letter_sides(a: u8, b: u8) -> usize {
    if a == 0 || b == 0 { 0 } else { 2 - usize::from(a == b) }
}

fn place_of(prefix: usize, left: usize, right: usize) -> usize {
    (prefix * (LONGEST + 1) + left) * (LONGEST + 1) + right
}

/// Letters to be shared, by prefix and lengths.
fn least_shared() -> Vec<[u8; 3]> {
    let mut least = Vec::new();
    for prefix in PREFIXES {
        for left in 0..=LONGEST {
            for right in 0..=LONGEST {
                let prefix = prefix.min(left).min(right);
                least.push(
                    [compare::LOOSE, compare::CLOSE, compare::NEAR].map(|similarity| {
                        u8::try_from(jaro_winkler_least(left, right, prefix, similarity)).unwrap_or(u8::MAX)
                    }),
                );
            }
        }
    }
    least
}
