//! Protocols that answer in the order in which they were asked: HTTP/1.1 with answers of a known length, and RESP with answers that are one
//! string or a list of them.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::{Answered, Protocol, Question};

const HEAD_END: &[u8] = b"\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200";
const LENGTH: &[u8] = b"content-length:";

/// The first answer in what has come: how long it is, and what of it is to be looked at; none if it is not whole, nothing to look at if it
/// is a refusal.
type First = fn(&[u8]) -> Result<Option<(usize, &[u8])>, String>;

/// One connection.
pub(crate) struct Lines {
    questions: Arc<[Question]>,
    first: First,
    hello: Vec<u8>,
    next: u64,
    under_way: VecDeque<(u64, usize)>,
}

impl Lines {
    pub(crate) fn http(questions: Arc<[Question]>) -> Self {
        Self { questions, first: http, hello: Vec::new(), next: 0, under_way: VecDeque::new() }
    }

    /// Logs in with the password in `LOAD_CACHE_PASSWORD`.
    pub(crate) fn resp(questions: Arc<[Question]>) -> Self {
        let password = std::env::var("LOAD_CACHE_PASSWORD").unwrap_or_default();
        let hello = format!("AUTH {password}\r\n").into_bytes();
        Self { questions, first: resp, hello, next: 0, under_way: VecDeque::new() }
    }
}

impl Protocol for Lines {
    fn hello(&self) -> Vec<u8> {
        self.hello.clone()
    }

    fn ask(&mut self, question: usize, to: &mut Vec<u8>) -> Option<u64> {
        to.extend_from_slice(&self.questions[question].request);
        self.next += 1;
        self.under_way.push_back((self.next, question));
        Some(self.next)
    }

    fn take(&mut self, came: &[u8], answered: &mut Vec<Answered>, _: &mut Vec<u8>) -> Result<usize, String> {
        let mut taken = 0;
        while let Some((length, answer)) = (self.first)(&came[taken..])? {
            taken += length;
            if !std::mem::take(&mut self.hello).is_empty() {
                continue;
            }
            let (request, question) = self.under_way.pop_front().ok_or("an answer to nothing")?;
            answered.push(Answered { request, right: self.questions[question].is_answered_by(answer) });
        }
        Ok(taken)
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn http(came: &[u8]) -> Result<Option<(usize, &[u8])>, String> {
    let Some(end) = find(came, HEAD_END) else { return Ok(None) };
    let head = came[..end].to_ascii_lowercase();
    let length = find(&head, LENGTH)
        .and_then(|at| std::str::from_utf8(&head[at + LENGTH.len()..]).ok())
        .and_then(|text| text.lines().next()?.trim().parse::<usize>().ok())
        .ok_or("an answer without a length")?;
    let begin = end + HEAD_END.len();
    let Some(body) = came.get(begin..begin + length) else { return Ok(None) };
    Ok(Some((begin + length, if came.starts_with(OK) { body } else { &[] })))
}

fn resp(came: &[u8]) -> Result<Option<(usize, &[u8])>, String> {
    let Some(end) = find(came, b"\r\n") else { return Ok(None) };
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<usize>().ok();
    let after = end + 2;
    match came[0] {
        b'$' => {
            let Some(length) = number(&came[1..end]) else { return Ok(Some((after, &[]))) };
            let Some(value) = came.get(after..after + length) else { return Ok(None) };
            Ok((came.len() >= after + length + 2).then_some((after + length + 2, value)))
        }
        b'+' => Ok(Some((after, &came[1..end]))),
        b'*' => {
            let mut taken = after;
            let mut last: &[u8] = &[];
            for _ in 0..number(&came[1..end]).ok_or("a list without a length")? {
                let Some((length, value)) = resp(&came[taken..])? else { return Ok(None) };
                (taken, last) = (taken + length, value);
            }
            Ok(Some((taken, last)))
        }
        _ => Err("not a string".to_owned()),
    }
}
