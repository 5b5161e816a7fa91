//! Prepared records: columns are dictionary-encoded, and every distinct value is folded, joined and coded once.

mod encode;
mod forms;
mod slots;

pub use self::encode::ExtraColumn;
use self::encode::{Texts, extra_columns, number_names, number_places, prepare, small, texts_of};
pub(crate) use self::forms::{CityForm, Day, MISSING, NameForm, StreetForm, TextId, code_text};
pub(crate) use self::slots::{Slot, Slots};
use crate::error::{CoreError, CoreResult, same_length};
use crate::normalize::Digest32;
use crate::token::AttributeColumns;
use crate::words::{BIRTH_DATE, CITY, FAMILY_NAME, GIVEN_NAME, MIDDLE_NAME, NAME_SUFFIX, POSTCODE, STREET};

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
    texts: Vec<Box<str>>,
    slots: Slots,
    /// The distinct tokens, by number.
    tokens: Vec<Digest32>,
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

fn suffix_number(clean: Option<&str>) -> CoreResult<u8> {
    match clean {
        None => Ok(0),
        Some("jr") => Ok(1),
        Some("sr") => Ok(2),
        Some("ii") => Ok(3),
        Some("iii") => Ok(4),
        Some("iv") => Ok(5),
        Some(_) => Err(CoreError::input("attributes", "name_suffix holds a value that is not clean")),
    }
}

fn birth_day(clean: Option<&str>) -> CoreResult<Day> {
    clean.map_or(Ok(Day::MISSING), |value| {
        Day::read(value).ok_or_else(|| CoreError::input("attributes", "birth_date holds a value that is not clean"))
    })
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

        let mut texts = Texts::default();
        let (given_numbers, mut given) = prepare(attributes[GIVEN_NAME], rows, NameForm::given)?;
        let (family_numbers, mut family) = prepare(attributes[FAMILY_NAME], rows, NameForm::family)?;
        number_names(&mut given, &mut texts)?;
        number_names(&mut family, &mut texts)?;
        let compact = |text: String| (!text.is_empty()).then_some(text);
        let middle = texts_of(attributes[MIDDLE_NAME], rows, &mut texts, |clean| {
            compact(crate::normalize::fold(clean).replace(' ', ""))
        })?;
        let postcode = texts_of(attributes[POSTCODE], rows, &mut texts, |clean| compact(clean.to_owned()))?;
        let (street_numbers, mut streets) = prepare(attributes[STREET], rows, |clean| Some(StreetForm::of(clean)))?;
        let (city_numbers, mut cities) = prepare(attributes[CITY], rows, CityForm::of)?;
        number_places(&mut streets, &mut cities, &mut texts)?;
        let extras = extra_columns(extras, rows, &mut texts)?;

        let row = |index: usize| {
            Ok(Row {
                given: given_numbers[index],
                family: family_numbers[index],
                middle: middle[index],
                suffix: suffix_number(attributes[NAME_SUFFIX].and_then(|column| column[index]))?,
                birth_date: birth_day(attributes[BIRTH_DATE].and_then(|column| column[index]))?,
                street: street_numbers[index],
                city: city_numbers[index],
                postcode: postcode[index],
            })
        };
        let rows = (0..rows).map(row).collect::<CoreResult<Vec<_>>>()?;
        Ok(Self { addresses, rows, given, family, streets, cities, extras, texts: texts.into_list(), slots, tokens })
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

    pub(crate) fn address(&self, row: usize) -> &Digest32 {
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
        self.texts.get(number as usize).map(AsRef::as_ref)
    }

    pub(crate) fn texts(&self) -> &[Box<str>] {
        &self.texts
    }

    pub(crate) fn slots(&self) -> &Slots {
        &self.slots
    }

    /// The distinct tokens of the batch, by number.
    pub(crate) fn tokens(&self) -> &[Digest32] {
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
