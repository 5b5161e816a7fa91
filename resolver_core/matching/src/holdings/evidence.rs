//! What the events of a load say: records with their sums, and the states of their keys.

use rayon::prelude::*;

use super::NEVER;
use super::events::{EventChunk, EventKind, EventRow, Events};
use super::tokens::{HeldToken, NamedCarrier, TokenStates};
use crate::error::{CoreError, CoreResult};
use crate::gather::{Claims, CleanColumn, gather_kept};
use crate::model::Model;
use crate::normalize::Digest32;
use crate::record::{MISSING, Records, TextId, code_text};
use crate::token::KeyedHash;
use crate::words::ATTRIBUTES;

/// What the events of a record add up to.
#[derive(Debug, Clone, Copy)]
pub struct RecordSums {
    /// Row of its first event.
    pub first_row: u32,
    /// Events that count.
    pub sightings: i64,
    /// Microseconds since 2000 of the earliest.
    pub first: i64,
    /// And of the latest.
    pub last: i64,
    /// Purchases.
    pub purchases: i64,
    /// Their sum in minor units.
    pub total: i64,
    /// Time of the last one; [`NEVER`] if there is none.
    pub last_purchase: i64,
    last_store: TextId,
}

impl Default for RecordSums {
    fn default() -> Self {
        Self {
            first_row: MISSING,
            sightings: 0,
            first: i64::MAX,
            last: NEVER,
            purchases: 0,
            total: 0,
            last_purchase: NEVER,
            last_store: MISSING,
        }
    }
}

impl RecordSums {
    fn add(&mut self, row: u32, event: &EventRow, store: impl Fn(TextId) -> String) -> CoreResult<()> {
        self.first_row = self.first_row.min(row);
        self.sightings += 1;
        self.first = self.first.min(event.occurred);
        self.last = self.last.max(event.occurred);
        if event.kind == Some(EventKind::Purchase) {
            self.purchases += 1;
            let sum = self.total.checked_add(event.amount);
            self.total = sum.ok_or_else(|| CoreError::input("amounts", "add up to more than a record can have"))?;
            let later = event.occurred > self.last_purchase
                || event.occurred == self.last_purchase && store(event.detail) > store(self.last_store);
            if later {
                (self.last_purchase, self.last_store) = (event.occurred, event.detail);
            }
        }
        Ok(())
    }
}

/// Records of a load in the order in which they first came, their events, and the states of their tokens.
#[derive(Debug)]
pub struct Evidence {
    pub(super) records: Records,
    pub(super) clean: [CleanColumn; ATTRIBUTES.len()],
    pub(super) events: Events,
    /// Record of each row; [`MISSING`] where its event does not count.
    pub(super) homes: Vec<u32>,
    pub(super) sums: Vec<RecordSums>,
    pub(super) states: TokenStates,
    births: Vec<u128>,
}

/// A random id of RFC 9562 version 7: milliseconds since 1970, and bits drawn from a seed.
fn birth_id(milliseconds: u64, seed: &KeyedHash, record: usize) -> u128 {
    let drawn = seed.digest(&[b"birth", &(record as u64).to_be_bytes()]);
    let bits = drawn.first_chunk().map_or(0, |bytes| u128::from_be_bytes(*bytes)) >> 48;
    let value = u128::from(milliseconds & ((1 << 48) - 1)) << 80 | bits;
    value & !(0xf << 76) & !(0b11 << 62) | 7 << 76 | 0b10 << 62
}

impl Evidence {
    /// Joins the claims and events of all chunks, which are parallel. Birth ids carry `milliseconds` (since 1970) and bits drawn from `seed`, of 32 bytes
    /// at least, which must be random. O(rows · log rows), on all cores.
    ///
    /// # Errors
    /// `Input` for chunks that do not fit together, a short seed, and more records than a batch can have.
    pub fn of(
        claims: &[&Claims],
        chunks: &[&EventChunk],
        model: &Model,
        milliseconds: u64,
        seed: &[u8],
    ) -> CoreResult<Self> {
        let events = Events::of(chunks)?;
        let (gathered, clean) = gather_kept(claims, &events.counts)?;
        let (records, homes) = (gathered.records, gathered.rows);
        let mut sums = vec![RecordSums::default(); records.len()];
        for ((row, home), event) in (0_u32..).zip(&homes).zip(&events.rows).filter(|((_, home), _)| **home != MISSING) {
            sums[*home as usize].add(row, event, |store| events.text(store).to_owned())?;
        }
        let mut states = TokenStates::of(&records, model)?;
        states.close_overused(records.slots(), &events, &homes, model);
        let seed = KeyedHash::new(seed)?;
        let births = (0..records.len()).into_par_iter().map(|record| birth_id(milliseconds, &seed, record)).collect();
        Ok(Self { records, clean, events, homes, sums, states, births })
    }

