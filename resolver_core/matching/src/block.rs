//! Blocking keys: coarse keys that make two records candidates, refined where too many records share one.

use crate::error::CoreResult;
use crate::model::{BlockingRule, Model, Part};
use crate::record::{MISSING, NameForm, Records, Row, code_text};
use crate::token::KeyedHash;

/// One blocking key of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockingKey {
    /// Row of the record.
    pub record: usize,
    /// Position of the rule in the model.
    pub rule: usize,
    /// Number of refinements used.
    pub depth: usize,
    /// The key.
    pub key: i64,
    /// Key of the same record and rule one depth up; 0 at depth 0.
    pub parent: i64,
}

/// The first three characters of a folded text, or all of a shorter one.
fn start(joined: &str) -> &str {
    joined.get(..3).unwrap_or(joined)
}

/// The last three characters of a folded text, or all of a shorter one.
fn end(joined: &str) -> &str {
    joined.get(joined.len().saturating_sub(3)..).unwrap_or(joined)
}

/// Makes keys under one secret.
pub(crate) struct KeyMaker<'a> {
    hash: KeyedHash,
    records: &'a Records,
}

impl<'a> KeyMaker<'a> {
    pub(crate) fn new(key: &[u8], records: &'a Records) -> CoreResult<Self> {
        Ok(Self { hash: KeyedHash::new(key)?, records })
    }

    /// Appends a part's value; false if the record lacks it.
    fn write_part(&self, row: &Row, part: Part, text: &mut Vec<u8>) -> bool {
        let records = self.records;
        let before = text.len();
        let given = || records.given(row);
        let family = || records.family(row);
        let mut put = |value: Option<&str>| text.extend_from_slice(value.unwrap_or_default().as_bytes());
        match part {
            Part::FamilyMetaphone => put(family().map(|name| code_text(&name.code))),
            Part::GivenMetaphone => put(given().map(|name| code_text(&name.code))),
            Part::GivenCanonical => put(given().map(|name| name.canonical.as_str())),
            Part::GivenInitial => put(given().and_then(|name| name.canonical.get(..1))),
            Part::Given3 => put(given().map(|name| start(&name.joined))),
            Part::Family3 => put(family().map(|name| start(&name.joined))),
            Part::Family => put(family().map(|name| name.joined.as_str())),
            Part::FamilyEnd => put(family().map(|name| end(&name.joined))),
            Part::NamesSorted => {
                let codes = given().zip(family()).map(|(a, b)| (code_text(&a.code), code_text(&b.code)));
                if let Some((a, b)) = codes.filter(|(a, b)| !a.is_empty() && !b.is_empty()) {
                    put(Some(a.min(b)));
                    put(Some("+"));
                    put(Some(a.max(b)));
                }
            }
            Part::Postcode => put(records.text(row.postcode)),
            Part::PostcodeArea => put(records.text(row.postcode).and_then(|postcode| postcode.get(..3))),
            Part::City => put(records.city(row).map(|city| city.joined.as_str())),
            Part::CityMetaphone => put(records.city(row).map(|city| code_text(&city.code))),
            Part::StreetKey => put(records.street(row).and_then(|street| records.text(street.ids.key))),
            Part::StreetName => put(records.street(row).map(|street| code_text(&street.code))),
            Part::BirthDate | Part::BirthYear if row.birth_date.is_missing() => (),
            Part::BirthDate => {
                let day = row.birth_date;
                put(Some(&format!("{:04}-{:02}-{:02}", day.year(), day.month(), day.day())));
            }
            Part::BirthYear => put(Some(&format!("{:04}", row.birth_date.year()))),
        }
        text.len() > before
    }

    /// Key of a record under a rule at a depth; `None` if it lacks a part. O(length of the parts).
    pub(crate) fn key(&self, rule: &BlockingRule, depth: usize, record: usize) -> Option<i64> {
        let row = self.records.row(record);
        let mut text = Vec::with_capacity(48);
        for part in rule.parts.iter().chain(&rule.refinements[..depth]) {
            if !text.is_empty() {
                text.push(0x1f);
            }
            if !self.write_part(row, *part, &mut text) {
                return None;
            }
        }
        let depth = [b'0' + u8::try_from(depth).unwrap_or(0)];
        let digest = self.hash.digest(&[b"block\0", rule.name.as_bytes(), b"\0", &depth, b"\0", &text]);
        digest.first_chunk().map(|bytes| i64::from_be_bytes(*bytes))
    }
}

/// The parts of a name: what a key is made of stands in a few bytes, and not in as many lines of memory.
#[derive(Debug, Clone, Copy)]
struct NameParts {
    joined: u32,
    start: u64,
    end: u64,
    code: [u8; 4],
    canonical: u32,
    initial: Option<u8>,
}

