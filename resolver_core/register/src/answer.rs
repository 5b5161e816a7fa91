//! A stored answer: eight bytes of version and fields 1 to 3 of `LookupResponse`, passed through as they are (ADR 0006).

use bytes::{BufMut as _, Bytes, BytesMut};

use prost::Message as _;

use crate::framing;
use crate::proto::LookupResponse;
use crate::refusal::Refusal;

/// `NOT_FOUND`, encoded.
const NOT_FOUND: &[u8] = &[FIELD_OUTCOME, Outcome::NotFound as u8];
const FIELD_OUTCOME: u8 = 1 << 3;
const FIELD_VERSION: u8 = 4 << 3;
const FIELD_SOURCE: u8 = 5 << 3;
const VERSION_BYTES: usize = 8;
/// What the fields that are set per call take at most.
const CALL_FIELDS: usize = 16;

/// What a lookup ends in; numbers as in `lookup_service.proto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    Found = 1,
    NotFound = 2,
    NeedsConfirmation = 3,
    Ambiguous = 4,
}

/// Where an answer came from; numbers as in `lookup_service.proto`. `Nowhere`: nothing was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Source {
    Nowhere = 0,
    Cache = 1,
    Ledger = 2,
}

/// An answer as the cache and the ledger give it: version, and the encoded part, empty for `NOT_FOUND`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Stamp of the ledger's snapshot; 0 for a token that the ledger never saw.
    pub version: u64,
    encoded: Bytes,
    outcome: Outcome,
}

impl Entry {
    /// An entry of its parts; `None` if the encoded part is damaged.
    #[must_use]
    pub fn new(version: u64, encoded: Bytes) -> Option<Self> {
        let outcome = if encoded.is_empty() { Outcome::NotFound } else { outcome_of(&encoded)? };
        Some(Self { version, encoded, outcome })
    }

    /// The entry of a stored value; `None` if it is damaged: it then counts as absent and is overwritten.
    pub(crate) fn unpack(value: &Bytes) -> Option<Self> {
        let version = u64::from_be_bytes(value.get(..VERSION_BYTES)?.try_into().ok()?);
        Self::new(version, value.slice(VERSION_BYTES..))
    }

    pub(crate) fn negative(&self) -> bool {
        self.encoded.is_empty()
    }
}

/// What a caller is told.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) outcome: Outcome,
    pub(crate) source: Source,
    version: u64,
    encoded: Bytes,
}

impl Answer {
    /// An entry from a source.
    pub(crate) fn of(entry: &Entry, source: Source) -> Self {
        Self { outcome: entry.outcome, source, version: entry.version, encoded: entry.encoded.clone() }
    }

    /// `NOT_FOUND`, by the word of a source.
    pub(crate) fn not_found(source: Source) -> Self {
        Self { outcome: Outcome::NotFound, source, version: 0, encoded: Bytes::from_static(NOT_FOUND) }
    }

    /// The encoded `LookupResponse`: the stored bytes, and the fields that are set per call.
    pub(crate) fn encode(&self) -> Bytes {
        let mut message = BytesMut::with_capacity(self.encoded.len() + CALL_FIELDS);
        self.append(&mut message);
        message.freeze()
    }

    /// The answer as a message. A stored one that is none is a fault of whoever stored it.
    pub(crate) fn message(&self) -> Result<LookupResponse, Refusal> {
        LookupResponse::decode(self.encode()).map_err(|_| Refusal::internal())
    }

    /// The same with the head of a gRPC message before it.
    pub(crate) fn framed(&self) -> Bytes {
        let mut message = BytesMut::with_capacity(framing::HEAD + self.encoded.len() + CALL_FIELDS);
        message.extend_from_slice(&framing::head(0));
        self.append(&mut message);
        let length = message.len() - framing::HEAD;
        message[..framing::HEAD].copy_from_slice(&framing::head(length));
        message.freeze()
    }

