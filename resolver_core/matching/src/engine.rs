//! The batch engine: generic tokens, blocks, scores and partition of all records in memory.

mod progress;

use rayon::prelude::*;
use rustc_hash::FxHashSet;

pub use self::progress::{Progress, Stage};
use crate::block::{plain_key, plain_refined};
use crate::error::{CoreError, CoreResult};
use crate::model::Model;
use crate::normalize::Digest32;
use crate::partition::{AssertedPairs, Edge, KeptPairs, Partition, partition_edges};
use crate::record::{Records, Slot, Slots, row_number};
use crate::score::{Pattern, PatternCounts, Scorer, sorted_patterns};
use crate::words::IDENTIFIER_TYPES;

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
struct Groups {
    offsets: Vec<usize>,
    members: Vec<u32>,
    /// Comparisons the pass of each group is built on, as bits by comparison number.
    built_on: Vec<u32>,
}

impl Groups {
    fn new() -> Self {
        Self { offsets: vec![0], members: Vec::new(), built_on: Vec::new() }
    }

    fn push(&mut self, built_on: u32, members: impl Iterator<Item = u32>) {
        self.members.extend(members);
        self.offsets.push(self.members.len());
        self.built_on.push(built_on);
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
pub(crate) fn generic_tokens(records: &Records, model: &Model, closed: &[&[u8]]) -> CoreResult<Vec<bool>> {
    let slots = records.slots();
    let closed = closed
        .iter()
        .map(|token| {
            Digest32::try_from(*token).map_err(|_| CoreError::input("closed_tokens", "holds one that is not 32 bytes"))
        })
        .collect::<CoreResult<FxHashSet<_>>>()?;
    let carriers = carriers(slots, records.len());
    let mut generic = records.tokens().among(&closed);
    for (generic, carriers) in generic.iter_mut().zip(&carriers) {
        *generic |= *carriers > model.generic_records();
    }
    let mut limits = [0; IDENTIFIER_TYPES.len() + 1];
    for (kind, limit) in (0..).zip(&mut limits).skip(1) {
        *limit = model.generic_limit(kind)?;
    }
    // Whoever has no more carriers than its type allows names has no more names either.
    let many = |slot: &&Slot| carriers[slot.token as usize] > limits[usize::from(slot.kind)];
    let mut seen: Vec<(u32, [u8; 5], u8)> = Vec::new();
    for record in 0..records.len() {
        let mut held = slots.of(record).iter().filter(many).peekable();
        if held.peek().is_none() {
            continue;
        }
        if let Some(([a, b, c, d], initial)) = records.name_key(record) {
            seen.extend(held.map(|slot| (slot.token, [a, b, c, d, initial], slot.kind)));
        }
    }
    seen.par_sort_unstable();
    seen.dedup();
    for run in seen.chunk_by(|a, b| a.0 == b.0) {
        if run.len() > limits[usize::from(run[0].2)] {
            generic[run[0].0 as usize] = true;
        }
    }
    Ok(generic)
}

/// Adds a group for every token that two or more records carry. O(slots).
fn token_groups(slots: &Slots, records: usize, groups: &mut Groups) {
    let carriers = carriers(slots, records);
    let mut next = Vec::with_capacity(carriers.len());
    let mut total = 0;
    for count in &carriers {
        next.push(total);
        total += if *count > 1 { *count } else { 0 };
    }
    let mut members = vec![0; total];
    let mut kinds = vec![0; carriers.len()];
    for record in 0..row_number(records) {
        let held = slots.of(record as usize);
        for (place, slot) in held.iter().enumerate() {
            let token = slot.token as usize;
            if carriers[token] > 1 && held[..place].iter().all(|before| before.token != slot.token) {
                members[next[token]] = record;
                next[token] += 1;
                kinds[token] = slot.kind;
            }
        }
    }
    for (token, count) in carriers.iter().enumerate().filter(|(_, count)| **count > 1) {
        groups.push(1 << (kinds[token] - 1), members[next[token] - count..next[token]].iter().copied());
    }
}

/// Adds a group for every uncrowded key whose ancestors are crowded; gives the number of crowded keys. O(keys · log keys).
fn block_groups(records: &Records, model: &Model, groups: &mut Groups) -> usize {
    let mut crowded = 0;
    for rule in model.rules() {
        let mut built_on = rule.parts.iter().fold(0, |bits, part| bits | part.built_on());
        let mut keyed: Vec<(u64, u32)> = (0..row_number(records.len()))
            .into_par_iter()
            .with_min_len(1024)
            .filter_map(|record| plain_key(records, &rule.parts, record as usize).map(|key| (key, record)))
            .collect();
        let mut refinements = rule.refinements.iter();
        loop {
            keyed.par_sort_unstable();
            let mut carriers: Vec<(u64, u32)> = Vec::new();
            for run in keyed.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
                if run.len() > model.max_block() {
                    crowded += 1;
                    carriers.extend(run);
                } else {
                    groups.push(built_on, run.iter().map(|(_, record)| *record));
                }
            }
            let Some(part) = refinements.next().filter(|_| !carriers.is_empty()) else { break };
            built_on |= part.built_on();
            keyed = carriers
                .into_par_iter()
                .with_min_len(1024)
                .filter_map(|(key, record)| plain_refined(records, key, *part, record as usize).map(|key| (key, record)))
                .collect();
        }
    }
    crowded
}

/// The candidates of a batch: records that share a group, with the groups of each record.
struct Candidates {
    groups: Groups,
    /// Groups of record `r`: `own[offsets[r]..offsets[r + 1]]`.
    offsets: Vec<usize>,
    own: Vec<u32>,
    /// Groups before this one are those of tokens.
    token_groups: usize,
    crowded_keys: usize,
}

impl Candidates {
    fn new(records: &Records, slots: &Slots, model: &Model) -> Self {
        let mut groups = Groups::new();
        token_groups(slots, records.len(), &mut groups);
        let token_groups = groups.count();
        let crowded_keys = block_groups(records, model, &mut groups);
        let (offsets, own) = groups.by_record(records.len());
        Self { groups, offsets, own, token_groups, crowded_keys }
    }

