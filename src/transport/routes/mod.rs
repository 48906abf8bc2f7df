//! The rules of the routes, without a socket: what a request asks for, what may be answered, and how a
//! refusal reads.
//!
//! | request | answer |
//! |---|---|
//! | `POST /sync/exchange`, `POST /sync/reconcile` | 200, JSON |
//! | `HEAD`, `GET /files/<key>` | 200, 206, 304, 404, 416 |
//! | `PUT /files/<key>` | 200, 412 |
//! | `DELETE /files/<key>` | 204, 412 |
//! | `GET /files/<key>/presign`, `POST /files/presign` | 200, JSON; where the storage hands out urls |
//! | `POST /files/confirm` | 200, JSON, 404, 409; likewise |
//! | `GET /health` | 200; of a server alone, a handler leaves it to its app |
//! | `GET /events` | 200, an event stream; of a server alone as well |
//!
//! A key is percent-encoded; slashes in it may stand as they are. Keys that would leave a folder are
//! refused here, before any storage sees them.

mod key;
mod preconditions;
mod refusal;
mod select;

use http::Method;

pub use key::{MAX_KEY, decode_key, encoded_path, reason_against};
pub use preconditions::Preconditions;
pub use refusal::{Refusal, add_marker};
pub use select::{Selection, entity_tag, packs_answers, select};

use super::presign::{CONFIRM_PATH, FileToUpload, PRESIGN_PATH, PRESIGN_SUFFIX};
use super::{EXCHANGE_PATH, FILES_PREFIX, RECONCILE_PATH};

/// Whether a server is there.
pub const HEALTH_PATH: &str = "/health";

/// Where a server tells that something came in.
pub const EVENTS_PATH: &str = "/events";

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// An exchange.
    Exchange,
    /// An exchange that compares what both sides hold.
    Reconcile,
    /// Whether the server is there.
    Health,
    /// To be told when something comes in.
    Events,
    /// A file, by its key.
    File(Action, String),
    /// A url to get a file from, by its key.
    Presign(String),
    /// A step of an upload by a url.
    Upload(UploadStep, FileToUpload),
}

impl Route {
    /// Whether the storage is another one after it, or may be.
    pub fn writes(&self) -> bool {
        match self {
            Self::File(action, _) => action.writes(),
            Self::Upload(..) => true,
            _ => false,
        }
    }
}

/// What a caller does that uploads a file by a url.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadStep {
    /// It asks for the url.
    Presign,
    /// It says that the bytes are there.
    Confirm,
}

/// What is to be done with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Say whether it is there.
    Head,
    /// Send it.
    Get,
    /// Store the body.
    Put,
    /// Delete it.
    Delete,
}

impl Action {
    /// Whether the storage is another one after it.
    pub fn writes(self) -> bool {
        matches!(self, Self::Put | Self::Delete)
    }
}

/// A method and a target, looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A route of ours.
    Route(Route),
    /// A route of ours, whose key is none.
    BadKey(&'static str),
    /// A step of an upload by a url; which file it is of, the body says.
    InBody(UploadStep),
    /// The same, and the body does not say it as it must.
    BadBody(String),
    /// The same, and the storage hands out no urls.
    NoUrls,
    /// A path of ours that knows only these methods.
    OtherMethods(&'static str),
    /// Not ours.
    Nothing,
}

impl Found {
    /// The name of what is asked for, as apps read it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Route(Route::Exchange) => "exchange",
            Self::Route(Route::Reconcile) => "reconcile",
            Self::Route(Route::Health) => "health",
            Self::Route(Route::Events) => "events",
            Self::Route(Route::File(..) | Route::Presign(_) | Route::Upload(..))
            | Self::BadKey(_)
            | Self::InBody(_)
            | Self::BadBody(_) => "file",
            Self::NoUrls | Self::OtherMethods(_) | Self::Nothing => "unknown",
        }
    }

    /// The key of the file that is asked for, if one is.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Route(Route::File(_, key) | Route::Presign(key)) => Some(key),
            Self::Route(Route::Upload(_, file)) => Some(&file.key),
            _ => None,
        }
    }
}

/// Looks up a method and the target of a request line, where the storage may hand out urls. A key whose last slash is
/// percent-encoded is never taken for a question for one.
pub fn find_with_urls(method: &Method, target: &str, has_urls: impl FnOnce() -> bool) -> Found {
    match asks_for_url(method, target) {
        Some(found) if has_urls() => found,
        Some(Found::InBody(_)) => Found::NoUrls,
        _ => find(method, target),
    }
}

fn asks_for_url(method: &Method, target: &str) -> Option<Found> {
    let path = path_of(target);
    match (method, path) {
        (&Method::POST, PRESIGN_PATH) => return Some(Found::InBody(UploadStep::Presign)),
        (&Method::POST, CONFIRM_PATH) => return Some(Found::InBody(UploadStep::Confirm)),
        (&Method::GET, _) => {}
        _ => return None,
    }
    let key = path
        .strip_prefix(FILES_PREFIX)?
        .strip_suffix(PRESIGN_SUFFIX)?;
    Some(match decode_key(key) {
        Ok(key) => Found::Route(Route::Presign(key)),
        Err(what) => Found::BadKey(what),
    })
}

