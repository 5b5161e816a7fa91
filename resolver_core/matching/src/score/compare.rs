//! Levels of the attribute comparisons; the first true level wins, and a side that is missing gives level 0.

use crate::distance::{jaro_winkler_bound, jaro_winkler_units, osa_digits, within_one, within_two};
use crate::model::{BIRTH_DATE, EXTRA, FAMILY, GIVEN, MIDDLE, SUFFIX};
use crate::record::{Day, NameForm, Records, Row, TextId};

pub(super) const NEAR: u32 = 9200;
pub(super) const CLOSE: u32 = 8200;
pub(super) const LOOSE: u32 = 7000;
const NEAR_CITY: u32 = 9000;
const NEAR_EXTRA: u32 = 8800;

/// Parts of a joint level; 0 where either side lacks the part.
const PART_EQUAL: u8 = 1;
const PART_NEAR: u8 = 2;

fn share<T: PartialEq>(left: &[T], right: &[T]) -> bool {
    left.iter().any(|item| right.contains(item))
}

/// How two names of one kind or of two fit, apart from nicknames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fit {
    Equal,
    Near,
    Compound,
    Initial,
    Phonetic,
    Close,
    Loose,
    Different,
}

fn fit(a: &NameForm, b: &NameForm) -> Fit {
    if a.id == b.id {
        return Fit::Equal;
    }
    let (left, right) = (a.joined.as_bytes(), b.joined.as_bytes());
    if left.len() == 1 || right.len() == 1 {
        return if left[0] == right[0] { Fit::Initial } else { Fit::Different };
    }
    // Too few letters in common for anything between near and loose: whoever is one edit away shares all letters but one.
    let bound = jaro_winkler_bound(left, right, a.letters.shared(b.letters));
    let similarity = if bound < LOOSE { 0 } else { jaro_winkler_units(left, right) };
    if similarity >= NEAR || (similarity > 0 && left.len() >= 4 && right.len() >= 4 && within_one(left, right)) {
        Fit::Near
    } else if share(&a.long_ids, &b.long_ids) {
        Fit::Compound
    } else if a.code == b.code && a.code != [0; 4] {
        Fit::Phonetic
    } else if similarity >= CLOSE {
        Fit::Close
    } else if similarity >= LOOSE {
        Fit::Loose
    } else {
        Fit::Different
    }
}

/// Level of two given names.
fn given(a: &NameForm, b: &NameForm) -> u8 {
    if a.id != b.id && share(&a.classes, &b.classes) {
        return GIVEN::NICKNAME;
    }
    match fit(a, b) {
        Fit::Equal => GIVEN::EXACT,
        Fit::Near => GIVEN::NEAR,
        Fit::Compound => GIVEN::COMPOUND,
        Fit::Initial => GIVEN::INITIAL,
        Fit::Phonetic => GIVEN::PHONETIC,
        Fit::Close => GIVEN::CLOSE,
        Fit::Loose => GIVEN::LOOSE,
        Fit::Different => GIVEN::DIFFERENT,
    }
}

/// Level of two family names.
fn family(a: &NameForm, b: &NameForm) -> u8 {
    match fit(a, b) {
        Fit::Equal => FAMILY::EXACT,
        Fit::Near => FAMILY::NEAR,
        Fit::Compound => FAMILY::COMPOUND,
        Fit::Initial => FAMILY::INITIAL,
        Fit::Phonetic => FAMILY::PHONETIC,
        Fit::Close => FAMILY::CLOSE,
        Fit::Loose => FAMILY::LOOSE,
        Fit::Different => FAMILY::DIFFERENT,
    }
}

/// Levels of names compared crosswise, given before family; `None` if they do not fit that way either.
fn crossed(cross: [Option<(&NameForm, &NameForm)>; 2]) -> Option<(u8, u8)> {
    let fits = |(a, b): (&NameForm, &NameForm)| {
        let found = fit(a, b);
        (!matches!(found, Fit::Loose | Fit::Different)).then_some(found)
    };
    match cross {
        [Some(one), Some(other)] => {
            let whole = fits(one)? == Fit::Equal;
            let swapped = fits(other)? == Fit::Equal && whole;
            Some((if swapped { GIVEN::SWAPPED } else { GIVEN::CROSSED }, 0))
        }
        [Some(only), None] | [None, Some(only)] => fits(only).map(|_| (0, FAMILY::CROSSED)),
        [None, None] => None,
    }
}

/// Levels of `given_name` and `family_name`.
pub(super) fn names(records: &Records, a: &Row, b: &Row) -> (u8, u8) {
    let ([given_a, given_b], [family_a, family_b]) =
        ([a, b].map(|row| records.given(row)), [a, b].map(|row| records.family(row)));
    let given = given_a.zip(given_b).map_or(0, |(left, right)| given(left, right));
    let family = family_a.zip(family_b).map_or(0, |(left, right)| family(left, right));
    if matches!(given, 0 | GIVEN::LOOSE | GIVEN::DIFFERENT) && matches!(family, 0 | FAMILY::LOOSE | FAMILY::DIFFERENT) {
        return crossed([given_a.zip(family_b), given_b.zip(family_a)]).unwrap_or((given, family));
    }
    (given, family)
}

