//! Names and numbers of the comparison levels.

use crate::error::{CoreError, CoreResult};
use crate::words::{COMPARISONS, EMAIL};

/// Level at which two records share an identifier.
pub(crate) const AGREE: u8 = 1;
/// Level at which two records share a folded e-mail address.
pub(crate) const AGREE_FOLDED: u8 = 2;

/// Number of the e-mail comparison, the only one with a folded level.
pub(crate) const EMAIL_INDEX: usize = 0;

/// Level at which two records have different identifiers of type number `kind`.
pub(crate) fn differ_level(kind: u8) -> u8 {
    if kind == EMAIL { 3 } else { 2 }
}

/// Numbers of a comparison and its levels.
macro_rules! comparison {
    ($module:ident, $index:expr, $($level:ident = $number:expr),+) => {
        #[allow(missing_docs)]
        pub(crate) mod $module {
            pub(crate) const INDEX: usize = $index;
            $(pub(crate) const $level: u8 = $number;)+
        }
    };
}

comparison!(
    given,
    8,
    EXACT = 1,
    NICKNAME = 2,
    SWAPPED = 3,
    NEAR = 4,
    COMPOUND = 5,
    INITIAL = 6,
    PHONETIC = 7,
    CLOSE = 8,
    DIFFERENT = 9
);
comparison!(family, 9, EXACT = 1, SWAPPED = 2, NEAR = 3, COMPOUND = 4, PHONETIC = 5, CLOSE = 6, DIFFERENT = 7);
comparison!(middle, 10, EXACT = 1, INITIAL = 2, DIFFERENT = 3);
comparison!(suffix, 11, EXACT = 1, DIFFERENT = 2);
comparison!(birth_date, 12, EXACT = 1, NEAR = 2, PART = 3, YEAR = 4, DIFFERENT = 5);
comparison!(
    address,
    13,
    STREET_POSTCODE = 1,
    NEAR_STREET_POSTCODE = 2,
    STREET_CITY = 3,
    STREET = 4,
    POSTCODE = 5,
    POSTCODE_NEAR = 6,
    CITY = 7,
    DIFFERENT = 8
);

pub(crate) use self::{
    address as ADDRESS, birth_date as BIRTH_DATE, family as FAMILY, given as GIVEN, middle as MIDDLE, suffix as SUFFIX,
};

const IDENTIFIER: &[&str] = &["missing", "agree", "differ"];

/// Level names by comparison; index 0 is `missing`.
const LEVELS: [&[&str]; COMPARISONS.len()] = [
    &["missing", "agree", "agree_folded", "differ"],
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    IDENTIFIER,
    &["missing", "exact", "nickname", "swapped", "near", "compound", "initial", "phonetic", "close", "different"],
    &["missing", "exact", "swapped", "near", "compound", "phonetic", "close", "different"],
    &["missing", "exact", "initial", "different"],
    &["missing", "exact", "different"],
    &["missing", "exact", "near", "part", "year", "different"],
    &[
        "missing",
        "street_postcode",
        "near_street_postcode",
        "street_city",
        "street",
        "postcode",
        "postcode_near",
        "city",
        "different",
    ],
];

/// Level names of the comparison at a position of [`COMPARISONS`].
pub(crate) fn levels_at(comparison: usize) -> &'static [&'static str] {
    LEVELS[comparison]
}

/// Level names of a comparison; index 0 is `missing`.
///
/// # Errors
/// `Input` if there is no such comparison.
pub fn level_names(comparison: &str) -> CoreResult<&'static [&'static str]> {
    COMPARISONS
        .iter()
        .position(|name| *name == comparison)
        .map(levels_at)
        .ok_or_else(|| CoreError::input("comparison", "not a comparison"))
}
