//! Digests of a chunk: every distinct raw value is read once.

use rayon::prelude::*;

use crate::error::{CoreResult, same_length};
use crate::normalize::{Canonical, Column, Digest32, canonical, read_region, sha256};
use crate::record::{Encoded, Identity, MISSING, each, small};
use crate::words::{CUSTOMER_NUMBER, FORM_CANONICAL, FORM_FOLDED, IDENTIFIER_TYPES};

/// What a raw value says: the digest of the canonical value, and of the folded one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Digests {
    pub(super) canonical: Option<Digest32>,
    pub(super) folded: Option<Digest32>,
}

impl Digests {
    /// The digests with their forms, in the order of forms.
    pub(super) fn forms(&self) -> impl Iterator<Item = (u8, &Digest32)> {
        let canonical = self.canonical.as_ref().map(|digest| (FORM_CANONICAL, digest));
        canonical.into_iter().chain(self.folded.as_ref().map(|digest| (FORM_FOLDED, digest)))
    }
}

/// The identifiers of one type in a chunk.
#[derive(Debug)]
pub(super) struct IdentifierColumn {
    pub(super) kind: u8,
    rows: Vec<u32>,
    digests: Vec<Digests>,
    pub(super) invalid: usize,
    pub(super) placeholders: usize,
}

/// Why a value says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Placeholder,
    Invalid,
}

impl IdentifierColumn {
    fn of(kind: u8, column: Column<'_>, rows: usize, region: &str) -> CoreResult<Self> {
        same_length("identifiers", column.len(), rows)?;
        let region = read_region(region)?;
        let raw = Encoded::of(Some(column), rows)?;
        let read = |value: &str| match canonical(kind, value, region) {
            Canonical::Ok { value, folded } => {
                (Digests { canonical: Some(sha256(value)), folded: folded.map(sha256) }, None)
            }
            Canonical::Missing => (Digests::default(), None),
            Canonical::Placeholder => (Digests::default(), Some(Refusal::Placeholder)),
            Canonical::Invalid => (Digests::default(), Some(Refusal::Invalid)),
        };
        let (digests, refusals): (Vec<Digests>, Vec<Option<Refusal>>) = each(&raw.values, read).into_iter().unzip();
        let refused = |reason| {
            raw.numbers.iter().filter(|raw| refusals.get(**raw as usize).copied().flatten() == Some(reason)).count()
        };
        let (invalid, placeholders) = (refused(Refusal::Invalid), refused(Refusal::Placeholder));
        Ok(Self { kind, rows: raw.numbers, digests, invalid, placeholders })
    }

    /// What a row says.
    pub(super) fn digests(&self, row: usize) -> Option<&Digests> {
        self.digests.get(self.rows[row] as usize)
    }

    /// Namespace of a row's identifier: its source, if only that source knows the number.
    pub(super) fn namespace<'a>(&self, source: &'a str) -> &'a str {
        if self.kind == CUSTOMER_NUMBER { source } else { "" }
    }
}

/// Reads the identifier columns of a chunk, by type. O(distinct bytes + rows).
pub(super) fn identifier_columns(
    columns: &[Option<Column<'_>>; IDENTIFIER_TYPES.len()],
    rows: usize,
    region: &str,
) -> CoreResult<Vec<IdentifierColumn>> {
    read_region(region)?;
    let present: Vec<(u8, Column<'_>)> =
        (1..).zip(columns).filter_map(|(kind, column)| column.map(|column| (kind, column))).collect();
    present.into_par_iter().map(|(kind, column)| IdentifierColumn::of(kind, column, rows, region)).collect()
}

/// The identifiers of some rows of a chunk: row `i` of them has those of the numbers `held[offsets[i]..offsets[i + 1]]`.
#[derive(Debug, Default)]
pub(super) struct ChunkIdentities {
    pub(super) offsets: Vec<u32>,
    pub(super) held: Vec<u32>,
    /// By number; equal ones may have two.
    pub(super) identities: Vec<Identity>,
}

/// Identifiers of some rows; `sources` gives the number of each row's source, which is a namespace. O(identifiers).
pub(super) fn identities_of(
    columns: &[IdentifierColumn],
    rows: &[u32],
    sources: impl Fn(usize) -> u32,
) -> CoreResult<ChunkIdentities> {
    let mut result = ChunkIdentities { offsets: vec![0], ..ChunkIdentities::default() };
    // Number of the first identity of each raw value, for types that do not depend on the source.
    let mut known: Vec<Vec<u32>> = columns.iter().map(|column| vec![MISSING; column.digests.len()]).collect();
    for &row in rows {
        for (column, known) in columns.iter().zip(&mut known) {
            let raw = column.rows[row as usize];
            let Some(digests) = column.digests.get(raw as usize) else { continue };
            let own = column.kind == CUSTOMER_NUMBER;
            let namespace = if own { sources(row as usize) } else { 0 };
            let first = if own { MISSING } else { known[raw as usize] };
            let start = if first == MISSING { small(result.identities.len())? } else { first };
            for (number, (form, digest)) in (start..).zip(digests.forms()) {
                if first == MISSING {
                    result.identities.push(Identity { kind: column.kind, form, namespace, digest: *digest });
                }
                result.held.push(number);
            }
            known[raw as usize] = start;
        }
        result.offsets.push(small(result.held.len())?);
    }
    Ok(result)
}
