//! Chunks of records become one batch of distinct records.

use rayon::prelude::*;

use super::attributes::CleanColumn;
use super::chunk::Claims;
use crate::error::{CoreResult, same_length};
use crate::normalize::Digest32;
use crate::record::{
    DigestNumbers, Encoded, EncodedColumns, HashIndex, Identity, Interner, MISSING, Records, Slot, Slots, TextList, Tokens,
    by_extra_name, small, text_hash,
};
use crate::words::ATTRIBUTES;

/// A batch of records and the rows they came from.
#[derive(Debug)]
pub struct Gathered {
    /// The distinct records, in the order in which they first came.
    pub records: Records,
    /// Record of each row, chunk after chunk; `u32::MAX` where the row has no usable claim.
    pub rows: Vec<u32>,
}

/// The records of all chunks, each once.
struct Distinct {
    addresses: Vec<Digest32>,
    /// Records of each chunk that came first there, ascending.
    firsts: Vec<Vec<u32>>,
    rows: Vec<u32>,
}

/// Numbers the records of all rows, or of those that are kept if somebody says so.
fn distinct(chunks: &[&Claims], keep: Option<&[bool]>) -> CoreResult<Distinct> {
    let mut seen = DigestNumbers::default();
    let mut firsts = Vec::with_capacity(chunks.len());
    let total = chunks.iter().map(|chunk| chunk.records.len()).sum();
    if let Some(keep) = keep {
        same_length("keep", keep.len(), total)?;
    }
    let mut rows = Vec::with_capacity(total);
    for chunk in chunks {
        let kept = |row: usize| keep.is_none_or(|keep| keep[row]);
        let start = rows.len();
        let wanted = |place: usize, record: &u32| if kept(start + place) { *record } else { MISSING };
        let told: Vec<u32> = chunk.records.iter().enumerate().map(|(place, record)| wanted(place, record)).collect();
        let mut used = vec![keep.is_none(); chunk.addresses.len()];
        for record in told.iter().filter(|record| **record != MISSING) {
            used[*record as usize] = true;
        }
        let mut own = Vec::with_capacity(chunk.addresses.len());
        let mut new_ones = Vec::new();
        for (record, address) in (0_u32..).zip(&chunk.addresses) {
            if !used[record as usize] {
                own.push(MISSING);
                continue;
            }
            let (number, new) = seen.number(address)?;
            own.push(number);
            if new {
                new_ones.push(record);
            }
        }
        rows.extend(told.iter().map(|record| own.get(*record as usize).copied().unwrap_or(MISSING)));
        firsts.push(new_ones);
    }
    Ok(Distinct { addresses: seen.into_list(), firsts, rows })
}

/// One column over all chunks; `None` where a chunk lacks it. O(records).
fn joined<'a>(columns: &[Option<&'a CleanColumn>], firsts: &[Vec<u32>]) -> CoreResult<Encoded<'a>> {
    let mut index = HashIndex::default();
    let mut encoded = Encoded { numbers: Vec::with_capacity(firsts.iter().map(Vec::len).sum()), values: Vec::new() };
    for (column, firsts) in columns.iter().zip(firsts) {
        let Some(column) = column else {
            encoded.numbers.resize(encoded.numbers.len() + firsts.len(), MISSING);
            continue;
        };
        let mut known = vec![MISSING; column.texts.len()];
        for record in firsts {
            let own = column.numbers[*record as usize];
            let Some(text) = column.texts.get(own) else {
                encoded.numbers.push(MISSING);
                continue;
            };
            if known[own as usize] == MISSING {
                let next = small(encoded.values.len())?;
                let number = index.number(text_hash(text), next, |number| encoded.values[number as usize] == text);
                if number == next {
                    encoded.values.push(text);
                }
                known[own as usize] = number;
            }
            encoded.numbers.push(known[own as usize]);
        }
    }
    Ok(encoded)
}

