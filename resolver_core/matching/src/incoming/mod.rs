//! Valid events from the bytes of their messages, in one step: read, judged, cleaned, with address and digest.
//!
//! The rules are those of the service's admission, which finds every fault of a message and words it. Here a message is
//! either valid beyond doubt or `None`: what is not plain, breaks a rule, or asks for knowledge that this crate does not have (whether letters beyond ASCII
//! are printable) is left to whoever can tell. So nothing is refused here, and nothing is taken that admission would refuse.

mod message;
mod wire;

use std::fmt::Write as _;

use rayon::prelude::*;
use rlibphonenumber::Region;

use self::message::{Carried, ClaimMessage, Message, Payload};
use crate::error::CoreResult;
use crate::holdings::EventKind;
use crate::normalize::{
    Canonical, CleanRow, Digest32, MAX_VALUE_BYTES, PARALLEL_ROWS, canonical, clean_row, is_placeholder_digest, read_region,
    sha256, sha256_of,
};
use crate::token::{ClaimText, KeyedHash};
use crate::token_maker::IdentifierValue;
use crate::words::{ATTRIBUTES, BIRTH_DATE, CUSTOMER_NUMBER, EMAIL, FORM_CANONICAL, FORM_FOLDED, form, identifier_type};

/// Largest message, in bytes.
const MOST_BYTES: usize = 1024 * 1024;
/// Most identifiers of a claim.
const MOST_IDENTIFIERS: usize = 32;
/// Largest amount of a purchase, in minor units.
const MOST_AMOUNT: u64 = 1_000_000_000_000;
/// 2000-01-01 in microseconds since 1970.
const EARLIEST: i64 = 946_684_800_000_000;

/// A usable exact key: type, namespace, form and digest, in the order in which a claim lists them.
pub type Key<'a> = (u8, &'a str, u8, Digest32);

/// Type of an identifier, and what became of it.
pub type SeenKey = (u8, KeyStatus);

/// A valid event. It has no `Debug`: it holds personal data.
pub struct IncomingEvent<'a> {
    /// Sending system.
    pub source: &'a str,
    /// Id within it.
    pub event_id: &'a str,
    /// Microseconds since 1970.
    pub occurred: i64,
    /// Its keys, ascending, each once; the gmail-folded forms of raw values included.
    pub keys: Vec<Key<'a>>,
    /// Clean attributes.
    pub attributes: CleanRow,
    /// What happened.
    pub kind: EventKind,
    /// Minor units of a purchase, else 0.
    pub amount: i64,
    /// Store of a purchase, page of a click, purpose of a consent, else empty.
    pub detail: &'a str,
    /// Address of the record of its claim at epoch 0.
    pub address: Digest32,
    /// SHA-256 of what it says: its address, its time and its payload.
    pub digest: Digest32,
    /// Every identifier that it came with.
    pub seen: Vec<SeenKey>,
}

/// What became of an identifier of a valid event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStatus {
    /// Usable.
    Ok,
    /// Blank.
    Missing,
    /// A value that stands for "none".
    Placeholder,
}

/// Reads events under one key, region and currency. Thread-safe.
#[derive(Debug)]
pub struct EventReader {
    hash: KeyedHash,
    region: String,
    phones: Region,
    currency: String,
}

impl EventReader {
    /// Takes the key of record addresses (at least 32 bytes), the region of phones and dates, and the currency that purchases must have.
    ///
    /// # Errors
    /// `Input` for a short key and an unknown region.
    pub fn new(key: &[u8], region: &str, currency: &str) -> CoreResult<Self> {
        Ok(Self {
            hash: KeyedHash::new(key)?,
            region: region.to_ascii_uppercase(),
            phones: read_region(region)?,
            currency: currency.into(),
        })
    }

