//! Candidates: records that share a token or a block, and what found them (docs/matching.md section 6).
//!
//! They are looked at from *probes*: all records where a batch is matched, a sample of a large one where a model is trained. A group is kept
//! only if a probe is in it, so memory is that of the probes' groups.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::block::PlainKeys;
use crate::model::Model;
use crate::record::{Records, Slots, row_number};
use crate::words::IDENTIFIER_TYPES;

/// Passes as a set of bits: the identifier types by number, then the blocking rules in file order.
pub(crate) type Passes = u128;

/// Pass of the first blocking rule.
pub(crate) const FIRST_RULE: usize = IDENTIFIER_TYPES.len();

/// The records whose candidates are looked at.
pub(crate) struct Probes {
    /// Their rows, in any order.
    pub(crate) rows: Vec<u32>,
    /// Whether these are all records: then each pair is found once, from its lower row.
    pub(crate) all: bool,
    /// How many candidate pairs of the batch one found pair stands for.
    pub(crate) worth: f64,
}

impl Probes {
    /// All records.
    pub(crate) fn all(records: &Records) -> Self {
        Self { rows: (0..row_number(records.len())).collect(), all: true, worth: 1.0 }
    }

    /// Given rows; all that stand for nothing but themselves.
    pub(crate) fn of(records: &Records, mut rows: Vec<u32>) -> Self {
        rows.sort_unstable();
        rows.dedup();
        Self { all: rows.len() == records.len(), rows, worth: 1.0 }
    }

    /// Whether a pair is found once only, from its lower row.
    pub(crate) fn once(&self) -> bool {
        self.all
    }
}

/// A candidate of a probe, and what found it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) partner: u32,
    /// Comparisons on which some pass that found the pair is not built.
    pub(crate) free: u32,
    /// Those on which some trusted pass that found it is not built.
    pub(crate) trusted: u32,
    /// Passes that found it.
    pub(crate) passes: Passes,
}

/// What a group is made by: an identifier type, or a blocking rule at one depth.
#[derive(Clone, Copy)]
struct Pass {
    number: usize,
    /// Comparisons, as bits by number.
    built_on: u32,
}

/// Groups of records whose members are candidates of each other, and the groups of each record.
pub(crate) struct Candidates {
    once: bool,
    /// Members of group `g`: `members[cuts[g]..cuts[g + 1]]`, ascending. Those of tokens come first.
    cuts: Vec<usize>,
    members: Vec<u32>,
    token_groups: usize,
    passes: Vec<Pass>,
    /// Position in `passes` of what made each group.
    made_by: Vec<u16>,
    /// Groups of record `r`: `own[own_cuts[r]..own_cuts[r + 1]]`.
    own_cuts: Vec<usize>,
    own: Vec<u32>,
    crowded_keys: usize,
}

/// What the groups of rules are made of.
struct Sources<'a> {
    keys: PlainKeys<'a>,
    records: usize,
    model: &'a Model,
    probes: &'a Probes,
    /// By record, whether it is a probe; empty where all are.
    is_probe: &'a [bool],
}

/// The groups of one rule, a depth after the other.
#[derive(Default)]
struct Blocks {
    passes: Vec<Pass>,
    ends: Vec<usize>,
    members: Vec<u32>,
    /// Position in `passes`.
    made_by: Vec<u16>,
    crowded_keys: usize,
}

impl Blocks {
    /// A group for every uncrowded key whose ancestors are crowded and which a probe has. O(keys · log keys).
    fn of(sources: &Sources<'_>, position: usize) -> Self {
        let Sources { keys, records, model, probes, is_probe } = sources;
        let rule = &model.rules()[position];
        let key = |row: u32| keys.key(&rule.parts, row);
        let wanted: Option<FxHashSet<u64>> = (!probes.all).then(|| probes.rows.iter().filter_map(|row| key(*row)).collect());
        let mut built_on = rule.parts.iter().fold(0, |bits, part| bits | part.built_on());
        let mut keyed: Vec<(u64, u32)> = (0..row_number(*records))
            .into_par_iter()
            .with_min_len(1024)
            .filter_map(|row| key(row).map(|key| (key, row)))
            .filter(|(key, _)| wanted.as_ref().is_none_or(|wanted| wanted.contains(key)))
            .collect();
        let mut refinements = rule.refinements.iter();
        let mut made = Self::default();
        for pass in 0.. {
            made.passes.push(Pass { number: FIRST_RULE + position, built_on });
            keyed.par_sort_unstable();
            let mut crowd: Vec<(u64, u32)> = Vec::new();
            for run in keyed.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
                if run.len() > model.max_block() {
                    made.crowded_keys += 1;
                    crowd.extend(run);
                } else if probes.all || run.iter().any(|(_, row)| is_probe[*row as usize]) {
                    made.members.extend(run.iter().map(|(_, row)| *row));
                    made.ends.push(made.members.len());
                    made.made_by.push(pass);
                }
            }
            let Some(part) = refinements.next().filter(|_| !crowd.is_empty()) else { break };
            built_on |= part.built_on();
            keyed = crowd
                .into_par_iter()
                .with_min_len(1024)
                .filter_map(|(key, row)| keys.refined(key, *part, row).map(|key| (key, row)))
                .collect();
        }
        made
    }
}