    /// The records, with all their tokens.
    #[must_use]
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Number of rows read.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.homes.len()
    }

    /// Number of rows that repeat another one.
    #[must_use]
    pub fn repeated(&self) -> usize {
        self.events.repeated
    }

    /// Rows whose content lost against another one under the same event id, each content once.
    #[must_use]
    pub fn lost(&self) -> &[u32] {
        &self.events.lost
    }

    /// Record on which the event of a row hangs; `None` if it does not count.
    #[must_use]
    pub fn home(&self, row: u32) -> Option<u32> {
        self.homes.get(row as usize).copied().filter(|home| *home != MISSING)
    }

    /// Source and id of the event of a row.
    #[must_use]
    pub fn event(&self, row: u32) -> (&str, &str) {
        (self.events.text(self.events.rows[row as usize].source), self.events.id(row))
    }

    /// What happened, when (microseconds since 2000), the amount, and the store, purpose or nothing.
    #[must_use]
    pub fn happened(&self, row: u32) -> (Option<EventKind>, i64, i64, &str) {
        let event = &self.events.rows[row as usize];
        (event.kind, event.occurred, event.amount, self.events.text(event.detail))
    }

    /// Digest of the content of a row's event.
    #[must_use]
    pub fn digest(&self, row: u32) -> &Digest32 {
        &self.events.rows[row as usize].digest
    }

    /// What the events of a record add up to.
    #[must_use]
    pub fn sums(&self, record: u32) -> &RecordSums {
        &self.sums[record as usize]
    }

    /// Store of a record's last purchase; empty if there is none.
    #[must_use]
    pub fn last_store(&self, record: u32) -> &str {
        self.events.text(self.sums[record as usize].last_store)
    }

    /// Clean form of an attribute of a record.
    #[must_use]
    pub fn clean(&self, position: usize, record: u32) -> Option<&str> {
        self.clean[position].text(record as usize)
    }

    /// Birth id of a record.
    #[must_use]
    pub fn birth_id(&self, record: u32) -> u128 {
        self.births[record as usize]
    }

    /// Name key of a record as text.
    #[must_use]
    pub fn name_key(&self, record: u32) -> Option<String> {
        let (code, initial) = self.records.name_key(record as usize)?;
        Some(format!("{}|{}", code_text(&code), char::from(initial)))
    }

    /// Number of distinct tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.states.kinds.len()
    }

    /// A token with its state. Makes it: O(1) keyed hashes.
    #[must_use]
    pub fn token(&self, number: u32) -> HeldToken<'_> {
        let (token, form, namespace) = self.records.tokens().made(number);
        let place = number as usize;
        HeldToken {
            token,
            kind: self.states.kinds[place],
            form,
            namespace,
            names: self.states.names(place),
            records: self.states.carriers[place],
            generic: self.states.generic[place],
            overused: self.states.overused[place],
        }
    }

    /// Name keys of a token's carriers, each once.
    pub fn token_names(&self, number: u32) -> impl Iterator<Item = String> {
        let range = self.states.named_cuts[number as usize]..self.states.named_cuts[number as usize + 1];
        let text = |(_, (code, initial)): &(u32, ([u8; 4], u8))| format!("{}|{}", code_text(code), char::from(*initial));
        self.states.named[range].iter().map(text)
    }

    /// Numbers of the tokens that a record carries, ascending, each once.
    #[must_use]
    pub fn carried(&self, record: u32) -> Vec<u32> {
        let mut tokens: Vec<u32> = self.records.slots().of(record as usize).iter().map(|slot| slot.token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// Phones that may have changed hands: tokens of the type with the number `kind` that are evidence and have several names, and their named carriers.
    #[must_use]
    pub fn contested(&self, kind: u8) -> Vec<(u32, Vec<NamedCarrier>)> {
        let named = |record: &u32| NamedCarrier { record: *record, name_key: self.name_key(*record).unwrap_or_default() };
        let found = self.states.contested(&self.records, kind).into_iter();
        found.map(|(token, records)| (token, records.iter().map(named).collect())).collect()
    }

    /// Records that carry any of these tokens. O(slots).
    #[must_use]
    pub fn carriers_of(&self, tokens: &[u32]) -> Vec<u32> {
        let mut wanted = vec![false; self.tokens()];
        for token in tokens {
            if let Some(wanted) = wanted.get_mut(*token as usize) {
                *wanted = true;
            }
        }
        let carries =
            |record: &u32| self.records.slots().of(*record as usize).iter().any(|slot| wanted[slot.token as usize]);
        (0..crate::record::row_number(self.records.len())).filter(carries).collect()
    }
}
