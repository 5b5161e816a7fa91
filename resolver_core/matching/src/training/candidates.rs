//! Candidates of all records, or of a sample of them, with the passes that found each.
//!
//! The candidates are those of the batch engine. Here they are looked at from *probes*: all records of a small batch, a sample of a large one. A
//! block is kept only if a probe is in it, so memory is that of the probes' blocks.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use super::sample::lowest;
use crate::block::{plain_key, plain_refined};
use crate::model::Model;
use crate::record::{Records, Slots};
use crate::words::IDENTIFIER_TYPES;

/// Passes as a set of bits: the identifier types by number, then the blocking rules in file order.
pub(super) type Passes = u128;

/// Pass of the first blocking rule.
pub(super) const FIRST_RULE: usize = IDENTIFIER_TYPES.len();

/// The records whose candidates are looked at.
pub(super) struct Probes {
    /// Rows, by rank.
    pub(super) rows: Vec<u32>,
    /// Whether these are all records: then each pair is found once, from its lower row.
    all: bool,
    /// How many candidate pairs of the batch one found pair stands for.
    pub(super) worth: f64,
}

impl Probes {
    /// All records, or the `most` of lowest rank.
    pub(super) fn new(records: &Records, seed: u64, most: usize) -> Self {
        let rows = lowest(records, seed, most);
        if rows.len() == records.len() {
            return Self { rows, all: true, worth: 1.0 };
        }
        // A pair is found from either of its records that is a probe.
        #[allow(clippy::cast_precision_loss)]
        let worth = records.len() as f64 / (2.0 * rows.len().max(1) as f64);
        Self { rows, all: false, worth }
    }

    /// Given rows; all that stand for nothing but themselves.
    pub(super) fn of(records: &Records, mut rows: Vec<u32>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        Self { all: rows.len() == records.len(), rows, worth: 1.0 }
    }

    /// Whether a pair is found once only, from its lower row.
    pub(super) fn once(&self) -> bool {
        self.all
    }
}

/// A candidate of a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) partner: u32,
    /// Comparisons on which some pass that found the pair is not built.
    pub(super) free: u32,
    /// Those on which some trusted pass that found it is not built.
    pub(super) trusted: u32,
    /// Passes that found it.
    pub(super) passes: Passes,
}

/// What a block is made by.
#[derive(Clone, Copy)]
struct Pass {
    number: usize,
    built_on: u32,
}

/// The blocks that hold a probe.
pub(super) struct Candidates {
    once: bool,
    cuts: Vec<usize>,
    members: Vec<u32>,
    made_by: Vec<Pass>,
    /// Blocks of record `r`: `own[own_cuts[r]..own_cuts[r + 1]]`.
    own_cuts: Vec<usize>,
    own: Vec<u32>,
}

impl Candidates {
    /// Blocks of tokens and of the rules at these positions, as docs/matching.md section 6 has them. O(records · rules), and a sort of what
    /// the probes share.
    pub(super) fn new(records: &Records, slots: &Slots, model: &Model, rules: &[usize], probes: &Probes) -> Self {
        let mut found = Self {
            once: probes.all,
            cuts: vec![0],
            members: Vec::new(),
            made_by: Vec::new(),
            own_cuts: Vec::new(),
            own: Vec::new(),
        };
        let mut is_probe = vec![false; records.len()];
        for row in &probes.rows {
            is_probe[*row as usize] = true;
        }
        found.add_tokens(records, slots, &is_probe);
        for &rule in rules {
            found.add_blocks(records, model, rule, probes, &is_probe);
        }
        found.number(records.len());
        found
    }

    fn push(&mut self, pass: Pass, members: impl Iterator<Item = u32>) {
        self.members.extend(members);
        self.cuts.push(self.members.len());
        self.made_by.push(pass);
    }

