//! The tokens records carry, as small numbers in sorted slots.

use rustc_hash::FxHashMap;

use super::TokenColumns;
use super::intern::{DigestNumbers, small};
use crate::error::{CoreError, CoreResult, same_length};
use crate::normalize::Digest32;
use crate::token::check_offsets;
use crate::words::{form, identifier_type};

/// One token of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    /// Type number.
    pub(crate) kind: u8,
    /// Form number.
    pub(crate) form: u8,
    /// Number of the namespace within the batch.
    pub(crate) namespace: u32,
    /// Number of the token within the batch.
    pub(crate) token: u32,
}

/// Tokens of all records of a batch.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    offsets: Vec<usize>,
    held: Vec<Slot>,
    tokens: usize,
}

impl Slots {
    /// Numbers tokens and namespaces and sorts each record's slots; gives the distinct tokens by number as well. O(tokens).
    pub(crate) fn new(columns: &TokenColumns<'_>, records: usize) -> CoreResult<(Self, Vec<Digest32>)> {
        let total = columns.types.len();
        same_length("namespaces", columns.namespaces.len(), total)?;
        same_length("forms", columns.forms.len(), total)?;
        same_length("tokens", columns.tokens.len(), total)?;
        let cuts = check_offsets(columns.offsets, records, total)?;
        let mut namespaces: FxHashMap<&str, u32> = FxHashMap::default();
        let mut tokens = DigestNumbers::default();
        let mut result = Self::with_room(records, total);
        let mut own: Vec<Slot> = Vec::new();
        for range in cuts.windows(2) {
            own.clear();
            for index in range[0]..range[1] {
                let token = Digest32::try_from(columns.tokens[index])
                    .map_err(|_| CoreError::input("tokens", "holds one that is not 32 bytes"))?;
                let next_namespace = small(namespaces.len())?;
                own.push(Slot {
                    kind: identifier_type(columns.types[index])?,
                    form: form(columns.forms[index])?,
                    namespace: *namespaces.entry(columns.namespaces[index]).or_insert(next_namespace),
                    token: tokens.number(&token)?.0,
                });
            }
            result.push(&mut own);
        }
        let distinct = tokens.into_list();
        Ok((result.over(distinct.len()), distinct))
    }

    /// No records yet, and room for some.
    pub(crate) fn with_room(records: usize, slots: usize) -> Self {
        let mut offsets = Vec::with_capacity(records + 1);
        offsets.push(0);
        Self { offsets, held: Vec::with_capacity(slots), tokens: 0 }
    }

    /// Adds a record with these slots, which are sorted and freed of repetitions.
    pub(crate) fn push(&mut self, slots: &mut Vec<Slot>) {
        slots.sort_unstable();
        slots.dedup();
        self.held.extend_from_slice(slots);
        self.offsets.push(self.held.len());
    }

    /// The same records over so many distinct tokens.
    pub(crate) fn over(mut self, tokens: usize) -> Self {
        self.tokens = tokens;
        self
    }

    /// Slots of a record, ascending. O(1).
    pub(crate) fn of(&self, record: usize) -> &[Slot] {
        &self.held[self.offsets[record]..self.offsets[record + 1]]
    }

    /// Number of distinct tokens.
    pub(crate) fn tokens(&self) -> usize {
        self.tokens
    }

    /// The same slots without the tokens marked generic. O(slots).
    pub(crate) fn without(&self, generic: &[bool]) -> Self {
        let mut result = Self { offsets: vec![0], held: Vec::with_capacity(self.held.len()), tokens: self.tokens };
        for range in self.offsets.windows(2) {
            result.held.extend(self.held[range[0]..range[1]].iter().filter(|slot| !generic[slot.token as usize]));
            result.offsets.push(result.held.len());
        }
        result
    }
}
