//! Public profile ids of the rows of a batch.

use crate::error::{CoreError, CoreResult, same_length};
use crate::record::Records;

/// Birth id of a record in a batch: the first bytes of its address as a UUID of version 8.
fn birth_id(address: &[u8; 32]) -> u128 {
    let bits = address.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes));
    (bits & !(0xf << 76 | 0b11 << 62)) | 8 << 76 | 0b10 << 62
}

/// Appends `GP-` and the UUID in its usual writing.
fn write_id(id: u128, text: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut written = *b"GP-00000000-0000-0000-0000-000000000000";
    let mut place = 3;
    for byte in id.to_be_bytes() {
        place += usize::from(written[place] == b'-');
        written[place] = DIGITS[usize::from(byte >> 4)];
        written[place + 1] = DIGITS[usize::from(byte & 15)];
        place += 2;
    }
    text.push_str(std::str::from_utf8(&written).unwrap_or_default());
}

/// The public ids of the profiles of a batch: that of a profile is the smallest birth id of its records.
#[derive(Debug)]
pub struct ProfileIds {
    homes: Vec<u32>,
    /// Smallest birth id by cluster.
    smallest: Vec<u128>,
}

/// Profile ids of some rows, one after the other.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct IdTexts {
    /// Where each row's id begins, and where the last one ends; a row without a record has an empty one.
    pub offsets: Vec<i32>,
    /// The ids.
    pub text: String,
}

impl ProfileIds {
    /// Names the clusters of a batch. O(records).
    ///
    /// # Errors
    /// `Input` if the clusters are not one per record, or name none.
    pub fn new(records: &Records, clusters: &[i64]) -> CoreResult<Self> {
        same_length("clusters", clusters.len(), records.len())?;
        let mut smallest = vec![u128::MAX; records.len()];
        let mut homes = Vec::with_capacity(clusters.len());
        for (record, cluster) in clusters.iter().enumerate() {
            let home = u32::try_from(*cluster)
                .ok()
                .filter(|home| (*home as usize) < records.len())
                .ok_or_else(|| CoreError::input("clusters", "holds a row outside the batch"))?;
            let own = &mut smallest[home as usize];
            *own = birth_id(records.address(record)).min(*own);
            homes.push(home);
        }
        Ok(Self { homes, smallest })
    }

    /// Ids of rows given by their records; `u32::MAX` has none. O(rows).
    ///
    /// # Errors
    /// `Input` for a record outside the batch, and for more rows than 32-bit offsets reach.
    pub fn texts(&self, rows: &[u32]) -> CoreResult<IdTexts> {
        let mut ids = IdTexts { offsets: Vec::with_capacity(rows.len() + 1), text: String::new() };
        ids.offsets.push(0);
        for row in rows {
            if *row != u32::MAX {
                let home = self.homes.get(*row as usize);
                let home = home.ok_or_else(|| CoreError::input("rows", "holds a row outside the batch"))?;
                write_id(self.smallest[*home as usize], &mut ids.text);
            }
            let end = i32::try_from(ids.text.len()).map_err(|_| CoreError::input("rows", "too many at once"))?;
            ids.offsets.push(end);
        }
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{batch, named};

    #[test]
    fn ids_are_uuids_of_version_eight() {
        let mut text = String::new();
        write_id(birth_id(&[0xff; 32]), &mut text);
        assert_eq!(text, "GP-ffffffff-ffff-8fff-bfff-ffffffffffff");
    }

    #[test]
    fn a_profile_has_the_smallest_birth_id_of_its_records() {
        let records = batch(&["a", "b", "c"], &[named("otto", "zimmer"), named("otto", "zimmer"), named("anna", "lee")]);
        let ids = ProfileIds::new(&records, &[1, 1, 2]).expect("valid");
        let texts = ids.texts(&[0, 1, u32::MAX, 2]).expect("valid");
        assert_eq!(texts.offsets, [0, 39, 78, 78, 117]);
        let found: Vec<&str> = (0..3).map(|at| &texts.text[at * 39..(at + 1) * 39]).collect();
        let mut own = [String::new(), String::new(), String::new()];
        for (text, record) in own.iter_mut().zip(0..) {
            write_id(birth_id(records.address(record)), text);
        }
        let lowest = own[0].clone().min(own[1].clone());
        assert_eq!(found, [lowest.as_str(), lowest.as_str(), own[2].as_str()]);
        assert!(ids.texts(&[7]).is_err());
        assert!(ProfileIds::new(&records, &[1, 1, 3]).is_err() && ProfileIds::new(&records, &[1]).is_err());
    }
}
