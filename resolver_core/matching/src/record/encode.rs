//! Dictionary encoding: every distinct value of a column gets a number, and is prepared once.

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::forms::{CityForm, MISSING, NameForm, StreetForm, TextId};
use crate::error::{CoreError, CoreResult, same_length};
use crate::normalize::{Column, PARALLEL_ROWS};
use crate::words::{MOST_EXTRAS, is_extra_name};

/// Gives equal texts equal numbers.
#[derive(Default)]
pub(super) struct Texts {
    numbers: FxHashMap<Box<str>, TextId>,
}

impl Texts {
    pub(super) fn number(&mut self, text: &str) -> CoreResult<TextId> {
        if let Some(number) = self.numbers.get(text) {
            return Ok(*number);
        }
        let number = small(self.numbers.len())?;
        self.numbers.insert(text.into(), number);
        Ok(number)
    }

    pub(super) fn into_list(self) -> Vec<Box<str>> {
        let mut list = vec![Box::<str>::default(); self.numbers.len()];
        for (text, number) in self.numbers {
            list[number as usize] = text;
        }
        list
    }
}

/// A row number; batches end below [`MISSING`].
pub(super) fn small(number: usize) -> CoreResult<u32> {
    u32::try_from(number)
        .ok()
        .filter(|small| *small < MISSING)
        .ok_or_else(|| CoreError::input("addresses", "too many records"))
}

/// Numbers of the distinct values of a column, and those values.
fn distinct(column: Option<Column<'_>>, rows: usize) -> CoreResult<(Vec<u32>, Vec<&str>)> {
    let Some(column) = column else { return Ok((vec![MISSING; rows], Vec::new())) };
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
    Ok((numbers, values))
}

/// Prepares each distinct value; those without a form become missing.
pub(super) fn prepare<T: Send>(
    column: Option<Column<'_>>,
    rows: usize,
    form: impl Fn(&str) -> Option<T> + Sync,
) -> CoreResult<(Vec<u32>, Vec<T>)> {
    let (mut numbers, values) = distinct(column, rows)?;
    let made: Vec<Option<T>> = if values.len() > PARALLEL_ROWS {
        values.par_iter().with_min_len(128).map(|value| form(value)).collect()
    } else {
        values.iter().map(|value| form(value)).collect()
    };
    let mut forms = Vec::with_capacity(made.len());
    let mut renumbered = vec![MISSING; made.len()];
    for (slot, form) in renumbered.iter_mut().zip(made) {
        if let Some(form) = form {
            *slot = small(forms.len())?;
            forms.push(form);
        }
    }
    for number in numbers.iter_mut().filter(|number| **number != MISSING) {
        *number = renumbered[*number as usize];
    }
    Ok((numbers, forms))
}

/// Prepares a column whose form is a text.
pub(super) fn texts_of(
    column: Option<Column<'_>>,
    rows: usize,
    texts: &mut Texts,
    form: impl Fn(&str) -> Option<String> + Sync,
) -> CoreResult<Vec<TextId>> {
    let (mut numbers, forms) = prepare(column, rows, form)?;
    let ids = forms.iter().map(|text| texts.number(text)).collect::<CoreResult<Vec<_>>>()?;
    for number in numbers.iter_mut().filter(|number| **number != MISSING) {
        *number = ids[*number as usize];
    }
    Ok(numbers)
}

/// A column that only some models compare, under its name.
pub type ExtraColumn<'a> = (&'a str, Column<'a>);

pub(super) fn extra_columns(
    columns: &[ExtraColumn<'_>],
    rows: usize,
    texts: &mut Texts,
) -> CoreResult<Vec<(Box<str>, Vec<TextId>)>> {
    let mut extras = Vec::with_capacity(columns.len());
    for (name, column) in columns {
        same_length("extras", column.len(), rows)?;
        if !is_extra_name(name) {
            return Err(CoreError::input("extras", "holds a name that is not usable"));
        }
        let joined = |clean: &str| {
            let text = clean.replace(' ', "");
            (!text.is_empty()).then_some(text)
        };
        extras.push((Box::from(*name), texts_of(Some(column), rows, texts, joined)?));
    }
    extras.sort();
    if extras.len() > MOST_EXTRAS || extras.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(CoreError::input("extras", "more than 16, or one twice"));
    }
    Ok(extras)
}

pub(super) fn number_names(names: &mut [NameForm], texts: &mut Texts) -> CoreResult<()> {
    for name in names {
        name.id = texts.number(&name.joined)?;
        name.long_ids = name.long_words.iter().map(|word| texts.number(word)).collect::<CoreResult<_>>()?;
        name.long_ids.sort_unstable();
        name.long_words = Vec::new();
        if !name.canonical.is_empty() {
            name.canonical_id = texts.number(&name.canonical)?;
        }
    }
    Ok(())
}

pub(super) fn number_places(streets: &mut [StreetForm], cities: &mut [CityForm], texts: &mut Texts) -> CoreResult<()> {
    for street in streets {
        let mut number = |text: &str| if text.is_empty() { Ok(MISSING) } else { texts.number(text) };
        street.ids.number = number(&street.number)?;
        street.ids.name = number(&street.name)?;
        street.ids.key = number(&street.key)?;
    }
    for city in cities {
        city.id = texts.number(&city.joined)?;
    }
    Ok(())
}
