//! What went wrong, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use reqwest::Response;

use super::retry::Again;
use crate::error::{Error, ErrorKind};

/// So many bytes of a refusal are shown.
pub(super) const SHOWN: usize = 4096;

/// Why a request failed, and whether to try it again.
#[derive(Debug)]
pub struct Failure {
    /// What the caller is told.
    pub error: Error,
    /// Whether it is worth another try.
    pub again: Again,
}

/// Why a status is an error. `what` is the path, with the method where it is not obvious; `line` is the
/// status and its text.
pub fn refused(what: &str, status: u16, line: &str, body: &str, again: Again) -> Failure {
    const CONTENT_TOO_LARGE: u16 = 413;
    let kind = match status {
        CONTENT_TOO_LARGE => ErrorKind::TooLarge,
        _ => ErrorKind::Sync,
    };
    let body = match body.char_indices().find(|(at, _)| *at >= SHOWN) {
        Some((end, _)) => &body[..end],
        None => body,
    };
    Failure {
        error: Error::new(kind, "", format!("{what} failed: {line} {body}")),
        again,
    }
}

/// The status and its text, as it was sent or as it usually is.
pub(super) fn status_line(response: &Response) -> String {
    let status = response.status();
    let sent = response.extensions().get::<hyper::ext::ReasonPhrase>();
    let reason = match sent {
        Some(sent) => String::from_utf8_lossy(sent.as_bytes()),
        None => status.canonical_reason().unwrap_or_default().into(),
    };
    format!("{} {reason}", status.as_u16())
}

/// A `baseUrl` that nothing can be sent to.
pub(super) fn unusable(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, "baseUrl", what)
}

/// A request that got no answer, or half of one.
pub(super) fn broken(error: reqwest::Error, peer: &str) -> Failure {
    // The URL is in the message already, and may hold what should not be in logs.
    let error = error.without_url();
    if error.is_builder() {
        return unusable(format!("no request can be made to {peer}"))
            .caused_by(Causes(error))
            .into();
    }
    let (what, again) = if error.is_connect() {
        (
            format!("cannot connect to {peer}; {}", advice(&error)),
            Again::Later,
        )
    } else {
        let what = format!("the connection to {peer} broke before the answer was whole; try again");
        (what, Again::Later)
    };
    let message = format!("{what} ({})", innermost(&error));
    Failure {
        error: Error::sync("reach the peer", message).caused_by(Causes(error)),
        again,
    }
}

/// A peer that was silent for too long.
pub fn late(peer: &str, what: &str) -> Failure {
    Error::sync(
        "reach the peer",
        format!("{peer} {what}; try again, or allow more with timeoutMs"),
    )
    .into()
}

fn advice(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        return "it does not answer: check the address and the firewall";
    }
    for cause in causes(error) {
        if cause.is::<rustls::Error>() {
            return "TLS failed: check its certificate, or name its authority in NODE_EXTRA_CA_CERTS";
        }
        if let Some(io) = cause.downcast_ref::<io::Error>()
            && io.kind() == io::ErrorKind::ConnectionRefused
        {
            return "nothing listens there: check that the peer runs, and the port of baseUrl";
        }
    }
    "check baseUrl and the network"
}

fn innermost(error: &reqwest::Error) -> String {
    causes(error).last().unwrap_or(error).to_string()
}

/// The error and what caused it, from the outside in. An error that is wrapped in an I/O error counts as
/// its cause.
pub(super) fn causes<'e>(
    error: &'e (dyn StdError + 'static),
) -> impl Iterator<Item = &'e (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error| cause_of(*error))
}

fn cause_of<'e>(error: &'e (dyn StdError + 'static)) -> Option<&'e (dyn StdError + 'static)> {
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

/// An error that says its causes too.
#[derive(Debug)]
struct Causes(reqwest::Error);

impl fmt::Display for Causes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = String::new();
        for cause in causes(&self.0) {
            let next = cause.to_string();
            // Wrappers repeat what they wrap.
            if !said.ends_with(&next) {
                if !said.is_empty() {
                    said.push_str(": ");
                }
                said.push_str(&next);
            }
        }
        f.write_str(&said)
    }
}

impl StdError for Causes {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}
