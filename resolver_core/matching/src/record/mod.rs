//! Prepared records: columns are dictionary-encoded, and every distinct value is folded, joined and coded once.

mod encode;
mod forms;
mod intern;
mod slots;
mod tokens;

pub use self::encode::ExtraColumn;
pub(crate) use self::encode::{Encoded, by_extra_name, each};
use self::encode::{both, cities, encoded_extras, extra_columns, names, streets, texts_of};
pub(crate) use self::forms::{CityForm, Day, MISSING, NameForm, StreetForm, TextId, code_text};
pub(crate) use self::intern::{DigestNumbers, HashIndex, Interner, TextList, small, text_hash};
pub(crate) use self::slots::{Slot, Slots};
pub(crate) use self::tokens::{Identity, Tokens};
use crate::error::{CoreError, CoreResult, same_length};
use crate::normalize::{Digest32, PARALLEL_ROWS};
use crate::token::AttributeColumns;
use crate::words::{ATTRIBUTES, MIDDLE_NAME, POSTCODE};

/// Row numbers are below [`MISSING`]: a batch of more records is refused when it is prepared.
pub(crate) fn row_number(record: usize) -> u32 {
    u32::try_from(record).unwrap_or(MISSING)
}

/// One record as numbers of prepared values; [`MISSING`] where there is none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) given: u32,
    pub(crate) family: u32,
    pub(crate) middle: TextId,
    pub(crate) suffix: u8,
    pub(crate) birth_date: Day,
    pub(crate) street: u32,
    pub(crate) city: u32,
    pub(crate) postcode: TextId,
}

/// An immutable batch of prepared records.
#[derive(Debug)]
pub struct Records {
    addresses: Vec<Digest32>,
    rows: Vec<Row>,
    given: Vec<NameForm>,
    family: Vec<NameForm>,
    streets: Vec<StreetForm>,
    cities: Vec<CityForm>,
    /// Extra columns by name, ascending: numbers of joined texts.
    extras: Vec<(Box<str>, Vec<TextId>)>,
    texts: TextList,
    slots: Slots,
    /// The distinct tokens, by number.
    tokens: Tokens,
}

/// The identifiers of a batch; record `i` owns rows `offsets[i]..offsets[i + 1]`.
#[derive(Debug, Clone, Copy)]
pub struct TokenColumns<'a> {
    /// Cuts of the other columns.
    pub offsets: &'a [i64],
    /// Type numbers.
    pub types: &'a [i64],
    /// Namespaces.
    pub namespaces: &'a [&'a str],
    /// Form numbers.
    pub forms: &'a [i64],
    /// Tokens of 32 bytes.
    pub tokens: &'a [&'a [u8]],
}

fn suffix_number(clean: &str) -> CoreResult<u8> {
    match clean {
        "jr" => Ok(1),
        "sr" => Ok(2),
        "ii" => Ok(3),
        "iii" => Ok(4),
        "iv" => Ok(5),
        _ => Err(CoreError::input("attributes", "name_suffix holds a value that is not clean")),
    }
}

fn birth_day(clean: &str) -> CoreResult<Day> {
    Day::read(clean).ok_or_else(|| CoreError::input("attributes", "birth_date holds a value that is not clean"))
}

/// Clean columns as numbers of their distinct values: attributes in their order, extras by name.
pub(crate) struct EncodedColumns<'a> {
    pub(crate) attributes: [Encoded<'a>; ATTRIBUTES.len()],
    pub(crate) extras: Vec<(&'a str, Encoded<'a>)>,
}