/// Level of `middle_name`.
pub(super) fn middle(records: &Records, a: TextId, b: TextId) -> u8 {
    let Some((left, right)) = records.text(a).zip(records.text(b)) else { return 0 };
    if a == b {
        MIDDLE::EXACT
    } else if left.as_bytes().first() == right.as_bytes().first() {
        MIDDLE::INITIAL
    } else {
        MIDDLE::DIFFERENT
    }
}

/// Level of `name_suffix`.
pub(super) fn suffix(a: u8, b: u8) -> u8 {
    match (a, b) {
        (0, _) | (_, 0) => 0,
        _ if a == b => SUFFIX::EXACT,
        _ => SUFFIX::DIFFERENT,
    }
}

/// Level of `birth_date`.
pub(super) fn birth_date(a: Day, b: Day) -> u8 {
    if a.is_missing() || b.is_missing() {
        return 0;
    }
    if a == b {
        return if a.is_default() { BIRTH_DATE::EXACT_JANUARY } else { BIRTH_DATE::EXACT };
    }
    let (same_year, same_month, same_day) = (a.year() == b.year(), a.month() == b.month(), a.day() == b.day());
    let exchanged = same_year && a.month() == b.day() && a.day() == b.month();
    let distance = osa_digits(a.digits(), b.digits());
    if exchanged || distance <= 1 {
        return BIRTH_DATE::NEAR;
    }
    let informative = same_month && same_day && !a.is_default();
    if informative || (same_year && (same_month || same_day)) {
        BIRTH_DATE::PART
    } else if distance == 2 {
        BIRTH_DATE::NEAR2
    } else if same_year {
        BIRTH_DATE::YEAR
    } else {
        BIRTH_DATE::DIFFERENT
    }
}

/// Both texts, where neither is missing.
fn both(records: &Records, a: TextId, b: TextId) -> Option<(&[u8], &[u8])> {
    records.text(a).zip(records.text(b)).map(|(left, right)| (left.as_bytes(), right.as_bytes()))
}

/// Level of `street`: four times the name's part plus the number's.
pub(super) fn street(records: &Records, a: &Row, b: &Row) -> u8 {
    let Some((left, right)) = records.street(a).zip(records.street(b)) else { return 0 };
    let name = both(records, left.ids.name, right.ids.name).map_or(0, |(s, t)| {
        if left.ids.name == right.ids.name {
            return PART_EQUAL;
        }
        let shared = left.letters.shared(right.letters);
        let possible = jaro_winkler_bound(s, t, shared) >= CLOSE;
        if !possible && shared + 2 < s.len().max(t.len()) {
            return 4;
        }
        match jaro_winkler_units(s, t) {
            NEAR.. => PART_NEAR,
            _ if within_two(s, t) => PART_NEAR,
            CLOSE.. => 3,
            _ => 4,
        }
    });
    let number = both(records, left.ids.number, right.ids.number).map_or(0, |(s, t)| {
        if left.ids.number == right.ids.number {
            PART_EQUAL
        } else if s.len().max(t.len()) >= 2 && within_one(s, t) {
            PART_NEAR
        } else {
            3
        }
    });
    4 * name + number
}

/// Level of `place`: four times the postcode's part plus the city's.
pub(super) fn place(records: &Records, a: &Row, b: &Row) -> u8 {
    let postcode = both(records, a.postcode, b.postcode).map_or(0, |(p, q)| {
        if a.postcode == b.postcode {
            PART_EQUAL
        } else if within_one(p, q) {
            PART_NEAR
        } else if p.len() >= 3 && q.len() >= 3 && p[..3] == q[..3] {
            3
        } else {
            4
        }
    });
    let city = records.city(a).zip(records.city(b)).map_or(0, |(c, d)| {
        let (left, right) = (c.joined.as_bytes(), d.joined.as_bytes());
        if c.id == d.id {
            PART_EQUAL
        } else if within_one(left, right)
            || (jaro_winkler_bound(left, right, c.letters.shared(d.letters)) >= NEAR_CITY
                && jaro_winkler_units(left, right) >= NEAR_CITY)
        {
            PART_NEAR
        } else {
            3
        }
    });
    4 * postcode + city
}

/// Level of an extra column.
pub(super) fn extra(records: &Records, a: TextId, b: TextId) -> u8 {
    let Some((left, right)) = both(records, a, b) else { return 0 };
    let shorter = left.len().min(right.len());
    if a == b {
        EXTRA::EXACT
    } else if (shorter >= 4 && within_one(left, right)) || (shorter >= 5 && jaro_winkler_units(left, right) >= NEAR_EXTRA) {
        EXTRA::NEAR
    } else {
        EXTRA::DIFFERENT
    }
}
