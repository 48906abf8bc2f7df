//! What the head of a file server's answer says of a file.
//!
//! Not every server that answers 200 has the file. A server of this package says on every answer that it
//! speaks this protocol ([`MARKER`]), and is believed. Of any other one, which may
//! be an older peer or a web server that answers everything alike, a web page is no file, and a file whose
//! size cannot be found out is not known to be there.

use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};

use crate::engine::ports::Stat;
use crate::protocol::item::Digest;
use crate::transport::{MARKER, REPR_DIGEST, read_repr_digest};

/// The headers that are looked at.
pub const LOOKED_AT: [&str; 6] = [
    MARKER,
    REPR_DIGEST,
    "content-type",
    "content-length",
    "content-encoding",
    "content-range",
];

/// The head of an answer.
#[derive(Debug, Clone, Default)]
pub struct FileHead {
    /// The status.
    pub status: u16,
    /// Whether the server says that it speaks this protocol.
    pub vouched: bool,
    /// The content type.
    pub content_type: Option<String>,
    /// How the body is packed.
    pub packed: Option<String>,
    /// How many bytes the body has, unless it is packed.
    pub length: Option<u64>,
    /// How many bytes the file has of which this is a part.
    total: Option<u64>,
    digest: Option<Digest>,
}

/// What an answer says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// It is not there.
    Absent,
    /// It is there, or something is.
    There(Stat),
    /// Another request has to find out.
    Unclear,
    /// The request was refused.
    Refused,
}

/// How a file is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Looking {
    /// Whether its size matters.
    pub wants_size: bool,
    /// Whether a status 403 means that there is none.
    pub forbidden_is_absent: bool,
}

impl FileHead {
    /// The head with this status and these headers.
    pub fn new(status: u16, header: impl Fn(&str) -> Option<String>) -> Self {
        let number = |text: &str| text.trim().parse().ok();
        let packed = header(CONTENT_ENCODING.as_str())
            .filter(|coding| !coding.eq_ignore_ascii_case("identity") && !coding.is_empty());
        let length = header(CONTENT_LENGTH.as_str()).and_then(|text| number(&text));
        let range = header(CONTENT_RANGE.as_str());
        let total = range.and_then(|range| number(range.rsplit_once('/')?.1));
        Self {
            status,
            vouched: header(MARKER).is_some(),
            content_type: header(CONTENT_TYPE.as_str()),
            length: length.filter(|_| packed.is_none()),
            packed,
            total,
            digest: header(REPR_DIGEST).and_then(|text| read_repr_digest(&text)),
        }
    }

    /// A head of which no more is known than its status.
    pub fn believed(status: u16) -> Self {
        Self {
            status,
            vouched: true,
            ..Self::default()
        }
    }

    /// Whether it is the head of a web page of a server that may be any.
    pub fn is_page(&self) -> bool {
        let content_type = self.content_type.as_deref().unwrap_or_default();
        let media_type = content_type.split(';').next().unwrap_or_default().trim();
        let is_html = ["text/html", "application/xhtml+xml"]
            .iter()
            .any(|html| media_type.eq_ignore_ascii_case(html));
        is_html && !self.vouched
    }

    /// Whether it says that there is no such file.
    pub fn is_absence(&self, looking: Looking) -> bool {
        self.status == StatusCode::NOT_FOUND
            || (looking.forbidden_is_absent && self.status == StatusCode::FORBIDDEN)
    }

    fn stat(&self, size: Option<u64>) -> Stat {
        Stat {
            size,
            digest: self.digest,
            is_page: self.is_page(),
            ..Stat::default()
        }
    }

    /// What the answer to a `HEAD` says.
    pub fn look(&self, looking: Looking) -> Look {
        if self.is_absence(looking) {
            return Look::Absent;
        }
        match self.status {
            // A refusal of HEAD has no body that could say why; that of the other request does.
            400 | 405 | 501 => Look::Unclear,
            200..300 => {
                // Some count the bytes that they send.
                let size = self.length.filter(|size| self.vouched || *size > 0);
                if looking.wants_size && !self.vouched && size.is_none() {
                    return Look::Unclear;
                }
                Look::There(self.stat(size))
            }
            _ => Look::Refused,
        }
    }

    /// What the answer to a `GET` of the first byte says.
    pub fn look_at_part(&self, looking: Looking) -> Look {
        if self.is_absence(looking) {
            return Look::Absent;
        }
        let size = match self.status {
            206 | 416 => self.total,
            200 => self.length,
            _ => return Look::Refused,
        };
        let is_known = size.is_some() || self.vouched;
        if looking.wants_size && !is_known {
            return Look::Absent;
        }
        Look::There(self.stat(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINE: Looking = Looking {
        wants_size: true,
        forbidden_is_absent: false,
    };

    fn head(status: u16, headers: &[(&str, &str)]) -> FileHead {
        FileHead::new(status, |name| {
            let found = headers.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    fn there(size: Option<u64>, is_page: bool) -> Look {
        Look::There(Stat {
            size,
            is_page,
            ..Stat::default()
        })
    }

    #[test]
    fn a_peer_that_speaks_the_protocol_is_believed() {
        let head = head(200, &[(MARKER, "1"), ("content-type", "text/html")]);
        assert_eq!(head.look(ENGINE), there(None, false));
    }

    #[test]
    fn a_web_page_of_another_server_is_known_for_one() {
        for html in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "application/xhtml+xml",
        ] {
            let head = head(200, &[("content-type", html), ("content-length", "7")]);
            assert_eq!(head.look(ENGINE), there(Some(7), true), "{html}");
        }
    }

    #[test]
    fn an_older_peer_that_tells_no_size_is_asked_once_more() {
        assert_eq!(head(200, &[]).look(ENGINE), Look::Unclear);
        assert_eq!(
            head(200, &[("content-length", "0")]).look(ENGINE),
            Look::Unclear
        );
        let length = [("content-length", "9")];
        assert_eq!(head(200, &length).look(ENGINE), there(Some(9), false));
        assert_eq!(
            head(200, &length).look_at_part(ENGINE),
            there(Some(9), false)
        );
        let range = [("content-range", "bytes 0-0/12"), ("content-length", "1")];
        assert_eq!(
            head(206, &range).look_at_part(ENGINE),
            there(Some(12), false)
        );
        let empty = [("content-range", "bytes */0")];
        assert_eq!(
            head(416, &empty).look_at_part(ENGINE),
            there(Some(0), false)
        );
        assert_eq!(head(200, &[]).look_at_part(ENGINE), Look::Absent);
        let packed = [("content-length", "9"), ("content-encoding", "gzip")];
        assert_eq!(head(200, &packed).look_at_part(ENGINE), Look::Absent);
    }

    #[test]
    fn a_status_says_what_it_says() {
        assert_eq!(head(404, &[]).look(ENGINE), Look::Absent);
        assert_eq!(head(405, &[]).look(ENGINE), Look::Unclear);
        assert_eq!(head(500, &[]).look(ENGINE), Look::Refused);
        assert_eq!(head(403, &[]).look(ENGINE), Look::Refused);
        let as_with_s3 = Looking {
            forbidden_is_absent: true,
            ..ENGINE
        };
        assert_eq!(head(403, &[]).look(as_with_s3), Look::Absent);
    }
}
