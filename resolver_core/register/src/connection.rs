//! One caller's connection, from its first byte to its end, and how long it may be silent.
//!
//! Places for connections are few, and whoever holds one without asking keeps others out. So a connection is closed if nobody has shown a known
//! credential on it by the time it should have said hello, whatever it did say; and if for long nothing is asked on it and nothing under way.

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tonic::Status;

use crate::door::Door;
use crate::framing::Reply;
use crate::places::{Place, Places};
use crate::settings::RegisterSettings;

/// A caller who is silent is asked whether he is there.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
const KEEP_ALIVE_WAIT: Duration = Duration::from_secs(20);
/// A caller who was told to go has this time to do so.
const GOING: Duration = Duration::from_secs(1);
/// Metadata above our own limit, but not above this, get an answer that says so.
const HEADER_ROOM: u32 = 4;
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What all connections have in common.
pub(crate) struct Manner {
    builder: Builder<TokioExecutor>,
    hello: Duration,
    idle: Duration,
}

impl Manner {
    pub(crate) fn new(settings: &RegisterSettings) -> Self {
        let mut builder = Builder::new(TokioExecutor::new());
        let headers = u32::try_from(settings.max_metadata_bytes).unwrap_or(u32::MAX / HEADER_ROOM);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(settings.max_streams)
            .max_header_list_size(headers.saturating_mul(HEADER_ROOM))
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE_WAIT);
        builder.http1().timer(TokioTimer::new()).header_read_timeout(settings.hello);
        Self { builder, hello: settings.hello, idle: settings.idle }
    }

    /// Serves a connection to its end; `stop` tells that everybody is to go.
    pub(crate) async fn serve(
        &self,
        stream: TcpStream,
        acceptor: Option<TlsAcceptor>,
        door: Door,
        stop: watch::Receiver<()>,
    ) {
        // Answers are small and must not wait for one another; without it they are slower, no more.
        let _ = stream.set_nodelay(true);
        match acceptor {
            None => self.speak(stream, door, stop).await,
            Some(acceptor) => {
                if let Ok(Ok(stream)) = timeout(self.hello, acceptor.accept(stream)).await {
                    self.speak(stream, door, stop).await;
                }
            }
        }
    }

    async fn speak<S>(&self, stream: S, door: Door, mut stop: watch::Receiver<()>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let pulse = Arc::new(Pulse::default());
        let service = service_fn(|request: Request<Incoming>| {
            let (door, pulse) = (door.clone(), Arc::clone(&pulse));
            async move {
                if pulse.meets(|| door.knows(request.headers())) {
                    // Only now, since a request of nobody's is no sign of life.
                    pulse.asked.fetch_add(1, Ordering::Relaxed);
                }
                let place = pulse.busy.take();
                let answer = door.answer(request).await;
                Ok::<_, Infallible>(answer.map(|reply| Held { reply, _place: place }))
            }
        });
        let mut connection = pin!(self.builder.serve_connection(TokioIo::new(stream), service));
        let mut stopping = pin!(stop.changed());
        let mut stopped = false;
        let mut silence = pin!(sleep(self.hello));
        let (mut asked, mut going) = (0, false);
        loop {
            tokio::select! {
                biased;
                // How a connection ends is its caller's business.
                _ = connection.as_mut() => return,
                _ = stopping.as_mut(), if !stopped => {
                    stopped = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = silence.as_mut() => {
                    let now = pulse.asked.load(Ordering::Relaxed);
                    let wait = if now != asked || pulse.busy.taken() > 0 {
                        self.idle
                    } else if going {
                        return;
                    } else {
                        going = true;
                        connection.as_mut().graceful_shutdown();
                        GOING
                    };
                    asked = now;
                    silence.as_mut().reset(Instant::now() + wait);
                }
            }
        }
    }
}

/// Whether somebody is there.
#[derive(Default)]
struct Pulse {
    /// Whether a known caller was seen.
    met: AtomicBool,
    /// Requests since then.
    asked: AtomicUsize,
    /// Requests that are not answered to their end.
    busy: Places,
}

impl Pulse {
    /// Whether a known caller was seen, now or before.
    fn meets(&self, known: impl FnOnce() -> bool) -> bool {
        let met = self.met.load(Ordering::Relaxed) || known();
        if met {
            self.met.store(true, Ordering::Relaxed);
        }
        met
    }
}

/// An answer, and the place it takes until it is given to its end.
struct Held {
    reply: Reply,
    _place: Place,
}

impl Body for Held {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Pin::new(&mut self.get_mut().reply).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.reply.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.reply.size_hint()
    }
}