    fn add_tokens(&mut self, records: &Records, slots: &Slots, is_probe: &[bool]) {
        let mut wanted = vec![self.once; slots.tokens()];
        if !self.once {
            for (record, _) in is_probe.iter().enumerate().filter(|(_, is_probe)| **is_probe) {
                for slot in slots.of(record) {
                    wanted[slot.token as usize] = true;
                }
            }
        }
        let rows = 0..u32::try_from(records.len()).unwrap_or(u32::MAX);
        let carriers = |row: u32| slots.of(row as usize).iter().map(move |slot| (slot.token, row, slot.kind));
        let mut carried: Vec<(u32, u32, u8)> =
            rows.flat_map(carriers).filter(|(token, _, _)| wanted[*token as usize]).collect();
        carried.par_sort_unstable();
        carried.dedup_by_key(|(token, row, _)| (*token, *row));
        for run in carried.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            let number = usize::from(run[0].2) - 1;
            self.push(Pass { number, built_on: 1 << number }, run.iter().map(|(_, row, _)| *row));
        }
    }

    fn add_blocks(&mut self, records: &Records, model: &Model, position: usize, probes: &Probes, is_probe: &[bool]) {
        let rule = &model.rules()[position];
        let key = |row: u32| plain_key(records, &rule.parts, row as usize);
        let wanted: Option<FxHashSet<u64>> = (!self.once).then(|| probes.rows.iter().filter_map(|row| key(*row)).collect());
        let mut built_on = rule.parts.iter().fold(0, |bits, part| bits | part.built_on());
        let mut keyed: Vec<(u64, u32)> = (0..u32::try_from(records.len()).unwrap_or(u32::MAX))
            .into_par_iter()
            .with_min_len(1024)
            .filter_map(|row| key(row).map(|key| (key, row)))
            .filter(|(key, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(key)))
            .collect();
        let mut refinements = rule.refinements.iter();
        loop {
            keyed.par_sort_unstable();
            let mut crowd: Vec<(u64, u32)> = Vec::new();
            for run in keyed.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
                if run.len() > model.max_block() {
                    crowd.extend(run);
                } else if self.once || run.iter().any(|(_, row)| is_probe[*row as usize]) {
                    let pass = Pass { number: FIRST_RULE + position, built_on };
                    self.push(pass, run.iter().map(|(_, row)| *row));
                }
            }
            let Some(part) = refinements.next().filter(|_| !crowd.is_empty()) else { break };
            built_on |= part.built_on();
            keyed = crowd
                .into_par_iter()
                .with_min_len(1024)
                .filter_map(|(key, row)| plain_refined(records, key, *part, row as usize).map(|key| (key, row)))
                .collect();
        }
    }

    /// Lists the blocks of each record.
    fn number(&mut self, records: usize) {
        self.own_cuts = vec![0; records + 1];
        for member in &self.members {
            self.own_cuts[*member as usize + 1] += 1;
        }
        for record in 0..records {
            self.own_cuts[record + 1] += self.own_cuts[record];
        }
        let mut next = self.own_cuts.clone();
        self.own = vec![0; self.members.len()];
        for (number, range) in (0_u32..).zip(self.cuts.windows(2)) {
            for member in &self.members[range[0]..range[1]] {
                self.own[next[*member as usize]] = number;
                next[*member as usize] += 1;
            }
        }
    }

    /// Candidates of a probe, ascending and each once; those of higher rows only where all records are probes. `found` is emptied first.
    pub(super) fn partners(&self, probe: u32, distrusted: Passes, found: &mut Vec<Found>) {
        found.clear();
        for &block in &self.own[self.own_cuts[probe as usize]..self.own_cuts[probe as usize + 1]] {
            let members = &self.members[self.cuts[block as usize]..self.cuts[block as usize + 1]];
            let members = if self.once { &members[members.partition_point(|row| *row <= probe)..] } else { members };
            let pass = self.made_by[block as usize];
            let passes = 1 << pass.number;
            let free = !pass.built_on;
            let trusted = if distrusted & passes == 0 { free } else { 0 };
            let one = |&partner: &u32| Found { partner, free, trusted, passes };
            found.extend(members.iter().filter(|row| **row != probe).map(one));
        }
        found.sort_unstable_by_key(|one| one.partner);
        found.dedup_by(|next, kept| {
            let same = next.partner == kept.partner;
            if same {
                kept.free |= next.free;
                kept.trusted |= next.trusted;
                kept.passes |= next.passes;
            }
            same
        });
    }
}
