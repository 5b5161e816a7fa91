//! The normaliser: raw columns in, clean columns out. Nothing is normalised anywhere else.

mod date;
mod identifier;
mod name;
mod place;
pub(crate) mod text;

use rayon::prelude::*;

use self::date::Reading;
pub use self::identifier::{Canonical, Digest32, sha256};
pub(crate) use self::identifier::{canonical, is_placeholder_digest, read_region, sha256_of};
pub(crate) use self::name::{clean_middle, clean_name, clean_suffix, split_full_name};
pub(crate) use self::place::{clean_city, clean_postcode, clean_street};
pub use self::text::fold;
use crate::error::{CoreError, CoreResult, same_length};
use crate::tables::PLACEHOLDERS;
use crate::words::{
    ATTRIBUTES, BIRTH_DATE, CITY, FAMILY_NAME, GIVEN_NAME, MIDDLE_NAME, NAME_SUFFIX, POSTCODE, STREET, identifier_type,
};

/// Version of the normaliser and of the phone metadata it embeds.
pub const NORMALIZER_VERSION: &str = "1+libphonenumber-9.0.42";

/// Below this many rows a second thread costs more than it saves.
pub(crate) const PARALLEL_ROWS: usize = 1000;

/// Longest raw value that is read, in bytes. Distances are quadratic in the length, so a longer one is invalid.
pub const MAX_VALUE_BYTES: usize = 512;

/// A column of optional values.
pub type Column<'a> = &'a [Option<&'a str>];

/// A clean row: the attributes in the order of [`ATTRIBUTES`].
pub type CleanRow = [Option<String>; ATTRIBUTES.len()];

/// Clean forms, and the values that are present but invalid.
#[derive(Debug, Default)]
pub struct CleanRows {
    /// One clean row per input row.
    pub rows: Vec<CleanRow>,
    /// Row and attribute position of every invalid value, ascending.
    pub invalid: Vec<(usize, usize)>,
}

/// The value, or `None` with a mark in `invalid` if it is too long.
fn readable<'a>(value: Option<&'a str>, position: usize, invalid: &mut Invalid) -> Option<&'a str> {
    let short = value.filter(|text| text.len() <= MAX_VALUE_BYTES);
    invalid[position] |= short.is_none() && value.is_some();
    short
}

/// What the name columns of a row say: as texts, or as numbers of texts.
pub(crate) struct OwnNames<T> {
    pub(crate) given: Option<T>,
    pub(crate) middle: Option<T>,
    pub(crate) family: Option<T>,
    pub(crate) suffix: Option<T>,
}

impl<T> OwnNames<T> {
    /// The names with those of the full name, where given and family name both are missing.
    pub(crate) fn completed(self, full: impl FnOnce() -> Self) -> Self {
        if self.given.is_some() || self.family.is_some() {
            return self;
        }
        let split = full();
        Self {
            given: split.given,
            middle: self.middle.or(split.middle),
            family: split.family,
            suffix: self.suffix.or(split.suffix),
        }
    }
}

/// The clean form of a birth date, and whether it is invalid: what is no calendar day is, and yet stays comparable.
pub(crate) fn clean_birth_date(value: &str, region: &str) -> (Option<String>, bool) {
    match date::read_birth_date(value, region) {
        Reading::Day(day) => (Some(day), false),
        Reading::NoDay(digits) => (Some(digits), true),
        Reading::Invalid => (None, true),
        Reading::Missing => (None, false),
    }
}

/// Whether the value of each attribute is present but invalid.
pub(crate) type Invalid = [bool; ATTRIBUTES.len()];