    fn append(&self, message: &mut BytesMut) {
        message.extend_from_slice(&self.encoded);
        if self.version != 0 {
            message.put_u8(FIELD_VERSION);
            put_varint(message, self.version);
        }
        if self.source != Source::Nowhere {
            message.extend_from_slice(&[FIELD_SOURCE, self.source as u8]);
        }
    }
}

fn put_varint(message: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        message.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    message.put_u8((value & 0x7f) as u8);
}

/// The outcome of an encoded answer; `None` if its fields are not whole, or it has none that is known. Reads no further than the tops of its fields.
fn outcome_of(mut encoded: &[u8]) -> Option<Outcome> {
    let mut outcome = None;
    while !encoded.is_empty() {
        let tag = take_varint(&mut encoded)?;
        match tag & 7 {
            0 => {
                let value = take_varint(&mut encoded)?;
                if tag == u64::from(FIELD_OUTCOME) {
                    outcome = Some(value);
                }
            }
            2 => {
                let length = usize::try_from(take_varint(&mut encoded)?).ok()?;
                encoded = encoded.get(length..)?;
            }
            _ => return None,
        }
    }
    match outcome? {
        1 => Some(Outcome::Found),
        2 => Some(Outcome::NotFound),
        3 => Some(Outcome::NeedsConfirmation),
        4 => Some(Outcome::Ambiguous),
        _ => None,
    }
}

fn take_varint(encoded: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = encoded.split_first()?;
        *encoded = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{Card, LookupOutcome, Question};

    fn stored(outcome: LookupOutcome) -> LookupResponse {
        LookupResponse {
            outcome: outcome.into(),
            card: Some(Card { profile_id: "GP-1".to_owned(), masked_name: "Jennifer M.".repeat(20), ..Card::default() }),
            question: Some(Question { kind: 1, review_id: "R".to_owned() }),
            ..LookupResponse::default()
        }
    }

    #[test]
    fn what_is_stored_passes_through_with_version_and_source() {
        for version in [1, 127, 128, u64::try_from(i64::MAX).expect("positive")] {
            let message = stored(LookupOutcome::NeedsConfirmation);
            let value = [&version.to_be_bytes()[..], &message.encode_to_vec()].concat();
            let entry = Entry::unpack(&value.into()).expect("whole");
            let answer = Answer::of(&entry, Source::Cache);
            assert_eq!(answer.outcome, Outcome::NeedsConfirmation);
            let read = LookupResponse::decode(answer.encode()).expect("a message");
            assert_eq!(answer.framed(), [&framing::head(answer.encode().len())[..], &answer.encode()].concat());
            let version = i64::try_from(version).expect("fits");
            assert!(read == LookupResponse { version, answer_source: 1, ..message });
        }
    }

    #[test]
    fn nothing_after_the_version_is_not_found() {
        let entry = Entry::unpack(&Bytes::from_static(&[0; 8])).expect("whole");
        assert!(entry.negative());
        let read = LookupResponse::decode(Answer::not_found(Source::Nowhere).encode()).expect("a message");
        assert!(read == LookupResponse { outcome: 2, ..LookupResponse::default() });
    }

    #[test]
    fn damaged_values_are_absent() {
        let whole = [&[0; 8][..], &stored(LookupOutcome::Found).encode_to_vec()].concat();
        assert!(Entry::unpack(&whole.clone().into()).is_some());
        for cut in (0..8).chain(9..whole.len()) {
            let cut_off = Bytes::copy_from_slice(&whole[..cut]);
            let entry = Entry::unpack(&cut_off);
            assert!(entry.is_none() || LookupResponse::decode(&whole[8..cut]).is_ok(), "{cut}");
        }
        for junk in [&b"\xff\xff"[..], b"\x08\x09", b"\x0b", b"\x12\x7f", &[0x80; 11]] {
            assert_eq!(Entry::new(1, Bytes::copy_from_slice(junk)), None);
        }
    }
}
