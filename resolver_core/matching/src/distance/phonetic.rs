//! Phonetic codes. Text is transliterated to ASCII first.

use any_ascii::any_ascii;
use rphonetic::{DoubleMetaphone, Encoder, Soundex};

/// A phonetic code of at most four ASCII characters, zero-filled; all zero if there is none.
pub(crate) type Code = [u8; 4];

/// American Soundex; empty for a text without letters. O(n).
///
/// ```
/// assert_eq!(goldthread_matching::soundex("Robert"), "R163");
/// ```
#[must_use]
pub fn soundex(value: &str) -> String {
    Soundex::default().encode(&any_ascii(value))
}

/// Primary and alternate Double Metaphone codes, at most four characters each. O(n).
///
/// ```
/// assert_eq!(goldthread_matching::double_metaphone("Smith"), ("SM0".into(), "XMT".into()));
/// ```
#[must_use]
pub fn double_metaphone(value: &str) -> (String, String) {
    let result = DoubleMetaphone::new(Some(4)).double_metaphone(&any_ascii(value));
    (result.primary(), result.alternate())
}

/// Primary Double Metaphone code of a folded word.
pub(crate) fn metaphone(folded: &str) -> Code {
    metaphone_of(folded)
}

/// Primary Double Metaphone code of a folded text, at most `N` characters.
pub(crate) fn metaphone_of<const N: usize>(folded: &str) -> [u8; N] {
    let mut code = [0; N];
    let found = DoubleMetaphone::new(Some(N)).double_metaphone(&any_ascii(folded)).primary();
    for (slot, byte) in code.iter_mut().zip(found.bytes()) {
        *slot = byte;
    }
    code
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn published_codes() {
        for (name, code) in [("Ashcraft", "A261"), ("Tymczak", "T522"), ("Pfister", "P236"), ("Honeyman", "H555"), ("", "")]
        {
            assert_eq!(soundex(name), code, "{name}");
        }
        for (name, primary) in [("Schmidt", "XMT"), ("Thompson", "TMPS"), ("Catherine", "K0RN"), ("Wright", "RT"), ("", "")]
        {
            assert_eq!(double_metaphone(name).0, primary, "{name}");
        }
        assert_eq!(metaphone("Müller"), *b"MLR\0");
        assert_eq!(metaphone_of("springfield"), *b"SPRNKF");
    }

    proptest! {
        #[test]
        fn any_text_has_a_code(value in "\\PC{0,24}") {
            let (primary, alternate) = double_metaphone(&value);
            prop_assert!(primary.len() <= 4 && alternate.len() <= 4);
            prop_assert!(soundex(&value).len() <= 4);
        }
    }
}