fn bytes(text: &[u8]) -> u64 {
    text.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn coded(code: &[u8]) -> Option<u64> {
    (code[0] != 0).then(|| bytes(code))
}

fn numbered(number: u32) -> Option<u64> {
    (number != MISSING).then_some(u64::from(number))
}

impl NameParts {
    fn of(name: &NameForm) -> Self {
        Self {
            joined: name.id,
            start: bytes(start(&name.joined).as_bytes()),
            end: bytes(end(&name.joined).as_bytes()),
            code: name.code,
            canonical: name.canonical_id,
            initial: name.canonical.bytes().next(),
        }
    }
}

/// Makes keys that are equal where the texts of the parts are, without a secret and cheaper than a keyed hash: for blocks that never leave memory.
pub(crate) struct PlainKeys<'a> {
    records: &'a Records,
    given: Vec<NameParts>,
    family: Vec<NameParts>,
    /// Areas of the postcodes by number, from the lowest on.
    areas: Vec<Option<u64>>,
    first_postcode: u32,
}

impl<'a> PlainKeys<'a> {
    /// Packs the parts of all values. O(records).
    pub(crate) fn new(records: &'a Records) -> Self {
        let (given, family) = records.names();
        let postcodes = || (0..records.len()).map(|row| records.row(row).postcode).filter(|number| *number != MISSING);
        let first = postcodes().min().unwrap_or(0);
        let area = |number: u32| records.text(number)?.get(..3).map(|area| bytes(area.as_bytes()));
        Self {
            records,
            given: given.iter().map(NameParts::of).collect(),
            family: family.iter().map(NameParts::of).collect(),
            areas: postcodes().max().map_or_else(Vec::new, |last| (first..=last).map(area).collect()),
            first_postcode: first,
        }
    }

    /// A number that is equal where the texts of a part are, the bytes of a short text or the number of a long one; `None` if the record lacks it.
    fn number(&self, row: &Row, part: Part) -> Option<u64> {
        let records = self.records;
        let given = || self.given.get(row.given as usize);
        let family = || self.family.get(row.family as usize);
        let day = row.birth_date;
        match part {
            Part::FamilyMetaphone => coded(&family()?.code),
            Part::GivenMetaphone => coded(&given()?.code),
            Part::GivenCanonical => numbered(given()?.canonical),
            Part::GivenInitial => given()?.initial.map(u64::from),
            Part::Given3 => Some(given()?.start),
            Part::Family3 => Some(family()?.start),
            Part::Family => numbered(family()?.joined),
            Part::FamilyEnd => Some(family()?.end),
            Part::NamesSorted => {
                let (given, family) = (coded(&given()?.code)?, coded(&family()?.code)?);
                Some(given.min(family) << 32 | given.max(family))
            }
            Part::Postcode => numbered(row.postcode),
            Part::PostcodeArea => {
                let place = row.postcode.checked_sub(self.first_postcode)?;
                self.areas.get(place as usize).copied().flatten()
            }
            Part::City => numbered(records.city(row)?.id),
            Part::CityMetaphone => coded(&records.city(row)?.code),
            Part::StreetKey => numbered(records.street(row)?.ids.key),
            Part::StreetName => coded(&records.street(row)?.code),
            Part::BirthDate => (!day.is_missing()).then(|| u64::from(day.number())),
            Part::BirthYear => (!day.is_missing()).then(|| u64::from(day.year())),
        }
    }

    /// Key of a record; `None` if it lacks a part. O(parts).
    pub(crate) fn key(&self, parts: &[Part], record: u32) -> Option<u64> {
        let row = self.records.row(record as usize);
        parts.iter().try_fold(0, |key, part| Some(mix(key, self.number(row, *part)?)))
    }

    /// The same of one depth more.
    pub(crate) fn refined(&self, key: u64, part: Part, record: u32) -> Option<u64> {
        Some(mix(key, self.number(self.records.row(record as usize), part)?))
    }
}

/// Mixes a number into a key; every bit of the result depends on every bit of both (the finisher of splitmix64).
fn mix(key: u64, number: u64) -> u64 {
    let mut mixed = (key ^ number).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ mixed >> 31
}

