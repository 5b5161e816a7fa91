//! Calls of REST that are not lookups, handed on to the server that has them.
//!
//! Each call travels on a connection of its own, on a socket within the machine. A connection that is kept for the next call may be closed by
//! the other side in the very moment in which a request is written to it, and nobody could tell then whether a write came to pass.
//! A caller who goes takes his call with him: dropping the response closes the connection.

use std::path::{Path, PathBuf};

use http::header::{
    AUTHORIZATION, CONNECTION, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, Version};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::framing::Reply;
use crate::refusal::Refusal;
use crate::shares::HandedOn;

/// The description of every path is for everybody.
const OPENAPI: &str = "/v1/openapi.json";
const AUTHORITY: HeaderValue = HeaderValue::from_static("localhost");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// Headers that are between two neighbours, not between a caller and who answers him.
const BETWEEN_NEIGHBOURS: [HeaderName; 11] = [
    CONNECTION,
    EXPECT,
    KEEP_ALIVE,
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    HOST,
];

/// The way to the other server.
pub(crate) struct Web {
    socket: PathBuf,
}

/// Whether a path is for whoever reaches the address.
pub(crate) fn for_everybody(path: &str) -> bool {
    path == OPENAPI
}

impl Web {
    pub(crate) fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// Hands a call on. UNAVAILABLE means that no answer came; the call may have been heard all the same.
    pub(crate) async fn call(&self, mut request: Request<Incoming>, place: HandedOn) -> Result<Response<Reply>, Refusal> {
        prepare(&mut request);
        let answer = async {
            let stream = UnixStream::connect(&self.socket).await.ok()?;
            let (mut sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
            tokio::spawn(connection);
            sender.send_request(request).await.ok()
        };
        let mut response = place.in_time(answer).await?.ok_or_else(Refusal::unreachable)?;
        drop_between_neighbours(response.headers_mut());
        *response.version_mut() = Version::default();
        Ok(response.map(|body| Reply::HandedOn { body, _place: place }))
    }
}

/// The other server has no use for credentials: who may call has been decided.
fn prepare(request: &mut Request<Incoming>) {
    let path = request.uri().path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = Uri::from(path);
    *request.version_mut() = Version::HTTP_11;
    drop_between_neighbours(request.headers_mut());
    request.headers_mut().remove(AUTHORIZATION);
    request.headers_mut().insert(HOST, AUTHORITY);
}

/// Those that every neighbour knows, and those that `connection` names.
fn drop_between_neighbours(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named.iter().chain(&BETWEEN_NEIGHBOURS) {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_between_neighbours_is_not_handed_on() {
        let pairs = [
            ("connection", "close, X-Hop"),
            ("x-hop", "1"),
            ("upgrade", "websocket"),
            ("transfer-encoding", "chunked"),
            ("content-type", "application/json"),
            ("x-request-id", "till-7"),
        ];
        let mut headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| {
                (name.parse::<HeaderName>().expect("a name"), value.parse::<HeaderValue>().expect("a value"))
            })
            .collect();
        drop_between_neighbours(&mut headers);
        let mut left: Vec<&str> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "x-request-id"]);
    }

    #[test]
    fn only_the_description_is_for_everybody() {
        assert!(for_everybody("/v1/openapi.json"));
        for path in ["/v1/openapi.json/", "/v1/resolve", "//v1/openapi.json", ""] {
            assert!(!for_everybody(path), "{path}");
        }
    }
}
