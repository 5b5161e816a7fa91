//! The one connection to the cache, owned by a task, and whether it is worth asking.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, sleep, timeout};

use super::Read;
use super::address::{Address, Stream};
use super::talk::{Broken, Talk, refuse};
use super::wire::{Reader, Reply, ask};
use crate::journal;
use crate::settings::CacheSettings;

/// With a connection, however fast answers have to be.
const LEAST_PATIENCE: Duration = Duration::from_millis(200);
/// A link that comes and goes is spoken of this often.
const SILENCE: Duration = Duration::from_secs(10);

/// Nobody can ask any more.
struct Over;

/// The task's own.
pub(super) struct Link {
    address: Address,
    settings: CacheSettings,
    up: Arc<AtomicBool>,
    waiting: UnboundedReceiver<Read>,
}

impl Link {
    pub(super) fn new(address: Address, settings: CacheSettings, waiting: UnboundedReceiver<Read>) -> Self {
        Self { address, settings, up: Arc::default(), waiting }
    }

    /// Whether reads are worth sending.
    pub(super) fn up(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.up)
    }

    /// A connection that answered something small; none if the cache does not do so in time.
    pub(super) async fn connect(&self) -> Option<Box<dyn Stream>> {
        connect(&self.address, &self.settings).await
    }

    /// Serves reads until nobody can ask any more, connecting again whenever the connection is lost. Whoever asks while there is none is told
    /// at once.
    pub(super) async fn run(mut self, first: Option<Box<dyn Stream>>) {
        let mut stream = first;
        let mut news = News::default();
        loop {
            if stream.is_none() {
                news.down();
            }
            if let Some(stream) = stream.take() {
                self.up.store(true, Ordering::Relaxed);
                news.up();
                let mut talk = Talk::new(self.settings.timeout, self.settings.breaker_failures);
                let ended = talk.run(stream, &mut self.waiting).await;
                self.up.store(false, Ordering::Relaxed);
                talk.end();
                if ended.is_ok() {
                    return;
                }
                news.down();
            }
            match self.again().await {
                Ok(found) => stream = found,
                Err(Over) => return,
            }
        }
    }

    /// Tries once, and waits a while if that fails; refuses meanwhile who came before they could know.
    async fn again(&mut self) -> Result<Option<Box<dyn Stream>>, Over> {
        let attempt = async {
            let found = connect(&self.address, &self.settings).await;
            if found.is_none() {
                sleep(self.settings.breaker_pause).await;
            }
            found
        };
        tokio::pin!(attempt);
        loop {
            tokio::select! {
                found = &mut attempt => return Ok(found),
                read = self.waiting.recv() => refuse([read.ok_or(Over)?]),
            }
        }
    }
}

/// What is said of the link in the log: that it is down, which nobody else says while lookups go on, and that it is back.
#[derive(Default)]
struct News {
    said_down: bool,
    last: Option<Instant>,
}

impl News {
    /// Whether it was said now.
    fn down(&mut self) -> bool {
        let say = !self.said_down && self.last.is_none_or(|last| last.elapsed() >= SILENCE);
        if say {
            self.said_down = true;
            self.last = Some(Instant::now());
            journal::warning("cache_down", &[("answers", "from the ledger")]);
        }
        say
    }

    /// Whether it was said now: only after it was said to be down.
    fn up(&mut self) -> bool {
        let say = std::mem::take(&mut self.said_down);
        if say {
            journal::warning("cache_back", &[]);
        }
        say
    }
}