/// All blocking keys, ordered by record, rule and depth. O(records × keys).
///
/// # Errors
/// `Input` for a key shorter than 32 bytes.
pub fn blocking_keys(key: &[u8], records: &Records, model: &Model) -> CoreResult<Vec<BlockingKey>> {
    let maker = KeyMaker::new(key, records)?;
    let mut keys = Vec::new();
    for record in 0..records.len() {
        for (rule, definition) in model.rules().iter().enumerate() {
            let mut parent = 0;
            for depth in 0..=definition.refinements.len() {
                let Some(key) = maker.key(definition, depth, record) else { break };
                keys.push(BlockingKey { record, rule, depth, key, parent });
                parent = key;
            }
        }
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::plain;
    use crate::record::tests::{Sample, batch, named};

    const KEY: &[u8] = &[9; 32];

    #[test]
    fn refinements_chain_and_absent_parts_end_a_rule() {
        let home: Sample<'_> = ([Some("otto"), None, Some("zimmer"), None, None, None, None, Some("02134")], &[]);
        let records = batch(&["a", "b"], &[home, named("otto", "zimmer")]);
        let keys = blocking_keys(KEY, &records, &plain()).expect("valid");
        let shape = |record: usize| -> Vec<(usize, usize)> {
            keys.iter().filter(|key| key.record == record).map(|key| (key.rule, key.depth)).collect()
        };
        assert_eq!(shape(0), [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (6, 0)]);
        assert_eq!(shape(1), [(1, 0)]);
        for pair in keys.windows(2).filter(|pair| pair[1].depth > 0) {
            assert_eq!(pair[1].parent, pair[0].key);
        }
        assert!(keys.iter().filter(|key| key.depth == 0).all(|key| key.parent == 0));
    }

    #[test]
    fn a_key_is_the_hmac_of_the_page() {
        let records = batch(&["a"], &[named("otto", "zimmer")]);
        let key = blocking_keys(KEY, &records, &plain()).expect("valid")[0].key;
        let digest = KeyedHash::new(KEY).expect("long enough").digest(&[b"block\0names\x000\0AT+SMR"]);
        assert_eq!(key.to_be_bytes(), digest[..8]);
    }

    #[test]
    fn plain_keys_are_equal_where_the_keys_of_the_page_are() {
        let sample = |given, family, born, street, city, code| -> Sample<'static> {
            ([given, None, family, None, born, street, city, code], &[])
        };
        let samples = [
            sample(Some("otto"), Some("zimmer"), Some("1980-05-12"), Some("12 main st"), Some("new york"), Some("02134")),
            sample(Some("zimmer"), Some("otto"), Some("1980-05-13"), Some("12 maine st"), Some("newyork"), Some("02135")),
            sample(Some("bill"), Some("van dyke"), Some("1980-13-40"), Some("main st"), Some("boston"), Some("21")),
            sample(Some("william"), Some("dyk"), None, Some("77"), None, None),
            sample(Some("al"), Some("7"), Some("1980-13-40"), Some("12 main st"), Some("bostn"), None),
            sample(None, Some("dyke"), None, None, Some("boston"), Some("021")),
        ];
        let names: Vec<String> = (0..samples.len()).map(|row| row.to_string()).collect();
        let records = batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), &samples);
        let (maker, keys) = (KeyMaker::new(KEY, &records).expect("long enough"), PlainKeys::new(&records));
        let parts = [
            Part::FamilyMetaphone,
            Part::GivenMetaphone,
            Part::GivenCanonical,
            Part::GivenInitial,
            Part::Given3,
            Part::Family3,
            Part::Family,
            Part::FamilyEnd,
            Part::NamesSorted,
            Part::Postcode,
            Part::PostcodeArea,
            Part::City,
            Part::CityMetaphone,
            Part::StreetKey,
            Part::StreetName,
            Part::BirthDate,
            Part::BirthYear,
        ];
        let mut agreeing = 0;
        for part in parts {
            let rule = BlockingRule { name: "one".into(), parts: vec![part], refinements: vec![Part::GivenInitial] };
            for a in 0..records.len() {
                for b in 0..records.len() {
                    let plain = |record: usize| {
                        let record = u32::try_from(record).expect("few");
                        let key = keys.key(&rule.parts, record);
                        (key, key.and_then(|key| keys.refined(key, Part::GivenInitial, record)))
                    };
                    let keyed = |record| (maker.key(&rule, 0, record), maker.key(&rule, 1, record));
                    let ((p, refined_p), (q, refined_q)) = (plain(a), plain(b));
                    let ((k, refined_k), (l, refined_l)) = (keyed(a), keyed(b));
                    assert_eq!((p.is_some(), refined_p.is_some()), (k.is_some(), refined_k.is_some()), "{part:?} {a}");
                    assert_eq!((p == q, refined_p == refined_q), (k == l, refined_k == refined_l), "{part:?} {a} {b}");
                    agreeing += usize::from(a < b && p.is_some() && p == q);
                }
            }
        }
        assert!(agreeing > 15, "{agreeing}");
    }

    #[test]
    fn swapped_names_share_a_block() {
        let records = batch(&["a", "b"], &[named("otto", "zimmer"), named("zimmer", "otto")]);
        let keys = blocking_keys(KEY, &records, &plain()).expect("valid");
        assert_eq!(keys[0].key, keys[1].key);
    }
}
