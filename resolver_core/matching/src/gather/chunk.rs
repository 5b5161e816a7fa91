//! One chunk of raw rows, cleaned, addressed and reduced to its distinct records.

use rayon::prelude::*;

use super::attributes::{CleanColumn, clean_attributes, clean_extras};
use super::identifiers::{ChunkIdentities, identifier_columns, identities_of};
use crate::error::CoreResult;
use crate::normalize::{Column, Digest32};
use crate::record::{DigestNumbers, Encoded, MISSING, small};
use crate::token::{ClaimText, KeyedHash};
use crate::words::{ATTRIBUTES, IDENTIFIER_TYPES};

/// Keys of a batch, at least 32 bytes each.
#[derive(Debug, Clone, Copy)]
pub struct GatherKeys<'a> {
    /// Key of record addresses.
    pub address: &'a [u8],
    /// Key of tokens.
    pub token: &'a [u8],
}

/// Raw columns of one chunk of rows.
#[derive(Debug, Clone)]
pub struct RawColumns<'a> {
    /// Source of each row; the default one where there is none.
    pub sources: Column<'a>,
    /// Source of rows that do not name theirs.
    pub default_source: &'a str,
    /// Identifiers by type; type number `n` stands at `n - 1`.
    pub identifiers: [Option<Column<'a>>; IDENTIFIER_TYPES.len()],
    /// Columns named by [`ATTRIBUTES`] or `full_name`.
    pub attributes: Vec<(&'a str, Column<'a>)>,
    /// Further columns under the names by which a model compares them.
    pub extras: Vec<(&'a str, Column<'a>)>,
}

/// The distinct records of a chunk. Holds clean attributes, addresses and digests; raw identifiers are gone.
#[derive(Debug)]
pub struct Claims {
    /// Record of each row; [`MISSING`] where the row has no usable identifier or attribute.
    pub(super) records: Vec<u32>,
    pub(super) addresses: Vec<Digest32>,
    pub(super) attributes: [CleanColumn; ATTRIBUTES.len()],
    pub(super) extras: Vec<(Box<str>, CleanColumn)>,
    pub(super) identities: ChunkIdentities,
    /// Makes tokens of them, if they are asked for.
    pub(super) token_hash: KeyedHash,
    /// Namespaces by number; the first is the empty one.
    pub(super) namespaces: Vec<Box<str>>,
    invalid: Vec<(&'static str, usize)>,
    placeholders: Vec<(&'static str, usize)>,
}

impl Claims {
    /// Reads a chunk: clean forms, digests and addresses, each distinct value once. O(total bytes), on all cores.
    ///
    /// # Errors
    /// `Input` for short keys, columns of different lengths, unknown names and an unknown region.
    pub fn read(keys: &GatherKeys<'_>, columns: &RawColumns<'_>, region: &str) -> CoreResult<Self> {
        let rows = columns.sources.len();
        small(rows)?;
        let (address_hash, token_hash) = (KeyedHash::new(keys.address)?, KeyedHash::new(keys.token)?);
        let (identifiers, (attributes, extras)) = rayon::join(
            || identifier_columns(&columns.identifiers, rows, region),
            || rayon::join(|| clean_attributes(&columns.attributes, rows, region), || clean_extras(&columns.extras, rows)),
        );
        let (identifiers, attributes, extras) = (identifiers?, attributes?, extras?);
        let sources = Encoded::of(Some(columns.sources), rows)?;
        let source = |row: usize| {
            let named = sources.values.get(sources.numbers[row] as usize).copied();
            named.filter(|name| !name.is_empty()).unwrap_or(columns.default_source)
        };
        let address = |claim: &mut ClaimText, row: usize| {
            claim.clear();
            let mut empty = true;
            for column in &identifiers {
                for (form, digest) in column.digests(row).into_iter().flat_map(super::identifiers::Digests::forms) {
                    claim.identifier(column.kind, column.namespace(source(row)), form, digest);
                    empty = false;
                }
            }
            for (name, column) in ATTRIBUTES.iter().zip(&attributes.columns) {
                if let Some(value) = column.text(row) {
                    claim.attribute(name, value);
                    empty = false;
                }
            }
            for (name, column) in &extras {
                if let Some(value) = column.text(row) {
                    claim.extra(name, value);
                    empty = false;
                }
            }
            (!empty).then(|| claim.address(&address_hash, source(row), 0))
        };
        let addressed: Vec<Option<Digest32>> =
            (0..rows).into_par_iter().with_min_len(256).map_init(ClaimText::default, address).collect();

        let mut seen = DigestNumbers::default();
        let mut firsts: Vec<u32> = Vec::new();
        let mut records = Vec::with_capacity(rows);
        for (row, address) in (0_u32..).zip(&addressed) {
            let Some(address) = address else {
                records.push(MISSING);
                continue;
            };
            let (number, new) = seen.number(address)?;
            records.push(number);
            if new {
                firsts.push(row);
            }
        }
        let namespaces: Vec<Box<str>> =
            ["", columns.default_source].into_iter().chain(sources.values.iter().copied()).map(Box::from).collect();
        let numbered = |row: usize| match sources.numbers[row] {
            number if sources.values.get(number as usize).is_some_and(|name| !name.is_empty()) => number + 2,
            _ => 1,
        };
        let identities = identities_of(&identifiers, &firsts, numbered)?;
        let name = |kind: u8| IDENTIFIER_TYPES[usize::from(kind) - 1];
        let refused = identifiers.iter().map(|column| (name(column.kind), column.invalid));
        Ok(Self {
            records,
            addresses: seen.into_list(),
            invalid: ATTRIBUTES.into_iter().zip(attributes.invalid).chain(refused).collect(),
            placeholders: identifiers.iter().map(|column| (name(column.kind), column.placeholders)).collect(),
            attributes: attributes.columns.map(|column| column.of_rows(&firsts)),
            extras: extras.into_iter().map(|(name, column)| (name, column.of_rows(&firsts))).collect(),
            identities,
            token_hash,
            namespaces,
        })
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.records.len()
    }

    /// Number of distinct records among them.
    #[must_use]
    pub fn records(&self) -> usize {
        self.addresses.len()
    }

    /// Address of a row's record; `None` where the row has no usable claim.
    pub(crate) fn address(&self, row: usize) -> Option<&Digest32> {
        self.addresses.get(*self.records.get(row)? as usize)
    }

    /// Rows by column whose value is present but invalid.
    #[must_use]
    pub fn invalid(&self) -> &[(&'static str, usize)] {
        &self.invalid
    }

    /// Rows by identifier type whose value stands for "none".
    #[must_use]
    pub fn placeholders(&self) -> &[(&'static str, usize)] {
        &self.placeholders
    }
}