fn path_of(target: &str) -> &str {
    target.split(['?', '#']).next().unwrap_or_default()
}

/// Looks up a method and the target of a request line. The query does not count.
pub fn find(method: &Method, target: &str) -> Found {
    let path = path_of(target);
    let posted = match path {
        EXCHANGE_PATH => Some(Route::Exchange),
        RECONCILE_PATH => Some(Route::Reconcile),
        _ => None,
    };
    if let Some(route) = posted {
        return if method == Method::POST {
            Found::Route(route)
        } else {
            Found::OtherMethods("POST")
        };
    }
    let got = match path {
        HEALTH_PATH => Some(Route::Health),
        EVENTS_PATH => Some(Route::Events),
        _ => None,
    };
    if let Some(route) = got {
        return if method == Method::GET {
            Found::Route(route)
        } else {
            Found::OtherMethods("GET")
        };
    }
    let Some(key) = path.strip_prefix(FILES_PREFIX) else {
        return Found::Nothing;
    };
    let action = match *method {
        Method::HEAD => Action::Head,
        Method::GET => Action::Get,
        Method::PUT => Action::Put,
        Method::DELETE => Action::Delete,
        _ => return Found::OtherMethods("GET, HEAD, PUT, DELETE"),
    };
    match decode_key(key) {
        Ok(key) => Found::Route(Route::File(action, key)),
        Err(what) => Found::BadKey(what),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(action: Action, key: &str) -> Found {
        Found::Route(Route::File(action, key.to_owned()))
    }

    #[test]
    fn every_route_is_found_whatever_the_query() {
        let exchange = Found::Route(Route::Exchange);
        assert_eq!(find(&Method::POST, "/sync/exchange"), exchange);
        assert_eq!(find(&Method::POST, "/sync/exchange?a=/files/x"), exchange);
        let reconcile = Found::Route(Route::Reconcile);
        assert_eq!(find(&Method::POST, "/sync/reconcile"), reconcile);
        assert_eq!(find(&Method::GET, "/health"), Found::Route(Route::Health));
        assert_eq!(
            find(&Method::GET, "/files/photos%2Fx.jpg?v=1"),
            file(Action::Get, "photos/x.jpg")
        );
        assert_eq!(
            find(&Method::PUT, "/files/photos/x.jpg"),
            file(Action::Put, "photos/x.jpg")
        );
        assert_eq!(
            find(&Method::DELETE, "/files/%C3%A9%20"),
            file(Action::Delete, "\u{e9} ")
        );
    }

    #[test]
    fn other_paths_and_methods_are_not_ours() {
        for path in [
            "/",
            "/sync",
            "/sync/exchange/",
            "/files",
            "/Files/x",
            "x",
            "/x/files/y",
        ] {
            assert_eq!(find(&Method::GET, path), Found::Nothing, "{path}");
        }
        assert_eq!(
            find(&Method::GET, "/sync/exchange"),
            Found::OtherMethods("POST")
        );
        assert!(matches!(
            find(&Method::POST, "/files/x"),
            Found::OtherMethods(_)
        ));
    }

    #[test]
    fn a_url_is_asked_for_only_where_there_are_some() {
        let with = |method, target| find_with_urls(method, target, || true);
        let without = |method, target| find_with_urls(method, target, || false);
        let (get, post) = (&Method::GET, &Method::POST);
        let presign = Found::Route(Route::Presign("a/b".to_owned()));
        for path in ["/files/a%2Fb/presign", "/files/a/b/presign?x=1"] {
            assert_eq!(with(get, path), presign, "{path}");
            assert_eq!(without(get, path), file(Action::Get, "a/b/presign"));
        }
        assert_eq!(
            with(get, "/files/a%2Fpresign"),
            file(Action::Get, "a/presign")
        );
        assert_eq!(with(get, "/files/presign"), file(Action::Get, "presign"));
        assert!(matches!(with(get, "/files//presign"), Found::BadKey(_)));
        assert!(matches!(
            with(get, "/files/a/../b/presign"),
            Found::BadKey(_)
        ));
        assert_eq!(
            with(post, "/files/presign"),
            Found::InBody(UploadStep::Presign)
        );
        assert_eq!(
            with(post, "/files/confirm"),
            Found::InBody(UploadStep::Confirm)
        );
        assert_eq!(without(post, "/files/presign"), Found::NoUrls);
        assert!(matches!(
            with(post, "/files/x/presign"),
            Found::OtherMethods(_)
        ));
        assert_eq!(
            with(&Method::PUT, "/files/presign"),
            file(Action::Put, "presign")
        );
    }

    #[test]
    fn keys_that_leave_a_folder_are_refused() {
        let long = "x".repeat(MAX_KEY + 1);
        for key in [
            "",
            "..",
            "%2e%2e",
            "a/../b",
            "a%2F..%2Fb",
            "a%5C..%5Cb",
            "./a",
            "/etc/passwd",
            "%2Fetc%2Fpasswd",
            "%5C%5Chost%5Cshare",
            "C%3A%5Cx",
            "a%00b",
            "a%0",
            "a%zz",
            "%ff",
            &long,
        ] {
            let found = find(&Method::PUT, &format!("/files/{key}"));
            assert!(matches!(found, Found::BadKey(_)), "{key}: {found:?}");
        }
    }
}
