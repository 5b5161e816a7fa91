//! The register data plane, started by the Python server. Only misses cross the boundary: Python takes them when the socket says so, and
//! brings answers. Nothing here calls into Python.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use goldthread_matching::CoreError;
use goldthread_register::{
    CacheSettings, CallLimits, Credentials, Entry, Fault, RegisterSettings, StartError, TlsFiles, start,
};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use super::detach::detached;

/// Number of gRPC's INTERNAL.
const INTERNAL: i32 = 13;

/// What the settings object must have; `_core.pyi` says what each means.
#[derive(FromPyObject)]
struct Settings {
    host: String,
    port: u16,
    reuse_port: bool,
    threads: usize,
    max_connections: usize,
    hello_seconds: f64,
    idle_seconds: f64,
    max_streams: u32,
    max_handed_on: u32,
    max_metadata_bytes: usize,
    in_flight: usize,
    misses: usize,
    seconds: f64,
    request_bytes: usize,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls_client_ca: Option<PathBuf>,
    tls_seconds: f64,
    credentials: Option<PathBuf>,
    credentials_seconds: f64,
    misses_per_minute: u32,
    answers_per_minute: u32,
    forward: Option<PathBuf>,
    web: Option<PathBuf>,
    cache_url: String,
    cache_seconds: f64,
    breaker_failures: u32,
    breaker_seconds: f64,
    token_key: PyBackedBytes,
    region: String,
    latency_bounds: Vec<f64>,
}

impl Settings {
    fn checked(self) -> Result<RegisterSettings, CoreError> {
        let tls = match (self.tls_certificate, self.tls_key) {
            (Some(certificate), Some(key)) => {
                let reread = time("tls_seconds", self.tls_seconds)?;
                Some(TlsFiles { certificate, key, client_ca: self.tls_client_ca, reread })
            }
            _ => None,
        };
        let credentials = match self.credentials {
            None => None,
            Some(file) => Some(Credentials {
                file,
                reread: time("credentials_seconds", self.credentials_seconds)?,
                misses_per_minute: self.misses_per_minute,
                answers_per_minute: self.answers_per_minute,
            }),
        };
        for bound in &self.latency_bounds {
            time("latency_bounds", *bound)?;
        }
        Ok(RegisterSettings {
            host: self.host,
            port: self.port,
            reuse_port: self.reuse_port,
            threads: self.threads,
            max_connections: self.max_connections,
            hello: time("hello_seconds", self.hello_seconds)?,
            idle: time("idle_seconds", self.idle_seconds)?,
            max_streams: self.max_streams,
            max_handed_on: self.max_handed_on,
            max_metadata_bytes: self.max_metadata_bytes,
            limits: CallLimits {
                in_flight: self.in_flight,
                misses: self.misses,
                time: time("seconds", self.seconds)?,
                request_bytes: self.request_bytes,
            },
            tls,
            credentials,
            forward: self.forward,
            web: self.web,
            cache: CacheSettings {
                url: self.cache_url,
                timeout: time("cache_seconds", self.cache_seconds)?,
                breaker_failures: self.breaker_failures,
                breaker_pause: time("breaker_seconds", self.breaker_seconds)?,
            },
            token_key: self.token_key.to_vec(),
            region: self.region,
            latency_bounds: self.latency_bounds,
        })
    }
}

fn input(argument: &'static str, reason: impl Into<String>) -> CoreError {
    CoreError::Input { argument, reason: reason.into() }
}

fn time(argument: &'static str, seconds: f64) -> Result<Duration, CoreError> {
    Duration::try_from_secs_f64(seconds).map_err(|_| input(argument, "not a time"))
}

fn refused(error: StartError) -> CoreError {
    match error {
        StartError::Listen(reason) => input("port", reason),
        StartError::Tls(reason) => input("tls", reason),
        StartError::Credentials(reason) => input("credentials", reason),
        StartError::Cache(reason) => input("cache.url", reason),
        StartError::Setting(name) => input(name, "cannot be used"),
    }
}

/// Number, token, minimum version and generation of a question.
type Question<'py> = (u64, Bound<'py, PyBytes>, i64, Bound<'py, PyBytes>);

/// Method, code, calls per bucket and seconds.
type Calls = (&'static str, &'static str, Vec<u64>, f64);

/// A running data plane.
#[pyclass(frozen, module = "goldthread._core")]
pub(crate) struct Register(goldthread_register::Register);

#[pymethods]
impl Register {
    #[new]
    fn new(py: Python<'_>, settings: Settings) -> PyResult<Self> {
        detached(py, || start(settings.checked()?).map_err(refused)).map(Self)
    }

    #[getter]
    fn port(&self) -> u16 {
        self.0.address.port()
    }

    #[getter]
    fn credentials(&self) -> Option<usize> {
        self.0.credentials
    }

    fn fileno(&self) -> i32 {
        self.0.misses.descriptor()
    }

    fn take<'py>(&self, py: Python<'py>, most: usize) -> Vec<Question<'py>> {
        let wrap = |miss: goldthread_register::Miss| {
            (miss.id, PyBytes::new(py, &miss.token), miss.min_version, PyBytes::new(py, &miss.generation))
        };
        self.0.misses.take(most).into_iter().map(wrap).collect()
    }

    #[allow(clippy::needless_pass_by_value)]
    fn answer(&self, number: u64, version: u64, encoded: PyBackedBytes) {
        let damaged = || Fault {
            code: INTERNAL,
            reason: "INTERNAL".to_owned(),
            message: "internal error".to_owned(),
            metadata: Vec::new(),
            retryable: false,
        };
        let entry = Entry::new(version, Bytes::copy_from_slice(&encoded)).ok_or_else(damaged);
        self.0.misses.answer(number, &entry);
    }

    fn fail(
        &self,
        number: u64,
        code: i32,
        reason: String,
        message: String,
        metadata: Vec<(String, String)>,
        retryable: bool,
    ) {
        self.0.misses.answer(number, &Err(Fault { code, reason, message, metadata, retryable }));
    }

    fn calls(&self) -> Vec<Calls> {
        let row = |count: goldthread_register::CallCount| (count.method, count.code, count.buckets, count.seconds);
        self.0.counts.calls().into_iter().map(row).collect()
    }

    fn in_flight(&self) -> Vec<(&'static str, u64)> {
        self.0.counts.in_flight()
    }

    fn outcomes(&self) -> Vec<(&'static str, u64)> {
        self.0.counts.outcomes()
    }

    fn reads(&self) -> Vec<(&'static str, u64)> {
        self.0.counts.reads()
    }

    fn refusals(&self) -> Vec<(&'static str, u64)> {
        self.0.counts.refusals()
    }

    fn drain(&self, py: Python<'_>, seconds: f64) -> PyResult<usize> {
        detached(py, || Ok(self.0.drain(time("seconds", seconds)?)))
    }
}
