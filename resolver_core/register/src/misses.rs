//! Questions to the ledger that wait for whoever embeds the data plane.
//!
//! No thread of the data plane ever calls into the embedder: it writes a byte to a socket, and the embedder takes what waits and brings
//! answers when it likes. So an interpreter that is busy makes misses slower and hits not at all.
//!
//! Callers who miss the same token while its question has not been taken yet share it: its snapshot is taken later than any of them came.
//! Once it was taken a new caller asks anew; the embedder knows whether the answer under way is new enough for it (`min_version`).

use std::collections::{HashMap, VecDeque};
use std::io::Write as _;
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use goldthread_matching::Digest32;
use tokio::sync::oneshot;

use crate::answer::Entry;
use crate::places::{Place, Places};

/// Part of the room that is one asker's own.
const OWN_SHARE: usize = 8;

/// Why the ledger gave no answer, as the embedder says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Number of the gRPC code.
    pub code: i32,
    /// Reason of the `ErrorInfo`.
    pub reason: String,
    /// Text without personal data.
    pub message: String,
    /// Metadata of the `ErrorInfo`.
    pub metadata: Vec<(String, String)>,
    /// Whether a retry may help.
    pub retryable: bool,
}

/// A question to the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miss {
    /// Number by which the answer is given.
    pub id: u64,
    /// The token.
    pub token: Digest32,
    /// The caller has seen this version committed.
    pub min_version: i64,
    /// Generation of the cache that was read; empty if it could not be read.
    pub generation: Bytes,
}

type Reply = oneshot::Sender<Result<Entry, Fault>>;

#[derive(Debug)]
struct Question {
    miss: Miss,
    replies: Vec<Reply>,
    /// Of whoever asked first.
    _place: Option<Place>,
}

#[derive(Debug, Default)]
struct Questions {
    next: u64,
    open: HashMap<u64, Question>,
    waiting: VecDeque<u64>,
    /// Questions that were not taken yet, by token.
    joinable: HashMap<Digest32, u64>,
    told: bool,
}

/// The questions. Thread-safe.
#[derive(Debug)]
pub struct Misses {
    questions: Mutex<Questions>,
    limit: usize,
    bell: UnixStream,
    ear: UnixStream,
}

