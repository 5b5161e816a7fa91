//! Keyed digests: tokens and record addresses.

use hmac::{Hmac, KeyInit, Mac};
use rayon::prelude::*;
use sha2::Sha256;

use crate::error::{CoreError, CoreResult, same_length};
use crate::normalize::{Column, Digest32, PARALLEL_ROWS};
use crate::words::{ATTRIBUTES, FORM_ANCHOR, FORM_FOLDED, IDENTIFIER_TYPES, form, identifier_type};

/// A keyed hash with its key schedule done.
#[derive(Clone)]
pub(crate) struct KeyedHash(Hmac<Sha256>);

impl std::fmt::Debug for KeyedHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("KeyedHash")
    }
}

impl KeyedHash {
    /// Takes a key of at least 32 bytes.
    pub(crate) fn new(key: &[u8]) -> CoreResult<Self> {
        if key.len() < 32 {
            return Err(CoreError::input("key", "shorter than 32 bytes"));
        }
        Hmac::new_from_slice(key).map(Self).map_err(|_| CoreError::input("key", "not usable"))
    }

    /// HMAC-SHA-256 of the concatenated parts.
    pub(crate) fn digest(&self, parts: &[&[u8]]) -> Digest32 {
        let mut mac = self.0.clone();
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// A column of identifiers, row by row.
#[derive(Debug, Clone, Copy)]
pub struct Identifiers<'a> {
    /// Type numbers.
    pub types: &'a [i64],
    /// Namespaces; empty for identifiers of the whole world.
    pub namespaces: &'a [&'a str],
    /// Form numbers.
    pub forms: &'a [i64],
    /// SHA-256 digests of 32 bytes.
    pub digests: &'a [&'a [u8]],
}

impl Identifiers<'_> {
    fn checked(&self) -> CoreResult<Vec<(u8, u8, Digest32)>> {
        let rows = self.types.len();
        same_length("namespaces", self.namespaces.len(), rows)?;
        same_length("forms", self.forms.len(), rows)?;
        same_length("digests", self.digests.len(), rows)?;
        let row = |index: usize| {
            let digest = Digest32::try_from(self.digests[index])
                .map_err(|_| CoreError::input("digests", "holds one that is not 32 bytes"))?;
            Ok((identifier_type(self.types[index])?, form(self.forms[index])?, digest))
        };
        (0..rows).map(row).collect()
    }
}

/// Token of one identifier.
pub(crate) fn token_of(hash: &KeyedHash, kind: u8, namespace: &str, form: u8, digest: &Digest32) -> Digest32 {
    let prefix: &[u8] = match form {
        FORM_FOLDED => b"gmail_folded:",
        FORM_ANCHOR => b"anchor:",
        _ => b"",
    };
    let name = IDENTIFIER_TYPES[usize::from(kind) - 1].as_bytes();
    hash.digest(&[name, b"\0", prefix, namespace.as_bytes(), b"\0", digest])
}

/// Tokens under a key. O(rows).
///
/// # Errors
/// `Input` for a short key, columns of different lengths, unknown types or forms, and digests that are not 32 bytes.
pub fn tokenize(key: &[u8], identifiers: &Identifiers<'_>) -> CoreResult<Vec<Digest32>> {
    let hash = KeyedHash::new(key)?;
    let rows = identifiers.checked()?;
    let token = |(row, (kind, form, digest)): (usize, &(u8, u8, Digest32))| {
        token_of(&hash, *kind, identifiers.namespaces[row], *form, digest)
    };
    Ok(if rows.len() > PARALLEL_ROWS {
        rows.par_iter().enumerate().with_min_len(256).map(token).collect()
    } else {
        rows.iter().enumerate().map(token).collect()
    })
}

/// Checks that `offsets` cuts `total` items into `rows` consecutive ranges.
pub(crate) fn check_offsets(offsets: &[i64], rows: usize, total: usize) -> CoreResult<Vec<usize>> {
    same_length("offsets", offsets.len(), rows + 1)?;
    let cut: Vec<usize> = offsets
        .iter()
        .map(|&offset| usize::try_from(offset).map_err(|_| CoreError::input("offsets", "negative")))
        .collect::<CoreResult<_>>()?;
    if cut.first() != Some(&0) || cut.last() != Some(&total) || !cut.is_sorted() {
        return Err(CoreError::input("offsets", "do not rise from 0 to the number of identifiers"));
    }
    Ok(cut)
}

/// Attribute columns in the order of [`ATTRIBUTES`]; an absent one is missing in every row.
pub type AttributeColumns<'a> = [Option<Column<'a>>; ATTRIBUTES.len()];