    /// Candidates of higher row number, ascending and each once, with the comparisons that are free in the pair. `found` is emptied first.
    fn partners(&self, record: usize, found: &mut Vec<(u32, u32)>) {
        let number = row_number(record);
        found.clear();
        for &group in &self.own[self.offsets[record]..self.offsets[record + 1]] {
            let members = self.groups.of(group as usize);
            let free = !self.groups.built_on[group as usize];
            found
                .extend(members[members.partition_point(|member| *member <= number)..].iter().map(|member| (*member, free)));
        }
        found.sort_unstable_by_key(|(partner, _)| *partner);
        found.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 |= next.1;
            }
            same
        });
    }
}

/// A candidate of a record, and whether they have a token in common.
type Partner = (u32, bool);

impl Candidates {
    /// The same candidates as [`Candidates::partners`], for whoever does not ask what found them.
    fn scored_partners(&self, record: usize, found: &mut Vec<Partner>) {
        let number = row_number(record);
        found.clear();
        for &group in &self.own[self.offsets[record]..self.offsets[record + 1]] {
            let members = self.groups.of(group as usize);
            let apart = group as usize >= self.token_groups;
            let after = members.partition_point(|member| *member <= number);
            found.extend(members[after..].iter().map(|member| (*member, apart)));
        }
        found.sort_unstable();
        found.dedup_by_key(|(partner, _)| *partner);
        for (_, apart) in found {
            *apart = !*apart;
        }
    }
}

/// Kept pairs that a thread brings together.
const BROUGHT: usize = 4096;

/// Scores every candidate pair once and adds those at or above the floor, and kin, to `kept`; gives the numbers of candidates and of kept
/// pairs. Memory beside `kept`: a few thousand pairs to a thread.
fn score_candidates(
    scorer: &Scorer<'_>,
    candidates: &Candidates,
    floor: i32,
    kept: &KeptPairs,
    progress: &Progress,
) -> (usize, usize) {
    type Work = (Vec<Edge>, Vec<Partner>, (usize, usize));
    let one = |(mut edges, mut partners, mut counted): Work, record: usize| {
        candidates.scored_partners(record, &mut partners);
        scorer.touch(partners.iter().map(|(partner, _)| *partner as usize));
        let before = edges.len();
        edges.extend(partners.iter().filter_map(|&(right, sharing)| {
            let pair = if sharing {
                scorer.score_at_least(record, right as usize, floor)
            } else {
                scorer.score_apart_at_least(record, right as usize, floor)
            }?;
            Some(Edge { left: row_number(record), right, score: pair.score() })
        }));
        counted = (counted.0 + partners.len(), counted.1 + edges.len() - before);
        if edges.len() >= BROUGHT {
            kept.add(&mut edges);
        }
        progress.passed(record);
        (edges, partners, counted)
    };
    (0..scorer.records.len())
        .into_par_iter()
        .with_min_len(64)
        .fold(Default::default, one)
        .map(|(mut edges, _, counted)| {
            kept.add(&mut edges);
            counted
        })
        .reduce(Default::default, |all, some| (all.0 + some.0, all.1 + some.1))
}

