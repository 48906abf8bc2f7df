//! What is known of a request that failed.

use serde_json::{Map, Value};

/// How a request came to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The name of the peer has no address.
    Dns,
    /// There is no connection to the peer.
    Unreachable,
    /// TLS could not be agreed upon, or the certificate is not trusted.
    Tls,
    /// The peer took too long.
    Timeout,
    /// The connection ended before the answer was whole.
    Closed,
    /// The answer has a status that says that it failed.
    Status,
    /// What was answered is not what the protocol allows.
    Malformed,
}

impl Reason {
    /// The `reason` of the JavaScript error.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Status => "status",
            Self::Malformed => "malformed",
        }
    }

    /// Whether the same request may succeed later, where there is no status that says more.
    pub fn may_pass(self) -> bool {
        match self {
            Self::Dns | Self::Unreachable | Self::Timeout | Self::Closed => true,
            Self::Tls | Self::Status | Self::Malformed => false,
        }
    }
}

/// See the [module page](self).
#[derive(Debug, Clone)]
pub struct Network {
    /// How it failed.
    pub reason: Reason,
    /// Whether the same request may succeed later.
    pub retryable: bool,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// The `code` in the body of a refusal.
    pub peer_code: Option<String>,
    /// What was asked for, without user, query and fragment. Empty while it is not known.
    pub url: String,
}

impl Network {
    /// What the JavaScript error says of it.
    pub fn properties(&self) -> Map<String, Value> {
        let mut properties = Map::new();
        let mut say = |name: &str, value: Value| properties.insert(name.to_owned(), value);
        say("reason", self.reason.name().into());
        say("retryable", self.retryable.into());
        say("url", self.url.as_str().into());
        if let Some(status) = self.status {
            say("status", status.into());
        }
        if let Some(code) = &self.peer_code {
            say("peerCode", code.as_str().into());
        }
        properties
    }

    /// A request without an answer.
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            retryable: reason.may_pass(),
            status: None,
            peer_code: None,
            url: String::new(),
        }
    }
}
