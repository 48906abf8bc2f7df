//! What is refused for where it comes from, or for how it is framed, before anybody is asked.

use std::net::IpAddr;

use http::header::{CONTENT_TYPE, HOST, HeaderMap, ORIGIN, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::{Authority, Uri};
use http::{HeaderValue, Version};

use crate::error::{Error, ErrorKind, Result};
use crate::transport::routes::Refusal;

/// The hosts by which a server without an authorizer may be called.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// Names, or names with ports, besides those of this machine.
    pub allowed: Vec<String>,
    /// Whether the server speaks TLS.
    pub has_tls: bool,
}

impl Hosts {
    /// As they are given: an array of strings, as JSON.
    ///
    /// # Errors
    /// `InvalidArgument` if it is none.
    pub fn read(given: Option<&str>, has_tls: bool) -> Result<Self> {
        let invalid = |error: serde_json::Error| {
            let what = format!("must be an array of strings: {error}");
            Error::new(ErrorKind::InvalidArgument, "allowedHosts", what)
        };
        let allowed = given.map(|json| serde_json::from_str(json).map_err(invalid));
        Ok(Self {
            allowed: allowed.transpose()?.unwrap_or_default(),
            has_tls,
        })
    }

    /// Why a request to a channel without an authorizer is refused. A web page of elsewhere can have a browser send requests here:
    /// under a name of its own, which it had the name service resolve to this machine, or with its origin named.
    pub fn refusal(&self, head: &Parts, own: Option<IpAddr>) -> Option<Refusal> {
        let asked = asked_for(head);
        let is_own = asked.as_ref().is_some_and(|asked| {
            is_loopback(asked.host()) || ip(asked.host()).is_some_and(|ip| Some(ip) == own)
        });
        // Without a name nothing was resolved: no browser asks so.
        if let Some(asked) = asked.as_ref().filter(|_| !is_own)
            && !self.allows(asked)
        {
            return Some(Refusal::forbidden(
                "this server goes by another name; name the host in `allowedHosts`, or give it `authorize`",
            ));
        }
        for origin in head.headers.get_all(ORIGIN) {
            let origin: Option<Uri> = origin.to_str().ok().and_then(|text| text.parse().ok());
            let is_same = |page: &Uri| {
                page.authority().is_some_and(|origin| {
                    let may = asked.as_ref() == Some(origin) || self.allows(origin);
                    may && self.is_as_safe(page.scheme_str(), origin)
                })
            };
            if !origin.as_ref().is_some_and(is_same) {
                return Some(Refusal::forbidden(
                    "a page of another origin may not use this server; name its host in `allowedHosts`, or give the \
                     server `authorize`",
                ));
            }
        }
        None
    }

    /// Whether nothing on the way can have put something into the page that could not into the server's answers.
    fn is_as_safe(&self, scheme: Option<&str>, origin: &Authority) -> bool {
        !self.has_tls || scheme == Some("https") || is_loopback(origin.host())
    }

    fn allows(&self, asked: &Authority) -> bool {
        self.allowed.iter().any(|allowed| {
            allowed.eq_ignore_ascii_case(asked.as_str())
                || allowed.eq_ignore_ascii_case(asked.host())
        })
    }
}

/// Whether a form or a script of another page can send a body of this type without asking first.
pub fn is_simple_body(headers: &HeaderMap) -> bool {
    const SIMPLE: [&str; 3] = [
        "text/plain",
        "multipart/form-data",
        "application/x-www-form-urlencoded",
    ];
    headers.get_all(CONTENT_TYPE).iter().any(|value| {
        let text = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        let essence = text.split(';').next().unwrap_or_default().trim();
        SIMPLE.contains(&essence)
    })
}

/// Why the framing of a request is not what it must be. Two readers of it could see two requests in it. What is at fault
/// in the bytes themselves does not come so far; see [`framing`](super::framing).
pub fn misframed(head: &Parts) -> Option<Refusal> {
    let hosts = head.headers.get_all(HOST).iter().count();
    if hosts > 1 || (hosts == 0 && head.version == Version::HTTP_11) {
        return Some(Refusal::misframed("the request must have one Host header"));
    }
    let codings: Vec<&HeaderValue> = head.headers.get_all(TRANSFER_ENCODING).iter().collect();
    let is_chunked = |coding: &HeaderValue| coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    match codings[..] {
        [] => None,
        [coding] if is_chunked(coding) => None,
        _ => Some(Refusal::misframed(
            "the only Transfer-Encoding taken here is chunked",
        )),
    }
}

/// Whom the request is for.
fn asked_for(head: &Parts) -> Option<Authority> {
    let named = head.uri.authority().cloned();
    named.or_else(|| {
        head.headers
            .get(HOST)
            .and_then(|host| host.to_str().ok()?.parse().ok())
    })
}

fn ip(host: &str) -> Option<IpAddr> {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

fn is_loopback(host: &str) -> bool {
    let name = host.trim_end_matches('.').to_ascii_lowercase();
    name == "localhost"
        || name.ends_with(".localhost")
        || ip(host).is_some_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn asked(host: &str, origin: Option<&str>) -> Parts {
        let mut request = http::Request::get("/sync/exchange").header(HOST, host);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn hosts(has_tls: bool) -> Hosts {
        let allowed = vec!["sync.home".to_owned(), "elsewhere.example:8443".to_owned()];
        Hosts { allowed, has_tls }
    }

    fn is_refused(host: &str, origin: Option<&str>) -> bool {
        let own = Some(IpAddr::from([192, 168, 1, 7]));
        hosts(false).refusal(&asked(host, origin), own).is_some()
    }

    #[test]
    fn a_server_goes_by_loopback_by_the_address_that_was_reached_and_by_what_is_allowed() {
        for host in [
            "127.0.0.1:80",
            "127.9.9.9",
            "[::1]:8080",
            "localhost:3000",
            "LOCALHOST.",
            "a.localhost",
            "192.168.1.7:80",
            "Sync.Home:1",
            "elsewhere.example:8443",
        ] {
            assert!(!is_refused(host, None), "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil.example",
            "notlocalhost",
            "10.0.0.1",
            "elsewhere.example",
        ] {
            assert!(is_refused(host, None), "{host}");
        }
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let refused = |origin| is_refused("127.0.0.1:80", Some(origin));
        assert!(!refused("http://127.0.0.1:80"));
        assert!(!refused("https://sync.home"));
        for origin in [
            "http://evil.example",
            "null",
            "http://127.0.0.1:81",
            "http://localhost:80",
            "",
        ] {
            assert!(refused(origin), "{origin}");
        }
    }

    #[test]
    fn a_page_that_came_without_tls_may_not_use_a_server_with_it_unless_it_is_of_this_machine() {
        let refused = |host, origin| {
            hosts(true)
                .refusal(&asked(host, Some(origin)), None)
                .is_some()
        };
        assert!(!refused("sync.home", "https://sync.home"));
        assert!(!refused("localhost:80", "http://localhost:80"));
        assert!(refused("sync.home", "http://sync.home"));
        assert!(refused("sync.home", "http://elsewhere.example:8443"));
    }
}
