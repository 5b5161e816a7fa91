//! gRPC on HTTP/2 as far as a load generator needs it: requests with a few header fields that the peer remembers, answers of one message.
//!
//! Header blocks of answers are not decoded: what an answer says stands in its message, and a call that failed has none.

use std::collections::HashMap;
use std::sync::Arc;

use crate::{Answered, Protocol, Question};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const PATH: &[u8] = b"/goldthread.v1.LookupService/Lookup";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const FRAME_HEAD: usize = 9;
const MESSAGE_HEAD: usize = 5;
/// What both sides may send at first, by the specification.
const FIRST_WINDOW: i64 = 65_535;
/// What the peer may send, of a connection and of a stream; more than any run does.
const WINDOW: u32 = 0x7fff_ffff - 65_535;
const SETTING_WINDOW: [u8; 2] = [0, 4];
/// `:method: POST`, `:scheme: http`, and the five fields that the first request had the peer remember, the oldest last.
const REMEMBERED: &[u8] = &[0x83, 0x86, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe];

/// One connection.
pub(crate) struct Grpc {
    questions: Arc<[Question]>,
    authority: String,
    next: u32,
    window: i64,
    under_way: HashMap<u32, (usize, Vec<u8>)>,
}

impl Grpc {
    pub(crate) fn new(questions: Arc<[Question]>, port: u16) -> Self {
        let authority = format!("127.0.0.1:{port}");
        Self { questions, authority, next: 1, window: FIRST_WINDOW, under_way: HashMap::new() }
    }

    /// The first request's header block: its fields are to be remembered.
    fn first_block(&self) -> Vec<u8> {
        let mut block = vec![0x83, 0x86];
        let mut field = |name: &[u8], value: &[u8]| {
            block.extend_from_slice(name);
            block.push(u8::try_from(value.len()).unwrap_or(0x7e));
            block.extend_from_slice(value);
        };
        // With a name from the static table (4 `:path`, 1 `:authority`, 31 `content-type`, 58 `user-agent`) or written out.
        field(&[0x44], PATH);
        field(&[0x41], self.authority.as_bytes());
        field(&[0x5f], b"application/grpc");
        field(&[0x7a], b"goldthread-load");
        field(&[0x40, 2, b't', b'e'], b"trailers");
        block
    }
}

fn frame(to: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or_default().to_be_bytes();
    to.extend_from_slice(&length[1..]);
    to.extend_from_slice(&[kind, flags]);
    to.extend_from_slice(&stream.to_be_bytes());
    to.extend_from_slice(payload);
}

fn number(bytes: &[u8]) -> u32 {
    bytes.first_chunk::<4>().map_or(0, |four| u32::from_be_bytes(*four) & 0x7fff_ffff)
}

impl Protocol for Grpc {
    fn hello(&self) -> Vec<u8> {
        let mut to = PREFACE.to_vec();
        let window = [&SETTING_WINDOW[..], &WINDOW.to_be_bytes()].concat();
        frame(&mut to, SETTINGS, 0, 0, &window);
        frame(&mut to, WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes());
        to
    }

    fn ask(&mut self, question: usize, to: &mut Vec<u8>) -> Option<u64> {
        let request = &self.questions[question].request;
        let bytes = i64::try_from(request.len()).ok()?;
        if bytes > self.window {
            return None;
        }
        let stream = self.next;
        if stream == 1 {
            frame(to, HEADERS, END_HEADERS, stream, &self.first_block());
        } else {
            frame(to, HEADERS, END_HEADERS, stream, REMEMBERED);
        }
        frame(to, DATA, END_STREAM, stream, request);
        self.window -= bytes;
        self.next += 2;
        self.under_way.insert(stream, (question, Vec::new()));
        Some(u64::from(stream))
    }

    fn take(&mut self, came: &[u8], answered: &mut Vec<Answered>, to: &mut Vec<u8>) -> Result<usize, String> {
        let mut taken = 0;
        while let Some(head) = came.get(taken..taken + FRAME_HEAD) {
            let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
            let (kind, flags, stream) = (head[3], head[4], number(&head[5..]));
            let Some(payload) = came.get(taken + FRAME_HEAD..taken + FRAME_HEAD + length) else { break };
            taken += FRAME_HEAD + length;
            match kind {
                DATA => {
                    if let Some((_, message)) = self.under_way.get_mut(&stream) {
                        message.extend_from_slice(payload);
                    }
                }
                SETTINGS if flags & ACK == 0 => frame(to, SETTINGS, ACK, 0, &[]),
                PING if flags & ACK == 0 => frame(to, PING, ACK, 0, payload),
                WINDOW_UPDATE if stream == 0 => self.window += i64::from(number(payload)),
                GOAWAY => {
                    let code = payload.get(4..8).map_or(0, number);
                    let why = String::from_utf8_lossy(payload.get(8..).unwrap_or_default());
                    return Err(format!("the server said that it goes: HTTP/2 error {code} {why}"));
                }
                _ => {}
            }
            if (matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 || kind == RST_STREAM)
                && let Some((question, message)) = self.under_way.remove(&stream)
            {
                let right =
                    message.get(MESSAGE_HEAD..).is_some_and(|answer| self.questions[question].is_answered_by(answer));
                answered.push(Answered { request: u64::from(stream), right });
            }
        }
        Ok(taken)
    }
}
