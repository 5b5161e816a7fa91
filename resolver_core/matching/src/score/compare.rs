//! Levels of the attribute comparisons; the first true level wins, and a side that is missing gives level 0.

use crate::distance::{jaro_winkler_units, osa_digits, within_one, within_two};
use crate::model::{BIRTH_DATE, EXTRA, FAMILY, GIVEN, MIDDLE, SUFFIX};
use crate::record::{Day, NameForm, Records, Row, TextId};

const NEAR: u32 = 9200;
const CLOSE: u32 = 8200;
const LOOSE: u32 = 7000;
const NEAR_CITY: u32 = 9000;
const NEAR_EXTRA: u32 = 8800;

/// Parts of a joint level; 0 where either side lacks the part.
const PART_EQUAL: u8 = 1;
const PART_NEAR: u8 = 2;

/// The names of a pair, where both sides have them.
pub(super) struct Names<'a> {
    pub(super) given: Option<(&'a NameForm, &'a NameForm)>,
    pub(super) family: Option<(&'a NameForm, &'a NameForm)>,
    swapped: bool,
}

pub(super) fn names<'a>(records: &'a Records, a: &Row, b: &Row) -> Names<'a> {
    let given = records.given(a).zip(records.given(b));
    let family = records.family(a).zip(records.family(b));
    let swapped = given.zip(family).is_some_and(|((given_a, given_b), (family_a, family_b))| {
        given_a.id == family_b.id && given_b.id == family_a.id && given_a.id != family_a.id
    });
    Names { given, family, swapped }
}

fn share<T: PartialEq>(left: &[T], right: &[T]) -> bool {
    left.iter().any(|item| right.contains(item))
}

/// How two names that are not equal fit, apart from nicknames and swaps.
enum Fit {
    Near,
    Compound,
    Initial,
    Phonetic,
    Close,
    Loose,
    Different,
}

fn fit(a: &NameForm, b: &NameForm) -> Fit {
    let (left, right) = (a.joined.as_bytes(), b.joined.as_bytes());
    if left.len() == 1 || right.len() == 1 {
        return if left[0] == right[0] { Fit::Initial } else { Fit::Different };
    }
    let similarity = jaro_winkler_units(left, right);
    if similarity >= NEAR || (left.len() >= 4 && right.len() >= 4 && within_one(left, right)) {
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

/// Level of `given_name`.
pub(super) fn given(names: &Names<'_>) -> u8 {
    let Some((a, b)) = names.given else { return 0 };
    if a.id == b.id {
        return GIVEN::EXACT;
    }
    if share(&a.classes, &b.classes) {
        return GIVEN::NICKNAME;
    }
    if names.swapped {
        return GIVEN::SWAPPED;
    }
    match fit(a, b) {
        Fit::Near => GIVEN::NEAR,
        Fit::Compound => GIVEN::COMPOUND,
        Fit::Initial => GIVEN::INITIAL,
        Fit::Phonetic => GIVEN::PHONETIC,
        Fit::Close => GIVEN::CLOSE,
        Fit::Loose => GIVEN::LOOSE,
        Fit::Different => GIVEN::DIFFERENT,
    }
}

/// Level of `family_name`.
pub(super) fn family(names: &Names<'_>) -> u8 {
    let Some((a, b)) = names.family else { return 0 };
    if a.id == b.id {
        return FAMILY::EXACT;
    }
    if names.swapped {
        return FAMILY::SWAPPED;
    }
    match fit(a, b) {
        Fit::Near => FAMILY::NEAR,
        Fit::Compound => FAMILY::COMPOUND,
        Fit::Initial => FAMILY::INITIAL,
        Fit::Phonetic => FAMILY::PHONETIC,
        Fit::Close => FAMILY::CLOSE,
        Fit::Loose => FAMILY::LOOSE,
        Fit::Different => FAMILY::DIFFERENT,
    }
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
    let distance = osa_digits(&a.digits(), &b.digits());
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
fn both<'a>(records: &'a Records, a: TextId, b: TextId) -> Option<(&'a [u8], &'a [u8])> {
    records.text(a).zip(records.text(b)).map(|(left, right)| (left.as_bytes(), right.as_bytes()))
}

/// Level of `street`: four times the name's part plus the number's.
pub(super) fn street(records: &Records, a: &Row, b: &Row) -> u8 {
    let Some((left, right)) = records.street(a).zip(records.street(b)) else { return 0 };
    let name = both(records, left.ids.name, right.ids.name).map_or(0, |(s, t)| {
        if left.ids.name == right.ids.name {
            return PART_EQUAL;
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
        } else if within_one(left, right) || jaro_winkler_units(left, right) >= NEAR_CITY {
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
    } else if (shorter >= 4 && within_one(left, right))
        || (shorter >= 5 && jaro_winkler_units(left, right) >= NEAR_EXTRA)
    {
        EXTRA::NEAR
    } else {
        EXTRA::DIFFERENT
    }
}
