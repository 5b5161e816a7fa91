//! The batch engine: generic tokens, blocks, scores and partition of all records in memory.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::block::KeyMaker;
use crate::error::{CoreError, CoreResult};
use crate::model::Model;
use crate::normalize::Digest32;
use crate::partition::{AssertedPairs, Edge, Partition, partition_edges};
use crate::record::{Records, Slots};
use crate::score::Scorer;

/// What the batch engine counted.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Distinct candidate pairs.
    pub candidates: usize,
    /// Candidates at or above the model's floor.
    pub pairs: usize,
    /// Components of two or more records.
    pub components: usize,
    /// Records of the largest component.
    pub largest_component: usize,
    /// Tokens that too many different names, or too many records, carry, or that were closed from outside.
    pub generic_tokens: usize,
    /// Blocking keys that too many records carry, at any depth.
    pub crowded_keys: usize,
}

/// Groups of records whose members are candidates of each other: `members[offsets[g]..offsets[g + 1]]`, ascending.
#[derive(Default)]
struct Groups {
    offsets: Vec<usize>,
    members: Vec<u32>,
}

impl Groups {
    fn new() -> Self {
        Self { offsets: vec![0], members: Vec::new() }
    }

    fn push(&mut self, members: impl Iterator<Item = u32>) {
        self.members.extend(members);
        self.offsets.push(self.members.len());
    }

    fn count(&self) -> usize {
        self.offsets.len() - 1
    }

    fn of(&self, group: usize) -> &[u32] {
        &self.members[self.offsets[group]..self.offsets[group + 1]]
    }

    /// Groups of each record, as offsets and group numbers.
    fn by_record(&self, records: usize) -> (Vec<usize>, Vec<u32>) {
        let mut offsets = vec![0; records + 1];
        for member in &self.members {
            offsets[*member as usize + 1] += 1;
        }
        for record in 0..records {
            offsets[record + 1] += offsets[record];
        }
        let mut next = offsets.clone();
        let mut groups = vec![0; self.members.len()];
        for (number, group) in (0_u32..).zip(0..self.count()) {
            for member in self.of(group) {
                groups[next[*member as usize]] = number;
                next[*member as usize] += 1;
            }
        }
        (offsets, groups)
    }
}

/// Row numbers are below `u32::MAX`: `Records::new` sees to it.
fn row_number(record: usize) -> u32 {
    u32::try_from(record).unwrap_or(u32::MAX)
}

/// Number of records that carry each token; one that holds it in several slots counts once. O(slots).
fn carriers(slots: &Slots, records: usize) -> Vec<usize> {
    let mut counts = vec![0; slots.tokens()];
    let mut last = vec![u32::MAX; slots.tokens()];
    for record in 0..row_number(records) {
        for slot in slots.of(record as usize) {
            if std::mem::replace(&mut last[slot.token as usize], record) != record {
                counts[slot.token as usize] += 1;
            }
        }
    }
    counts
}

/// Marks the closed tokens, and those that more distinct name keys carry than their type allows, or more records than the model does.
/// O(slots · log slots).
fn generic_tokens(records: &Records, model: &Model, closed: &[&[u8]]) -> CoreResult<Vec<bool>> {
    let slots = records.slots();
    let closed = closed
        .iter()
        .map(|token| {
            Digest32::try_from(*token).map_err(|_| CoreError::input("closed_tokens", "holds one that is not 32 bytes"))
        })
        .collect::<CoreResult<FxHashSet<_>>>()?;
    let mut seen: Vec<(u32, [u8; 5], u8)> = Vec::new();
    for record in 0..records.len() {
        if let Some(([a, b, c, d], initial)) = records.name_key(record) {
            seen.extend(slots.of(record).iter().map(|slot| (slot.token, [a, b, c, d, initial], slot.kind)));
        }
    }
    seen.par_sort_unstable();
    seen.dedup();
    let carriers = carriers(slots, records.len());
    let mut generic: Vec<bool> = records
        .tokens()
        .iter()
        .zip(carriers)
        .map(|(token, carriers)| carriers > model.generic_records() || closed.contains(token))
        .collect();
    for run in seen.chunk_by(|a, b| a.0 == b.0) {
        if run.len() > model.generic_limit(i64::from(run[0].2))? {
            generic[run[0].0 as usize] = true;
        }
    }
    Ok(generic)
}

