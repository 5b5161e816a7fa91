//! What the data plane is told at its start.

use std::path::PathBuf;
use std::time::Duration;

/// Where it listens, what it admits and whom it asks. Holds secrets, hence no `Debug`.
#[derive(Clone)]
pub struct RegisterSettings {
    /// Address to listen on.
    pub host: String,
    /// Port to listen on; 0 takes a free one.
    pub port: u16,
    /// Whether several processes share the port.
    pub reuse_port: bool,
    /// Threads that answer.
    pub threads: usize,
    /// Connections at once; more wait to be accepted.
    pub max_connections: usize,
    /// Time in which a connection must show that a known caller is on it.
    pub hello: Duration,
    /// Time after which a connection on which nothing is asked is closed; at most twice as much passes.
    pub idle: Duration,
    /// Streams at once of one connection.
    pub max_streams: u32,
    /// Calls at once that are handed on; more are refused at once. One credential for every service may have half of them.
    pub max_handed_on: u32,
    /// Bytes of a call's metadata, counted as HTTP/2 does.
    pub max_metadata_bytes: usize,
    /// Limits of lookups.
    pub limits: CallLimits,
    /// TLS, if any.
    pub tls: Option<TlsFiles>,
    /// Who may call, if that is checked.
    pub credentials: Option<Credentials>,
    /// Socket of the server that has the other services, if any.
    pub forward: Option<PathBuf>,
    /// Socket of the server that has REST's other paths, if any.
    pub web: Option<PathBuf>,
    /// The cache.
    pub cache: CacheSettings,
    /// Key of the tokens.
    pub token_key: Vec<u8>,
    /// ISO 3166 code of the country of phone numbers written without one.
    pub region: String,
    /// Upper bounds of the latency histogram's buckets, ascending.
    pub latency_bounds: Vec<f64>,
}

/// Limits of lookups.
#[derive(Debug, Clone, Copy)]
pub struct CallLimits {
    /// Calls at once; more are refused at once.
    pub in_flight: usize,
    /// Tokens that the ledger is being asked for at once; a call that needs one more is refused at once.
    pub misses: usize,
    /// Time of one call, whatever the caller allows.
    pub time: Duration,
    /// Bytes of a request.
    pub request_bytes: usize,
}

/// PEM files.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// Certificate chain.
    pub certificate: PathBuf,
    /// Private key.
    pub key: PathBuf,
    /// Authority of the callers' certificates, if they must show one.
    pub client_ca: Option<PathBuf>,
    /// How often a change of the files is looked for.
    pub reread: Duration,
}

/// Where the credentials are, and what one may learn unless its line says otherwise.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The file.
    pub file: PathBuf,
    /// How often a change of the file is looked for.
    pub reread: Duration,
    /// Lookups a minute that may end in `NOT_FOUND`; sixty times as many a day.
    pub misses_per_minute: u32,
    /// Lookups a minute of identifiers that were not asked for just before; sixty times as many a day.
    pub answers_per_minute: u32,
}

/// Where the cache is, and how long it may take. Holds a secret, hence no `Debug`.
#[derive(Clone)]
pub struct CacheSettings {
    /// URL: `redis://`, `rediss://` or `unix://`. Holds a secret.
    pub url: String,
    /// Longest read.
    pub timeout: Duration,
    /// Failures in a row after which the cache is left alone.
    pub breaker_failures: u32,
    /// How often a cache that is left alone is tried.
    pub breaker_pause: Duration,
}
