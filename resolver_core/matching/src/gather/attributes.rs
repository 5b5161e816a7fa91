//! Clean columns of a chunk: every distinct raw value is cleaned once.

use rayon::prelude::*;

use crate::error::{CoreResult, same_length};
use crate::normalize::{
    Column, MAX_VALUE_BYTES, OwnNames, clean_birth_date, clean_city, clean_extra, clean_middle, clean_name, clean_postcode,
    clean_street, clean_suffix, placed_columns, split_full_name,
};
use crate::record::{Encoded, Interner, MISSING, TextList, by_extra_name, each};
use crate::words::{ATTRIBUTES, BIRTH_DATE, CITY, FAMILY_NAME, GIVEN_NAME, MIDDLE_NAME, NAME_SUFFIX, POSTCODE, STREET};

/// A column of clean texts: the number of each row, [`MISSING`] where there is none, and the texts.
#[derive(Debug, Default)]
pub(crate) struct CleanColumn {
    pub(super) numbers: Vec<u32>,
    pub(super) texts: TextList,
}

impl CleanColumn {
    /// Text of a row.
    pub(crate) fn text(&self, row: usize) -> Option<&str> {
        self.texts.get(self.numbers[row])
    }

    /// The same texts under the numbers of some rows.
    pub(super) fn of_rows(self, rows: &[u32]) -> Self {
        Self { numbers: rows.iter().map(|row| self.numbers[*row as usize]).collect(), texts: self.texts }
    }
}

/// The clean attributes of a chunk, and how many rows have an invalid value.
pub(super) struct CleanAttributes {
    pub(super) columns: [CleanColumn; ATTRIBUTES.len()],
    pub(super) invalid: [usize; ATTRIBUTES.len()],
}

fn is_long(value: &str) -> bool {
    value.len() > MAX_VALUE_BYTES
}

/// Cleans the attribute at a position whose clean form depends on nothing else; gives the number of invalid rows as well.
fn lone_column(
    position: usize,
    column: Option<Column<'_>>,
    rows: usize,
    clean: impl Fn(&str) -> (Option<String>, bool) + Sync,
) -> CoreResult<(CleanColumn, usize)> {
    let raw = Encoded::of(column, rows)?;
    let cleaned = each(&raw.values, |value| if is_long(value) { (None, true) } else { clean(value) });
    let mut texts = Interner::of(ATTRIBUTES[position]);
    let numbers = cleaned.iter().map(|(text, _)| texts.optional(text.as_deref())).collect::<CoreResult<Vec<_>>>()?;
    let invalid = raw.numbers.iter().filter(|raw| cleaned.get(**raw as usize).is_some_and(|(_, invalid)| *invalid)).count();
    Ok((CleanColumn { numbers: raw.renumbered(&numbers), texts: texts.into_list() }, invalid))
}

/// A name column: for each distinct raw value, numbers of the names it holds, and whether it is too long to be read.
struct NameColumn {
    rows: Vec<u32>,
    parts: Vec<[u32; 4]>,
    long: Vec<bool>,
}

/// Where the parts of a name column stand.
const PARTS: [usize; 4] = [GIVEN_NAME, MIDDLE_NAME, FAMILY_NAME, NAME_SUFFIX];

impl NameColumn {
    /// Cleans the distinct values; `read` gives the texts of the parts in the order of [`PARTS`].
    fn of(
        raw: Encoded<'_>,
        texts: &mut [Interner; 4],
        read: impl Fn(&str) -> [Option<String>; 4] + Sync,
    ) -> CoreResult<Self> {
        let cleaned = each(&raw.values, |value| if is_long(value) { Default::default() } else { read(value) });
        let mut parts = Vec::with_capacity(cleaned.len());
        for texts_of_one in cleaned {
            let mut numbers = [MISSING; 4];
            for ((number, interner), text) in numbers.iter_mut().zip(texts.iter_mut()).zip(texts_of_one) {
                *number = interner.optional(text.as_deref())?;
            }
            parts.push(numbers);
        }
        Ok(Self { rows: raw.numbers, parts, long: raw.values.iter().map(|value| is_long(value)).collect() })
    }

    fn part(&self, row: usize, part: usize) -> Option<u32> {
        let parts = self.parts.get(self.rows[row] as usize)?;
        Some(parts[part]).filter(|number| *number != MISSING)
    }

    fn is_long(&self, row: usize) -> bool {
        self.long.get(self.rows[row] as usize).copied().unwrap_or(false)
    }

    fn count_long(&self) -> usize {
        (0..self.rows.len()).filter(|row| self.is_long(*row)).count()
    }
}

fn owned(text: Option<&'static str>) -> Option<String> {
    text.map(str::to_owned)
}

