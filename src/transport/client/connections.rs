//! The connections of a process, and whom they trust.

use std::env;
use std::fs;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, ClientBuilder};

use crate::error::{Error, ErrorKind, Result};

const OPERATION: &str = "open connections";

/// Servers of Node.js let go of a quiet connection after five seconds. A request that is written just
/// then is lost, so connections are not used again after less.
const QUIET_AFTER: Duration = Duration::from_secs(4);

/// However long a request may take: who has not accepted a connection by then will not.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Connections that are used again, for any number of peers. Cheap to clone.
///
/// Certificates are trusted as the system trusts them, or as Mozilla does where the system has none (a
/// slim container), and those of the file that `NODE_EXTRA_CA_CERTS` names besides. They are read from disk
/// with the first request.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<OnceLock<reqwest::Client>>);

impl Connections {
    /// # Errors
    /// `Io` where the certificates of `NODE_EXTRA_CA_CERTS` cannot be read, `InvalidArgument` where they
    /// are none.
    pub(super) fn client(&self) -> Result<&reqwest::Client> {
        match self.0.get() {
            Some(client) => Ok(client),
            None => build().map(|client| self.0.get_or_init(|| client)),
        }
    }
}

fn build() -> Result<reqwest::Client> {
    let more = extra_certificates()?;
    let of_system = builder().tls_certs_merge(more.clone()).build();
    let client = of_system.or_else(|_| {
        let mozilla = webpki_root_certs::TLS_SERVER_ROOT_CERTS
            .iter()
            .filter_map(|der| Certificate::from_der(der).ok());
        builder().tls_certs_merge(mozilla.chain(more)).build()
    });
    client.map_err(|error| {
        Error::new(
            ErrorKind::Internal,
            OPERATION,
            "TLS cannot be set up; please report it",
        )
        .caused_by(error)
    })
}

fn builder() -> ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("starkeep-sync-engine/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_WITHIN)
        .pool_idle_timeout(QUIET_AFTER)
        .http2_adaptive_window(true);
    if env::var_os("NODE_USE_ENV_PROXY").is_some_and(|value| value == "1") {
        builder
    } else {
        builder.no_proxy()
    }
}

fn extra_certificates() -> Result<Vec<Certificate>> {
    let Some(path) = env::var_os("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty()) else {
        return Ok(Vec::new());
    };
    let what = format!("NODE_EXTRA_CA_CERTS names {}", path.display());
    let pem = fs::read(&path).map_err(|error| {
        Error::new(
            ErrorKind::Io,
            OPERATION,
            format!("{what}, which cannot be read"),
        )
        .caused_by(error)
    })?;
    Certificate::from_pem_bundle(&pem).map_err(|error| {
        Error::new(
            ErrorKind::InvalidArgument,
            OPERATION,
            format!("{what}, which holds no certificates in PEM form"),
        )
        .caused_by(error)
    })
}
