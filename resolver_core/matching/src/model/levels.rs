//! Names and numbers of the comparison levels.

use crate::words::{COMPARISONS, EMAIL};

/// Level at which two records share an identifier.
pub(crate) const AGREE: u8 = 1;
/// Level at which two records share a folded e-mail address.
pub(crate) const AGREE_FOLDED: u8 = 2;

/// Most levels a comparison has, `missing` among them.
pub(crate) const MOST_LEVELS: usize = 20;

/// Level at which two records have different identifiers of type number `kind`.
pub(crate) fn differ_level(kind: u8) -> u8 {
    if kind == EMAIL { 3 } else { 2 }
}

/// Numbers of a comparison and its levels.
macro_rules! comparison {
    ($module:ident, $index:expr, $($level:ident = $number:expr),*) => {
        #[allow(missing_docs)]
        pub(crate) mod $module {
            pub(crate) const INDEX: usize = $index;
            $(pub(crate) const $level: u8 = $number;)*
        }
    };
}

comparison!(
    given,
    8,
    EXACT = 1,
    NICKNAME = 2,
    SWAPPED = 3,
    CROSSED = 4,
    NEAR = 5,
    COMPOUND = 6,
    INITIAL = 7,
    PHONETIC = 8,
    CLOSE = 9,
    LOOSE = 10,
    DIFFERENT = 11
);
comparison!(
    family,
    9,
    EXACT = 1,
    CROSSED = 2,
    NEAR = 3,
    COMPOUND = 4,
    INITIAL = 5,
    PHONETIC = 6,
    CLOSE = 7,
    LOOSE = 8,
    DIFFERENT = 9
);
comparison!(middle, 10, EXACT = 1, INITIAL = 2, DIFFERENT = 3);
comparison!(suffix, 11, EXACT = 1, DIFFERENT = 2);
comparison!(birth_date, 12, EXACT = 1, EXACT_JANUARY = 2, NEAR = 3, PART = 4, NEAR2 = 5, YEAR = 6, DIFFERENT = 7);
comparison!(street, 13,);
comparison!(place, 14,);
comparison!(extra, 15, EXACT = 1, NEAR = 2, DIFFERENT = 3);

pub(crate) use self::{
    birth_date as BIRTH_DATE, extra as EXTRA, family as FAMILY, given as GIVEN, middle as MIDDLE, place as PLACE,
    street as STREET, suffix as SUFFIX,
};

const IDENTIFIER: &[&str] = &["missing", "agree", "differ"];

/// Level names by comparison; index 0 is `missing`. Those of street and place are joint: four times the first part plus the second.
const LEVELS: [&[&str]; COMPARISONS.len()] = [
    &["missing", "agree", "agree_folded", "differ"],
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    &[
        "missing",
        "exact",
        "nickname",
        "swapped",
        "crossed",
        "near",
        "compound",
        "initial",
        "phonetic",
        "close",
        "loose",
        "different",
    ],
    &["missing", "exact", "crossed", "near", "compound", "initial", "phonetic", "close", "loose", "different"],
    &["missing", "exact", "initial", "different"],
    &["missing", "exact", "different"],
    &["missing", "exact", "exact_january", "near", "part", "near2", "year", "different"],
    &[
        "missing",
        "none_equal",
        "none_near",
        "none_different",
        "equal_none",
        "equal_equal",
        "equal_near",
        "equal_different",
        "near_none",
        "near_equal",
        "near_near",
        "near_different",
        "close_none",
        "close_equal",
        "close_near",
        "close_different",
        "different_none",
        "different_equal",
        "different_near",
        "different_different",
    ],
    &[
        "missing",
        "none_equal",
        "none_near",
        "none_different",
        "equal_none",
        "equal_equal",
        "equal_near",
        "equal_different",
        "near_none",
        "near_equal",
        "near_near",
        "near_different",
        "area_none",
        "area_equal",
        "area_near",
        "area_different",
        "different_none",
        "different_equal",
        "different_near",
        "different_different",
    ],
];

/// Level names of an extra; index 0 is `missing`.
const EXTRA_LEVELS: &[&str] = &["missing", "exact", "near", "different"];

/// Level names of the comparison at a position of [`COMPARISONS`], or beyond it of an extra.
#[must_use]
pub fn levels_at(comparison: usize) -> &'static [&'static str] {
    LEVELS.get(comparison).copied().unwrap_or(EXTRA_LEVELS)
}
