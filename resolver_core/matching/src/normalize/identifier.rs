//! Canonical values and digests of identifiers.

use std::borrow::Cow;
use std::sync::LazyLock;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};
use rlibphonenumber::{PHONE_NUMBER_UTIL, Region, get_national_significant_number_owned};
use rustc_hash::FxHashSet;
use sha2::{Digest, Sha256};

use super::MAX_VALUE_BYTES;
use super::text::{is_blank, is_control, squash, trim};
use crate::error::{CoreError, CoreResult};
use crate::tables::{PLACEHOLDERS, Placeholders};
use crate::words::{EMAIL, PHONE};

/// SHA-256 of something.
pub type Digest32 = [u8; 32];

/// What became of an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canonical {
    /// A usable value, and its gmail-folded form where it has one.
    Ok {
        /// Canonical value.
        value: String,
        /// Gmail-folded value.
        folded: Option<String>,
    },
    /// Blank.
    Missing,
    /// A value that stands for "none".
    Placeholder,
    /// Not an identifier of this type.
    Invalid,
}

impl Canonical {
    fn plain(value: String) -> Self {
        Self::Ok { value, folded: None }
    }
}

/// A region code (ISO 3166) of the phone metadata.
pub(crate) fn read_region(region: &str) -> CoreResult<Region> {
    Region::from_code(&region.to_ascii_uppercase())
        .ok()
        .filter(|known| *known != Region::World && PHONE_NUMBER_UTIL.get_country_code_for_region(*known).is_some())
        .ok_or_else(|| CoreError::input("region", "not a known ISO 3166 code"))
}

/// Canonical value of one identifier. Phones are read with the default region. O(n).
#[must_use]
pub(crate) fn canonical(kind: u8, raw: &str, region: Region) -> Canonical {
    let value = trim(raw);
    if value.is_empty() {
        return Canonical::Missing;
    }
    if value.len() > MAX_VALUE_BYTES {
        return Canonical::Invalid;
    }
    let table = table_of(kind);
    let squashed = squash(value);
    if squashed.is_empty() || table.holds(&squashed) {
        return Canonical::Placeholder;
    }
    match kind {
        EMAIL => email(value, table),
        PHONE => phone(value, region),
        _ => number(value),
    }
}

fn table_of(kind: u8) -> &'static Placeholders {
    match kind {
        EMAIL => &PLACEHOLDERS.email,
        PHONE => &PLACEHOLDERS.phone,
        _ => &PLACEHOLDERS.number,
    }
}

fn email(value: &str, table: &Placeholders) -> Canonical {
    let Some((local, domain)) = value.split_once('@') else { return Canonical::Invalid };
    let unreadable = |letter: char| is_blank(letter) || is_control(letter) || letter == '@';
    if local.is_empty() || local.len() > 64 || local.contains(unreadable) || domain.contains(unreadable) {
        return Canonical::Invalid;
    }
    let local = local.to_ascii_lowercase();
    let Some(domain) = ascii_domain(domain) else { return Canonical::Invalid };
    let address = format!("{local}@{domain}");
    if !domain.contains('.') || address.len() > 254 {
        return Canonical::Invalid;
    }
    if table.holds_email(&local, &domain, &address) {
        return Canonical::Placeholder;
    }
    let folded = matches!(domain.as_ref(), "gmail.com" | "googlemail.com")
        .then(|| local.split('+').next().unwrap_or_default().replace('.', ""))
        .filter(|short| !short.is_empty())
        .map(|short| format!("{short}@gmail.com"));
    Canonical::Ok { value: address, folded }
}

fn ascii_domain(domain: &str) -> Option<Cow<'_, str>> {
    Uts46::new().to_ascii(domain.as_bytes(), AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Verify).ok()
}

fn all_equal(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes.next().is_some_and(|first| bytes.all(|byte| byte == first))
}

