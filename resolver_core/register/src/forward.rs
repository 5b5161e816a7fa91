//! Calls of the other services, handed on to the server that has them: headers, messages and trailers pass as they are.
//!
//! One connection carries all calls; it is made when the first one comes, and again when it is lost. A caller who goes takes his call with
//! him: dropping the response resets the stream behind it.
//!
//! Nobody may stop it for others: calls have places ([`crate::shares`]), the server behind has room for more than there are, and a stream that
//! nobody reads stops at its own window, for the connection's is as large as all of theirs.

use std::path::{Path, PathBuf};

use http::header::{AUTHORIZATION, HOST};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::UnixStream;
use tokio::sync::Mutex;

use crate::framing::Reply;
use crate::refusal::Refusal;
use crate::shares::HandedOn;

/// Whether the service is well is for everybody who may call at all; `Watch` would keep a stream for as long as its caller likes.
const HEALTH: &str = "/grpc.health.v1.Health/Check";
const STREAM_WINDOW: u32 = 256 * 1024;
/// HTTP/2 knows no larger one.
const MOST_WINDOW: u32 = (1 << 31) - 1;
const AUTHORITY: &str = "localhost";
const MAX_HEADERS: u32 = 64 * 1024;

/// The way to the other server.
pub(crate) struct Forward {
    socket: PathBuf,
    most: u32,
    connection: Mutex<Option<SendRequest<Incoming>>>,
}

/// Whether a path is for credentials that are for lookups only.
pub(crate) fn for_registers(path: &str) -> bool {
    path == HEALTH
}

impl Forward {
    /// For at most `most` calls at once.
    pub(crate) fn new(socket: &Path, most: u32) -> Self {
        Self { socket: socket.to_owned(), most, connection: Mutex::const_new(None) }
    }

    /// Hands a call on.
    pub(crate) async fn call(&self, mut request: Request<Incoming>, place: HandedOn) -> Result<Response<Reply>, Refusal> {
        prepare(request.headers_mut());
        *request.uri_mut() = uri_of(request.uri()).ok_or_else(Refusal::unknown_method)?;
        *request.version_mut() = Version::HTTP_2;
        let answer = async { self.connection().await?.send_request(request).await.ok() };
        let response = place.in_time(answer).await?.ok_or_else(Refusal::unreachable)?;
        Ok(response.map(|body| Reply::HandedOn { body, _place: place }))
    }

    async fn connection(&self) -> Option<SendRequest<Incoming>> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = kept.as_mut().filter(|connection| !connection.is_closed()) {
            return Some(connection.clone());
        }
        let stream = UnixStream::connect(&self.socket).await.ok()?;
        let mut builder = Builder::new(TokioExecutor::new());
        builder
            .max_header_list_size(MAX_HEADERS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(self.most.saturating_mul(STREAM_WINDOW).clamp(STREAM_WINDOW, MOST_WINDOW));
        let (connection, driver) = builder.handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(driver);
        *kept = Some(connection.clone());
        Some(connection)
    }
}

/// The other server has no use for credentials: who may call has been decided.
fn prepare(headers: &mut HeaderMap) {
    headers.remove(AUTHORIZATION);
    headers.remove(HOST);
}

fn uri_of(uri: &Uri) -> Option<Uri> {
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(Authority::from_static(AUTHORITY))
        .path_and_query(uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")))
        .build()
        .ok()
}