    /// The events of messages, those that are valid beyond doubt; `latest` is the last time that one may have, in microseconds since 1970.
    /// O(bytes), on all cores.
    #[must_use]
    pub fn read<'a>(&self, messages: &[&'a [u8]], latest: i64) -> Vec<Option<IncomingEvent<'a>>> {
        let read = |message: &&'a [u8]| self.event(message, latest);
        if messages.len() > PARALLEL_ROWS {
            messages.par_iter().with_min_len(256).map(read).collect()
        } else {
            messages.iter().map(read).collect()
        }
    }

    fn event<'a>(&self, bytes: &'a [u8], latest: i64) -> Option<IncomingEvent<'a>> {
        let message = (bytes.len() <= MOST_BYTES).then(|| Message::read(bytes))??;
        let Message { source, event_id, payload, .. } = message;
        let printable = event_id.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !is_code(source) || !(1..=128).contains(&event_id.len()) || !printable {
            return None;
        }
        let occurred = microseconds(message.seconds, message.nanos)?;
        if !(EARLIEST..=latest).contains(&occurred) {
            return None;
        }
        let amount = self.amount(&payload)?;
        let (keys, seen) = self.keys(&message.claim, source)?;
        let attributes = self.attributes(&message.claim)?;
        if keys.is_empty() && attributes.iter().all(Option::is_none) {
            return None;
        }
        let mut claim = ClaimText::default();
        for (kind, namespace, form, digest) in &keys {
            claim.identifier(*kind, namespace, *form, digest);
        }
        for (name, value) in ATTRIBUTES.iter().zip(&attributes) {
            if let Some(value) = value {
                claim.attribute(name, value);
            }
        }
        let address = claim.address(&self.hash, source, 0);
        let digest = sha256_of(&[&address, content(occurred, &payload).as_bytes()]);
        let Payload { kind, detail, .. } = payload;
        Some(IncomingEvent { source, event_id, occurred, keys, attributes, kind, amount, detail, address, digest, seen })
    }

    /// The amount of a payload that keeps the rules of its kind.
    fn amount(&self, payload: &Payload<'_>) -> Option<i64> {
        let detail = payload.detail;
        let kept = match payload.kind {
            EventKind::Purchase => {
                let short = detail.len() <= 64 && !detail.contains('\0');
                payload.amount <= MOST_AMOUNT && payload.currency == self.currency && short
            }
            EventKind::Click => detail.len() <= 256,
            EventKind::ConsentGiven | EventKind::ConsentWithdrawn => is_code(detail),
            EventKind::CustomerChange => true,
        };
        kept.then(|| i64::try_from(payload.amount).ok())?
    }

    /// The usable keys of a claim, and what became of each identifier.
    fn keys<'a>(&self, claim: &ClaimMessage<'a>, source: &str) -> Option<(Vec<Key<'a>>, Vec<SeenKey>)> {
        if claim.identifiers.len() > MOST_IDENTIFIERS {
            return None;
        }
        let (mut keys, mut seen) =
            (Vec::with_capacity(claim.identifiers.len()), Vec::with_capacity(claim.identifiers.len()));
        for carried in &claim.identifiers {
            seen.push((carried.kind, self.key(carried, source, &mut keys)?));
        }
        keys.sort_unstable();
        keys.dedup();
        Some((keys, seen))
    }

    fn key<'a>(&self, carried: &Carried<'a>, source: &str, keys: &mut Vec<Key<'a>>) -> Option<KeyStatus> {
        let Carried { kind, namespace, value } = *carried;
        identifier_type(kind.into()).ok()?;
        let own = namespace == source;
        if (kind == CUSTOMER_NUMBER && !own) || !(own || namespace.is_empty() || is_code(namespace)) {
            return None;
        }
        match value {
            IdentifierValue::Digest(number, digest) => {
                let form = form(number).ok().filter(|form| *form != FORM_FOLDED || kind == EMAIL)?;
                if is_placeholder_digest(kind, digest) {
                    return Some(KeyStatus::Placeholder);
                }
                keys.push((kind, namespace, form, *digest));
            }
            IdentifierValue::Raw(raw) if raw.len() > MAX_VALUE_BYTES => return None,
            IdentifierValue::Raw(raw) => match canonical(kind, raw, self.phones) {
                Canonical::Ok { value, folded } => {
                    keys.push((kind, namespace, FORM_CANONICAL, sha256(value)));
                    keys.extend(folded.map(|value| (kind, namespace, FORM_FOLDED, sha256(value))));
                }
                Canonical::Missing => return Some(KeyStatus::Missing),
                Canonical::Placeholder => return Some(KeyStatus::Placeholder),
                Canonical::Invalid => return None,
            },
        }
        Some(KeyStatus::Ok)
    }

    /// The clean attributes of a claim. A birth date that no calendar has is one of them, if its digits can be compared.
    fn attributes<'a>(&self, claim: &ClaimMessage<'a>) -> Option<CleanRow> {
        let short = |value: &&str| value.len() <= MAX_VALUE_BYTES && !value.contains('\0');
        if !claim.attributes.iter().chain([&claim.full_name]).flatten().all(short) {
            return None;
        }
        let said = |value: Option<&'a str>| value.filter(|text| !text.is_empty());
        let (clean, invalid) = clean_row(&claim.attributes.map(said), said(claim.full_name), &self.region);
        let usable = |place: usize| !invalid[place] || (place == BIRTH_DATE && clean[place].is_some());
        (0..ATTRIBUTES.len()).all(usable).then_some(clean)
    }
}

/// 1 to 64 of `a-z 0-9 _ . -`.
fn is_code(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(letter)
}

fn microseconds(seconds: i64, nanos: u64) -> Option<i64> {
    let nanos = i64::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    seconds.checked_mul(1_000_000)?.checked_add(nanos / 1000)
}

/// What is digested of an event beside the address of its claim.
fn content(occurred: i64, payload: &Payload<'_>) -> String {
    let mut text = written(occurred);
    let Payload { amount, currency, detail, .. } = payload;
    // Writing to a string cannot fail.
    let _ = match payload.kind {
        EventKind::Purchase => write!(text, "\x1fpurchase\x1f{amount}\x1f{currency}\x1f{detail}"),
        EventKind::Click => write!(text, "\x1fclick\x1f{detail}"),
        EventKind::CustomerChange => write!(text, "\x1fcustomer_change\x1f"),
        EventKind::ConsentWithdrawn => write!(text, "\x1fconsent_change\x1f{detail}\x1fFalse"),
        EventKind::ConsentGiven => write!(text, "\x1fconsent_change\x1f{detail}\x1fTrue"),
    };
    text
}

/// A time in UTC by ISO 8601, with microseconds if it has any, as the service digests it.
fn written(occurred: i64) -> String {
    let (seconds, fraction) = (occurred.div_euclid(1_000_000), occurred.rem_euclid(1_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Eras of 400 years that begin in March, so that the odd day stands at the end of each year.
    let (era, day) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let march = (5 * day + 2) / 153;
    let day = day - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = era * 400 + year + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    // Writing to a string cannot fail.
    let _ = if fraction == 0 { write!(text, "+00:00") } else { write!(text, ".{fraction:06}+00:00") };
    text
}

#[cfg(test)]
mod tests;