fn phone(value: &str, region: Region) -> Canonical {
    let digits: String = value.chars().filter(char::is_ascii_digit).collect();
    if all_equal(&digits) && !value.contains(char::is_alphabetic) {
        return Canonical::Placeholder;
    }
    let Ok(number) = PHONE_NUMBER_UTIL.parse(value, Some(region)) else { return Canonical::Invalid };
    let national = get_national_significant_number_owned(&number);
    let fictitious = number.country_code == 1 && national.get(3..8) == Some("55501");
    if fictitious || all_equal(&national) {
        return Canonical::Placeholder;
    }
    if !PHONE_NUMBER_UTIL.is_valid_number(&number) {
        return Canonical::Invalid;
    }
    // E.164 as the library writes it, without asking it to parse the number's parts once more.
    Canonical::plain(format!("+{}{national}", number.country_code))
}

fn number(value: &str) -> Canonical {
    let kept: String = value.chars().filter(|&letter| letter != '-' && !is_blank(letter)).collect();
    if kept.is_empty() || kept.len() > 128 || kept.contains(is_control) {
        return Canonical::Invalid;
    }
    let canonical = kept.to_ascii_uppercase();
    if all_equal(&canonical) && (canonical.starts_with('0') || canonical.len() >= 6) {
        return Canonical::Placeholder;
    }
    Canonical::plain(canonical)
}

/// SHA-256 of UTF-8 text or bytes.
#[must_use]
pub fn sha256(value: impl AsRef<[u8]>) -> Digest32 {
    Sha256::digest(value.as_ref()).into()
}

/// SHA-256 of parts one after the other.
pub(crate) fn sha256_of(parts: &[&[u8]]) -> Digest32 {
    parts.iter().fold(Sha256::new(), Digest::chain_update).finalize().into()
}

/// Digests that other people make of blank and placeholder values.
fn known_digests(table: &Placeholders) -> FxHashSet<Digest32> {
    let mut digests: FxHashSet<Digest32> = FxHashSet::default();
    digests.insert(sha256(""));
    for blank in ('\0'..='\u{ffff}').filter(|&letter| is_blank(letter)) {
        digests.insert(sha256(blank.to_string()));
    }
    for width in 2..=32 {
        digests.insert(sha256(" ".repeat(width)));
    }
    for entry in table.entries() {
        digests.insert(sha256(entry));
        digests.insert(sha256(entry.to_ascii_uppercase()));
    }
    for spelling in ["n/a", "N/A", "n.a.", "-", ".", "?", "None", "Null", "Unknown", "Test"] {
        digests.insert(sha256(spelling));
    }
    for width in 1..=20 {
        for digit in '0'..='9' {
            let repeated = digit.to_string().repeat(width);
            if digit == '0' || width >= 6 {
                digests.insert(sha256(&repeated));
                digests.insert(sha256(format!("+{repeated}")));
                digests.insert(sha256(format!("+1{repeated}")));
            }
        }
    }
    digests
}

static KNOWN_EMAIL: LazyLock<FxHashSet<Digest32>> = LazyLock::new(|| known_digests(&PLACEHOLDERS.email));
static KNOWN_PHONE: LazyLock<FxHashSet<Digest32>> = LazyLock::new(|| known_digests(&PLACEHOLDERS.phone));
static KNOWN_NUMBER: LazyLock<FxHashSet<Digest32>> = LazyLock::new(|| known_digests(&PLACEHOLDERS.number));

