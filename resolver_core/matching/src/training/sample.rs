//! Seeded draws that do not depend on the order of the rows: records are ranked by a mix of the seed and their address.

use rayon::prelude::*;

use crate::record::Records;

/// A generator of numbers (splitmix64: Steele, Lea and Flood 2014).
pub(super) struct Draw {
    state: u64,
}

/// The finisher of splitmix64: every bit of the result depends on every bit of the number.
fn finish(mut number: u64) -> u64 {
    number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ number >> 31
}

impl Draw {
    pub(super) fn new(seed: u64) -> Self {
        Self { state: finish(seed) }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        finish(self.state)
    }

    /// A number below `bound`; its bias is below `bound` / 2⁶⁴.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let wide = (u128::from(self.next()) * bound as u128) >> 64;
        usize::try_from(wide).unwrap_or(0)
    }
}

/// Rank of a record among all, by seed and address alone.
fn rank(records: &Records, seed: u64, row: u32) -> u64 {
    let start = records.address(row as usize).first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    finish(start ^ finish(seed.wrapping_add(0x9e37_79b9_7f4a_7c15)))
}

/// Rank of a pair of rows, the same from either side.
pub(super) fn pair_rank(records: &Records, seed: u64, left: u32, right: u32) -> u64 {
    let (left, right) = (rank(records, seed, left), rank(records, seed, right));
    finish(left.min(right) ^ left.max(right).rotate_left(32))
}

/// The `most` rows of lowest rank, or all, in the order of their ranks. O(records · log `most`).
pub(super) fn lowest(records: &Records, seed: u64, most: usize) -> Vec<u32> {
    let mut ranked: Vec<(u64, u32)> = (0..u32::try_from(records.len()).unwrap_or(u32::MAX))
        .into_par_iter()
        .with_min_len(1024)
        .map(|row| (rank(records, seed, row), row))
        .collect();
    if ranked.len() > most {
        ranked.select_nth_unstable(most);
        ranked.truncate(most);
    }
    ranked.par_sort_unstable();
    ranked.into_iter().map(|(_, row)| row).collect()
}

/// Random pairs of different rows: all pairs where there are no more than `all`, else `most` draws from the `most` rows of lowest rank.
pub(super) fn random_pairs(records: &Records, seed: u64, all: usize, most: usize) -> Vec<(u32, u32)> {
    let rows = lowest(records, seed, most);
    let count = rows.len();
    if count * count.saturating_sub(1) / 2 <= all {
        return (0..count).flat_map(|b| (0..b).map(move |a| (a, b))).map(|(a, b)| (rows[a], rows[b])).collect();
    }
    let mut draw = Draw::new(seed);
    let pair = |_| {
        let left = draw.below(count);
        let right = draw.below(count - 1);
        (rows[left], rows[right + usize::from(right >= left)])
    };
    (0..most).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::{batch, named};

    fn people(order: &[usize]) -> Records {
        let names: Vec<String> = order.iter().map(|number| format!("record {number}")).collect();
        batch(&names.iter().map(String::as_str).collect::<Vec<_>>(), &vec![named("ann", "lee"); order.len()])
    }

    fn addresses(records: &Records, pairs: &[(u32, u32)]) -> Vec<([u8; 32], [u8; 32])> {
        pairs.iter().map(|&(a, b)| (*records.address(a as usize), *records.address(b as usize))).collect()
    }

    #[test]
    fn draws_depend_on_seed_and_addresses_and_not_on_the_order_of_rows() {
        let forth: Vec<usize> = (0..60).collect();
        let back: Vec<usize> = (0..60).rev().collect();
        let (one, other) = (people(&forth), people(&back));
        for most in [40, 5000] {
            let drawn = random_pairs(&one, 7, most, most);
            assert_eq!(drawn.len(), most.min(60 * 59 / 2));
            assert!(drawn.iter().all(|(a, b)| a != b));
            assert_eq!(addresses(&one, &drawn), addresses(&other, &random_pairs(&other, 7, most, most)));
        }
        assert_ne!(random_pairs(&one, 7, 40, 40), random_pairs(&one, 8, 40, 40));
        assert_eq!(pair_rank(&one, 3, 5, 9), pair_rank(&one, 3, 9, 5));
        assert_eq!(lowest(&one, 1, 7), lowest(&one, 1, 100)[..7]);
    }

    #[test]
    fn nothing_can_be_drawn_from_one_record() {
        assert_eq!(random_pairs(&people(&[1]), 7, 40, 40), []);
        assert_eq!(random_pairs(&people(&[]), 7, 40, 40), []);
    }
}
