//! The door: one address for gRPC, REST and, handed on, every other service; started once, and drained.
//!
//! Draining: no new connections; the others are told to go (GOAWAY), their running calls end, questions to the ledger go on being answered;
//! what still runs when the time is over is cut off and counted.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use goldthread_matching::TokenMaker;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};

use crate::cache::{Cache, UrlError};
use crate::connection::Manner;
use crate::counts::Counts;
use crate::credentials::{Credentials, FileError};
use crate::door::Door;
use crate::forward::Forward;
use crate::journal;
use crate::lookup::Desk;
use crate::misses::Misses;
use crate::places::Places;
use crate::settings::RegisterSettings;
use crate::shares::Shares;
use crate::tls::Acceptor;
use crate::web::Web;

const BACKLOG: u32 = 1024;
const PAUSE_AFTER_REFUSED_ACCEPT: Duration = Duration::from_millis(50);
const LAST_WAIT: Duration = Duration::from_secs(1);

/// Why the data plane does not start. No text holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StartError {
    /// Nobody can listen on the address.
    Listen(String),
    /// The TLS files cannot be used.
    Tls(String),
    /// The credentials cannot be used.
    Credentials(String),
    /// The cache's URL cannot be used.
    Cache(String),
    /// The key, the region or the number of threads cannot be used; names which.
    Setting(&'static str),
}

/// A running data plane.
#[derive(Debug)]
pub struct Register {
    /// Where it listens.
    pub address: SocketAddr,
    /// What is counted.
    pub counts: Arc<Counts>,
    /// Questions to the ledger.
    pub misses: Arc<Misses>,
    /// Credentials that were read; `None` if callers are not checked.
    pub credentials: Option<usize>,
    running: Mutex<Option<(oneshot::Sender<Duration>, JoinHandle<usize>)>>,
}

impl Register {
    /// Stops as the module says, and returns how many calls were cut off; a second call does nothing. Blocks.
    pub fn drain(&self, grace: Duration) -> usize {
        let taken = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((stop, thread)) = taken else { return 0 };
        // A thread that has gone is not told.
        let _ = stop.send(grace);
        thread.join().unwrap_or(0)
    }
}

impl Drop for Register {
    fn drop(&mut self) {
        self.drain(Duration::ZERO);
    }
}

/// Starts on threads of its own.
///
/// # Errors
/// As [`StartError`] says.
pub fn start(settings: RegisterSettings) -> Result<Register, StartError> {
    let misses = Misses::new(settings.limits.misses).map(Arc::new).map_err(|_| StartError::Setting("misses"))?;
    let maker = TokenMaker::new(&settings.token_key, &settings.region).map_err(|_| StartError::Setting("region"))?;
    let acceptor = settings.tls.clone().map(|files| Acceptor::open(files).map(Arc::new)).transpose();
    let acceptor = acceptor.map_err(|error| StartError::Tls(error.to_owned()))?;
    let credentials = settings
        .credentials
        .clone()
        .map(|credentials| Credentials::open(credentials, Instant::now()).map(Arc::new))
        .transpose()
        .map_err(|FileError(text)| StartError::Credentials(text))?;
    let runtime = runtime(settings.threads)?;
    let listener = runtime.block_on(async { listen(&settings) })?;
    let address = listener.local_addr().map_err(|error| StartError::Listen(error.kind().to_string()))?;
    let counts = Arc::new(Counts::new(&settings.latency_bounds));
    let cache = runtime.block_on(Cache::open(settings.cache.clone()));
    let cache = cache.map_err(|UrlError(text)| StartError::Cache(text.to_owned()))?;
    let desk = Arc::new(Desk {
        limits: settings.limits,
        max_metadata_bytes: settings.max_metadata_bytes,
        counts: Arc::clone(&counts),
        credentials: credentials.clone(),
        maker,
        cache,
        misses: Arc::clone(&misses),
        running: Places::default(),
    });
    let most = usize::try_from(settings.max_handed_on).unwrap_or(usize::MAX);
    let door = Door {
        desk,
        forward: settings.forward.as_deref().map(|socket| Arc::new(Forward::new(socket, settings.max_handed_on))),
        web: settings.web.as_deref().map(|socket| Arc::new(Web::new(socket))),
        shares: Arc::new(Shares::new(most)),
        running: Places::default(),
    };
    let (stop, stopped) = oneshot::channel();
    let (started, start) = mpsc::channel();
    let thread = std::thread::Builder::new()
        .name("register".to_owned())
        .spawn(move || {
            // The receiver waits for this word only.
            let _ = started.send(());
            let left = runtime.block_on(serve(listener, acceptor, door, settings, stopped));
            runtime.shutdown_timeout(LAST_WAIT);
            left
        })
        .map_err(|_| StartError::Setting("threads"))?;
    start.recv().map_err(|_| StartError::Setting("threads"))?;
    let known = credentials.map(|credentials| credentials.len());
    Ok(Register { address, counts, misses, credentials: known, running: Mutex::new(Some((stop, thread))) })
}