/// There is no room for one more question.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Misses {
    /// Room for `limit` open questions.
    ///
    /// # Errors
    /// If the process has no descriptors left.
    pub fn new(limit: usize) -> std::io::Result<Self> {
        let (bell, ear) = UnixStream::pair()?;
        bell.set_nonblocking(true)?;
        ear.set_nonblocking(true)?;
        Ok(Self { questions: Mutex::default(), limit, bell, ear })
    }

    /// Descriptor that becomes readable when questions wait; [`Misses::take`] reads it empty.
    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.ear.as_raw_fd()
    }

    /// Asks for a token, for whom the asker counts; the answer fails to come only if the embedder is gone.
    ///
    /// Half of the room is for askers who have no more than an [`OWN_SHARE`]th of it: one who asks without end leaves it to the others.
    pub(crate) fn ask(
        &self,
        token: Digest32,
        min_version: i64,
        generation: &Bytes,
        asker: Option<&Places>,
    ) -> Result<oneshot::Receiver<Result<Entry, Fault>>, TooMany> {
        let (reply, answer) = oneshot::channel();
        let mut guard = self.lock();
        let questions = &mut *guard;
        if let Some(question) = questions.joinable.get(&token).and_then(|id| questions.open.get_mut(id)) {
            question.miss.min_version = question.miss.min_version.max(min_version);
            question.replies.push(reply);
            return Ok(answer);
        }
        let own = asker.map_or(0, Places::taken);
        let most = if own < self.limit.div_ceil(OWN_SHARE) { self.limit } else { self.limit / 2 };
        if questions.open.len() >= most {
            return Err(TooMany);
        }
        let id = questions.next;
        questions.next += 1;
        let miss = Miss { id, token, min_version, generation: generation.clone() };
        questions.open.insert(id, Question { miss, replies: vec![reply], _place: asker.map(Places::take) });
        questions.waiting.push_back(id);
        questions.joinable.insert(token, id);
        if !questions.told {
            questions.told = true;
            // A full socket is one that says what the byte would.
            let _ = (&self.bell).write(&[1]);
        }
        Ok(answer)
    }

    /// The questions that wait, at most `most`; each must be answered.
    #[must_use]
    pub fn take(&self, most: usize) -> Vec<Miss> {
        let mut guard = self.lock();
        let questions = &mut *guard;
        let count = most.min(questions.waiting.len());
        let taken: Vec<Miss> = questions
            .waiting
            .drain(..count)
            .filter_map(|id| questions.open.get(&id).map(|question| question.miss.clone()))
            .collect();
        for miss in &taken {
            questions.joinable.remove(&miss.token);
        }
        if questions.waiting.is_empty() {
            questions.told = false;
            let mut bytes = [0; 16];
            let _ = std::io::Read::read(&mut (&self.ear), &mut bytes);
        }
        taken
    }

    /// Answers a question; one that is not open is no longer asked.
    pub fn answer(&self, id: u64, answer: &Result<Entry, Fault>) {
        let Some(question) = self.lock().open.remove(&id) else { return };
        for reply in question.replies {
            // Who has given up hears nothing.
            let _ = reply.send(answer.clone());
        }
    }

    /// Nothing inside can panic half-way, so a poisoned lock guards whole data.
    fn lock(&self) -> MutexGuard<'_, Questions> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: Digest32 = [1; 32];

    fn entry(version: u64) -> Entry {
        Entry::new(version, Bytes::new()).expect("whole")
    }

    fn fault() -> Fault {
        Fault { code: 14, reason: "R".into(), message: "m".into(), metadata: vec![], retryable: true }
    }

    #[test]
    fn callers_share_a_question_until_it_is_taken() {
        let misses = Misses::new(8).expect("descriptors");
        let mut first = misses.ask(TOKEN, 3, &Bytes::new(), None).expect("room");
        let mut second = misses.ask(TOKEN, 7, &Bytes::new(), None).expect("room");
        let taken = misses.take(10);
        assert_eq!(taken.iter().map(|miss| (miss.token, miss.min_version)).collect::<Vec<_>>(), [(TOKEN, 7)]);
        let mut third = misses.ask(TOKEN, 0, &Bytes::new(), None).expect("room");
        let again = misses.take(10);
        assert_eq!(again.len(), 1);
        misses.answer(taken[0].id, &Ok(entry(9)));
        assert_eq!(first.try_recv().expect("answered"), Ok(entry(9)));
        assert_eq!(second.try_recv().expect("answered"), Ok(entry(9)));
        assert!(third.try_recv().is_err());
        misses.answer(again[0].id, &Err(fault()));
        assert_eq!(third.try_recv().expect("answered"), Err(fault()));
        assert_eq!(misses.take(10), []);
    }

    #[test]
    fn open_questions_are_bounded_whether_taken_or_not() {
        let misses = Misses::new(2).expect("descriptors");
        let _one = misses.ask([1; 32], 0, &Bytes::new(), None).expect("room");
        let taken = misses.take(1);
        let _two = misses.ask([2; 32], 0, &Bytes::new(), None).expect("room");
        assert_eq!(misses.ask([3; 32], 0, &Bytes::new(), None).err(), Some(TooMany));
        misses.answer(taken[0].id, &Ok(entry(1)));
        assert!(misses.ask([3; 32], 0, &Bytes::new(), None).is_ok());
    }

    #[test]
    fn the_bell_rings_once_until_everything_is_taken() {
        let misses = Misses::new(8).expect("descriptors");
        let rung = || {
            let mut bytes = [0; 16];
            let read = std::io::Read::read(&mut (&misses.ear), &mut bytes);
            let _ = (&misses.bell).write(&bytes[..read.as_ref().map_or(0, |count| *count)]);
            read.is_ok()
        };
        assert!(!rung());
        let _one = misses.ask([1; 32], 0, &Bytes::new(), None).expect("room");
        let _two = misses.ask([2; 32], 0, &Bytes::new(), None).expect("room");
        assert_eq!(misses.take(1).len(), 1);
        assert!(rung());
        assert_eq!(misses.take(1).len(), 1);
        assert!(!rung());
        let _three = misses.ask([3; 32], 0, &Bytes::new(), None).expect("room");
        assert!(rung());
    }

    #[test]
    fn an_asker_without_end_leaves_half_of_the_room_to_others() {
        let misses = Misses::new(16).expect("descriptors");
        let (greedy, modest) = (Places::default(), Places::default());
        let ask = |number: u8, asker: &Places| misses.ask([number; 32], 0, &Bytes::new(), Some(asker));
        let asked: Vec<_> = (0..20).map(|number| ask(number, &greedy)).collect();
        assert_eq!(asked.iter().filter(|asked| asked.is_ok()).count(), 8);
        let _own: Vec<_> = (20..22).map(|number| ask(number, &modest).expect("its own share")).collect();
        assert!(ask(22, &modest).is_err(), "more than its share, and less than half is free");
        assert!(ask(7, &greedy).is_ok(), "who joins a question asks none");
        assert!(misses.ask([23; 32], 0, &Bytes::new(), None).is_ok());
        for miss in misses.take(usize::MAX) {
            misses.answer(miss.id, &Ok(entry(1)));
        }
        assert_eq!((greedy.taken(), modest.taken()), (0, 0));
    }
}
