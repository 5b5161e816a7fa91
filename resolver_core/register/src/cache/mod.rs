//! Reads cards from the cache: the same keys, entries and generation as `server/goldthread/cache`, which writes them.
//!
//! Reads that come while others are under way are put together into one MGET, so the load decides how wide it is. They travel over one
//! connection. A cache that fails is left alone: reads fail at once until a probe, which no caller waits for, has found it well again.

mod address;
mod link;
mod talk;
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use goldthread_matching::Digest32;
use tokio::sync::{mpsc, oneshot};

use self::address::Address;
pub(crate) use self::address::UrlError;
use self::link::Link;
use crate::answer::Entry;
use crate::settings::CacheSettings;

/// The cache did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unavailable;

/// What was found for the tokens asked for.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Generation under which it was found.
    pub(crate) generation: Bytes,
    /// Entry of the first token, and of the second.
    pub(crate) entries: [Option<Entry>; 2],
}

/// Tokens of one lookup.
pub(crate) type Tokens = (Digest32, Option<Digest32>);

struct Read {
    tokens: Tokens,
    reply: oneshot::Sender<Result<Found, Unavailable>>,
}

/// Reads cards. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Cache {
    up: Arc<AtomicBool>,
    reads: mpsc::UnboundedSender<Read>,
}

impl Cache {
    /// Connects, if the cache is there: it need not be. Must be called on a runtime, whose task does the work.
    pub(crate) async fn open(settings: CacheSettings) -> Result<Self, UrlError> {
        let address = Address::read(&settings.url)?;
        let (reads, waiting) = mpsc::unbounded_channel();
        let link = Link::new(address, settings, waiting);
        let first = link.connect().await;
        let up = link.up();
        up.store(first.is_some(), Ordering::Relaxed);
        tokio::spawn(link.run(first));
        Ok(Self { up, reads })
    }

    /// Entries of the tokens. The callers bound how many reads wait.
    pub(crate) async fn read(&self, tokens: Tokens) -> Result<Found, Unavailable> {
        if !self.up.load(Ordering::Relaxed) {
            return Err(Unavailable);
        }
        let (reply, answer) = oneshot::channel();
        self.reads.send(Read { tokens, reply }).map_err(|_| Unavailable)?;
        answer.await.unwrap_or(Err(Unavailable))
    }
}