/// Whether a digest made elsewhere is that of a blank or placeholder value. O(1).
#[must_use]
pub(crate) fn is_placeholder_digest(kind: u8, digest: &Digest32) -> bool {
    match kind {
        EMAIL => KNOWN_EMAIL.contains(digest),
        PHONE => KNOWN_PHONE.contains(digest),
        _ => KNOWN_NUMBER.contains(digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(kind: u8, raw: &str) -> Canonical {
        canonical(kind, raw, Region::US)
    }

    fn value(kind: u8, raw: &str) -> String {
        match read(kind, raw) {
            Canonical::Ok { value, .. } => value,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn emails() {
        assert_eq!(value(1, " Jane.Doe+Shop@GMail.com\u{feff}"), "jane.doe+shop@gmail.com");
        assert_eq!(value(1, "ana@BÜCHER.example.de"), "ana@xn--bcher-kva.example.de");
        for bad in [
            "jane",
            "a@b",
            "a@b@c.de",
            "@x.de",
            "a b@c.de",
            "a@c..de",
            "a@c.de.",
            "a\u{7}@c.de",
            &format!("{}@c.de", "a".repeat(65)),
        ] {
            assert_eq!(read(1, bad), Canonical::Invalid, "{bad:?}");
        }
        for empty in ["test@test.com", "NoEmail@shop.de", "joe@example.com", "N/A", "none", "-"] {
            assert_eq!(read(1, empty), Canonical::Placeholder, "{empty:?}");
        }
        let folded = |raw: &str| match read(1, raw) {
            Canonical::Ok { folded, .. } => folded,
            _ => None,
        };
        assert_eq!(folded("j.a.ne+x@googlemail.com"), Some("jane@gmail.com".into()));
        assert_eq!(folded("jane@gmail.com"), Some("jane@gmail.com".into()));
        assert_eq!(folded("j.a.ne+x@yahoo.com"), None);
    }

    #[test]
    fn phones() {
        for spelling in ["(650) 253-0000", "650.253.0000", "+1 650 253 0000", "16502530000", "650-253-0000 ext. 12"] {
            assert_eq!(value(2, spelling), "+16502530000");
        }
        assert_eq!(value(2, "+44 20 7946 0958"), "+442079460958");
        for empty in ["000-000-0000", "(201) 555-0123", "5555555555", "1234567890", "n/a"] {
            assert_eq!(read(2, empty), Canonical::Placeholder, "{empty:?}");
        }
        for bad in ["12", "650253000", "hello", "+1 111 111 1112"] {
            assert_eq!(read(2, bad), Canonical::Invalid, "{bad:?}");
        }
    }

    #[test]
    fn canonical_phones_are_what_the_library_formats() {
        for (raw, region) in [
            ("06 698 12345", Region::IT),
            ("(0)20 7946 0018 ext 3", Region::GB),
            ("650-253-0000 x 12", Region::US),
            ("+39 02 1234567", Region::US),
            ("0800 1111", Region::GB),
            ("+800 1234 5678", Region::US),
            ("015 123456", Region::AR),
        ] {
            let parsed = PHONE_NUMBER_UTIL.parse(raw, Some(region));
            let Ok(number) = parsed else { continue };
            let expected = PHONE_NUMBER_UTIL.format(&number, rlibphonenumber::PhoneNumberFormat::E164).into_owned();
            if let Canonical::Ok { value, .. } = canonical(2, raw, region) {
                assert_eq!(value, expected, "{raw}");
            }
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(value(3, " ab-12 34 "), "AB1234");
        assert_eq!(value(8, "7"), "7");
        for empty in ["0", "000000", "999999999", "123456789", "XXX", "--"] {
            assert_eq!(read(4, empty), Canonical::Placeholder, "{empty:?}");
        }
        assert_eq!(read(4, "a\u{1}b"), Canonical::Invalid);
        assert_eq!(read(4, &"ab".repeat(65)), Canonical::Invalid);
        assert_eq!(read(4, "\u{85}\u{1f}"), Canonical::Missing);
    }

    #[test]
    fn foreign_digests() {
        assert!(is_placeholder_digest(1, &sha256("")));
        assert!(is_placeholder_digest(1, &sha256("test@test.com")));
        assert!(is_placeholder_digest(2, &sha256("0000000000")));
        assert!(!is_placeholder_digest(1, &sha256("jane@shop.net")));
    }

    #[test]
    fn regions() {
        assert!(read_region("us").is_ok());
        assert!(read_region("XX").is_err() && read_region("").is_err());
    }
}
