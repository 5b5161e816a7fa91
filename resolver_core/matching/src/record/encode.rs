//! Dictionary encoding: every distinct value of a column gets a number, and is prepared once.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::forms::{CityForm, MISSING, NameForm, StreetCodes, StreetForm, StreetIds, StreetParts, TextId};
use super::intern::{Interner, TextList, small};
use crate::error::{CoreError, CoreResult, same_length};
use crate::normalize::{Column, PARALLEL_ROWS};
use crate::words::{ATTRIBUTES, CITY, MOST_EXTRAS, STREET, is_extra_name};

/// Distinct streets that are prepared at a time: what they are made of is larger than what is kept.
const STREETS_AT_A_TIME: usize = 1 << 16;
/// Distinct streets that share what is known of their names, at least.
const STREETS_OF_ONE: usize = 1 << 12;

/// A column as numbers of its distinct values; [`MISSING`] where there is none.
#[derive(Debug, Default)]
pub(crate) struct Encoded<'a> {
    pub(crate) numbers: Vec<u32>,
    pub(crate) values: Vec<&'a str>,
}

impl<'a> Encoded<'a> {
    /// Numbers the values of a column. O(rows).
    pub(crate) fn of(column: Option<Column<'a>>, rows: usize) -> CoreResult<Self> {
        let Some(column) = column else { return Ok(Self { numbers: vec![MISSING; rows], values: Vec::new() }) };
        let mut seen: FxHashMap<&str, u32> = FxHashMap::default();
        let mut values = Vec::new();
        let mut numbers = Vec::with_capacity(rows);
        for value in column {
            let Some(value) = value else {
                numbers.push(MISSING);
                continue;
            };
            let next = small(values.len())?;
            numbers.push(*seen.entry(value).or_insert_with(|| {
                values.push(*value);
                next
            }));
        }
        Ok(Self { numbers, values })
    }

    /// Replaces numbers by those that their values have elsewhere.
    pub(crate) fn renumbered(mut self, new: &[u32]) -> Vec<u32> {
        for number in self.numbers.iter_mut().filter(|number| **number != MISSING) {
            *number = new[*number as usize];
        }
        self.numbers
    }
}

/// Applies a function to every distinct value, on all cores if there are many.
pub(crate) fn each<'a, T: Send>(values: &[&'a str], make: impl Fn(&'a str) -> T + Sync) -> Vec<T> {
    if values.len() > PARALLEL_ROWS {
        values.par_iter().with_min_len(128).map(|value| make(value)).collect()
    } else {
        values.iter().map(|value| make(value)).collect()
    }
}

/// Does two things, at once if there is much to do.
pub(super) fn both<A: Send, B: Send>(
    much: bool,
    one: impl FnOnce() -> A + Send,
    other: impl FnOnce() -> B + Send,
) -> (A, B) {
    if much { rayon::join(one, other) } else { (one(), other()) }
}

/// Prepares each distinct value; those without a form become missing.
pub(super) fn prepare<T: Send>(
    column: Encoded<'_>,
    form: impl Fn(&str) -> Option<T> + Sync,
) -> CoreResult<(Vec<u32>, Vec<T>)> {
    let made = each(&column.values, form);
    let mut forms = Vec::with_capacity(made.len());
    let mut renumbered = vec![MISSING; made.len()];
    for (slot, form) in renumbered.iter_mut().zip(made) {
        if let Some(form) = form {
            *slot = small(forms.len())?;
            forms.push(form);
        }
    }
    Ok((column.renumbered(&renumbered), forms))
}

/// Prepares a column whose form is a text: numbers of the texts, and those, which go by this name.
pub(super) fn texts_of(
    name: &'static str,
    column: Encoded<'_>,
    form: impl Fn(&str) -> Option<String> + Sync,
) -> CoreResult<(Vec<TextId>, TextList)> {
    let made = each(&column.values, form);
    let mut texts = Interner::of(name);
    let ids = made.iter().map(|text| texts.optional(text.as_deref())).collect::<CoreResult<Vec<_>>>()?;
    Ok((column.renumbered(&ids), texts.into_list()))
}

/// A column that only some models compare, under its name.
pub type ExtraColumn<'a> = (&'a str, Column<'a>);

/// Refuses names that are not usable, more columns than a model can compare, and one name twice; gives the columns by name.
pub(crate) fn by_extra_name<T>(mut columns: Vec<(&str, T)>) -> CoreResult<Vec<(&str, T)>> {
    if columns.iter().any(|(name, _)| !is_extra_name(name)) {
        return Err(CoreError::input("extras", "holds a name that is not usable"));
    }
    columns.sort_by_key(|(name, _)| *name);
    if columns.len() > MOST_EXTRAS || columns.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(CoreError::input("extras", "more than 16, or one twice"));
    }
    Ok(columns)
}