/// Number of records that carry each token; one that holds it in several slots counts once. O(slots).
pub(crate) fn carriers(slots: &Slots, records: usize) -> Vec<usize> {
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

impl Candidates {
    /// Groups of tokens and of the rules at these positions. O(records · rules + slots), and a sort of what the probes share.
    pub(crate) fn new(records: &Records, slots: &Slots, model: &Model, rules: &[usize], probes: &Probes) -> Self {
        let mut found = Self {
            once: probes.all,
            cuts: vec![0],
            members: Vec::new(),
            token_groups: 0,
            passes: (0..FIRST_RULE).map(|number| Pass { number, built_on: 1 << number }).collect(),
            made_by: Vec::new(),
            own_cuts: Vec::new(),
            own: Vec::new(),
            crowded_keys: 0,
        };
        found.add_tokens(records.len(), slots, probes);
        let mut is_probe = vec![false; if probes.all { 0 } else { records.len() }];
        for row in probes.rows.iter().filter(|_| !probes.all) {
            is_probe[*row as usize] = true;
        }
        let sources = Sources { keys: PlainKeys::new(records), records: records.len(), model, probes, is_probe: &is_probe };
        let blocks: Vec<Blocks> = rules.par_iter().with_max_len(1).map(|rule| Blocks::of(&sources, *rule)).collect();
        for made in blocks {
            found.add(made);
        }
        found.number(records.len());
        found
    }

    /// Adds a group for every token that two or more records carry, one of them a probe. Goes first. O(slots).
    fn add_tokens(&mut self, records: usize, slots: &Slots, probes: &Probes) {
        let carriers = carriers(slots, records);
        let mut wanted = vec![probes.all; carriers.len()];
        for row in probes.rows.iter().filter(|_| !probes.all) {
            for slot in slots.of(*row as usize) {
                wanted[slot.token as usize] = true;
            }
        }
        for (wanted, carriers) in wanted.iter_mut().zip(&carriers) {
            *wanted &= *carriers > 1;
        }
        let mut next = Vec::with_capacity(carriers.len());
        let mut total = 0;
        for (wanted, carriers) in wanted.iter().zip(&carriers) {
            next.push(total);
            total += if *wanted { *carriers } else { 0 };
        }
        self.members = vec![0; total];
        let mut kinds = vec![0_u8; carriers.len()];
        for record in 0..row_number(records) {
            let held = slots.of(record as usize);
            for (place, slot) in held.iter().enumerate() {
                let token = slot.token as usize;
                if wanted[token] && held[..place].iter().all(|before| before.token != slot.token) {
                    self.members[next[token]] = record;
                    next[token] += 1;
                    kinds[token] = slot.kind;
                }
            }
        }
        for (token, kind) in kinds.iter().enumerate().filter(|(token, _)| wanted[*token]) {
            self.cuts.push(next[token]);
            self.made_by.push(u16::from(kind - 1));
        }
        self.token_groups = self.made_by.len();
    }

    /// Adds the groups of a rule after those that are there. O(members).
    fn add(&mut self, made: Blocks) {
        let (first, start) = (self.passes.len(), self.members.len());
        // 8 types, and 64 rules of 9 depths at most.
        let number = |pass: u16| u16::try_from(first + usize::from(pass)).unwrap_or(u16::MAX);
        self.passes.extend(made.passes);
        self.members.extend(made.members);
        self.cuts.extend(made.ends.into_iter().map(|end| start + end));
        self.made_by.extend(made.made_by.into_iter().map(number));
        self.crowded_keys += made.crowded_keys;
    }

    /// Lists the groups of each record.
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

    /// Keys met that more records have than a block may; of a batch of probes, those that a probe has too.
    pub(crate) fn crowded_keys(&self) -> usize {
        self.crowded_keys
    }

    /// The groups of a probe, and of each the members that it is to be paired with.
    fn groups_of(&self, probe: u32) -> impl Iterator<Item = (usize, &[u32])> {
        let own = &self.own[self.own_cuts[probe as usize]..self.own_cuts[probe as usize + 1]];
        own.iter().map(move |&group| {
            let group = group as usize;
            let members = &self.members[self.cuts[group]..self.cuts[group + 1]];
            let from = if self.once { members.partition_point(|row| *row <= probe) } else { 0 };
            (group, &members[from..])
        })
    }

    /// Candidates of a probe, ascending and each once; those of higher rows only where all records are probes. `found` is emptied first.
    pub(crate) fn partners(&self, probe: u32, distrusted: Passes, found: &mut Vec<Found>) {
        found.clear();
        for (group, members) in self.groups_of(probe) {
            let pass = self.passes[usize::from(self.made_by[group])];
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

    /// The groups, those of tokens first.
    pub(crate) fn groups(&self) -> Groups<'_> {
        Groups { candidates: self }
    }
}

/// Groups by number, for whoever goes through the candidates of a whole batch: the members of one stand together, so that each is read once for
/// all its candidates there.
#[derive(Clone, Copy)]
pub(crate) struct Groups<'a> {
    candidates: &'a Candidates,
}

impl<'a> Groups<'a> {
    /// Number of groups.
    pub(crate) fn count(self) -> usize {
        self.candidates.made_by.len()
    }

    /// Members of a group, ascending, and whether a token made it.
    pub(crate) fn get(self, group: usize) -> (&'a [u32], bool) {
        let Candidates { cuts, members, token_groups, .. } = self.candidates;
        (&members[cuts[group]..cuts[group + 1]], group < *token_groups)
    }

    /// Of which groups a record is a member, ascending.
    pub(crate) fn of(self, record: u32) -> &'a [u32] {
        let Candidates { own, own_cuts, .. } = self.candidates;
        &own[own_cuts[record as usize]..own_cuts[record as usize + 1]]
    }
}