/// The four name columns of a chunk and their invalid rows, in the order of [`PARTS`].
fn name_columns(
    placed: [Option<Column<'_>>; 4],
    full_names: Option<Column<'_>>,
    rows: usize,
) -> CoreResult<([CleanColumn; 4], [usize; 4])> {
    let columns = [placed[0], placed[1], placed[2], placed[3], full_names];
    let mut encoded =
        columns.into_par_iter().map(|column| Encoded::of(column, rows)).collect::<CoreResult<Vec<_>>>()?.into_iter();
    let mut next = || encoded.next().unwrap_or_default();
    let mut texts = PARTS.map(|position| Interner::of(ATTRIBUTES[position]));
    let given = NameColumn::of(next(), &mut texts, |value| {
        let clean = clean_name(value);
        [clean.name, None, None, owned(clean.suffix)]
    })?;
    let middle = NameColumn::of(next(), &mut texts, |value| [None, clean_middle(value), None, None])?;
    let family = NameColumn::of(next(), &mut texts, |value| {
        let clean = clean_name(value);
        [None, None, clean.name, owned(clean.suffix)]
    })?;
    let suffix = NameColumn::of(next(), &mut texts, |value| [None, None, None, clean_suffix(value)])?;
    let full = NameColumn::of(next(), &mut texts, |value| {
        let split = split_full_name(value);
        [split.given, split.middle, split.family, owned(split.suffix)]
    })?;
    let mut numbers: [Vec<u32>; 4] = std::array::from_fn(|_| Vec::with_capacity(rows));
    for row in 0..rows {
        let own = OwnNames {
            given: given.part(row, 0),
            middle: middle.part(row, 1),
            family: family.part(row, 2),
            suffix: suffix.part(row, 3).or(family.part(row, 3)).or(given.part(row, 3)),
        };
        let names = own.completed(|| OwnNames {
            given: full.part(row, 0),
            middle: full.part(row, 1),
            family: full.part(row, 2),
            suffix: full.part(row, 3),
        });
        for (column, name) in numbers.iter_mut().zip([names.given, names.middle, names.family, names.suffix]) {
            column.push(name.unwrap_or(MISSING));
        }
    }
    let long_family = (0..rows).filter(|row| family.is_long(*row) || full.is_long(*row)).count();
    let invalid = [given.count_long(), middle.count_long(), long_family, suffix.count_long()];
    let mut lists = texts.map(Interner::into_list).into_iter();
    let columns = numbers.map(|numbers| CleanColumn { numbers, texts: lists.next().unwrap_or_default() });
    Ok((columns, invalid))
}

/// Cleans the attributes of a chunk; they are named as `normalize_attributes` has them. O(distinct bytes + rows).
pub(super) fn clean_attributes(columns: &[(&str, Column<'_>)], rows: usize, region: &str) -> CoreResult<CleanAttributes> {
    let (placed, full_names) = placed_columns(columns, rows)?;
    let region = region.to_ascii_uppercase();
    let valid = |text: Option<String>| (text, false);
    let (names, others) = rayon::join(
        || name_columns(PARTS.map(|position| placed[position]), full_names, rows),
        || {
            [BIRTH_DATE, STREET, CITY, POSTCODE]
                .into_par_iter()
                .map(|position| {
                    let (column, invalid) = match position {
                        BIRTH_DATE => {
                            lone_column(position, placed[position], rows, |value| clean_birth_date(value, &region))
                        }
                        STREET => lone_column(position, placed[position], rows, |value| valid(clean_street(value))),
                        CITY => lone_column(position, placed[position], rows, |value| valid(clean_city(value))),
                        _ => lone_column(position, placed[position], rows, |value| valid(clean_postcode(value))),
                    }?;
                    Ok((position, column, invalid))
                })
                .collect::<CoreResult<Vec<_>>>()
        },
    );
    let (name_columns, name_invalid) = names?;
    let mut clean = CleanAttributes { columns: Default::default(), invalid: [0; ATTRIBUTES.len()] };
    let names = PARTS.into_iter().zip(name_columns).zip(name_invalid);
    for (position, column, invalid) in names.map(|((position, column), invalid)| (position, column, invalid)).chain(others?)
    {
        clean.columns[position] = column;
        clean.invalid[position] = invalid;
    }
    Ok(clean)
}

/// Cleans the extra columns of a chunk; gives them by name. O(distinct bytes + rows).
pub(super) fn clean_extras(columns: &[(&str, Column<'_>)], rows: usize) -> CoreResult<Vec<(Box<str>, CleanColumn)>> {
    let clean = |(name, column): (&str, Column<'_>)| {
        same_length("extras", column.len(), rows)?;
        let raw = Encoded::of(Some(column), rows)?;
        let cleaned = each(&raw.values, clean_extra);
        let mut texts = Interner::of("extras");
        let numbers = cleaned.iter().map(|text| texts.optional(text.as_deref())).collect::<CoreResult<Vec<_>>>()?;
        Ok((Box::from(name), CleanColumn { numbers: raw.renumbered(&numbers), texts: texts.into_list() }))
    };
    by_extra_name(columns.to_vec())?.into_par_iter().map(clean).collect()
}
