//! Kept pairs, reduced to what decides components: a spanning forest of largest scores.
//!
//! Records are connected at a floor by the pairs that reach it. For all floors at once that is decided by fewer pairs than there are records: a
//! pair between two records that pairs at least as strong connect already, directly or through others, connects nothing new at any floor (Kruskal
//! 1956). So pairs are collected up to a bound and then reduced to the others, however many are kept in all.

use std::cmp::Reverse;
use std::sync::{Mutex, PoisonError};

/// A scored pair of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Edge {
    pub(crate) left: u32,
    pub(crate) right: u32,
    pub(crate) score: i32,
}

/// Union-find with path halving.
pub(super) struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    /// So many nodes, each alone.
    pub(super) fn new(size: usize) -> Self {
        Self { parents: (0..u32::try_from(size).unwrap_or(u32::MAX)).collect() }
    }

    pub(super) fn root(&mut self, mut node: u32) -> u32 {
        while self.parents[node as usize] != node {
            let above = self.parents[node as usize];
            self.parents[node as usize] = self.parents[above as usize];
            node = self.parents[node as usize];
        }
        node
    }

    /// Connects two nodes; gives whether they were not. The lower root wins, so that roots do not depend on the order of unions.
    pub(super) fn join(&mut self, left: u32, right: u32) -> bool {
        let (a, b) = (self.root(left), self.root(right));
        let (low, high) = (a.min(b), a.max(b));
        self.parents[high as usize] = low;
        low != high
    }

    /// The root of every node. O(nodes).
    pub(super) fn into_roots(mut self) -> Vec<u32> {
        // A parent is never above its node, so that it has its root before it is asked for it.
        for node in 0..self.parents.len() {
            self.parents[node] = self.parents[self.parents[node] as usize];
        }
        self.parents
    }
}

/// A record of its component for every record, the same for all in it. O(pairs + records).
pub(crate) fn connected(pairs: &[Edge], records: usize) -> Vec<u32> {
    let mut forest = Forest::new(records);
    for pair in pairs {
        forest.join(pair.left, pair.right);
    }
    forest.into_roots()
}

/// Leaves the pairs of a spanning forest of largest scores, in no order that means anything. O(pairs · log pairs + records).
pub(super) fn reduce(pairs: &mut Vec<Edge>, records: usize) {
    // Sorted by one thread: this is done with the lock held, and a thread that waits for others would take up their work and ask for the lock again.
    pairs.sort_unstable_by_key(|pair| Reverse(pair.score));
    let mut forest = Forest::new(records);
    pairs.retain(|pair| forest.join(pair.left, pair.right));
}

/// Pairs beyond two to a record that are collected before they are reduced, so that small batches never are.
const ROOM: usize = 1 << 16;

/// Collects the kept pairs of a batch from all threads. Memory: 12 bytes to a pair, of which there are never more than two to a record, `ROOM`
/// and what one thread brings.
pub(crate) struct KeptPairs {
    records: usize,
    most: usize,
    pairs: Mutex<Vec<Edge>>,
}

impl KeptPairs {
    /// Those that decide the components of so many records.
    pub(crate) fn of_components(records: usize) -> Self {
        Self { records, most: 2 * records + ROOM, pairs: Mutex::default() }
    }

    /// All of them, for whoever wants the pairs themselves.
    pub(crate) fn all(records: usize) -> Self {
        Self { records, most: usize::MAX, pairs: Mutex::default() }
    }

    /// Takes pairs over and empties the list.
    pub(crate) fn add(&self, found: &mut Vec<Edge>) {
        let mut pairs = self.pairs.lock().unwrap_or_else(PoisonError::into_inner);
        if pairs.len() + found.len() > self.most {
            reduce(&mut pairs, self.records);
        }
        let wanted = pairs.len() + found.len();
        if wanted > pairs.capacity() {
            let room = (2 * pairs.capacity()).min(self.most).max(wanted);
            let more = room - pairs.len();
            pairs.reserve_exact(more);
        }
        pairs.append(found);
    }

    /// What was collected.
    pub(crate) fn into_pairs(self) -> Vec<Edge> {
        self.pairs.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn roots_at(pairs: &[Edge], floor: i32, records: usize) -> Vec<u32> {
        let mut forest = Forest::new(records);
        for pair in pairs.iter().filter(|pair| pair.score >= floor) {
            forest.join(pair.left, pair.right);
        }
        forest.into_roots()
    }

    proptest! {
        #[test]
        fn what_is_left_connects_the_same_at_every_floor(
            drawn in prop::collection::vec((0_u32..12, 0_u32..12, -3_i32..4), 0..80),
            batch in 1_usize..9,
            most in 12_usize..40,
        ) {
            let pairs: Vec<Edge> = drawn.iter().map(|&(left, right, score)| Edge { left, right, score }).collect();
            let kept = KeptPairs { most, ..KeptPairs::of_components(12) };
            for some in pairs.chunks(batch) {
                kept.add(&mut some.to_vec());
                prop_assert!(kept.pairs.lock().expect("one thread").len() <= most.max(11 + batch));
            }
            let left = kept.into_pairs();
            for floor in -3..5 {
                prop_assert_eq!(roots_at(&left, floor, 12), roots_at(&pairs, floor, 12));
            }
            let mut fewest = pairs.clone();
            reduce(&mut fewest, 12);
            prop_assert!(fewest.len() < 12);
            let all = KeptPairs::all(12);
            all.add(&mut pairs.clone());
            prop_assert_eq!(all.into_pairs(), pairs);
        }
    }

    #[test]
    fn memory_is_that_of_the_records_and_not_of_the_pairs() {
        let kept = KeptPairs::of_components(1000);
        for round in 0..40_u32 {
            let pair = |(node, score): (u32, i32)| Edge { left: node % 1000, right: (node * 7 + round) % 1000, score };
            kept.add(&mut (0..5000).zip((0..97).cycle()).map(pair).collect());
        }
        let pairs = kept.into_pairs();
        assert!(pairs.len() <= 2000 + ROOM && pairs.capacity() <= 2000 + ROOM);
    }
}
