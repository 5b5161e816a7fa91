//! Events of files, chunk by chunk, and which of them count.

use rayon::prelude::*;
use rustc_hash::FxHashSet;

use crate::error::{CoreError, CoreResult, same_length};
use crate::gather::Claims;
use crate::normalize::{Digest32, sha256_of};
use crate::record::{HashIndex, Interner, MISSING, TextId, TextList, small, text_hash};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A sale of an amount, in a store.
    Purchase,
    /// A visit.
    Click,
    /// The source created or changed its customer.
    CustomerChange,
    /// A consent for a purpose, withdrawn.
    ConsentWithdrawn,
    /// A consent for a purpose, given.
    ConsentGiven,
}

impl EventKind {
    /// Its number, in the order above.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// By number, in the order above; `None` for a row that is no event.
    fn numbered(number: u8) -> CoreResult<Option<Self>> {
        match number {
            0 => Ok(Some(Self::Purchase)),
            1 => Ok(Some(Self::Click)),
            2 => Ok(Some(Self::CustomerChange)),
            3 => Ok(Some(Self::ConsentWithdrawn)),
            4 => Ok(Some(Self::ConsentGiven)),
            u8::MAX => Ok(None),
            _ => Err(CoreError::input("kinds", "holds an unknown kind")),
        }
    }
}

/// What the rows of a chunk say beside their claims; all columns are as long as the chunk.
#[derive(Debug, Clone, Copy)]
pub struct Said<'a> {
    /// Sending system.
    pub sources: &'a [&'a str],
    /// Id within it.
    pub ids: &'a [&'a str],
    /// Number of the [`EventKind`]; 255 for a row that is no event.
    pub kinds: &'a [u8],
    /// Microseconds since 2000.
    pub occurred: &'a [i64],
    /// Minor units of a purchase.
    pub amounts: &'a [i64],
    /// Store of a purchase, purpose of a consent.
    pub details: &'a [&'a str],
    /// What is digested of an event beside the address of its claim.
    pub contents: &'a [&'a str],
}

/// An event as it is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct EventRow {
    pub(super) kind: Option<EventKind>,
    pub(super) source: TextId,
    pub(super) detail: TextId,
    pub(super) occurred: i64,
    pub(super) amount: i64,
    pub(super) digest: Digest32,
}

/// The events of one chunk of rows.
#[derive(Debug)]
pub struct EventChunk {
    rows: Vec<EventRow>,
    ids: TextList,
    texts: TextList,
    /// Rows that would be events if they had a usable claim.
    unusable: Vec<usize>,
}

impl EventChunk {
    /// Reads what rows say whose claims are known. O(bytes), on all cores.
    ///
    /// # Errors
    /// `Input` for columns of different lengths and unknown kinds.
    pub fn read(claims: &Claims, said: &Said<'_>) -> CoreResult<Self> {
        let rows = claims.rows();
        for (name, length) in [
            ("sources", said.sources.len()),
            ("ids", said.ids.len()),
            ("kinds", said.kinds.len()),
            ("occurred", said.occurred.len()),
            ("amounts", said.amounts.len()),
            ("details", said.details.len()),
            ("contents", said.contents.len()),
        ] {
            same_length(name, length, rows)?;
        }
        let digests: Vec<Option<Digest32>> = (0..rows)
            .into_par_iter()
            .with_min_len(512)
            .map(|row| claims.address(row).map(|address| sha256_of(&[address, said.contents[row].as_bytes()])))
            .collect();
        let mut chunk = Self {
            rows: Vec::with_capacity(rows),
            ids: TextList::of("ids"),
            texts: TextList::default(),
            unusable: Vec::new(),
        };
        let mut texts = Interner::of("sources, details");
        for (row, digest) in digests.into_iter().enumerate() {
            let kind = EventKind::numbered(said.kinds[row])?;
            if kind.is_some() && digest.is_none() {
                chunk.unusable.push(row);
            }
            let kind = kind.filter(|_| digest.is_some());
            chunk.ids.push(if kind.is_some() { said.ids[row] } else { "" })?;
            chunk.rows.push(EventRow {
                kind,
                source: texts.number(said.sources[row])?,
                detail: texts.number(said.details[row])?,
                occurred: said.occurred[row],
                amount: said.amounts[row],
                digest: digest.unwrap_or_default(),
            });
        }
        chunk.texts = texts.into_list();
        Ok(chunk)
    }

    /// Rows that would be events if they had a usable claim.
    #[must_use]
    pub fn unusable(&self) -> &[usize] {
        &self.unusable
    }
}

/// All events of a load, by row.
#[derive(Debug)]
pub(super) struct Events {
    pub(super) rows: Vec<EventRow>,
    ids: TextList,
    texts: TextList,
    /// Whether a row is the one that counts of those with its event id.
    pub(super) counts: Vec<bool>,
    /// Rows whose content lost against another under the same id, each content once.
    pub(super) lost: Vec<u32>,
    /// Rows that repeat what another one says.
    pub(super) repeated: usize,
}

impl Events {
    /// Joins chunks and finds what counts: of several contents under one id that of the lowest digest, and of equal ones the first. O(rows).
    pub(super) fn of(chunks: &[&EventChunk]) -> CoreResult<Self> {
        let total = chunks.iter().map(|chunk| chunk.rows.len()).sum();
        let mut rows = Vec::with_capacity(total);
        let (mut ids, mut texts) = (TextList::of("ids"), Interner::of("sources, details"));
        for chunk in chunks {
            let named = (0..chunk.texts.len())
                .map(|number| texts.number(chunk.texts.get(small(number)?).unwrap_or_default()))
                .collect::<CoreResult<Vec<TextId>>>()?;
            ids.append(&chunk.ids)?;
            rows.extend(chunk.rows.iter().map(|row| EventRow {
                source: named[row.source as usize],
                detail: named[row.detail as usize],
                ..*row
            }));
        }
        small(total)?;
        let mut events =
            Self { counts: vec![false; rows.len()], rows, ids, texts: texts.into_list(), lost: Vec::new(), repeated: 0 };
        events.settle()?;
        Ok(events)
    }

    fn settle(&mut self) -> CoreResult<()> {
        let mut index = HashIndex::default();
        let mut best: Vec<u32> = Vec::new();
        let mut beaten: FxHashSet<(u32, Digest32)> = FxHashSet::default();
        for row in 0..small(self.rows.len())? {
            let event = self.rows[row as usize];
            if event.kind.is_none() {
                continue;
            }
            let id = self.id(row);
            let next = small(best.len())?;
            let hash = text_hash(id) ^ u64::from(event.source).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let same = |number: u32| {
                let other = best[number as usize];
                self.rows[other as usize].source == event.source && self.id(other) == id
            };
            let number = index.number(hash, next, same);
            if number == next {
                best.push(row);
                continue;
            }
            let held = &mut best[number as usize];
            let other = self.rows[*held as usize].digest;
            if other == event.digest {
                self.repeated += 1;
                continue;
            }
            let loser = if event.digest < other { std::mem::replace(held, row) } else { row };
            if beaten.insert((number, self.rows[loser as usize].digest)) {
                self.lost.push(loser);
            } else {
                self.repeated += 1;
            }
        }
        for row in best {
            self.counts[row as usize] = true;
        }
        Ok(())
    }

    pub(super) fn id(&self, row: u32) -> &str {
        self.ids.get(row).unwrap_or_default()
    }

    pub(super) fn text(&self, number: TextId) -> &str {
        if number == MISSING { "" } else { self.texts.get(number).unwrap_or_default() }
    }
}
