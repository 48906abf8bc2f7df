//! What went wrong, and what to do about it.

use std::error::Error as StdError;
use std::fmt;
use std::io;

use reqwest::Response;
use rustls::InvalidMessage;

use super::again::RetryPolicy;
use crate::error::{Error, ErrorKind, Network, Reason, one_line};

const REACH: &str = "reach the peer";

/// The most bytes of a refusal that are shown.
pub(super) const SHOWN: usize = 4096;

/// Why a request failed, and whether to try it again.
#[derive(Debug)]
pub struct Failure {
    /// What the caller is told.
    pub error: Error,
    /// Whether it is worth another try.
    pub again: RetryPolicy,
    /// Whether it met a connection that the peer had closed meanwhile, see [`repeat`](super::repeat).
    pub stale: bool,
}

impl Failure {
    /// A request that failed for this reason.
    fn of(error: Error, network: Network, again: RetryPolicy) -> Self {
        Self {
            error: error.of_request(network),
            again,
            stale: false,
        }
    }

    /// The same failure, of a request for `path` below `base_url`.
    #[must_use]
    pub fn at(mut self, base_url: &str, path: &str) -> Self {
        self.error = located(self.error, base_url, path);
        self
    }

    /// The same failure, after an answer with this status.
    #[must_use]
    pub fn answered(mut self, status: u16) -> Self {
        self.error = answered(self.error, status);
        self
    }
}

/// The same error, of a request for `path` below `base_url`.
pub(super) fn located(error: Error, base_url: &str, path: &str) -> Error {
    about(error, |network| {
        if network.url.is_empty() {
            network.url = without_secrets(&format!("{base_url}{path}"));
        }
    })
}

/// The same error, after an answer with this status.
pub(super) fn answered(error: Error, status: u16) -> Error {
    about(error, |network| {
        network.status = network.status.or(some_status(status));
    })
}

/// What a `fetch` of the app's answers may have no status, which is 0 then.
fn some_status(status: u16) -> Option<u16> {
    Some(status).filter(|status| *status != 0)
}

/// Adds to what is known of the request. What has no reason so far is an answer that nothing can be made of;
/// what is no failure of the exchange (an argument, a disk, the app's own code) is left as it is.
fn about(error: Error, add: impl FnOnce(&mut Network)) -> Error {
    if !matches!(
        error.kind(),
        ErrorKind::Sync | ErrorKind::TooLarge | ErrorKind::AnswerTooLarge
    ) {
        return error;
    }
    let known = error.network().cloned();
    let mut network = known.unwrap_or_else(|| Network::new(Reason::Malformed));
    add(&mut network);
    error.of_request(network)
}

/// A URL as it may be shown: without user, password, query and fragment.
pub(super) fn without_secrets(url: &str) -> String {
    if let Ok(mut url) = reqwest::Url::parse(url) {
        // Fails for URLs that have no place for them.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url.set_query(None);
        url.set_fragment(None);
        return url.into();
    }
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("//") else {
        return url.to_owned();
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}//{host}{path}")
}

/// A peer as messages name it.
fn shown(peer: &str) -> String {
    without_secrets(peer).trim_end_matches('/').to_owned()
}

/// Why a status is an error. `what` is the path, with the method where it is not obvious; `line` is the
/// status and its text.
pub fn refused(what: &str, status: u16, line: &str, body: &str, again: RetryPolicy) -> Failure {
    const CONTENT_TOO_LARGE: u16 = 413;
    let kind = match status {
        CONTENT_TOO_LARGE => ErrorKind::TooLarge,
        _ => ErrorKind::Sync,
    };
    let network = Network {
        retryable: RetryPolicy::may_pass(status),
        status: some_status(status),
        peer_code: code_in(body),
        ..Network::new(Reason::Status)
    };
    let body = match body.char_indices().find(|(at, _)| *at >= SHOWN) {
        Some((end, _)) => &body[..end],
        None => body,
    };
    let message = format!("{what} failed: {line} {body}");
    let error = Error::new(kind, what.to_owned(), message).saying_its_operation();
    Failure::of(error, network, again)
}

/// The `code` in the body of a refusal.
fn code_in(body: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Refusal {
        code: String,
    }
    let refusal: Refusal = serde_json::from_str(body).ok()?;
    Some(one_line(refusal.code))
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
    unanswered(error, peer, "baseUrl")
}

