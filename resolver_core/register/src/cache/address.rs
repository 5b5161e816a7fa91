//! Where the cache is, as its URL says it, and a connection to it that is logged in.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::wire::{OK, command};
use crate::tls::certificates;

const PORT: u16 = 6379;
const LONGEST_REPLY: usize = 512;

/// What a URL may ask for after its `?`.
const PARAMETERS: [&str; 4] = ["db", "username", "password", AUTHORITIES];
const AUTHORITIES: &str = "ssl_ca_certs";

/// The cache's URL cannot be used; says why, without a word of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UrlError(pub(crate) &'static str);

const UNREADABLE: UrlError = UrlError("cannot be read");
const UNKNOWN: UrlError = UrlError("after ? only db, username, password and, with rediss, ssl_ca_certs are known");
const NO_AUTHORITIES: UrlError = UrlError("the file of ssl_ca_certs holds no certificate that can be used");

/// Bytes both ways, whatever carries them.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

enum Place {
    Tcp { host: String, port: u16, tls: Option<(TlsConnector, ServerName<'static>)> },
    Unix(PathBuf),
}

/// Where the cache is. Holds a secret, hence no `Debug`.
pub(super) struct Address {
    place: Place,
    user: String,
    password: String,
    database: u32,
}

impl Address {
    /// Reads `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, the same as `rediss://` for TLS, and `unix://[[USER]:PASSWORD@]PATH`, each
    /// with `?db=`, `&username=` and `&password=` if they stand there, as Python's client does. With TLS, `ssl_ca_certs=` names a file of the only
    /// authorities that are trusted. Anything else is refused: it would mean something to the writers of the cache, and nothing here.
    pub(super) fn read(text: &str) -> Result<Self, UrlError> {
        // A URL with a user has a host, but for this one.
        let whole = if text.starts_with("unix://") { text.replacen("@/", "@localhost/", 1) } else { text.to_owned() };
        let url = Url::parse(&whole).map_err(|_| UNREADABLE)?;
        let decoded = |part: &str| percent_decode_str(part).decode_utf8().map(Cow::into_owned).map_err(|_| UNREADABLE);
        let asked = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        if url
            .query_pairs()
            .any(|(name, _)| !PARAMETERS.contains(&&*name) || name == AUTHORITIES && url.scheme() != "rediss")
        {
            return Err(UNKNOWN);
        }
        let port = url.port().unwrap_or(PORT);
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let (place, path) = match url.scheme() {
            "unix" => (Place::Unix(decoded(url.path())?.into()), ""),
            "redis" if !host.is_empty() => (Place::Tcp { host, port, tls: None }, url.path()),
            "rediss" if !host.is_empty() => {
                let name = ServerName::try_from(host.clone()).map_err(|_| UNREADABLE)?;
                (Place::Tcp { host, port, tls: Some((connector(asked(AUTHORITIES).as_deref())?, name)) }, url.path())
            }
            _ => return Err(UNREADABLE),
        };
        let database = match asked("db").as_deref().unwrap_or(path.trim_matches('/')) {
            "" => 0,
            number => number.parse().map_err(|_| UNREADABLE)?,
        };
        let user = asked("username").map_or_else(|| decoded(url.username()), Ok)?;
        let password = asked("password").map_or_else(|| decoded(url.password().unwrap_or_default()), Ok)?;
        Ok(Self { place, user, password, database })
    }

    /// A connection that is logged in and has its database. The caller bounds the time.
    pub(super) async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        let mut stream: Box<dyn Stream> = match &self.place {
            Place::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Place::Tcp { host, port, tls } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                stream.set_nodelay(true)?;
                match tls {
                    None => Box::new(stream),
                    Some((connector, name)) => Box::new(connector.connect(name.clone(), stream).await?),
                }
            }
        };
        let database = self.database.to_string();
        let mut words: Vec<Vec<&[u8]>> = Vec::new();
        match (self.user.as_str(), self.password.as_str()) {
            ("", "") => {}
            ("", password) => words.push(vec![b"AUTH", password.as_bytes()]),
            (user, password) => words.push(vec![b"AUTH", user.as_bytes(), password.as_bytes()]),
        }
        if self.database != 0 {
            words.push(vec![b"SELECT", database.as_bytes()]);
        }
        for words in words {
            let mut request = Vec::new();
            command(&mut request, &words);
            stream.write_all(&request).await?;
            if line(&mut stream).await? != OK {
                return Err(std::io::ErrorKind::PermissionDenied.into());
            }
        }
        Ok(stream)
    }
}

/// One line, byte by byte: what comes after it is not ours.
async fn line(stream: &mut Box<dyn Stream>) -> std::io::Result<Vec<u8>> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") && line.len() < LONGEST_REPLY {
        line.push(stream.read_u8().await?);
    }
    Ok(line)
}

/// Trusts the authorities of a file, or whom the machine trusts.
fn connector(authorities: Option<&str>) -> Result<TlsConnector, UrlError> {
    let mut roots = RootCertStore::empty();
    match authorities {
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
        Some(file) => {
            for certificate in certificates(Path::new(file)).ok_or(NO_AUTHORITIES)? {
                roots.add(certificate).map_err(|_| NO_AUTHORITIES)?;
            }
        }
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| UNREADABLE)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let address = match Address::read(text) {
            Ok(address) => address,
            Err(UrlError(reason)) => return reason.to_owned(),
        };
        let place = match &address.place {
            Place::Tcp { host, port, tls } => format!("{host} {port} {}", tls.is_some()),
            Place::Unix(path) => path.display().to_string(),
        };
        format!("{place} {:?} {:?} {}", address.user, address.password, address.database)
    }

    #[test]
    fn urls_are_read_as_clients_of_the_cache_do() {
        for (text, expected) in [
            ("redis://localhost", r#"localhost 6379 false "" "" 0"#),
            ("redis://:p%40ss@10.0.0.7:7000/3", r#"10.0.0.7 7000 false "" "p@ss" 3"#),
            ("redis://till:x@[::1]:1/?db=2", r#"::1 1 false "till" "x" 2"#),
            ("rediss://cache.example:6380", r#"cache.example 6380 true "" "" 0"#),
            ("unix:///run/cache.sock?db=1", r#"/run/cache.sock "" "" 1"#),
            ("unix://:secret@/run/cache.sock", r#"/run/cache.sock "" "secret" 0"#),
            ("unix:///run/cache.sock?password=a%20b", r#"/run/cache.sock "" "a b" 0"#),
            ("http://localhost", "cannot be read"),
            ("redis://localhost/x", "cannot be read"),
            ("localhost", "cannot be read"),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn what_would_mean_nothing_here_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("authorities");
        std::fs::write(&file, "no certificate").expect("writable");
        let authorities = format!("rediss://cache.example?ssl_ca_certs={}", file.display());
        for (text, expected) in [
            ("redis://localhost?protocol=3", UNKNOWN),
            ("rediss://cache.example?ssl_cert_reqs=none", UNKNOWN),
            ("redis://localhost?ssl_ca_certs=/some/file", UNKNOWN),
            ("redis://localhost?db=x", UNREADABLE),
            ("rediss://cache.example?ssl_ca_certs=/no/such/file", NO_AUTHORITIES),
            (&authorities, NO_AUTHORITIES),
        ] {
            assert_eq!(Address::read(text).err(), Some(expected), "{text}");
        }
    }
}