pub(crate) fn clean_row(
    raw: &[Option<&str>; ATTRIBUTES.len()],
    full_name: Option<&str>,
    region: &str,
) -> (CleanRow, Invalid) {
    let mut invalid = Invalid::default();
    let full_name = readable(full_name, FAMILY_NAME, &mut invalid);
    let raw: [Option<&str>; ATTRIBUTES.len()] =
        std::array::from_fn(|position| readable(raw[position], position, &mut invalid));
    let given = raw[GIVEN_NAME].map(clean_name).unwrap_or_default();
    let family = raw[FAMILY_NAME].map(clean_name).unwrap_or_default();
    let own = OwnNames {
        given: given.name,
        middle: raw[MIDDLE_NAME].and_then(clean_middle),
        family: family.name,
        suffix: raw[NAME_SUFFIX].and_then(clean_suffix).or_else(|| family.suffix.or(given.suffix).map(str::to_owned)),
    };
    let names = own.completed(|| {
        let split = full_name.map(split_full_name).unwrap_or_default();
        let suffix = split.suffix.map(str::to_owned);
        OwnNames { given: split.given, middle: split.middle, family: split.family, suffix }
    });
    let mut clean = CleanRow::default();
    clean[GIVEN_NAME] = names.given;
    clean[MIDDLE_NAME] = names.middle;
    clean[FAMILY_NAME] = names.family;
    clean[NAME_SUFFIX] = names.suffix;
    if let Some(value) = raw[BIRTH_DATE] {
        (clean[BIRTH_DATE], invalid[BIRTH_DATE]) = clean_birth_date(value, region);
    }
    clean[STREET] = raw[STREET].and_then(clean_street);
    clean[CITY] = raw[CITY].and_then(clean_city);
    clean[POSTCODE] = raw[POSTCODE].and_then(clean_postcode);
    (clean, invalid)
}

/// Position of an attribute by name.
pub(crate) fn attribute_position(name: &str) -> Option<usize> {
    ATTRIBUTES.iter().position(|attribute| *attribute == name)
}

/// Columns of the attributes, and that of full names.
pub(crate) type PlacedColumns<'a> = ([Option<Column<'a>>; ATTRIBUTES.len()], Option<Column<'a>>);

/// Columns named by [`ATTRIBUTES`] or `full_name` at their places.
pub(crate) fn placed_columns<'a>(columns: &[(&str, Column<'a>)], rows: usize) -> CoreResult<PlacedColumns<'a>> {
    let mut placed: PlacedColumns<'a> = ([None; ATTRIBUTES.len()], None);
    for (name, column) in columns {
        same_length("columns", column.len(), rows)?;
        match attribute_position(name) {
            Some(position) => placed.0[position] = Some(column),
            None if *name == "full_name" => placed.1 = Some(column),
            None => return Err(CoreError::input("columns", "holds a name that is not an attribute")),
        }
    }
    Ok(placed)
}