/// The same, where `option` is what names the peer.
pub(crate) fn unanswered(error: reqwest::Error, peer: &str, option: &str) -> Failure {
    // The URL may hold what should not be in logs.
    let peer = shown(peer);
    let error = error.without_url();
    if error.is_builder() {
        return unusable(format!("no request can be made to {peer}"))
            .caused_by(Causes(error))
            .into();
    }
    let reason = reason_of(&error);
    // A port of TLS answers plain HTTP in no form of HTTP, or with nothing.
    let or_tls = if peer.starts_with("http:") && !error.is_body() {
        ", or use https:// if that port speaks TLS"
    } else {
        ""
    };
    let what = if error.is_connect() {
        format!(
            "cannot connect to {peer}; {}",
            advice(&error, reason, option)
        )
    } else if reason == Reason::Malformed {
        format!("what answers at {peer} does not speak HTTP as it should; check {option}{or_tls}")
    } else {
        format!("the connection to {peer} broke before the answer was whole; try again{or_tls}")
    };
    let message = format!("{what} ({})", innermost(&error));
    let error = Error::sync(REACH, message).caused_by(Causes(error));
    let again = if reason.may_pass() {
        RetryPolicy::Later
    } else {
        RetryPolicy::Never
    };
    Failure::of(error, Network::new(reason), again)
}

fn reason_of(error: &reqwest::Error) -> Reason {
    if error.is_timeout() {
        return Reason::Timeout;
    }
    if error.is_dns() {
        return Reason::Dns;
    }
    if causes(error).any(<dyn StdError>::is::<rustls::Error>) {
        return Reason::Tls;
    }
    if causes(error).any(is_no_http) {
        return Reason::Malformed;
    }
    if error.is_connect() {
        Reason::Unreachable
    } else {
        Reason::Closed
    }
}

/// A peer that was silent for too long.
pub fn late(peer: &str, what: &str) -> Failure {
    let peer = shown(peer);
    let what = format!("{peer} {what}; try again, or allow more with timeoutMs");
    let network = Network::new(Reason::Timeout);
    Failure::of(Error::sync(REACH, what), network, RetryPolicy::Never)
}

fn is_no_http(cause: &(dyn StdError + 'static)) -> bool {
    if let Some(hyper) = cause.downcast_ref::<hyper::Error>() {
        return hyper.is_parse();
    }
    let kind = cause.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(
        kind,
        Some(io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
    )
}

fn advice(error: &reqwest::Error, reason: Reason, option: &str) -> String {
    let what = match reason {
        Reason::Timeout => "it does not answer: check the address and the firewall",
        Reason::Tls if causes(error).any(is_no_tls) => {
            "that port does not speak TLS: use http://, or the port that does"
        }
        Reason::Tls => {
            "TLS failed: check its certificate, or name its authority in NODE_EXTRA_CA_CERTS"
        }
        Reason::Dns => return format!("its name has no address: check {option} and the network"),
        _ => return advice_of_socket(error, option),
    };
    what.to_owned()
}

fn advice_of_socket(error: &reqwest::Error, option: &str) -> String {
    for cause in causes(error) {
        match cause.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => {
                return format!(
                    "nothing listens there: check that the peer runs, and the port of {option}"
                );
            }
            // Only of TLS something is read before the connection is made.
            Some(io::ErrorKind::UnexpectedEof) => {
                return format!(
                    "it hung up before TLS was agreed on: check that the port of {option} speaks TLS"
                );
            }
            _ => {}
        }
    }
    format!("check {option} and the network")
}

/// Whether what came is no message of TLS at all, as the answer of a port that speaks plain HTTP.
fn is_no_tls(cause: &(dyn StdError + 'static)) -> bool {
    let error = cause.downcast_ref::<rustls::Error>();
    matches!(
        error,
        Some(rustls::Error::InvalidMessage(
            InvalidMessage::InvalidContentType
        ))
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_what_it_should_not_tell() {
        for (url, seen) in [
            ("https://h/a%2Fb?token=x#y", "https://h/a%2Fb"),
            ("https://me:secret@h:8443/a", "https://h:8443/a"),
            ("/elsewhere?token=x", "/elsewhere"),
            ("//me:secret@h/a?b", "//h/a"),
            ("https://me:secret@h:port/a#b", "https://h:port/a"),
            ("nonsense", "nonsense"),
            ("", ""),
        ] {
            assert_eq!(without_secrets(url), seen);
        }
    }

    #[test]
    fn a_refusal_tells_the_code_that_its_body_has() {
        let code = |body| code_in(body);
        assert_eq!(
            code(r#"{"error":"e","code":"BUSY"}"#).as_deref(),
            Some("BUSY")
        );
        for body in [
            "",
            "no",
            "[]",
            r#"{"code":7}"#,
            r#"{"error":"e"}"#,
            r#"{"code":"B"#,
        ] {
            assert_eq!(code(body), None, "{body}");
        }
    }

    #[test]
    fn what_is_no_failure_of_the_exchange_is_left_as_it_is() {
        let error = Error::new(ErrorKind::Io, "get", "the disk is gone");
        assert!(located(error, "http://h", "/files/a").network().is_none());
    }
}
