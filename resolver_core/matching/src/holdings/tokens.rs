//! Tokens of records and their states as a ledger holds them.

use rayon::prelude::*;

use super::events::{EventKind, Events};
use crate::error::CoreResult;
use crate::model::Model;
use crate::normalize::Digest32;
use crate::record::{Records, Slots, row_number};

/// A name key: Metaphone of the family name, and an initial.
pub(super) type NameKey = ([u8; 4], u8);

/// A token with its state.
#[derive(Debug, Clone, Copy)]
pub struct HeldToken<'a> {
    /// 32 bytes.
    pub token: Digest32,
    /// Type number.
    pub kind: u8,
    /// Form number.
    pub form: u8,
    /// Namespace within the type.
    pub namespace: &'a str,
    /// Distinct name keys of its carriers.
    pub names: usize,
    /// Records that carry it.
    pub records: usize,
    /// Whether it is no evidence.
    pub generic: bool,
    /// Whether it is that because it was used too much on one day.
    pub overused: bool,
}

/// A record with a name that carries a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCarrier {
    /// Row of the record.
    pub record: u32,
    /// Its name key as text.
    pub name_key: String,
}

/// States of the tokens of a batch, by number.
#[derive(Debug, Default)]
pub(super) struct TokenStates {
    pub(super) kinds: Vec<u8>,
    pub(super) carriers: Vec<usize>,
    /// Token and name key, ascending, each once.
    pub(super) named: Vec<(u32, NameKey)>,
    /// How many of `named` belong to tokens before each one.
    pub(super) named_cuts: Vec<usize>,
    pub(super) overused: Vec<bool>,
    pub(super) generic: Vec<bool>,
}

impl TokenStates {
    /// Counts carriers and names. O(slots · log slots).
    pub(super) fn of(records: &Records, model: &Model) -> CoreResult<Self> {
        let slots = records.slots();
        let mut kinds = vec![0_u8; slots.tokens()];
        let mut named: Vec<(u32, NameKey)> = Vec::new();
        for record in 0..records.len() {
            let key = records.name_key(record);
            for slot in slots.of(record) {
                kinds[slot.token as usize] = slot.kind;
                named.extend(key.map(|key| (slot.token, key)));
            }
        }
        named.par_sort_unstable();
        named.dedup();
        let mut named_cuts = vec![0; slots.tokens() + 1];
        for (token, _) in &named {
            named_cuts[*token as usize + 1] += 1;
        }
        for token in 0..slots.tokens() {
            named_cuts[token + 1] += named_cuts[token];
        }
        let carriers = crate::candidates::carriers(slots, records.len());
        let mut states = Self {
            generic: vec![false; kinds.len()],
            overused: vec![false; kinds.len()],
            kinds,
            carriers,
            named,
            named_cuts,
        };
        for token in 0..states.kinds.len() {
            let many = states.names(token) > model.generic_limit(i64::from(states.kinds[token]))?;
            states.generic[token] = many || states.carriers[token] > model.generic_records();
        }
        Ok(states)
    }

    pub(super) fn names(&self, token: usize) -> usize {
        self.named_cuts[token + 1] - self.named_cuts[token]
    }

    /// Closes tokens that are not generic yet and that the purchases of one UTC day, of all that carry it, used too much. O(purchases · log purchases).
    pub(super) fn close_overused(&mut self, slots: &Slots, events: &Events, homes: &[u32], model: &Model) {
        const DAY: i64 = 86_400_000_000;
        let mut uses: Vec<(u32, i64, u32)> = Vec::new();
        for ((event, home), counts) in events.rows.iter().zip(homes).zip(&events.counts) {
            if !counts || event.kind != Some(EventKind::Purchase) {
                continue;
            }
            let day = event.occurred.div_euclid(DAY);
            let slots = slots.of(*home as usize).iter();
            uses.extend(slots.filter(|slot| !self.generic[slot.token as usize]).map(|slot| (slot.token, day, event.detail)));
        }
        uses.par_sort_unstable();
        for day in uses.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let stores = day.chunk_by(|a, b| a.2 == b.2).filter(|visits| !events.text(visits[0].2).is_empty()).count();
            if day.len() > model.purchases_per_day() || stores > model.stores_per_day() {
                self.overused[day[0].0 as usize] = true;
            }
        }
        for (generic, overused) in self.generic.iter_mut().zip(&self.overused) {
            *generic |= overused;
        }
    }

    /// Tokens of a type that are not generic and have several names, with the named records that carry each. O(slots).
    pub(super) fn contested(&self, records: &Records, kind: u8) -> Vec<(u32, Vec<u32>)> {
        let asked = |token: u32| {
            let token = token as usize;
            self.kinds[token] == kind && !self.generic[token] && self.names(token) > 1
        };
        let mut found: Vec<(u32, u32)> = Vec::new();
        for record in 0..row_number(records.len()) {
            if records.name_key(record as usize).is_some() {
                let slots = records.slots().of(record as usize).iter();
                found.extend(slots.filter(|slot| asked(slot.token)).map(|slot| (slot.token, record)));
            }
        }
        found.par_sort_unstable();
        found.dedup();
        found.chunk_by(|a, b| a.0 == b.0).map(|run| (run[0].0, run.iter().map(|(_, record)| *record).collect())).collect()
    }
}
