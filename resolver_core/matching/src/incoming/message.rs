//! `CustomerEvent` of `proto/goldthread/v1/event.proto`, borrowed from its bytes.
//!
//! Only plain messages are read: every field is known and there once at most, a oneof has one member. What else protobuf allows (unknown fields,
//! messages merged from parts, the last of several members) is `None`, and so is what is no message at all.

use super::wire::{Fields, once};
use crate::holdings::EventKind;
use crate::normalize::Digest32;
use crate::token_maker::IdentifierValue;
use crate::words::{ATTRIBUTES, CUSTOMER_NUMBER};

/// Attributes by their number in `Attributes`, less one: their place in [`ATTRIBUTES`], or none for the full name.
const PLACES: [Option<usize>; ATTRIBUTES.len() + 1] =
    [Some(0), Some(1), Some(2), Some(3), None, Some(4), Some(5), Some(6), Some(7)];

/// Numbers of the payloads in `CustomerEvent`.
const PURCHASE: u8 = 5;
const CLICK: u8 = 6;
const CONSENT_CHANGE: u8 = 8;

/// An event as sent.
pub(super) struct Message<'a> {
    pub(super) source: &'a str,
    pub(super) event_id: &'a str,
    pub(super) seconds: i64,
    pub(super) nanos: u64,
    pub(super) claim: ClaimMessage<'a>,
    pub(super) payload: Payload<'a>,
}

/// What happened, as sent.
pub(super) struct Payload<'a> {
    pub(super) kind: EventKind,
    /// Of a purchase.
    pub(super) amount: u64,
    /// Of a purchase.
    pub(super) currency: &'a str,
    /// Store of a purchase, page of a click, purpose of a consent.
    pub(super) detail: &'a str,
}

/// A claim as sent.
#[derive(Default)]
pub(super) struct ClaimMessage<'a> {
    pub(super) identifiers: Vec<Carried<'a>>,
    pub(super) attributes: [Option<&'a str>; ATTRIBUTES.len()],
    pub(super) full_name: Option<&'a str>,
}

/// An identifier as sent.
#[derive(Clone, Copy)]
pub(super) struct Carried<'a> {
    pub(super) kind: u8,
    pub(super) namespace: &'a str,
    pub(super) value: IdentifierValue<'a>,
}

impl<'a> Message<'a> {
    /// Reads a plain message that has a time and a payload. O(n).
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let [mut source, mut event_id] = [None; 2];
        let [mut time, mut claim] = [None; 2];
        let mut payload = None;
        for field in Fields(bytes) {
            match field? {
                (1, value) => once(&mut source, value.text()?),
                (2, value) => once(&mut event_id, value.text()?),
                (3, value) => once(&mut time, value.bytes()?),
                (4, value) => once(&mut claim, value.bytes()?),
                (number @ 5..=8, value) => once(&mut payload, (number, value.bytes()?)),
                _ => None,
            }?;
        }
        let source = source.unwrap_or_default();
        let (seconds, nanos) = time_of(time?)?;
        let claim = ClaimMessage::read(claim.unwrap_or_default(), source)?;
        let payload = Payload::read(payload?)?;
        Some(Self { source, event_id: event_id.unwrap_or_default(), seconds, nanos, claim, payload })
    }
}

fn time_of(bytes: &[u8]) -> Option<(i64, u64)> {
    let [mut seconds, mut nanos] = [None; 2];
    for field in Fields(bytes) {
        match field? {
            (1, value) => once(&mut seconds, value.number()?),
            (2, value) => once(&mut nanos, value.number()?),
            _ => None,
        }?;
    }
    Some((seconds.unwrap_or_default().cast_signed(), nanos.unwrap_or_default()))
}

impl<'a> Payload<'a> {
    fn read((number, bytes): (u8, &'a [u8])) -> Option<Self> {
        let [mut amount, mut granted] = [None; 2];
        let [mut currency, mut detail] = [None; 2];
        for field in Fields(bytes) {
            match (number, field?) {
                (PURCHASE, (1, value)) => once(&mut amount, value.number()?),
                (PURCHASE, (2, value)) => once(&mut currency, value.text()?),
                (PURCHASE, (3, value)) | (CLICK | CONSENT_CHANGE, (1, value)) => once(&mut detail, value.text()?),
                (CONSENT_CHANGE, (2, value)) => once(&mut granted, value.number()?),
                _ => None,
            }?;
        }
        let kind = match (number, granted.unwrap_or_default()) {
            (PURCHASE, _) => EventKind::Purchase,
            (CLICK, _) => EventKind::Click,
            (CONSENT_CHANGE, 0) => EventKind::ConsentWithdrawn,
            (CONSENT_CHANGE, 1) => EventKind::ConsentGiven,
            (CONSENT_CHANGE, _) => return None,
            _ => EventKind::CustomerChange,
        };
        Some(Self {
            kind,
            amount: amount.unwrap_or_default(),
            currency: currency.unwrap_or_default(),
            detail: detail.unwrap_or_default(),
        })
    }
}

impl<'a> ClaimMessage<'a> {
    fn read(bytes: &'a [u8], source: &'a str) -> Option<Self> {
        let mut claim = Self::default();
        let (mut number, mut attributes) = (None, None);
        for field in Fields(bytes) {
            match field? {
                (1, value) => once(&mut number, IdentifierValue::Raw(value.text()?)),
                (2, value) => once(&mut number, digest_of(value.bytes()?)?),
                (3, value) => {
                    claim.identifiers.push(Carried::read(value.bytes()?, source)?);
                    Some(())
                }
                (4, value) => once(&mut attributes, value.bytes()?),
                _ => None,
            }?;
        }
        if let Some(value) = number {
            claim.identifiers.push(Carried { kind: CUSTOMER_NUMBER, namespace: source, value });
        }
        for field in Fields(attributes.unwrap_or_default()) {
            let (number, value) = field?;
            let place = PLACES.get(usize::from(number).checked_sub(1)?)?;
            let slot = place.map_or(&mut claim.full_name, |place| &mut claim.attributes[place]);
            once(slot, value.text()?)?;
        }
        Some(claim)
    }
}

impl<'a> Carried<'a> {
    fn read(bytes: &'a [u8], source: &'a str) -> Option<Self> {
        let (mut kind, mut namespace, mut content) = (None, None, None);
        for field in Fields(bytes) {
            match field? {
                (1, value) => once(&mut kind, value.number()?),
                (2, value) => once(&mut namespace, value.text()?),
                (3, value) => once(&mut content, IdentifierValue::Raw(value.text()?)),
                (4, value) => once(&mut content, digest_of(value.bytes()?)?),
                _ => None,
            }?;
        }
        let kind = u8::try_from(kind?).ok()?;
        let namespace = namespace.unwrap_or_default();
        let own = kind == CUSTOMER_NUMBER && namespace.is_empty();
        Some(Self { kind, namespace: if own { source } else { namespace }, value: content? })
    }
}

fn digest_of(bytes: &[u8]) -> Option<IdentifierValue<'_>> {
    let (mut form, mut digest) = (None, None);
    for field in Fields(bytes) {
        match field? {
            (1, value) => once(&mut form, value.number()?),
            (2, value) => once(&mut digest, value.bytes()?),
            _ => None,
        }?;
    }
    let digest: &Digest32 = digest?.try_into().ok()?;
    Some(IdentifierValue::Digest(i64::try_from(form?).ok()?, digest))
}