/// Addresses of records. O(total bytes).
///
/// # Errors
/// `Input` for a short key, columns of different lengths, unknown types or forms, digests that are not 32 bytes, and wrong offsets.
pub fn address_records(
    key: &[u8],
    sources: &[&str],
    offsets: &[i64],
    identifiers: &Identifiers<'_>,
    attributes: &AttributeColumns<'_>,
    extras: &[(&str, Column<'_>)],
    epochs: &[i64],
) -> CoreResult<Vec<Digest32>> {
    let hash = KeyedHash::new(key)?;
    let owned = identifiers.checked()?;
    let offsets = check_offsets(offsets, sources.len(), owned.len())?;
    same_length("epochs", epochs.len(), sources.len())?;
    for column in attributes.iter().flatten() {
        same_length("attributes", column.len(), sources.len())?;
    }
    for (_, column) in extras {
        same_length("extras", column.len(), sources.len())?;
    }
    let mut extras = extras.to_vec();
    extras.sort_unstable_by_key(|(name, _)| *name);
    let address = |row: usize| {
        let mut lines: Vec<(u8, &str, u8, &Digest32)> = (offsets[row]..offsets[row + 1])
            .map(|index| (owned[index].0, identifiers.namespaces[index], owned[index].1, &owned[index].2))
            .collect();
        lines.sort_unstable();
        lines.dedup();
        let mut claim = ClaimText::default();
        for (kind, namespace, form, digest) in lines {
            claim.identifier(kind, namespace, form, digest);
        }
        for (name, column) in ATTRIBUTES.iter().zip(attributes) {
            if let Some(value) = column.and_then(|values| values[row]) {
                claim.attribute(name, value);
            }
        }
        for (name, column) in &extras {
            if let Some(value) = column[row] {
                claim.extra(name, value);
            }
        }
        claim.address(&hash, sources[row], epochs[row])
    };
    Ok(if sources.len() > PARALLEL_ROWS {
        (0..sources.len()).into_par_iter().with_min_len(256).map(address).collect()
    } else {
        (0..sources.len()).map(address).collect()
    })
}

/// The claim of a record as text (docs/matching.md section 3): a line each for its identifiers, attributes and extras, in their order.
#[derive(Default)]
pub(crate) struct ClaimText(String);

/// Hexadecimal digits of a digest.
fn hexadecimal(digest: &Digest32) -> [u8; 64] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0; 64];
    for (pair, byte) in text.chunks_exact_mut(2).zip(digest) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
    text
}

impl ClaimText {
    /// Begins the claim of another record.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    fn line(&mut self, parts: &[&str]) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        for part in parts {
            self.0.push_str(part);
        }
    }

    pub(crate) fn identifier(&mut self, kind: u8, namespace: &str, form: u8, digest: &Digest32) {
        // Both numbers have one digit.
        let [kind, form] = [kind, form].map(|number| [b'0' + number]);
        let text = |bytes| std::str::from_utf8(bytes).unwrap_or_default();
        self.line(&[text(&kind), ":", namespace, ":", text(&form), ":", text(&hexadecimal(digest))]);
    }

    pub(crate) fn attribute(&mut self, name: &str, value: &str) {
        self.line(&[name, "=", value]);
    }

    pub(crate) fn extra(&mut self, name: &str, value: &str) {
        self.line(&["extra:", name, "=", value]);
    }

    /// Address of the record of a source that has this claim.
    pub(crate) fn address(&self, hash: &KeyedHash, source: &str, epoch: i64) -> Digest32 {
        hash.digest(&[source.as_bytes(), b"\0", self.0.as_bytes(), b"\0", epoch.to_string().as_bytes()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::normalize::sha256;

    const KEY: &[u8] = &[7; 32];

    fn identifiers<'a>(namespaces: &'a [&'a str], forms: &'a [i64], digests: &'a [&'a [u8]]) -> Identifiers<'a> {
        Identifiers { types: &[1, 1], namespaces, forms, digests }
    }

    #[test]
    fn a_token_is_the_hmac_of_the_page() {
        let digest = sha256("a@b.de");
        let digests: [&[u8]; 2] = [&digest, &digest];
        let tokens = tokenize(KEY, &identifiers(&["", ""], &[1, 2], &digests)).expect("valid");
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("any key");
        mac.update(b"email\0\0");
        mac.update(&digest);
        assert_eq!(tokens[0], <Digest32>::from(mac.finalize().into_bytes()));
        assert_ne!(tokens[0], tokens[1]);
    }

    #[test]
    fn address_ignores_order_and_repeats() {
        let (one, two) = (sha256("1"), sha256("2"));
        let attributes: AttributeColumns<'_> = [None; 8];
        let address = |forms: &[i64], digests: &[&[u8]]| {
            let kinds = vec![1; digests.len()];
            let names = vec![""; digests.len()];
            let owned = Identifiers { types: &kinds, namespaces: &names, forms, digests };
            let end = i64::try_from(digests.len()).expect("short");
            address_records(KEY, &["crm"], &[0, end], &owned, &attributes, &[], &[0]).expect("valid")[0]
        };
        let plain = address(&[1, 1], &[&one, &two]);
        assert_eq!(plain, address(&[1, 1, 1], &[&two, &one, &two]));
        assert_ne!(plain, address(&[1, 1, 2], &[&one, &two, &one]));
        assert_ne!(plain, address(&[1], &[&one]));
    }

    #[test]
    fn extras_enter_the_claim_by_name() {
        let nothing = Identifiers { types: &[], namespaces: &[], forms: &[], digests: &[] };
        let address = |extras: &[(&str, Column<'_>)]| {
            address_records(KEY, &["crm"], &[0, 0], &nothing, &[None; 8], extras, &[0]).expect("valid")[0]
        };
        let (sex, job): (Column<'_>, Column<'_>) = (&[Some("f")], &[Some("baker")]);
        let both = address(&[("sex", sex), ("job", job)]);
        assert_eq!(both, address(&[("job", job), ("sex", sex)]));
        assert_eq!(address(&[("job", &[None])]), address(&[]));
        assert_ne!(both, address(&[("job", job)]));
        let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("any key");
        mac.update(b"crm\0extra:job=baker\nextra:sex=f\x000");
        assert_eq!(both, <Digest32>::from(mac.finalize().into_bytes()));
    }

    #[test]
    fn refusals_name_the_argument() {
        let short = Identifiers { types: &[1], namespaces: &[""], forms: &[1], digests: &[b"x"] };
        assert!(matches!(tokenize(KEY, &short), Err(CoreError::Input { argument: "digests", .. })));
        assert!(matches!(tokenize(b"k", &short), Err(CoreError::Input { argument: "key", .. })));
        assert!(check_offsets(&[0, 2, 1], 2, 1).is_err());
        assert!(check_offsets(&[0, 1], 2, 1).is_err());
    }
}
