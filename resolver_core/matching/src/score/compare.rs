//! Levels of the attribute comparisons; the first true level wins, and a side that is missing gives level 0.

use crate::distance::{jaro_winkler_units, within_one};
use crate::model::{ADDRESS, BIRTH_DATE, FAMILY, GIVEN, MIDDLE, SUFFIX};
use crate::record::{Day, MISSING, NameForm, Records, Row, TextId};

const NEAR: u32 = 9200;
const CLOSE: u32 = 8000;
const NEAR_STREET: u32 = 9000;

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

fn is_near(a: &NameForm, b: &NameForm, similarity: u32) -> bool {
    let both_long = a.joined.len() >= 4 && b.joined.len() >= 4;
    similarity >= NEAR || (both_long && within_one(a.joined.as_bytes(), b.joined.as_bytes()))
}

fn is_phonetic(a: &NameForm, b: &NameForm) -> bool {
    a.code == b.code && a.code != [0; 4]
}

fn is_initial(a: &NameForm, b: &NameForm) -> bool {
    (a.joined.len() == 1 && b.joined.starts_with(&a.joined)) || (b.joined.len() == 1 && a.joined.starts_with(&b.joined))
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
    let similarity = jaro_winkler_units(a.joined.as_bytes(), b.joined.as_bytes());
    if is_near(a, b, similarity) {
        GIVEN::NEAR
    } else if share(&a.long_ids, &b.long_ids) {
        GIVEN::COMPOUND
    } else if is_initial(a, b) {
        GIVEN::INITIAL
    } else if is_phonetic(a, b) {
        GIVEN::PHONETIC
    } else if similarity >= CLOSE {
        GIVEN::CLOSE
    } else {
        GIVEN::DIFFERENT
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
    let similarity = jaro_winkler_units(a.joined.as_bytes(), b.joined.as_bytes());
    if is_near(a, b, similarity) {
        FAMILY::NEAR
    } else if share(&a.long_ids, &b.long_ids) {
        FAMILY::COMPOUND
    } else if is_phonetic(a, b) {
        FAMILY::PHONETIC
    } else if similarity >= CLOSE {
        FAMILY::CLOSE
    } else {
        FAMILY::DIFFERENT
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
        return BIRTH_DATE::EXACT;
    }
    let same_year = a.year() == b.year();
    let exchanged = same_year && a.month() == b.day() && a.day() == b.month();
    if exchanged || within_one(&a.digits(), &b.digits()) {
        return BIRTH_DATE::NEAR;
    }
    let equal = u8::from(same_year) + u8::from(a.month() == b.month()) + u8::from(a.day() == b.day());
    if equal == 2 {
        BIRTH_DATE::PART
    } else if same_year {
        BIRTH_DATE::YEAR
    } else {
        BIRTH_DATE::DIFFERENT
    }
}

/// Level of `address`.
pub(super) fn address(records: &Records, a: &Row, b: &Row) -> u8 {
    let streets = records.street(a).zip(records.street(b));
    let postcodes = records.text(a.postcode).zip(records.text(b.postcode));
    let cities = records.text(a.city).zip(records.text(b.city));
    if streets.is_none() && postcodes.is_none() && cities.is_none() {
        return 0;
    }
    let same_postcode = postcodes.is_some() && a.postcode == b.postcode;
    let same_city = cities.is_some() && a.city == b.city;
    let same_street = streets.is_some() && a.street == b.street;
    if same_street && same_postcode {
        return ADDRESS::STREET_POSTCODE;
    }
    let near_postcode = same_postcode || postcodes.is_some_and(|(p, q)| within_one(p.as_bytes(), q.as_bytes()));
    let near_street = same_street
        || ((near_postcode || same_city)
            && streets.is_some_and(|(s, t)| {
                s.number == t.number && jaro_winkler_units(s.rest.as_bytes(), t.rest.as_bytes()) >= NEAR_STREET
            }));
    if near_street && same_postcode {
        return ADDRESS::NEAR_STREET_POSTCODE;
    }
    if near_street && (same_city || near_postcode) {
        return ADDRESS::STREET_CITY;
    }
    let bare = |row: &Row| row.postcode == MISSING && row.city == MISSING;
    if same_street && (bare(a) || bare(b)) {
        return ADDRESS::STREET;
    }
    if same_postcode {
        return ADDRESS::POSTCODE;
    }
    let same_area = postcodes.is_some_and(|(p, q)| p.len() >= 3 && q.len() >= 3 && p.as_bytes()[..3] == q.as_bytes()[..3]);
    if near_postcode || same_area {
        return ADDRESS::POSTCODE_NEAR;
    }
    if same_city || cities.is_some_and(|(c, d)| jaro_winkler_units(c.as_bytes(), d.as_bytes()) >= NEAR) {
        return ADDRESS::CITY;
    }
    ADDRESS::DIFFERENT
}
