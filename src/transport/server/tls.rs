//! TLS that a server speaks itself.
//!
//! The certificate and its key are texts, or files. Files are read again while the server listens, so that a
//! certificate is renewed without a restart; connections go on with the one that they began with. Where what is read
//! is of no use, the certificate before it stays in force.

use std::fs;
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{InconsistentKeys, ServerConfig};
use serde::Deserialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::linger::hang_up;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::{ALPN, crypto};

/// Files are looked at with the next connection, but not again within this time.
const LOOK_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The certificate chain of a server and its private key, as they are given.
#[derive(Clone, Deserialize)]
pub struct Tls {
    cert: PemSource,
    key: PemSource,
}

/// Where a PEM text is.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PemSource {
    Text(String),
    File(PathBuf),
}

/// The texts of both.
#[derive(PartialEq)]
struct PemPair {
    cert: Vec<u8>,
    key: Vec<u8>,
}

impl Tls {
    /// As `js/options.js` gives it, as JSON.
    ///
    /// # Errors
    /// `InvalidArgument` if it is none.
    pub fn read(given: &str) -> Result<Self> {
        let mut tls: Self = serde_json::from_str(given)
            .map_err(|error| refused(format!("tls must be {{ cert, key }}: {error}")))?;
        for (name, source) in [("cert", &mut tls.cert), ("key", &mut tls.key)] {
            if let PemSource::File(path) = source {
                // The folder of the process may be another one when the file is read again.
                *path = absolute(&*path).map_err(|error| unreadable(name, path, error))?;
            }
        }
        Ok(tls)
    }

    fn has_files(&self) -> bool {
        [&self.cert, &self.key]
            .iter()
            .any(|source| matches!(source, PemSource::File(_)))
    }

    fn load(&self) -> Result<PemPair> {
        Ok(PemPair {
            cert: self.cert.load("cert")?,
            key: self.key.load("key")?,
        })
    }
}

impl PemSource {
    fn load(&self, name: &str) -> Result<Vec<u8>> {
        match self {
            Self::Text(text) => Ok(text.clone().into_bytes()),
            Self::File(path) => fs::read(path).map_err(|error| unreadable(name, path, error)),
        }
    }
}

impl PemPair {
    fn config(&self) -> Result<Arc<ServerConfig>> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.cert).collect();
        let chain = chain.map_err(|error| not_a_chain(&error.to_string()))?;
        if chain.is_empty() {
            return Err(not_a_chain("a text without a certificate"));
        }
        let is_locked = self.key.windows(9).any(|word| word == b"ENCRYPTED");
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|error| {
            refused(if is_locked {
                "tls.key must be a PEM private key without a passphrase, got one with; write it without, as \
                 `openssl pkey` does"
                    .to_owned()
            } else {
                format!("tls.key must be a PEM private key, got none ({error})")
            })
        })?;
        let builder = ServerConfig::builder_with_provider(crypto());
        let config = builder
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        let mut config = config.map_err(|error| match error {
            rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => refused(
                "tls.key must be the key of the first certificate in tls.cert, got the key of another".to_owned(),
            ),
            rustls::Error::InvalidCertificate(_) => not_a_chain(&error.to_string()),
            _ => refused(format!(
                "tls.key must be a private key of RSA, ECDSA or Ed25519, got another ({error})"
            )),
        })?;
        config.alpn_protocols = ALPN.map(<[u8]>::to_vec).to_vec();
        Ok(Arc::new(config))
    }
}

fn refused(what: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, "listen", what)
}

fn not_a_chain(got: &str) -> Error {
    refused(format!(
        "tls.cert must be a PEM certificate chain, the server's own first, got {got}"
    ))
}

fn unreadable(name: &str, path: &Path, error: io::Error) -> Error {
    let what = format!(
        "tls.{name} must be a file that can be read, got {}: {error}; check its path and its rights",
        path.display()
    );
    Error::new(ErrorKind::Io, "listen", what).caused_by(error)
}

/// Agrees on TLS with callers.
pub struct Acceptor {
    tls: Tls,
    current: Mutex<InForce>,
}

struct InForce {
    pair: PemPair,
    config: Arc<ServerConfig>,
    looked: Instant,
    /// Why what was read last is of no use, once it was said.
    said: Option<String>,
}

impl Acceptor {
    /// With the certificate as it is now.
    ///
    /// # Errors
    /// `Io` if a file cannot be read, `InvalidArgument` if what is there is not a certificate and its key.
    pub fn load(tls: Tls) -> Result<Self> {
        let pair = tls.load()?;
        let current = Mutex::new(InForce {
            config: pair.config()?,
            pair,
            looked: Instant::now(),
            said: None,
        });
        Ok(Self { tls, current })
    }

    fn lock(&self) -> MutexGuard<'_, InForce> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the files are to be looked at now; only one caller is told so.
    fn is_due(&self) -> bool {
        let mut current = self.lock();
        let is_due = self.tls.has_files() && current.looked.elapsed() >= LOOK_AGAIN_AFTER;
        if is_due {
            current.looked = Instant::now();
        }
        is_due
    }

    /// Puts in force what the files hold now. Blocks.
    fn look(&self) -> Result<()> {
        let pair = self.tls.load()?;
        if pair != self.lock().pair {
            let config = pair.config()?;
            let mut current = self.lock();
            (current.pair, current.config) = (pair, config);
        }
        self.lock().said = None;
        Ok(())
    }

    /// What is in force.
    async fn config(self: &Arc<Self>, warn: impl Fn(String, &Error)) -> Arc<ServerConfig> {
        if self.is_due() {
            let looking = Arc::clone(self);
            let looked = tokio::task::spawn_blocking(move || looking.look()).await;
            // It is not joined only where the threads end, and the server with them.
            if let Ok(Err(error)) = looked {
                self.say(&error, warn);
            }
        }
        Arc::clone(&self.lock().config)
    }

    fn say(&self, error: &Error, warn: impl Fn(String, &Error)) {
        let what = error.to_string();
        let mut current = self.lock();
        if current.said.as_ref() != Some(&what) {
            let instead =
                "the server goes on with the certificate that it has; mend the files of `tls`";
            warn(instead.to_owned(), error);
            current.said = Some(what);
        }
    }
}

/// A connection that bytes go over in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A connection that requests come over.
pub struct Entered {
    /// What HTTP is spoken over.
    pub stream: Box<dyn Duplex>,
    /// Whether the caller speaks plain HTTP, which here is only told that it must not.
    pub lacks_tls: bool,
}

/// Agrees on TLS, where the server speaks it.
///
/// # Errors
/// Where nothing is agreed upon.
pub async fn enter(
    stream: TcpStream,
    acceptor: Option<&Arc<Acceptor>>,
    warn: impl Fn(String, &Error),
) -> io::Result<Entered> {
    let mut first = [0];
    let (stream, lacks_tls): (Box<dyn Duplex>, bool) = match acceptor {
        None => (Box::new(stream), false),
        Some(acceptor) => {
            stream.peek(&mut first).await?;
            // TLS begins with a byte that is no letter, HTTP with the letters of a method.
            if first[0].is_ascii_alphabetic() {
                (Box::new(stream), true)
            } else {
                let config = acceptor.config(warn).await;
                let accepting = TlsAcceptor::from(config).accept(stream);
                match accepting.into_fallible().await {
                    Ok(accepted) => (Box::new(accepted), false),
                    Err((error, mut stream)) => {
                        // The alert that says why is written; it must not be lost.
                        hang_up(&mut stream).await;
                        return Err(error);
                    }
                }
            }
        }
    };
    Ok(Entered { stream, lacks_tls })
}