impl Records {
    /// Prepares clean attributes and tokens. O(total bytes), on all cores above a thousand rows.
    ///
    /// # Errors
    /// `Input` for columns of different lengths, wrong offsets, unknown types or forms, tokens or addresses that are not 32 bytes,
    /// birth dates or suffixes that are not clean, and extras of unusable names.
    pub fn new(
        addresses: &[&[u8]],
        attributes: &AttributeColumns<'_>,
        extras: &[ExtraColumn<'_>],
        tokens: &TokenColumns<'_>,
    ) -> CoreResult<Self> {
        let rows = addresses.len();
        for column in attributes.iter().flatten() {
            same_length("attributes", column.len(), rows)?;
        }
        let addresses = addresses
            .iter()
            .map(|address| {
                Digest32::try_from(*address).map_err(|_| CoreError::input("addresses", "holds one that is not 32 bytes"))
            })
            .collect::<CoreResult<Vec<_>>>()?;
        let (slots, tokens) = Slots::new(tokens, rows)?;
        let encoded = |position: usize| Encoded::of(attributes[position], rows);
        let columns = EncodedColumns {
            attributes: [
                encoded(0)?,
                encoded(1)?,
                encoded(2)?,
                encoded(3)?,
                encoded(4)?,
                encoded(5)?,
                encoded(6)?,
                encoded(7)?,
            ],
            extras: encoded_extras(extras, rows)?,
        };
        Self::prepared(addresses, columns, slots, Tokens::Made(tokens))
    }

    /// Prepares encoded columns, as long as there are addresses and slots. O(distinct bytes + rows), on all cores above a thousand rows.
    pub(crate) fn prepared(
        addresses: Vec<Digest32>,
        columns: EncodedColumns<'_>,
        slots: Slots,
        tokens: Tokens,
    ) -> CoreResult<Self> {
        small(addresses.len())?;
        let much = addresses.len() > PARALLEL_ROWS;
        let [given, middle, family, suffix, birth_date, street, city, postcode] = columns.attributes;
        let suffixes = suffix.values.iter().map(|clean| suffix_number(clean)).collect::<CoreResult<Vec<_>>>()?;
        let days = birth_date.values.iter().map(|clean| birth_day(clean)).collect::<CoreResult<Vec<_>>>()?;
        let compact = |text: String| (!text.is_empty()).then_some(text);
        let (((people, towns), lines), others) = both(
            much,
            || both(much, || both(much, || names(given, family), || cities(city)), || streets(street)),
            || {
                let middle = texts_of(ATTRIBUTES[MIDDLE_NAME], middle, |clean| {
                    compact(crate::normalize::fold(clean).replace(' ', ""))
                })?;
                let postcode = texts_of(ATTRIBUTES[POSTCODE], postcode, |clean| compact(clean.to_owned()))?;
                Ok((middle, postcode, extra_columns(columns.extras)?))
            },
        );
        let (names, (city_rows, mut cities, city_texts), mut streets) = (people?, towns?, lines?);
        let ((middle, middle_texts), (postcode, postcode_texts), prepared_extras) = others?;

        let mut texts = names.texts;
        let moved = |id: TextId, first: u32| if id == MISSING { MISSING } else { first + id };
        let (firsts, city_first) = {
            let [numbers, names, keys] = &streets.texts;
            ([texts.append(numbers)?, texts.append(names)?, texts.append(keys)?], texts.append(&city_texts)?)
        };
        for StreetForm { ids, .. } in &mut streets.forms {
            ids.number = moved(ids.number, firsts[0]);
            ids.name = moved(ids.name, firsts[1]);
            ids.key = moved(ids.key, firsts[2]);
        }
        for city in &mut cities {
            city.id = moved(city.id, city_first);
        }
        let (middle_first, postcode_first) = (texts.append(&middle_texts)?, texts.append(&postcode_texts)?);
        let mut extras = Vec::with_capacity(prepared_extras.len());
        for (name, mut numbers, own) in prepared_extras {
            let first = texts.append(&own)?;
            for number in &mut numbers {
                *number = moved(*number, first);
            }
            extras.push((name, numbers));
        }
        let row = |index: usize| Row {
            given: names.given.0[index],
            family: names.family.0[index],
            middle: moved(middle[index], middle_first),
            suffix: suffixes.get(suffix.numbers[index] as usize).copied().unwrap_or(0),
            birth_date: days.get(birth_date.numbers[index] as usize).copied().unwrap_or(Day::MISSING),
            street: streets.rows[index],
            city: city_rows[index],
            postcode: moved(postcode[index], postcode_first),
        };
        let rows = (0..addresses.len()).map(row).collect();
        let (given, family) = (names.given.1, names.family.1);
        Ok(Self { addresses, rows, given, family, streets: streets.forms, cities, extras, texts, slots, tokens })
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether the batch is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Address of a record; panics for a row outside the batch.
    #[must_use]
    pub fn address(&self, row: usize) -> &Digest32 {
        &self.addresses[row]
    }

    pub(crate) fn row(&self, row: usize) -> &Row {
        &self.rows[row]
    }

    pub(crate) fn given(&self, row: &Row) -> Option<&NameForm> {
        self.given.get(row.given as usize)
    }

    pub(crate) fn family(&self, row: &Row) -> Option<&NameForm> {
        self.family.get(row.family as usize)
    }

    pub(crate) fn street(&self, row: &Row) -> Option<&StreetForm> {
        self.streets.get(row.street as usize)
    }

    pub(crate) fn city(&self, row: &Row) -> Option<&CityForm> {
        self.cities.get(row.city as usize)
    }

    /// Numbers of the joined texts of an extra column.
    pub(crate) fn extra(&self, name: &str) -> Option<&[TextId]> {
        let place = self.extras.binary_search_by(|(own, _)| own.as_ref().cmp(name)).ok()?;
        Some(&self.extras[place].1)
    }

    /// Forms of all distinct given names, and of all distinct family names.
    pub(crate) fn names(&self) -> (&[NameForm], &[NameForm]) {
        (&self.given, &self.family)
    }

    pub(crate) fn text(&self, number: TextId) -> Option<&str> {
        self.texts.get(number)
    }

    pub(crate) fn texts(&self) -> &TextList {
        &self.texts
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The distinct tokens of the batch, by number.
    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Name key of a record: Metaphone of the family name, `|`, first letter of the canonical given name.
    pub(crate) fn name_key(&self, row: usize) -> Option<([u8; 4], u8)> {
        let row = self.row(row);
        let code = self.family(row)?.code;
        let initial = *self.given(row)?.canonical.as_bytes().first()?;
        (code != [0; 4]).then_some((code, initial))
    }

    /// Name keys as text. O(rows).
    #[must_use]
    pub fn name_keys(&self) -> Vec<Option<String>> {
        let text = |row| self.name_key(row).map(|(code, initial)| format!("{}|{}", code_text(&code), char::from(initial)));
        (0..self.len()).map(text).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::normalize::sha256;
    use crate::words::BIRTH_DATE;

    /// A record of a test: attributes in the order of the claim, then `(type, form, value)`; what stands before a `:` in a value is its
    /// namespace.
    pub(crate) type Sample<'a> = ([Option<&'a str>; 8], &'a [(i64, i64, &'a str)]);