pub(super) fn encoded_extras<'a>(columns: &[ExtraColumn<'a>], rows: usize) -> CoreResult<Vec<(&'a str, Encoded<'a>)>> {
    let encoded = |(name, column): &ExtraColumn<'a>| {
        same_length("extras", column.len(), rows)?;
        Ok((*name, Encoded::of(Some(column), rows)?))
    };
    by_extra_name(columns.iter().map(encoded).collect::<CoreResult<Vec<_>>>()?)
}

/// An extra column: its name, the number of each row, and the texts.
pub(super) type PreparedExtra = (Box<str>, Vec<TextId>, TextList);

pub(super) fn extra_columns(columns: Vec<(&str, Encoded<'_>)>) -> CoreResult<Vec<PreparedExtra>> {
    let joined = |clean: &str| {
        let text = clean.replace(' ', "");
        (!text.is_empty()).then_some(text)
    };
    let prepared = |(name, column): (&str, Encoded<'_>)| {
        let (numbers, texts) = texts_of("extras", column, joined)?;
        Ok((Box::from(name), numbers, texts))
    };
    columns.into_iter().map(prepared).collect()
}

/// Given and family names: the number of each row, and the forms, whose texts are numbered together.
pub(super) struct Names {
    pub(super) given: (Vec<u32>, Vec<NameForm>),
    pub(super) family: (Vec<u32>, Vec<NameForm>),
    pub(super) texts: TextList,
}

pub(super) fn names(given: Encoded<'_>, family: Encoded<'_>) -> CoreResult<Names> {
    let mut given = prepare(given, NameForm::given)?;
    let mut family = prepare(family, NameForm::family)?;
    let mut texts = Interner::of("given_name, family_name");
    for name in given.1.iter_mut().chain(&mut family.1) {
        name.id = texts.number(&name.joined)?;
        name.long_ids = name.long_words.iter().map(|word| texts.number(word)).collect::<CoreResult<_>>()?;
        name.long_ids.sort_unstable();
        name.long_words = Vec::new();
        if !name.canonical.is_empty() {
            name.canonical_id = texts.number(&name.canonical)?;
        }
    }
    Ok(Names { given, family, texts: texts.into_list() })
}

/// Street lines: the number of each row, the forms, and the texts of numbers, names and keys.
pub(super) struct Streets {
    pub(super) rows: Vec<u32>,
    pub(super) forms: Vec<StreetForm>,
    pub(super) texts: [TextList; 3],
}

pub(super) fn streets(column: Encoded<'_>) -> CoreResult<Streets> {
    let much = column.values.len() > PARALLEL_ROWS;
    let mut interners = [(); 3].map(|()| Interner::of(ATTRIBUTES[STREET]));
    let mut forms = Vec::with_capacity(column.values.len());
    let number = |texts: &mut Interner, parts: &[StreetParts], part: fn(&StreetParts) -> &str| {
        let found = |parts| texts.optional(Some(part(parts)).filter(|text| !text.is_empty()));
        parts.iter().map(found).collect::<CoreResult<Vec<TextId>>>()
    };
    for values in column.values.chunks(STREETS_AT_A_TIME) {
        let parts: Vec<StreetParts> = if much {
            let streets = values.par_iter().with_min_len(STREETS_OF_ONE);
            streets.map_init(StreetCodes::default, |codes, value| StreetParts::of(value, codes)).collect()
        } else {
            let mut codes = StreetCodes::default();
            values.iter().map(|value| StreetParts::of(value, &mut codes)).collect()
        };
        let [numbers, names, keys] = &mut interners;
        let (numbers, (names, keys)) = both(
            much,
            || number(numbers, &parts, |parts| &parts.number),
            || both(much, || number(names, &parts, |parts| &parts.name), || number(keys, &parts, |parts| &parts.key)),
        );
        let ids = numbers?.into_iter().zip(names?).zip(keys?);
        forms.extend(parts.iter().zip(ids).map(|(parts, ((number, name), key))| StreetForm {
            letters: parts.letters,
            code: parts.code,
            ids: StreetIds { number, name, key },
        }));
    }
    Ok(Streets { rows: column.numbers, forms, texts: interners.map(Interner::into_list) })
}

/// Cities: the number of each row, the forms, and their texts.
pub(super) type Cities = (Vec<u32>, Vec<CityForm>, TextList);

pub(super) fn cities(column: Encoded<'_>) -> CoreResult<Cities> {
    let (rows, mut forms) = prepare(column, CityForm::of)?;
    let mut texts = Interner::of(ATTRIBUTES[CITY]);
    for city in &mut forms {
        city.id = texts.number(&city.joined)?;
    }
    Ok((rows, forms, texts.into_list()))
}