/// One thread needs no scheduler between threads.
fn runtime(threads: usize) -> Result<Runtime, StartError> {
    let mut builder = if threads == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut several = tokio::runtime::Builder::new_multi_thread();
        several.worker_threads(threads.max(1)).thread_name("register-worker");
        several
    };
    builder.enable_all().build().map_err(|_| StartError::Setting("threads"))
}

fn listen(settings: &RegisterSettings) -> Result<TcpListener, StartError> {
    let refused = |error: std::io::Error| StartError::Listen(error.kind().to_string());
    let mut last = StartError::Listen("no such address".to_owned());
    for address in (settings.host.as_str(), settings.port).to_socket_addrs().map_err(refused)? {
        match bind(address, settings.reuse_port) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = refused(error),
        }
    }
    Err(last)
}

fn bind(address: SocketAddr, reuse_port: bool) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(reuse_port)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn serve(
    listener: TcpListener,
    acceptor: Option<Arc<Acceptor>>,
    door: Door,
    settings: RegisterSettings,
    mut stopped: oneshot::Receiver<Duration>,
) -> usize {
    let mut rereading = JoinSet::new();
    if let (Some(credentials), Some(file)) = (door.desk.credentials.clone(), &settings.credentials) {
        let read = move || credentials.reread(Instant::now()).map_err(|FileError(text)| text);
        rereading.spawn(reread("credentials_not_read", read, file.reread));
    }
    if let (Some(acceptor), Some(files)) = (acceptor.clone(), &settings.tls) {
        rereading.spawn(reread("tls_not_read", move || acceptor.reread().map_err(str::to_owned), files.reread));
    }
    let (stop, _) = watch::channel(());
    let places = Arc::new(Semaphore::new(settings.max_connections));
    let manner = Arc::new(Manner::new(&settings));
    let grace = loop {
        tokio::select! {
            grace = &mut stopped => break grace.unwrap_or_default(),
            accepted = accept(&listener, &places) => {
                let (stream, place) = accepted;
                let (manner, door, stop) = (Arc::clone(&manner), door.clone(), stop.subscribe());
                let acceptor = acceptor.as_ref().map(|acceptor| acceptor.current());
                tokio::spawn(async move {
                    manner.serve(stream, acceptor, door, stop).await;
                    drop(place);
                });
            }
        }
    };
    drop(listener);
    // Without a connection there is nobody to tell.
    let _ = stop.send(());
    // Whoever outlasts the grace is cut off with the runtime.
    let _ = timeout(grace, stop.closed()).await;
    door.running.taken()
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    loop {
        let place = Arc::clone(places).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _)) => return (stream, place),
            Err(_) => sleep(PAUSE_AFTER_REFUSED_ACCEPT).await,
        }
    }
}

/// Reads files again, and says so once when they cannot be used.
async fn reread(event: &'static str, read: impl Fn() -> Result<(), String>, pause: Duration) {
    let mut beat = interval(pause);
    let mut refused = None;
    loop {
        beat.tick().await;
        let now = read().err();
        if now != refused {
            if let Some(reason) = &now {
                journal::warning(event, &[("reason", reason)]);
            }
            refused = now;
        }
    }
}
