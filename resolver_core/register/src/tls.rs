//! TLS of the door: 1.2 and newer, callers' certificates if an authority is named. The files are read again when they change, for certificates
//! end; connections that are there keep theirs.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::files::{Stamp, stamp};
use crate::settings::TlsFiles;

/// Why there is no TLS: which file, or that they do not fit together.
pub(crate) type TlsError = &'static str;

type Stamps = [Option<Stamp>; 3];

/// What accepts TLS, as the files had it last.
pub(crate) struct Acceptor {
    files: TlsFiles,
    current: Mutex<(TlsAcceptor, Stamps)>,
}

impl Acceptor {
    /// Reads the files.
    pub(crate) fn open(files: TlsFiles) -> Result<Self, TlsError> {
        let stamps = stamps(&files);
        let current = Mutex::new((acceptor(&files)?, stamps));
        Ok(Self { files, current })
    }

    /// For a new connection.
    pub(crate) fn current(&self) -> TlsAcceptor {
        self.lock().0.clone()
    }

    /// Reads the files again if one changed; if they cannot be used nothing changes. A certificate that was replaced before its key is refused until
    /// the key follows.
    pub(crate) fn reread(&self) -> Result<(), TlsError> {
        let stamps = stamps(&self.files);
        if self.lock().1 != stamps {
            let read = acceptor(&self.files)?;
            *self.lock() = (read, stamps);
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, (TlsAcceptor, Stamps)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Taken before the files are read, so that a change in between is seen the next time.
fn stamps(files: &TlsFiles) -> Stamps {
    [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()].map(|file| file.and_then(|file| stamp(file)))
}

fn acceptor(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let provider = Arc::new(default_provider());
    let chain = certificates(&files.certificate).ok_or("the certificate cannot be read")?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|_| "the key cannot be read")?;
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| "no protocol version can be offered")?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(authority).ok_or("the callers' authority cannot be read")? {
                roots.add(certificate).map_err(|_| "the callers' authority cannot be used")?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|_| "the callers' authority cannot be used")?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(|_| "certificate and key do not fit together")?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The certificates of a PEM file; `None` if it cannot be read or holds none.
pub(crate) fn certificates(file: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(file).ok()?.collect::<Result<_, _>>().ok()?;
    (!chain.is_empty()).then_some(chain)
}
