//! Blocking keys: coarse keys that make two records candidates, refined where too many records share one.

use crate::error::CoreResult;
use crate::model::{BlockingRule, Model, Part};
use crate::record::{Records, Row, code_text};
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
            Part::City => put(records.text(row.city)),
            Part::StreetKey => put(records.street(row).map(|street| street.key.as_str())),
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
    use crate::model::tests::shipped;
    use crate::record::tests::{Sample, batch, named};

    const KEY: &[u8] = &[9; 32];

    #[test]
    fn refinements_chain_and_absent_parts_end_a_rule() {
        let home: Sample<'_> = ([Some("otto"), None, Some("zimmer"), None, None, None, None, Some("02134")], &[]);
        let records = batch(&["a", "b"], &[home, named("otto", "zimmer")]);
        let keys = blocking_keys(KEY, &records, &shipped()).expect("valid");
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
        let key = blocking_keys(KEY, &records, &shipped()).expect("valid")[0].key;
        let digest = KeyedHash::new(KEY).expect("long enough").digest(&[b"block\0names\x000\0AT+SMR"]);
        assert_eq!(key.to_be_bytes(), digest[..8]);
    }

    #[test]
    fn swapped_names_share_a_block() {
        let records = batch(&["a", "b"], &[named("otto", "zimmer"), named("zimmer", "otto")]);
        let keys = blocking_keys(KEY, &records, &shipped()).expect("valid");
        assert_eq!(keys[0].key, keys[1].key);
    }
}
