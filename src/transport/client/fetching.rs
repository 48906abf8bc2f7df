//! A request over a `fetch` that is not this package's own, and what its answer says.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Failure, FileHead, Headers, RetryPolicy, late, refused, too_long};
use crate::error::{Error, ErrorKind, Result};

const NOT_FOUND: u16 = 404;

/// How requests are sent.
#[allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]
pub trait Sender {
    /// Bytes, or a message, wherever they are.
    type Data;

    /// Sends a request of which at most that many bytes are wanted.
    async fn send(&self, asked: &Asked<'_, Self::Data>) -> Result<Sent<Self::Data>, Failure>;

    /// How many bytes there are; `None` where it is no bytes.
    fn size(&self, data: &Self::Data) -> Result<Option<u64>>;

    /// A message, as it is.
    fn text(&self, data: &Self::Data) -> Result<Vec<u8>>;

    /// The longest that anything may take.
    fn timeout(&self) -> Option<Duration>;

    /// The most bytes of a message.
    fn max_answer_bytes(&self) -> usize;
}

/// A request.
#[derive(Debug)]
pub struct Asked<'a, D> {
    /// Its method.
    pub method: &'static str,
    /// The server that it goes to.
    pub base_url: &'a str,
    /// Its path below that.
    pub path: &'a str,
    /// Its headers.
    pub headers: &'a Headers,
    /// Its body.
    pub body: Option<Content<'a, D>>,
    /// What is wanted of the answer.
    pub wanted: Wanted,
    /// Further statuses that are an answer.
    pub accepts: &'a [u16],
}

impl<D> Asked<'_, D> {
    /// Whether it can be seen how far the request got, so that a limit can be kept: not of the bytes of a body.
    fn is_seen(&self) -> bool {
        !matches!(self.body, Some(Content::Bytes(_)))
    }

    /// What `js/fetch.js` is told of it besides the body, where nothing may take longer than `timeout`, and a message
    /// has at most this many bytes.
    pub fn to_json(&self, timeout: Option<Duration>, max_answer_bytes: usize) -> Value {
        let limit = timeout.filter(|_| self.is_seen());
        let most = match self.wanted {
            Wanted::File(most) => most,
            _ => Some(max_answer_bytes as u64),
        };
        json!({
            "url": format!("{}{}", self.base_url, self.path),
            "method": self.method,
            "headers": self.headers.iter().collect::<Vec<_>>(),
            "kind": self.wanted.name(),
            "timeoutMs": limit.map(|limit| limit.as_secs_f64() * 1000.0),
            "idle": matches!(self.wanted, Wanted::File(_)),
            "most": most,
        })
    }
}

/// The body of a request.
#[derive(Debug)]
pub enum Content<'a, D> {
    /// Text.
    Text(&'a str),
    /// The bytes of a file.
    Bytes(&'a D),
}

/// What is wanted of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A message, which has a bound.
    Message,
    /// The bytes of a file, and how many of them there can be at most.
    File(Option<u64>),
    /// Nothing but the head.
    Nothing,
    /// Nothing but the head of an answer that has the first byte.
    FirstByte,
}

impl Wanted {
    /// What `js/fetch.js` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::File(_) => "file",
            Self::Nothing | Self::FirstByte => "none",
        }
    }
}

/// What became of a request.
#[derive(Debug)]
pub enum Sent<D> {
    /// It was answered.
    Answered(Answered<D>),
    /// Nothing moved for too long.
    Late,
    /// More bytes came than are wanted; and the status.
    Long(u16),
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answered<D> {
    /// The body.
    pub data: D,
    /// The status, and what the headers say.
    pub head: FileHead,
    /// Whether the status is one from 200 to 299.
    pub is_ok: bool,
    /// The status in words, of a refusal.
    pub line: String,
    /// The body of a refusal, as far as it is text.
    pub explanation: String,
    /// When it may be tried again.
    pub retry_after: Option<String>,
}

/// An answer, with a status from 200 to 299 or one that is accepted.
#[derive(Debug)]
pub struct Fetched<D> {
    /// The body.
    pub data: D,
    /// The status, and what the headers say.
    pub head: FileHead,
}

/// Sends a request. `None` for a status 404 where a file is asked for or deleted.
pub async fn fetch<S: Sender>(
    sender: &S,
    asked: &Asked<'_, S::Data>,
) -> Result<Option<Fetched<S::Data>>, Failure> {
    let sent = sender.send(asked).await;
    let found = sent.and_then(|sent| found(sender, asked, sent));
    found.map_err(|failure| failure.at(asked.base_url, asked.path))
}

fn found<S: Sender>(
    sender: &S,
    asked: &Asked<'_, S::Data>,
    sent: Sent<S::Data>,
) -> Result<Option<Fetched<S::Data>>, Failure> {
    let answered = match sent {
        Sent::Answered(answered) => answered,
        Sent::Late => {
            let patience = sender.timeout().unwrap_or_default().as_millis();
            let what = format!("did not answer within {patience} ms");
            return Err(late(asked.base_url, &what));
        }
        Sent::Long(_) if matches!(asked.wanted, Wanted::File(_)) => {
            let what = "more bytes came than the item's object has; nothing of them is kept";
            return Err(Error::new(ErrorKind::SizeMismatch, "fetch an object", what).into());
        }
        Sent::Long(status) => {
            let failure = Failure::from(too_long(sender.max_answer_bytes()));
            return Err(failure.answered(status));
        }
    };
    let status = answered.head.status;
    if answered.is_ok || asked.accepts.contains(&status) {
        return Ok(Some(Fetched {
            data: answered.data,
            head: answered.head,
        }));
    }
    let may_be_absent = asked.wanted != Wanted::Message && asked.method != "PUT";
    if may_be_absent && status == NOT_FOUND {
        return Ok(None);
    }
    let again = RetryPolicy::of_status(status, answered.retry_after.as_deref());
    // A query of a url that was handed out is a secret.
    let path = asked.path.split('?').next().unwrap_or_default();
    let what = match asked.wanted {
        Wanted::Message => path.to_owned(),
        _ => format!("{} {path}", asked.method),
    };
    let (line, body) = (&answered.line, &answered.explanation);
    Err(refused(&what, status, line, body, again))
}

/// The text of a message.
///
/// # Errors
/// `Sync` where it is no Unicode.
pub fn text_in(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body)
        .map_err(|error| Error::sync("write a request", "its text is no Unicode").caused_by(error))
}