/// Cleans columns named by [`ATTRIBUTES`] or `full_name`; absent columns are missing in every row. O(total bytes).
///
/// # Errors
/// `Input` if a column is unknown or of another length, or the region is not known.
pub fn normalize_attributes(columns: &[(&str, Column<'_>)], region: &str) -> CoreResult<CleanRows> {
    read_region(region)?;
    let region = region.to_ascii_uppercase();
    let rows = columns.first().map_or(0, |(_, column)| column.len());
    let (placed, full_names) = placed_columns(columns, rows)?;
    let clean = |row: usize| {
        let raw = placed.map(|column| column.and_then(|values| values[row]));
        clean_row(&raw, full_names.and_then(|values| values[row]), &region)
    };
    let cleaned: Vec<(CleanRow, Invalid)> = if rows > PARALLEL_ROWS {
        (0..rows).into_par_iter().with_min_len(256).map(clean).collect()
    } else {
        (0..rows).map(clean).collect()
    };
    let mut result = CleanRows { rows: Vec::with_capacity(rows), invalid: Vec::new() };
    for (row, (clean, invalid)) in cleaned.into_iter().enumerate() {
        let positions = (0..ATTRIBUTES.len()).filter(|&position| invalid[position]);
        result.invalid.extend(positions.map(|position| (row, position)));
        result.rows.push(clean);
    }
    Ok(result)
}

/// Clean form of a value beyond the attributes. O(n).
pub(crate) fn clean_extra(value: &str) -> Option<String> {
    if value.len() > MAX_VALUE_BYTES {
        return None;
    }
    let folded = fold(value);
    let told = [text::squash(value), text::squash(&folded)];
    let nothing = told.iter().any(|squashed| squashed.is_empty() || PLACEHOLDERS.any.holds(squashed));
    (!nothing).then_some(folded)
}

/// Clean forms of a column beyond the attributes. O(total bytes).
#[must_use]
pub fn normalize_extras(column: Column<'_>) -> Vec<Option<String>> {
    let clean = |value: Option<&str>| value.and_then(clean_extra);
    if column.len() > PARALLEL_ROWS {
        column.par_iter().with_min_len(256).map(|value| clean(*value)).collect()
    } else {
        column.iter().map(|value| clean(*value)).collect()
    }
}

/// Canonical values of identifiers. O(total bytes).
///
/// # Errors
/// `Input` if the lengths differ, a type number is unknown or the region is not known.
pub fn canonical_identifiers(types: &[i64], values: Column<'_>, region: &str) -> CoreResult<Vec<Canonical>> {
    same_length("values", values.len(), types.len())?;
    let kinds = types.iter().map(|&number| identifier_type(number)).collect::<CoreResult<Vec<u8>>>()?;
    let region = read_region(region)?;
    let read = |row: usize| values[row].map_or(Canonical::Missing, |value| canonical(kinds[row], value, region));
    Ok(if types.len() > PARALLEL_ROWS {
        (0..types.len()).into_par_iter().with_min_len(256).map(read).collect()
    } else {
        (0..types.len()).map(read).collect()
    })
}

/// Whether digests made elsewhere are those of blank or placeholder values.
///
/// # Errors
/// `Input` if a type number is unknown.
pub fn placeholder_digests(types: &[i64], digests: &[Option<&Digest32>]) -> CoreResult<Vec<Option<bool>>> {
    same_length("digests", digests.len(), types.len())?;
    let answer = |row: usize| {
        let kind = identifier_type(types[row])?;
        Ok(digests[row].map(|bytes| is_placeholder_digest(kind, bytes)))
    };
    (0..types.len()).map(answer).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_name_fills_only_what_is_missing() {
        let columns: [(&str, Column<'_>); 3] = [
            ("full_name", &[Some("John Quincy Public Sr"), Some("Ann Lee"), None]),
            ("family_name", &[Some("n/a"), Some("Smith Jr"), Some("Jones")]),
            ("middle_name", &[Some("Adams"), None, Some("B.")]),
        ];
        let clean = normalize_attributes(&columns, "US").expect("columns are valid").rows;
        let shown: Vec<Vec<&str>> =
            clean.iter().map(|row| row[..4].iter().map(|value| value.as_deref().unwrap_or("·")).collect()).collect();
        assert_eq!(shown, [["john", "adams", "public", "sr"], ["·", "·", "smith", "jr"], ["·", "b", "jones", "·"]]);
    }

    #[test]
    fn refusals_name_the_argument() {
        let short: [(&str, Column<'_>); 2] = [("city", &[None]), ("street", &[])];
        assert!(matches!(normalize_attributes(&short, "US"), Err(CoreError::Input { argument: "columns", .. })));
        assert!(matches!(normalize_attributes(&[], "??"), Err(CoreError::Input { argument: "region", .. })));
        assert!(matches!(canonical_identifiers(&[9], &[None], "US"), Err(CoreError::Input { argument: "types", .. })));
    }

    #[test]
    fn invalid_dates_are_reported() {
        let values = [Some("1980-02-30"), Some("1980-02-28"), Some("n/a"), Some("soon")];
        let columns: [(&str, Column<'_>); 1] = [("birth_date", &values)];
        let clean = normalize_attributes(&columns, "US").expect("columns are valid");
        assert_eq!(clean.invalid, [(0, BIRTH_DATE), (3, BIRTH_DATE)]);
        assert_eq!(clean.rows[0][BIRTH_DATE].as_deref(), Some("1980-02-30"));
        assert_eq!(clean.rows[3][BIRTH_DATE], None);
        assert_eq!(clean.rows[1][BIRTH_DATE].as_deref(), Some("1980-02-28"));
    }

    #[test]
    fn extras_are_folded() {
        let long = "a".repeat(MAX_VALUE_BYTES + 1);
        let column = [Some("  Münster (Westf.)"), Some("N/A"), Some("-"), Some(""), None, Some(&long)];
        assert_eq!(normalize_extras(&column), [Some("munster westf".to_owned()), None, None, None, None, None]);
    }

    #[test]
    fn overlong_values_are_invalid() {
        let long = "a".repeat(MAX_VALUE_BYTES + 1);
        let columns: [(&str, Column<'_>); 2] =
            [("city", &[Some(&long), Some(&long[1..])]), ("full_name", &[None, Some(&long)])];
        let clean = normalize_attributes(&columns, "US").expect("columns are valid");
        assert_eq!(clean.invalid, [(0, CITY), (1, FAMILY_NAME)]);
        assert!(clean.rows[0][CITY].is_none() && clean.rows[1][CITY].is_some() && clean.rows[1][FAMILY_NAME].is_none());
        let phone = canonical_identifiers(&[2], &[Some(&long)], "US").expect("columns are valid");
        assert_eq!(phone, [Canonical::Invalid]);
    }
}

#[cfg(test)]
mod properties {
    use proptest::prelude::*;

    use super::*;

    fn again(row: &CleanRow, region: &str) -> CleanRow {
        let raw: [Option<&str>; ATTRIBUTES.len()] = std::array::from_fn(|column| row[column].as_deref());
        clean_row(&raw, None, region).0
    }

    fn value() -> impl Strategy<Value = Option<String>> {
        let word = prop_oneof![
            "\\PC{0,12}",
            "[a-zA-Z0-9 .,'#-]{0,24}",
            "(mr|dr|jr|st|van|de|2nd|iii|apt|p o box|#|n/a|unknown)( (mr|jr|o|box|3rd|sr|smith|4th|apt|test)){0,3}",
            "[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}",
        ];
        prop::option::weighted(0.9, word)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1500))]

        #[test]
        fn cleaning_a_clean_row_changes_nothing(raw in prop::array::uniform8(value()), full in value(), us in any::<bool>()) {
            let region = if us { "US" } else { "GB" };
            let borrowed: [Option<&str>; ATTRIBUTES.len()] = std::array::from_fn(|column| raw[column].as_deref());
            let clean = clean_row(&borrowed, full.as_deref(), region).0;
            prop_assert_eq!(again(&clean, region), clean);
        }

        #[test]
        fn canonical_values_are_their_own_canonical_value(kind in 1_i64..=8, raw in "\\PC{0,16}|[a-z.+]{1,8}@[a-zA-Z.]{1,12}|\\+?[0-9 ()-]{7,14}") {
            let first = canonical_identifiers(&[kind], &[Some(&raw)], "US").expect("valid");
            if let Canonical::Ok { value, folded } = &first[0] {
                let second = canonical_identifiers(&[kind], &[Some(value)], "US").expect("valid");
                prop_assert_eq!(&second[0], &first[0]);
                if let Some(folded) = folded {
                    let third = canonical_identifiers(&[kind], &[Some(folded)], "US").expect("valid");
                    let kept = matches!(&third[0], Canonical::Ok { value, folded: Some(_) } if value == folded);
                    prop_assert!(kept || third[0] == Canonical::Placeholder);
                }
            }
        }
    }
}