    /// Prepares samples; the address of record `i` is the digest of `names[i]`.
    pub(crate) fn batch(names: &[&str], samples: &[Sample<'_>]) -> Records {
        batch_with(names, samples, &[])
    }

    /// The same with extra columns.
    pub(crate) fn batch_with(names: &[&str], samples: &[Sample<'_>], extras: &[ExtraColumn<'_>]) -> Records {
        let addresses: Vec<Digest32> = names.iter().map(sha256).collect();
        let addresses: Vec<&[u8]> = addresses.iter().map(<[u8; 32]>::as_slice).collect();
        let columns: Vec<Vec<Option<&str>>> =
            (0..8).map(|column| samples.iter().map(|sample| sample.0[column]).collect()).collect();
        let attributes: AttributeColumns<'_> = std::array::from_fn(|column| Some(columns[column].as_slice()));
        let mut offsets = vec![0];
        let (mut types, mut forms, mut tokens, mut namespaces) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for sample in samples {
            for (kind, form, value) in sample.1 {
                types.push(*kind);
                forms.push(*form);
                namespaces.push(value.split_once(':').map_or("", |(namespace, _)| namespace));
                tokens.push(sha256(format!("{kind}{form}{value}")));
            }
            offsets.push(i64::try_from(types.len()).expect("short"));
        }
        let tokens: Vec<&[u8]> = tokens.iter().map(<[u8; 32]>::as_slice).collect();
        let owned =
            TokenColumns { offsets: &offsets, types: &types, namespaces: &namespaces, forms: &forms, tokens: &tokens };
        Records::new(&addresses, &attributes, extras, &owned).expect("the samples are clean")
    }

    /// A sample with a given and a family name only.
    pub(crate) fn named<'a>(given: &'a str, family: &'a str) -> Sample<'a> {
        ([Some(given), None, Some(family), None, None, None, None, None], &[])
    }

    #[test]
    fn name_keys_follow_nicknames() {
        let records = batch(&["a", "b", "c"], &[named("bill", "van dyke"), named("william", "dyke"), ([None; 8], &[])]);
        assert_eq!(records.name_keys(), [Some("TK|w".to_owned()), Some("TK|w".to_owned()), None]);
    }

    #[test]
    fn refusals_name_the_argument() {
        let nothing = TokenColumns { offsets: &[0, 0], types: &[], namespaces: &[], forms: &[], tokens: &[] };
        let address: &[u8] = &[0; 32];
        let dates: [Option<&str>; 1] = [Some("soon")];
        let mut attributes: AttributeColumns<'_> = [None; 8];
        attributes[BIRTH_DATE] = Some(&dates);
        let refused = |result: CoreResult<Records>| match result {
            Err(CoreError::Input { argument, .. }) => argument,
            _ => "",
        };
        assert_eq!(refused(Records::new(&[address], &attributes, &[], &nothing)), "attributes");
        assert_eq!(refused(Records::new(&[&[1]], &[None; 8], &[], &nothing)), "addresses");
        assert_eq!(refused(Records::new(&[], &[None; 8], &[], &nothing)), "offsets");
        let extra: [Option<&str>; 1] = [Some("x")];
        for extras in [&[("Sex", &extra[..])][..], &[("sex", &[])], &[("sex", &extra), ("sex", &extra)]] {
            assert_eq!(refused(Records::new(&[address], &[None; 8], extras, &nothing)), "extras");
        }
    }
}
