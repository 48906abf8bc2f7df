//! The status page of a server: `GET /` is the page, `GET /status` what it shows, as JSON, and `GET /status/events` the
//! same as an event stream.
//!
//! The page is one file and loads nothing. Ids and names of nodes are texts of others: the page sets them as text, and its
//! policy runs no script but its own, which is known by its hash. An event, `status`, comes when the stream begins,
//! when something has changed, and every 15 seconds; after each there is a pause of [`PAUSE`], so that many exchanges are one
//! event.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response};
use sha2::{Digest, Sha256};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::body::AnswerBody;
use super::news::{HEARTBEAT, event, event_stream};
use super::replies::json;
use super::shares::Share;
use super::stats::{Counted, Stats};
use super::status::Status;

/// The least time between two events.
const PAUSE: Duration = Duration::from_millis(500);

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusRoute {
    Html,
    Data,
    Events,
}

impl StatusRoute {
    /// By its path.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            "/" => Some(Self::Html),
            "/status" => Some(Self::Data),
            "/status/events" => Some(Self::Events),
            _ => None,
        }
    }
}

/// The page, with the line ends by which a browser takes the hash of a script, wherever it was checked out.
static HTML: LazyLock<String> =
    LazyLock::new(|| include_str!("status_page.html").replace("\r\n", "\n"));

/// What the page may do.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; script-src {}; style-src {}; connect-src 'self'; img-src data:; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash_in(&HTML, "script"),
        hash_in(&HTML, "style"),
    )
});

/// What anything else may do.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// The page.
pub(super) fn html() -> Response<AnswerBody> {
    let page = Bytes::from_static(HTML.as_bytes());
    let mut response = Response::new(AnswerBody::Whole(page));
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    guarded(response, &POLICY)
}

/// What it shows.
pub(super) fn data(shown: &Status) -> Response<AnswerBody> {
    guarded(json(shown.to_json().into()), NOTHING)
}

/// The same, again and again, until the server begins to close.
pub(super) fn events(
    stats: &Arc<Stats>,
    closing: watch::Receiver<bool>,
    place: (Share, Counted),
) -> Response<AnswerBody> {
    let watching = stats.shown.as_ref().map(|shown| Watching {
        bell: shown.bell(),
        stats: Arc::clone(stats),
        closing,
        has_begun: false,
        _place: place,
    });
    let events = stream::unfold(watching, |watching| async move {
        let mut watching = watching?;
        let next = watching.next().await?;
        Some((Ok(next), Some(watching)))
    });
    guarded(event_stream(events.boxed()), NOTHING)
}

/// A page that is open.
struct Watching {
    bell: watch::Receiver<()>,
    stats: Arc<Stats>,
    closing: watch::Receiver<bool>,
    has_begun: bool,
    _place: (Share, Counted),
}

impl Watching {
    async fn next(&mut self) -> Option<Bytes> {
        let Self { bell, closing, .. } = self;
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let due = async {
            if !is_first {
                sleep(PAUSE).await;
                // Nothing new is told as well, so that the time goes on.
                let _ = timeout(HEARTBEAT, bell.changed()).await;
            }
        };
        tokio::select! {
            _ = closing.wait_for(|closing| *closing) => return None,
            () = due => {}
        }
        let shown = self.stats.shown.as_ref()?;
        Some(event("status", &shown.to_json()))
    }
}

/// Read by no other page, kept nowhere, and taken for nothing else.
fn guarded(mut response: Response<AnswerBody>, policy: &str) -> Response<AnswerBody> {
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let readers = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(readers, HeaderValue::from_static("same-origin"));
    response
}

/// The hash of what is in the one element of this name, as a policy names it.
fn hash_in(html: &str, element: &str) -> String {
    let begin = html.split_once(&format!("<{element}>"));
    let inside = begin.and_then(|(_, rest)| rest.split_once(&format!("</{element}>")));
    let inside = inside.map_or("", |(inside, _)| inside);
    format!(
        "'sha256-{}'",
        BASE64_STANDARD.encode(Sha256::digest(inside))
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_script_is_known_by_its_hash() {
        // Those of the examples in CSP Level 2, and of nothing.
        let html = "<style></style><script>alert('Hello, world.');</script>";
        let script = "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='";
        assert_eq!(hash_in(html, "script"), script);
        let nothing = "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='";
        assert_eq!(hash_in(html, "style"), nothing);
    }

    #[test]
    fn the_page_has_one_script_and_one_style_and_loads_nothing() {
        for element in ["<script>", "<style>", "</script>", "</style>"] {
            assert_eq!(HTML.matches(element).count(), 1, "{element}");
        }
        let loads = HTML.replace("http://www.w3.org/2000/svg", "");
        for forbidden in [
            "<script ",
            "<style ",
            " style=",
            "innerHTML",
            "http:",
            "https:",
            "url(",
        ] {
            assert!(!loads.contains(forbidden), "{forbidden}");
        }
        let policy = html().headers().get(CONTENT_SECURITY_POLICY).cloned();
        assert!(
            policy
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("default-src 'none'; script-src 'sha256-")
        );
    }
}
