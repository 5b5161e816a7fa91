//! The cache's protocol (RESP2), as far as reading cards needs it.

use bytes::{Buf as _, Bytes, BytesMut};
use goldthread_matching::Digest32;

/// Name of the generation.
pub(super) const GENERATION: &[u8] = b"gt:cards";
/// What a command that gives nothing says.
pub(super) const OK: &[u8] = b"+OK\r\n";
/// A key's length, as it stands before it.
const KEY_HEAD: &[u8] = b"$81\r\n";
const PREFIX: &[u8] = b"gt:card:register:";
const KEY_BYTES: usize = PREFIX.len() + 64;
const HEX: &[u8; 16] = b"0123456789abcdef";
/// No reply to us has a longer line, and no stored card is larger.
const LONGEST_LINE: usize = 512;
const LARGEST_VALUE: usize = 1 << 20;

/// The peer does not speak the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Nonsense;

/// A whole reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// Values in the order of the keys.
    Values(Vec<Option<Bytes>>),
    /// A word of approval, or nothing.
    Word,
    /// The cache cannot or will not.
    Refused,
}

/// Writes a command.
pub(super) fn command(to: &mut Vec<u8>, words: &[&[u8]]) {
    count(to, b'*', words.len());
    for word in words {
        bulk(to, word);
    }
}

/// Writes the question for the generation and the cards of the tokens.
pub(super) fn ask<'a>(to: &mut Vec<u8>, tokens: impl ExactSizeIterator<Item = &'a Digest32>) {
    to.reserve(64 + tokens.len() * (KEY_BYTES + 8));
    count(to, b'*', tokens.len() + 2);
    bulk(to, b"MGET");
    bulk(to, GENERATION);
    for token in tokens {
        to.extend_from_slice(KEY_HEAD);
        to.extend_from_slice(&key(token));
        to.extend_from_slice(b"\r\n");
    }
}

fn count(to: &mut Vec<u8>, kind: u8, number: usize) {
    to.push(kind);
    to.extend_from_slice(number.to_string().as_bytes());
    to.extend_from_slice(b"\r\n");
}

fn bulk(to: &mut Vec<u8>, word: &[u8]) {
    count(to, b'$', word.len());
    to.extend_from_slice(word);
    to.extend_from_slice(b"\r\n");
}

/// Cache key of a token's card.
fn key(token: &Digest32) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..PREFIX.len()].copy_from_slice(PREFIX);
    for (place, byte) in key[PREFIX.len()..].chunks_exact_mut(2).zip(token) {
        place.copy_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
    }
    key
}

/// Puts replies together from what comes. Values are parts of the buffer they came in, not copies.
#[derive(Debug, Default)]
pub(super) struct Reader {
    values: Vec<Option<Bytes>>,
    /// Values that are still to come of a list that has begun.
    missing: usize,
}

impl Reader {
    /// The next reply, if it is whole; takes its bytes. O(bytes), however they come in pieces.
    pub(super) fn next(&mut self, came: &mut BytesMut) -> Result<Option<Reply>, Nonsense> {
        if self.missing == 0 {
            let Some((kind, number, length)) = head(came)? else { return Ok(None) };
            came.advance(length);
            match (kind, number) {
                (b'+', _) | (b'$', None) => return Ok(Some(Reply::Word)),
                (b'-', _) => return Ok(Some(Reply::Refused)),
                (b'*', Some(count)) if count > 0 => self.missing = count,
                _ => return Err(Nonsense),
            }
            self.values = Vec::with_capacity(self.missing.min(LONGEST_LINE));
        }
        while self.missing > 0 {
            let Some((b'$', number, length)) = head(came)? else {
                return if came.first().is_none_or(|kind| *kind == b'$') { Ok(None) } else { Err(Nonsense) };
            };
            match number {
                None => {
                    came.advance(length);
                    self.values.push(None);
                }
                Some(bytes) if bytes > LARGEST_VALUE => return Err(Nonsense),
                Some(bytes) if came.len() < length + bytes + 2 => return Ok(None),
                Some(bytes) => {
                    came.advance(length);
                    self.values.push(Some(came.split_to(bytes).freeze()));
                    came.advance(2);
                }
            }
            self.missing -= 1;
        }
        Ok(Some(Reply::Values(std::mem::take(&mut self.values))))
    }
}

/// Kind, number (none for what is not there, or not a number) and length of the line that comes first, if it is whole.
fn head(came: &BytesMut) -> Result<Option<(u8, Option<usize>, usize)>, Nonsense> {
    let Some(end) = came.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if came.len() < LONGEST_LINE { Ok(None) } else { Err(Nonsense) };
    };
    let [kind, text @ .., b'\r'] = &came[..end] else { return Err(Nonsense) };
    if !matches!(kind, b'+' | b'-' | b'*' | b'$') {
        return Err(Nonsense);
    }
    let number = match text {
        b"-1" => None,
        _ if matches!(kind, b'+' | b'-') => None,
        _ => Some(std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Nonsense)?),
    };
    Ok(Some((*kind, number, end + 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_cache() {
        let mut token = [0xab; 32];
        token[0] = 0x01;
        let text = String::from_utf8(key(&token).to_vec()).expect("text");
        assert_eq!(text, format!("gt:card:register:01{}", "ab".repeat(31)));
        let mut asked = Vec::new();
        ask(&mut asked, [token].iter());
        assert_eq!(
            String::from_utf8(asked).expect("text"),
            format!("*3\r\n$4\r\nMGET\r\n$8\r\ngt:cards\r\n$81\r\n{text}\r\n")
        );
    }

    #[test]
    fn replies_are_whole_in_any_number_of_pieces() {
        let all = b"*3\r\n$2\r\nab\r\n$-1\r\n$0\r\n\r\n+OK\r\n$-1\r\n-ERR no\r\n*1\r\n$4\r\n\r\n\r\n\r\n";
        let expected = [
            Reply::Values(vec![Some(Bytes::from_static(b"ab")), None, Some(Bytes::new())]),
            Reply::Word,
            Reply::Word,
            Reply::Refused,
            Reply::Values(vec![Some(Bytes::from_static(b"\r\n\r\n"))]),
        ];
        for piece in 1..=all.len() {
            let (mut reader, mut came, mut replies) = (Reader::default(), BytesMut::new(), Vec::new());
            for part in all.chunks(piece) {
                came.extend_from_slice(part);
                while let Some(reply) = reader.next(&mut came).expect("the protocol") {
                    replies.push(reply);
                }
            }
            assert_eq!(replies, expected, "by {piece}");
            assert!(came.is_empty());
        }
    }

    #[test]
    fn what_is_not_the_protocol_is_nonsense() {
        for junk in [
            &b":1\r\n"[..],
            b"*0\r\n",
            b"*-1\r\n",
            b"*x\r\n",
            b"$3\r\nabc\r\n",
            b"*1\r\n+OK\r\n",
            b"*1\r\n$99999999\r\n",
            b"*1\n",
            b"\n",
            &[b'+'; 600],
        ] {
            assert_eq!(Reader::default().next(&mut BytesMut::from(junk)), Err(Nonsense), "{junk:?}");
        }
    }
}
