//! What goes on over a connection to the cache.
//!
//! The reads that wait are put into one MGET while others travel, and their answers are handed out. The cache answers in the order of the
//! questions, so a question whose time is over keeps its place in the line, and its answer is dropped when it comes.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use goldthread_matching::Digest32;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, split};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep_until};

use super::address::Stream;
use super::wire::{GENERATION, Nonsense, Reader, Reply, ask, command};
use super::{Found, Read, Unavailable};
use crate::answer::Entry;

/// Reads in one MGET at most: the server answers it in one piece, so this bounds how long others wait there.
const MOST_READS: usize = 256;
/// MGETs under way at once: while one travels the next is gathered.
const MOST_QUESTIONS: usize = 4;
/// What is read at once. The C library tidies its heap up whenever 64 KiB or more are given back.
const ROOM: usize = 32 * 1024;
/// Why a connection is given up.
pub(super) struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Self
    }
}

impl From<Nonsense> for Broken {
    fn from(_: Nonsense) -> Self {
        Self
    }
}

/// A question that travels.
struct Question {
    /// Who waits for it; nobody once its time is over.
    reads: Vec<Read>,
    until: Instant,
    /// The generation was missing and is being given: another question with the same reads follows.
    naming: bool,
}

/// Tells them that the cache does not answer.
pub(super) fn refuse(reads: impl IntoIterator<Item = Read>) {
    for read in reads {
        // Who has given up hears nothing.
        let _ = read.reply.send(Err(Unavailable));
    }
}

/// Questions and answers over one connection.
pub(super) struct Talk {
    timeout: Duration,
    most_failures: u32,
    failures: u32,
    travelling: VecDeque<Question>,
    to: Vec<u8>,
}

impl Talk {
    /// Gives a connection up after `most_failures`, or when as many questions are late as may travel: nothing would be asked after them.
    pub(super) fn new(timeout: Duration, most_failures: u32) -> Self {
        let most_failures = most_failures.min(u32::try_from(MOST_QUESTIONS).unwrap_or(u32::MAX));
        Self { timeout, most_failures, failures: 0, travelling: VecDeque::new(), to: Vec::new() }
    }

    /// Ends well when nobody can ask any more.
    pub(super) async fn run(
        &mut self,
        stream: Box<dyn Stream>,
        waiting: &mut UnboundedReceiver<Read>,
    ) -> Result<(), Broken> {
        let (mut from, mut into) = split(stream);
        let (mut reader, mut came, mut batch) = (Reader::default(), BytesMut::with_capacity(ROOM), Vec::new());
        let mut written = 0;
        let late = sleep_until(Instant::now());
        tokio::pin!(late);
        loop {
            let until = self.next_deadline();
            if let Some(until) = until
                && late.deadline() != until
            {
                late.as_mut().reset(until);
            }
            tokio::select! {
                biased;
                done = into.write(&self.to[written..]), if written < self.to.len() => {
                    written += done?;
                    if written == self.to.len() {
                        self.to.clear();
                        written = 0;
                    }
                }
                count = waiting.recv_many(&mut batch, MOST_READS), if self.travelling.len() < MOST_QUESTIONS => {
                    if count == 0 {
                        return Ok(());
                    }
                    self.ask(std::mem::take(&mut batch));
                }
                read = from.read_buf(&mut came) => {
                    if read? == 0 {
                        return Err(Broken);
                    }
                    while let Some(reply) = reader.next(&mut came)? {
                        self.answer(reply)?;
                    }
                    came.reserve(ROOM / 4);
                }
                () = &mut late, if until.is_some() => self.give_up()?,
            }
        }
    }

    /// When the first question that somebody waits for is late.
    fn next_deadline(&self) -> Option<Instant> {
        self.travelling.iter().find(|question| !question.reads.is_empty()).map(|question| question.until)
    }

    fn ask(&mut self, reads: Vec<Read>) {
        let tokens: Vec<&Digest32> =
            reads.iter().flat_map(|read| [Some(&read.tokens.0), read.tokens.1.as_ref()]).flatten().collect();
        ask(&mut self.to, tokens.into_iter());
        self.travelling.push_back(Question { reads, until: Instant::now() + self.timeout, naming: false });
    }

    fn answer(&mut self, reply: Reply) -> Result<(), Broken> {
        let question = self.travelling.pop_front().ok_or(Broken)?;
        match reply {
            Reply::Word if question.naming => Ok(()),
            Reply::Refused => {
                refuse(question.reads);
                self.failed()
            }
            // It came too late.
            Reply::Values(_) if question.reads.is_empty() && !question.naming => Ok(()),
            Reply::Values(values) if !question.naming => {
                self.failures = 0;
                self.hand_out(question.reads, values)
            }
            Reply::Word | Reply::Values(_) => Err(Broken),
        }
    }

    fn hand_out(&mut self, reads: Vec<Read>, values: Vec<Option<Bytes>>) -> Result<(), Broken> {
        let mut values = values.into_iter();
        let Some(generation) = values.next().flatten() else { return self.name(reads) };
        let mut next = || values.next().flatten().and_then(|value| Entry::unpack(&value));
        for read in reads {
            let entries = [next(), read.tokens.1.and_then(|_| next())];
            let _ = read.reply.send(Ok(Found { generation: generation.clone(), entries }));
        }
        Ok(())
    }

    /// A cache without a generation is empty: it gets one, unless another process is first, and is asked again.
    fn name(&mut self, reads: Vec<Read>) -> Result<(), Broken> {
        let mut name = [0u8; 16];
        getrandom::fill(&mut name).map_err(|_| Broken)?;
        command(&mut self.to, &[b"SET", GENERATION, &name, b"NX"]);
        let until = Instant::now() + self.timeout;
        self.travelling.push_back(Question { reads: Vec::new(), until, naming: true });
        self.ask(reads);
        Ok(())
    }

    /// Refuses everybody who still waits.
    pub(super) fn end(self) {
        for question in self.travelling {
            refuse(question.reads);
        }
    }

    /// Nobody waits any longer for what is late.
    fn give_up(&mut self) -> Result<(), Broken> {
        let now = Instant::now();
        let mut late = 0;
        for question in self.travelling.iter_mut().filter(|question| question.until <= now) {
            if !question.reads.is_empty() {
                refuse(std::mem::take(&mut question.reads));
                late += 1;
            }
        }
        (0..late).try_for_each(|_| self.failed())
    }

    /// Counts a failure; after some in a row the cache is left alone.
    fn failed(&mut self) -> Result<(), Broken> {
        self.failures += 1;
        if self.failures >= self.most_failures { Err(Broken) } else { Ok(()) }
    }
}
