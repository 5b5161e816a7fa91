//! From one identifier to the tokens it may be known by, for who answers one at a time: key and region are read once.

use rlibphonenumber::Region;

use crate::error::CoreResult;
use crate::normalize::{Canonical, Digest32, canonical, is_placeholder_digest, read_region, sha256};
use crate::token::{KeyedHash, token_of};
use crate::words::{FORM_CANONICAL, FORM_FOLDED, form, identifier_type};

/// What an identifier came as.
#[derive(Clone, Copy)]
pub enum IdentifierValue<'a> {
    /// As typed or scanned.
    Raw(&'a str),
    /// A digest made elsewhere, with the number of its form.
    Digest(i64, &'a Digest32),
}

/// What to look an identifier up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupTokens {
    /// The canonical token, and that of the folded form where there is one, in order of priority.
    Known(Digest32, Option<Digest32>),
    /// The identifier is blank or a placeholder: nobody is known by it.
    Nobody,
    /// Not an identifier of this type.
    Invalid,
}

/// Makes tokens under one key. Thread-safe.
#[derive(Debug, Clone)]
pub struct TokenMaker {
    hash: KeyedHash,
    region: Region,
}

impl TokenMaker {
    /// Takes a key of at least 32 bytes, and the region of phone numbers written without a country.
    ///
    /// # Errors
    /// `Input` for a short key and an unknown region.
    pub fn new(key: &[u8], region: &str) -> CoreResult<Self> {
        Ok(Self { hash: KeyedHash::new(key)?, region: read_region(region)? })
    }

    /// The same tokens that [`crate::canonical_identifiers`] and [`crate::tokenize`] give. O(n).
    ///
    /// # Errors
    /// `Input` for an unknown type or form.
    pub fn tokens(&self, kind: i64, namespace: &str, value: IdentifierValue<'_>) -> CoreResult<LookupTokens> {
        let kind = identifier_type(kind)?;
        match value {
            IdentifierValue::Digest(_, digest) if is_placeholder_digest(kind, digest) => Ok(LookupTokens::Nobody),
            IdentifierValue::Digest(number, digest) => {
                Ok(LookupTokens::Known(token_of(&self.hash, kind, namespace, form(number)?, digest), None))
            }
            IdentifierValue::Raw(raw) => Ok(match canonical(kind, raw, self.region) {
                Canonical::Missing | Canonical::Placeholder => LookupTokens::Nobody,
                Canonical::Invalid => LookupTokens::Invalid,
                Canonical::Ok { value, folded } => LookupTokens::Known(
                    token_of(&self.hash, kind, namespace, FORM_CANONICAL, &sha256(value)),
                    folded.map(|value| token_of(&self.hash, kind, namespace, FORM_FOLDED, &sha256(value))),
                ),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identifiers, canonical_identifiers, tokenize};

    const KEY: &[u8] = &[7; 32];

    #[test]
    fn tokens_are_those_of_the_columns() {
        let maker = TokenMaker::new(KEY, "US").expect("a key and a region");
        for (kind, raw) in [
            (1, "J.M+x@Gmail.com"),
            (1, "a@b.de"),
            (2, "(415) 555-2671"),
            (3, "L-1"),
            (1, "n/a"),
            (1, " "),
            (1, "x"),
            (2, "12"),
        ] {
            let canonical = canonical_identifiers(&[kind], &[Some(raw)], "US").expect("a type").remove(0);
            let token = |value: &String, form: i64| {
                let digest = sha256(value);
                let digests: [&[u8]; 1] = [&digest];
                let one = Identifiers { types: &[kind], namespaces: &["shop"], forms: &[form], digests: &digests };
                tokenize(KEY, &one).expect("valid")[0]
            };
            let expected = match &canonical {
                Canonical::Ok { value, folded } => {
                    LookupTokens::Known(token(value, 1), folded.as_ref().map(|value| token(value, 2)))
                }
                Canonical::Missing | Canonical::Placeholder => LookupTokens::Nobody,
                Canonical::Invalid => LookupTokens::Invalid,
            };
            assert_eq!(maker.tokens(kind, "shop", IdentifierValue::Raw(raw)), Ok(expected), "{kind} {raw}");
        }
    }

    #[test]
    fn digests_keep_their_form_and_blank_ones_are_nobody() {
        let maker = TokenMaker::new(KEY, "US").expect("a key and a region");
        let digest = sha256("a@b.de");
        let given = |form| maker.tokens(1, "", IdentifierValue::Digest(form, &digest)).expect("a form");
        assert_eq!(given(1), maker.tokens(1, "", IdentifierValue::Raw("a@b.de")).expect("a type"));
        assert_ne!(given(1), given(3));
        let blank = maker.tokens(1, "", IdentifierValue::Digest(1, &sha256(""))).expect("a form");
        assert_eq!(blank, LookupTokens::Nobody);
        assert!(maker.tokens(1, "", IdentifierValue::Digest(4, &digest)).is_err());
        assert!(maker.tokens(9, "", IdentifierValue::Raw("x")).is_err());
        assert!(TokenMaker::new(KEY, "??").is_err() && TokenMaker::new(b"short", "US").is_err());
    }
}