/// Slots of all records, and the distinct tokens, unmade. O(identifiers).
fn slots(chunks: &[&Claims], firsts: &[Vec<u32>]) -> CoreResult<(Slots, Tokens)> {
    let mut index = HashIndex::default();
    let mut identities: Vec<Identity> = Vec::new();
    let mut spaces = Interner::of("sources");
    let total = chunks.iter().map(|chunk| chunk.identities.held.len()).sum();
    let mut slots = Slots::with_room(firsts.iter().map(Vec::len).sum(), total);
    let mut own: Vec<Slot> = Vec::new();
    for (chunk, firsts) in chunks.iter().zip(firsts) {
        let named = chunk.namespaces.iter().map(|name| spaces.number(name)).collect::<CoreResult<Vec<u32>>>()?;
        let mut known = vec![MISSING; chunk.identities.identities.len()];
        for record in firsts {
            own.clear();
            let record = *record as usize;
            let range = chunk.identities.offsets[record] as usize..chunk.identities.offsets[record + 1] as usize;
            for held in &chunk.identities.held[range] {
                let known = &mut known[*held as usize];
                if *known == MISSING {
                    let local = chunk.identities.identities[*held as usize];
                    let identity = Identity { namespace: named[local.namespace as usize], ..local };
                    let next = small(identities.len())?;
                    *known = index.number(identity.hash(), next, |number| identities[number as usize] == identity);
                    if *known == next {
                        identities.push(identity);
                    }
                }
                let Identity { kind, form, namespace, .. } = identities[*known as usize];
                own.push(Slot { kind, form, namespace, token: *known });
            }
            slots.push(&mut own);
        }
    }
    let slots = slots.over(identities.len());
    let Some(chunk) = chunks.first() else { return Ok((slots, Tokens::Made(Vec::new()))) };
    let list = spaces.into_list();
    let name = |number| Ok(Box::from(list.get(small(number)?).unwrap_or_default()));
    let namespaces = (0..list.len()).map(name).collect::<CoreResult<Vec<_>>>()?;
    Ok((slots, Tokens::Unmade { hash: chunk.token_hash.clone(), namespaces, identities }))
}

/// Makes one batch of the distinct records of all chunks, in their order. A chunk may lack an extra column that another has: it is missing there.
/// O(rows + distinct bytes), on all cores.
///
/// # Errors
/// `Input` for more records or extras than a batch can have.
pub fn gather(chunks: &[&Claims]) -> CoreResult<Gathered> {
    let distinct = distinct(chunks, None)?;
    joined_records(chunks, distinct, false).map(|(gathered, _)| gathered)
}

/// The same of those rows alone that are kept; the others have no record. Gives the clean texts of the records as well.
///
/// # Errors
/// `Input` for a mask of another length, and for more records than a batch can have.
pub(crate) fn gather_kept(chunks: &[&Claims], keep: &[bool]) -> CoreResult<(Gathered, [CleanColumn; ATTRIBUTES.len()])> {
    let distinct = distinct(chunks, Some(keep))?;
    joined_records(chunks, distinct, true)
}

/// A column with texts of its own.
fn owned(column: &Encoded<'_>, name: &'static str) -> CoreResult<CleanColumn> {
    let mut texts = TextList::of(name);
    for text in &column.values {
        texts.push(text)?;
    }
    Ok(CleanColumn { numbers: column.numbers.clone(), texts })
}

fn joined_records(
    chunks: &[&Claims],
    distinct: Distinct,
    told: bool,
) -> CoreResult<(Gathered, [CleanColumn; ATTRIBUTES.len()])> {
    let Distinct { addresses, firsts, rows } = distinct;
    let mut names: Vec<&str> = chunks.iter().flat_map(|chunk| chunk.extras.iter().map(|(name, _)| name.as_ref())).collect();
    names.sort_unstable();
    names.dedup();
    let mut sources: Vec<Vec<Option<&CleanColumn>>> = (0..ATTRIBUTES.len())
        .map(|position| chunks.iter().map(|chunk| Some(&chunk.attributes[position])).collect())
        .collect();
    let extra = |chunk: &'_ Claims, name: &str| chunk.extras.iter().position(|(own, _)| own.as_ref() == name);
    for name in &names {
        sources.push(chunks.iter().map(|chunk| extra(chunk, name).map(|place| &chunk.extras[place].1)).collect());
    }
    let (columns, slots) = rayon::join(
        || sources.par_iter().map(|columns| joined(columns, &firsts)).collect::<CoreResult<Vec<_>>>(),
        || slots(chunks, &firsts),
    );
    let columns = columns?;
    let mut clean: [CleanColumn; ATTRIBUTES.len()] = std::array::from_fn(|_| CleanColumn::default());
    for ((clean, column), name) in clean.iter_mut().zip(&columns).zip(ATTRIBUTES).filter(|_| told) {
        *clean = owned(column, name)?;
    }
    let mut columns = columns.into_iter();
    let attributes = std::array::from_fn(|_| columns.next().unwrap_or_default());
    let extras = by_extra_name(names.into_iter().zip(columns).collect())?;
    let (slots, tokens) = slots?;
    let records = Records::prepared(addresses, EncodedColumns { attributes, extras }, slots, tokens)?;
    Ok((Gathered { records, rows }, clean))
}