/// A prepared batch without its generic tokens.
struct Prepared {
    slots: Slots,
    generic_tokens: usize,
    candidates: Candidates,
}

fn prepare(records: &Records, model: &Model, closed: &[&[u8]]) -> CoreResult<Prepared> {
    let generic = generic_tokens(records, model, closed)?;
    let slots = records.slots().without(&generic);
    let candidates = Candidates::new(records, &slots, model);
    Ok(Prepared { slots, generic_tokens: generic.iter().filter(|generic| **generic).count(), candidates })
}

/// Counts the level patterns of all candidates, with the comparisons free in them; ascending. Pairs are streamed: memory is that of the
/// blocks and the patterns. O(records · log records + candidates).
///
/// # Errors
/// `Input` for closed tokens that are not 32 bytes.
pub fn count_candidates(records: &Records, model: &Model, closed: &[&[u8]]) -> CoreResult<Vec<Pattern>> {
    let prepared = prepare(records, model, closed)?;
    let scorer = Scorer::new(records, &prepared.slots, model);
    let known = u32::MAX >> (u32::BITS as usize - model.width());
    let one = |(mut counts, mut partners): (PatternCounts, Vec<(u32, u32)>), record: usize| {
        prepared.candidates.partners(record, &mut partners);
        for &(partner, free) in &partners {
            counts.add(scorer.score(record, partner as usize).levels, free & known);
        }
        (counts, partners)
    };
    let counts = (0..records.len())
        .into_par_iter()
        .with_min_len(64)
        .fold(Default::default, one)
        .map(|(counts, _)| counts)
        .reduce(PatternCounts::default, PatternCounts::join);
    Ok(sorted_patterns(counts))
}

/// A candidate pair of rows, the lower first, and its score.
pub type ScoredRows = (u32, u32, i32);

/// All candidates with a score of at least `floor`, and kin, by rows; what calibration and the measuring of blocks read. Memory: that of the
/// answer. O(records · log records + candidates).
///
/// # Errors
/// `Input` for closed tokens that are not 32 bytes.
pub fn candidate_pairs(records: &Records, model: &Model, closed: &[&[u8]], floor: i64) -> CoreResult<Vec<ScoredRows>> {
    let prepared = prepare(records, model, closed)?;
    let scorer = Scorer::new(records, &prepared.slots, model);
    let floor = i32::try_from(floor.clamp(i64::from(i32::MIN), i64::from(i32::MAX))).unwrap_or(i32::MIN);
    let kept = KeptPairs::all(records.len());
    score_candidates(&scorer, &prepared.candidates, floor, &kept, &Progress::default());
    let mut pairs: Vec<ScoredRows> = kept.into_pairs().into_iter().map(|pair| (pair.left, pair.right, pair.score)).collect();
    pairs.par_sort_unstable();
    Ok(pairs)
}

/// Blocks, scores and partitions all records; generic tokens are found here, except those that only events tell: `closed` holds them, and
/// any that no record carries is passed over. `progress` is told how far the work is. Memory: the blocks and a few dozen bytes to a record, however
/// many pairs are kept. O(records · log records + candidates).
///
/// # Errors
/// `Input` for closed tokens that are not 32 bytes.
pub fn match_records(
    records: &Records,
    model: &Model,
    closed: &[&[u8]],
    progress: &Progress,
) -> CoreResult<(Partition, Counts)> {
    progress.begin(Stage::Block, model.rules().len());
    let Prepared { slots, generic_tokens, candidates } = prepare(records, model, closed)?;
    let scorer = Scorer::new(records, &slots, model);
    let crowded_keys = candidates.crowded_keys;
    progress.begin(Stage::Score, records.len());
    let kept = KeptPairs::of_components(records.len());
    let (counted, pairs) = score_candidates(&scorer, &candidates, model.edge_floor(), &kept, progress);
    drop(candidates);
    progress.begin(Stage::Partition, 0);
    let (partition, sizes) = partition_edges(&scorer, kept.into_pairs(), &AssertedPairs::default());
    let counts = Counts {
        candidates: counted,
        pairs,
        components: sizes.components,
        largest_component: sizes.largest,
        generic_tokens,
        crowded_keys,
    };
    Ok((partition, counts))
}

#[cfg(test)]
mod tests;