/// Adds a group for every token that two or more records carry. O(slots · log slots).
fn token_groups(slots: &Slots, records: usize, groups: &mut Groups) {
    let mut carried: Vec<(u32, u32)> =
        (0..records).flat_map(|record| slots.of(record).iter().map(move |slot| (slot.token, row_number(record)))).collect();
    carried.par_sort_unstable();
    carried.dedup();
    for run in carried.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
        groups.push(run.iter().map(|(_, record)| *record));
    }
}

/// Adds a group for every uncrowded key whose ancestors are crowded; gives the number of crowded keys. O(keys · log keys).
fn block_groups(maker: &KeyMaker<'_>, records: &Records, model: &Model, groups: &mut Groups) -> usize {
    let mut crowded = 0;
    for rule in model.rules() {
        let mut carriers: Vec<u32> = (0..row_number(records.len())).collect();
        for depth in 0..=rule.refinements.len() {
            let mut keyed: Vec<(i64, u32)> = carriers
                .par_iter()
                .with_min_len(1024)
                .filter_map(|&record| maker.key(rule, depth, record as usize).map(|key| (key, record)))
                .collect();
            keyed.par_sort_unstable();
            carriers.clear();
            for run in keyed.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
                let members = run.iter().map(|(_, record)| *record);
                if run.len() > model.max_block() {
                    crowded += 1;
                    carriers.extend(members);
                } else {
                    groups.push(members);
                }
            }
        }
    }
    crowded
}

/// Scores every pair that shares a group once; gives the kept pairs and the number of candidates.
fn score_groups(scorer: &Scorer<'_>, groups: &Groups) -> (Vec<Edge>, usize) {
    let records = scorer.records.len();
    let floor = scorer.model.edge_floor();
    let (offsets, own) = groups.by_record(records);
    let one = |record: usize| {
        let number = row_number(record);
        let mut partners: Vec<u32> = Vec::new();
        for &group in &own[offsets[record]..offsets[record + 1]] {
            let members = groups.of(group as usize);
            partners.extend_from_slice(&members[members.partition_point(|member| *member <= number)..]);
        }
        partners.sort_unstable();
        partners.dedup();
        let edges: Vec<Edge> = partners
            .iter()
            .filter_map(|&partner| {
                let pair = scorer.score_at_least(record, partner as usize, floor)?;
                Some(Edge { left: record, right: partner as usize, score: pair.score })
            })
            .collect();
        (edges, partners.len())
    };
    let join = |mut all: (Vec<Edge>, usize), (edges, candidates): (Vec<Edge>, usize)| {
        all.0.extend(edges);
        all.1 += candidates;
        all
    };
    (0..records).into_par_iter().with_min_len(64).map(one).fold(Default::default, join).reduce(Default::default, join)
}

/// Blocks, scores and partitions all records; generic tokens are found here, except those that only events tell: `closed` holds them, and
/// any that no record carries is passed over. O(records · log records + candidates).
///
/// # Errors
/// `Input` for a key shorter than 32 bytes and closed tokens that are not 32 bytes.
pub fn match_records(key: &[u8], records: &Records, model: &Model, closed: &[&[u8]]) -> CoreResult<(Partition, Counts)> {
    let maker = KeyMaker::new(key, records)?;
    let generic = generic_tokens(records, model, closed)?;
    let slots = records.slots().without(&generic);
    let mut groups = Groups::new();
    token_groups(&slots, records.len(), &mut groups);
    let crowded_keys = block_groups(&maker, records, model, &mut groups);
    let scorer = Scorer::new(records, &slots, model);
    let (edges, candidates) = score_groups(&scorer, &groups);
    drop(groups);
    let (partition, sizes) = partition_edges(&scorer, &edges, &AssertedPairs::default());
    let counts = Counts {
        candidates,
        pairs: edges.len(),
        components: sizes.components,
        largest_component: sizes.largest,
        generic_tokens: generic.iter().filter(|generic| **generic).count(),
        crowded_keys,
    };
    Ok((partition, counts))
}

#[cfg(test)]
mod tests;