/// A cache that is there, but slower than a lookup can wait, is not well.
async fn connect(address: &Address, settings: &CacheSettings) -> Option<Box<dyn Stream>> {
    let mut stream = timeout(settings.timeout.max(LEAST_PATIENCE), address.connect()).await.ok()?.ok()?;
    let question = async {
        let mut request = Vec::new();
        ask(&mut request, [].iter());
        stream.write_all(&request).await?;
        let (mut reader, mut came) = (Reader::default(), BytesMut::new());
        loop {
            if stream.read_buf(&mut came).await? == 0 {
                return Err(Broken);
            }
            match reader.next(&mut came)? {
                None => {}
                Some(Reply::Values(_)) => return Ok(()),
                Some(_) => return Err(Broken),
            }
        }
    };
    timeout(settings.timeout, question).await.ok()?.ok()?;
    Some(stream)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::thread::JoinHandle;

    use bytes::Bytes;

    use super::super::wire::GENERATION;
    use super::super::{Cache, Found, Unavailable};
    use super::*;

    /// The other end of a connection: gives commands as they come, and says what it is told to.
    struct Peer {
        stream: UnixStream,
        reader: Reader,
        came: BytesMut,
    }

    impl Peer {
        fn heard(&mut self) -> Vec<Bytes> {
            loop {
                if let Some(Reply::Values(words)) = self.reader.next(&mut self.came).expect("the protocol") {
                    return words.into_iter().flatten().collect();
                }
                let mut part = [0; 4096];
                let count = self.stream.read(&mut part).expect("a caller");
                assert!(count > 0, "the caller hung up");
                self.came.extend_from_slice(&part[..count]);
            }
        }

        fn say(&mut self, words: &str) {
            self.stream.write_all(words.as_bytes()).expect("a caller");
        }
    }

    /// What the cache's readers see of a server that follows this script after the first question.
    fn against<T>(script: impl FnOnce(Peer) + Send + 'static, story: impl AsyncFnOnce(Cache) -> T) -> T {
        patiently(2, script, story)
    }

    /// The same with so many failures until the cache is left alone.
    fn patiently<T>(
        breaker_failures: u32,
        script: impl FnOnce(Peer) + Send + 'static,
        story: impl AsyncFnOnce(Cache) -> T,
    ) -> T {
        let folder = tempfile::tempdir().expect("a folder");
        let socket = folder.path().join("cache");
        let listener = UnixListener::bind(&socket).expect("a socket");
        let server: JoinHandle<()> = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a caller");
            let mut peer = Peer { stream, reader: Reader::default(), came: BytesMut::new() };
            assert_eq!(peer.heard(), [&b"MGET"[..], GENERATION]);
            peer.say("*1\r\n$-1\r\n");
            script(peer);
        });
        let settings = CacheSettings {
            url: format!("unix://{}", socket.display()),
            timeout: Duration::from_millis(300),
            breaker_failures,
            breaker_pause: Duration::from_secs(60),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let seen = runtime.block_on(async {
            let Ok(cache) = Cache::open(settings).await else { panic!("the URL is right") };
            story(cache).await
        });
        server.join().expect("the script's end");
        seen
    }

    /// A whole answer to a question for one card: `NOT_FOUND` at this version.
    fn version(number: u8) -> String {
        format!("*2\r\n$1\r\ng\r\n$8\r\n\0\0\0\0\0\0\0{}\r\n", char::from(number))
    }

    fn told(found: Result<Found, Unavailable>) -> Option<u64> {
        found.ok().map(|found| found.entries[0].as_ref().expect("an entry").version)
    }

    #[test]
    fn an_answer_that_comes_too_late_is_nobodys() {
        let script = |mut peer: Peer| {
            peer.heard();
            // The second question comes only after the first was given up.
            peer.heard();
            peer.say(&(version(1) + &version(2)));
            peer.heard();
            peer.say(&version(3));
        };
        let seen = against(script, async |cache| {
            let mut seen = Vec::new();
            for number in 1..=3 {
                seen.push(told(cache.read(([number; 32], None)).await));
            }
            seen
        });
        assert_eq!(seen, [None, Some(2), Some(3)]);
    }

    #[test]
    fn a_cache_that_is_silent_is_left_alone() {
        let script = |mut peer: Peer| {
            for _ in 0..2 {
                peer.heard();
            }
        };
        let seen = against(script, async |cache| {
            let mut seen = Vec::new();
            for _ in 0..4 {
                seen.push(told(cache.read(([1; 32], None)).await));
            }
            (seen, cache.up.load(Ordering::Relaxed))
        });
        assert_eq!(seen, (vec![None; 4], false));
    }

    #[test]
    fn a_silent_cache_is_left_alone_however_patient_one_is() {
        let script = |mut peer: Peer| {
            for _ in 0..4 {
                peer.heard();
            }
        };
        let seen = patiently(100, script, async |cache| {
            for _ in 0..5 {
                assert_eq!(told(cache.read(([1; 32], None)).await), None);
            }
            cache.up.load(Ordering::Relaxed)
        });
        assert!(!seen);
    }

    #[test]
    fn a_link_that_comes_and_goes_is_not_spoken_of_each_time() {
        let mut news = News::default();
        assert!(!news.up() && news.down() && !news.down());
        assert!(news.up() && !news.up());
        for _ in 0..3 {
            assert!(!news.down() && !news.up());
        }
    }

    #[test]
    fn an_empty_cache_is_given_a_generation_unless_somebody_was_first() {
        let script = |mut peer: Peer| {
            peer.heard();
            peer.say("*2\r\n$-1\r\n$-1\r\n");
            let words = peer.heard();
            assert_eq!(
                (&words[..2], words[2].len(), &words[3][..]),
                (&[Bytes::from("SET"), GENERATION.into()][..], 16, &b"NX"[..])
            );
            peer.say("$-1\r\n");
            assert_eq!(peer.heard()[0], "MGET");
            peer.say("*2\r\n$5\r\nfirst\r\n$-1\r\n");
        };
        let found = against(script, async |cache| cache.read(([1; 32], None)).await).expect("an answer");
        assert_eq!(found.generation, "first");
        assert!(found.entries[0].is_none());
    }
}
