//! The connections of a process.

use std::env;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Response};

use super::retry::Over;
use super::stale::Answered;
use super::trust;
use crate::error::{Error, ErrorKind, Result};

/// Servers of Node.js let go of a quiet connection after five seconds. A request that is written just
/// then is lost and sent again, so connections are not used again after less.
const QUIET_AFTER: Duration = Duration::from_secs(4);

/// However long a request may take: a peer that has not accepted a connection by then will not.
const CONNECT_WITHIN: Duration = Duration::from_secs(30);

/// Connections that are used again, for any number of peers. Cheap to clone.
///
/// Which certificates they trust is read from disk with the first request.
#[derive(Debug, Clone, Default)]
pub struct Connections(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    any: OnceLock<reqwest::Client>,
    fresh: OnceLock<reqwest::Client>,
    answered: Answered,
}

impl Connections {
    /// Those that belong to the process: they hold nothing of what uses them.
    pub fn of_process() -> Self {
        static ALL: LazyLock<Connections> = LazyLock::new(Connections::default);
        ALL.clone()
    }

    /// TLS of connections that trust what those of a process trust. Reads from disk.
    pub(crate) fn tls() -> Result<rustls::ClientConfig> {
        trust::config().map_err(|error| unusable(&error).caused_by(error))
    }

    /// What sends requests over such connections.
    pub(crate) fn client(&self, over: Over) -> Result<&reqwest::Client> {
        let known = match over {
            Over::Any => &self.0.any,
            Over::Fresh => &self.0.fresh,
        };
        match known.get() {
            Some(client) => Ok(client),
            None => build(over).map(|client| known.get_or_init(|| client)),
        }
    }

    /// Notes that an answer has come.
    pub(super) fn note(&self, answer: &Response) {
        self.0.answered.note(answer);
    }

    /// Whether the request failed because its connection was one that the peer had closed meanwhile.
    pub(super) fn is_stale(&self, error: &reqwest::Error) -> bool {
        self.0.answered.is_stale(error)
    }
}

fn unusable(error: &dyn std::fmt::Display) -> Error {
    let what = format!("TLS cannot be set up; please report it ({error})");
    Error::new(ErrorKind::Internal, "open connections", what)
}

fn build(over: Over) -> Result<reqwest::Client> {
    let tls = Connections::tls()?;
    let builder = match over {
        Over::Any => builder(),
        Over::Fresh => builder().pool_max_idle_per_host(0),
    };
    let client = builder.tls_backend_preconfigured(tls).build();
    client.map_err(|error| unusable(&error).caused_by(error))
}

fn builder() -> ClientBuilder {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("starkeep-sync-engine/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .connect_timeout(CONNECT_WITHIN)
        .pool_idle_timeout(QUIET_AFTER)
        .http2_adaptive_window(true);
    if env::var_os("NODE_USE_ENV_PROXY").is_some_and(|value| value == "1") {
        builder
    } else {
        builder.no_proxy()
    }
}
