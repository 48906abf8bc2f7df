//! A peer over a `fetch` that is not this package's own.
//!
//! What a request asks for, which statuses are answers, and what they say of a file is as with connections of this
//! package's own; how a request is sent, and where the bytes of a file are, is the [`Sender`]'s.

use std::time::Duration;

use bytes::Bytes;

use super::{
    Caller, FIRST_BYTE, Failure, FileHead, HEALTH_PATH, Head, Headers, Look, Looking, RetryPolicy,
    confirmed, file_path, late, pause, refused, repeat, too_long,
};
use crate::engine::object::page_instead;
use crate::engine::ports::Stat;
use crate::error::{Error, ErrorKind, Network, Reason, Result};
use crate::protocol::item::Blob;
use crate::protocol::message::Expected;
use crate::protocol::text::Text;

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
    /// Its path below the base URL.
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
    pub fn is_seen(&self) -> bool {
        !matches!(self.body, Some(Content::Bytes(_)))
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

/// Sends a request to the peer at `base_url`. `None` for a status 404 where a file is asked for or deleted.
pub async fn fetch<S: Sender>(
    sender: &S,
    base_url: &str,
    asked: &Asked<'_, S::Data>,
) -> Result<Option<Fetched<S::Data>>, Failure> {
    let sent = sender.send(asked).await;
    let found = sent.and_then(|sent| found(sender, base_url, asked, sent));
    found.map_err(|failure| failure.at(base_url, asked.path))
}

fn found<S: Sender>(
    sender: &S,
    base_url: &str,
    asked: &Asked<'_, S::Data>,
    sent: Sent<S::Data>,
) -> Result<Option<Fetched<S::Data>>, Failure> {
    let answered = match sent {
        Sent::Answered(answered) => answered,
        Sent::Late => {
            let patience = sender.timeout().unwrap_or_default().as_millis();
            let what = format!("did not answer within {patience} ms");
            return Err(late(base_url, &what));
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
    let what = match asked.wanted {
        Wanted::Message => asked.path.to_owned(),
        _ => format!("{} {}", asked.method, asked.path),
    };
    let (line, body) = (&answered.line, &answered.explanation);
    Err(refused(&what, status, line, body, again))
}

/// A peer.
#[derive(Debug)]
pub struct OverFetch<S, C> {
    /// How requests are sent.
    pub sender: S,
    /// The caller, which adds to them.
    pub caller: C,
    /// What paths are appended to.
    pub base_url: String,
    /// How many further tries a request has.
    pub retries: u32,
    /// Whether the peer answers 403 for a file that it does not have.
    pub forbidden_is_absent: bool,
}

/// An object's bytes, how many they are, and the content type.
#[derive(Debug)]
pub struct Whole<D> {
    /// The bytes.
    pub data: D,
    /// How many they are.
    pub size: u64,
    /// The content type it was put with.
    pub content_type: Option<String>,
}

impl<S: Sender, C: Caller> OverFetch<S, C> {
    /// Whether the peer says that it is there.
    pub async fn is_healthy(&self) -> Result<bool> {
        let asked = self.ask("GET", HEALTH_PATH, Wanted::Nothing, &[]).await?;
        Ok(asked.is_some())
    }

    /// Whether there is an object under the key.
    pub async fn has(&self, key: &Text) -> Result<bool> {
        let stat = self.look(key, false).await?;
        let is_page = Blob::under(key.clone()).is_page();
        Ok(stat.is_some_and(|stat| !stat.is_page || is_page))
    }

    /// Deletes an object, if it is there.
    pub async fn delete(&self, key: &Text) -> Result<()> {
        let path = file_path(key)?;
        self.ask("DELETE", &path, Wanted::Nothing, &[]).await?;
        Ok(())
    }

    /// What is known of an object, if it is there.
    pub async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        self.look(key, true).await
    }

    /// The object of an item, if it is there, and unless more than its bytes come.
    pub async fn get(&self, blob: &Blob) -> Result<Option<Whole<S::Data>>> {
        let (path, wanted) = (file_path(&blob.key)?, Wanted::File(blob.size));
        let fetched = self.ask("GET", &path, wanted, &[]).await?;
        let Some(fetched) = fetched.filter(|fetched| !fetched.head.is_absence(self.looking(false)))
        else {
            return Ok(None);
        };
        let status = fetched.head.status;
        let whole = if fetched.head.is_page() && !blob.is_page() {
            Err(page_instead(&blob.key))
        } else {
            self.whole(fetched)
        };
        whole.map(Some).map_err(|error| {
            let failure = Failure::from(error).answered(status);
            failure.at(&self.base_url, &path).error
        })
    }

    fn looking(&self, wants_size: bool) -> Looking {
        Looking {
            wants_size,
            forbidden_is_absent: self.forbidden_is_absent,
        }
    }

    /// As it is with native connections.
    async fn look(&self, key: &Text, wants_size: bool) -> Result<Option<Stat>> {
        let (path, looking) = (file_path(key)?, self.looking(wants_size));
        let head = self.ask("HEAD", &path, Wanted::Nothing, &[400, 405, 501]);
        let mut look = match head.await? {
            Some(fetched) => fetched.head.look(looking),
            None => Look::Absent,
        };
        if look == Look::Unclear {
            let part = self.ask("GET", &path, Wanted::FirstByte, &[416]);
            look = match part.await? {
                Some(fetched) => fetched.head.look_at_part(looking),
                None => Look::Absent,
            };
        }
        Ok(match look {
            Look::There(stat) => Some(stat),
            _ => None,
        })
    }

    async fn ask(
        &self,
        method: &'static str,
        path: &str,
        wanted: Wanted,
        accepts: &[u16],
    ) -> Result<Option<Fetched<S::Data>>> {
        let mut accepts = accepts.to_vec();
        let looks = method == "HEAD" || matches!(wanted, Wanted::File(_) | Wanted::FirstByte);
        accepts.extend(Some(403).filter(|_| looks && self.forbidden_is_absent));
        let head = Head::bare(method, path);
        repeat(
            self.retries,
            async |_| {
                let mut headers = self.caller.headers(&head).await?;
                if looks {
                    headers.set("Accept-Encoding", "identity");
                }
                if wanted == Wanted::FirstByte {
                    headers.set("Range", FIRST_BYTE);
                }
                let asked = Asked {
                    method,
                    path,
                    headers: &headers,
                    body: None,
                    wanted,
                    accepts: &accepts,
                };
                fetch(&self.sender, &self.base_url, &asked).await
            },
            async |how_long| pause(&self.caller, how_long).await,
        )
        .await
    }

    /// Puts an object, and makes sure that the peer has it.
    pub async fn store(&self, blob: &Blob, data: &S::Data) -> Result<()> {
        let size = self.sender.size(data)?.ok_or_else(|| {
            let what = "must be a Uint8Array, got something else";
            Error::new(ErrorKind::InvalidArgument, "an object's data", what)
        })?;
        let content_type = blob.mime_type.as_ref().map(ToString::to_string);
        if self.put(&blob.key, data, content_type.as_deref()).await? {
            return Ok(());
        }
        self.confirm(blob, size).await
    }

    /// Stores an object. Returns whether the peer vouched for its bytes.
    pub async fn put(
        &self,
        key: &Text,
        data: &S::Data,
        content_type: Option<&str>,
    ) -> Result<bool> {
        let path = file_path(key)?;
        let head = Head {
            content_type: content_type.map(ToOwned::to_owned),
            ..Head::put(&path)
        };
        let put = repeat(
            self.retries,
            async |_| {
                let headers = self.caller.headers(&head).await?;
                let asked = Asked {
                    method: "PUT",
                    path: &path,
                    headers: &headers,
                    body: Some(Content::Bytes(data)),
                    wanted: Wanted::Nothing,
                    accepts: &[],
                };
                fetch(&self.sender, &self.base_url, &asked).await
            },
            async |how_long| pause(&self.caller, how_long).await,
        );
        match put.await? {
            Some(fetched) => Ok(fetched.head.vouched),
            None => Err(Error::sync("", format!("PUT {path} failed: 404"))),
        }
    }

    /// As it is with native connections.
    async fn confirm(&self, blob: &Blob, size: u64) -> Result<()> {
        let mut stat = self.look(&blob.key, true).await?;
        if stat.is_none() {
            let found = self.get(blob).await?;
            stat = found.map(|whole| Stat {
                size: Some(whole.size),
                ..Stat::default()
            });
        }
        confirmed(blob, size, stat.as_ref())
    }

    /// Posts the text of a message, and reads the answer.
    pub async fn post<T>(
        &self,
        (text, expected): (&Bytes, Expected),
        read: impl AsyncFn(Fetched<S::Data>) -> Result<T>,
    ) -> Result<T> {
        let head = Head::post(text, expected.compares);
        repeat(
            self.retries,
            async |_| {
                let headers = self.caller.headers(&head).await?;
                let asked = Asked {
                    method: head.method,
                    path: &head.path,
                    headers: &headers,
                    body: Some(Content::Text(text_in(text)?)),
                    wanted: Wanted::Message,
                    accepts: &[],
                };
                let fetched = fetch(&self.sender, &self.base_url, &asked).await?;
                let fetched = fetched
                    .ok_or_else(|| Error::sync("malformed exchange answer", "there is none"))?;
                let status = fetched.head.status;
                read(fetched).await.map_err(|error| {
                    let failure = Failure::from(error).answered(status);
                    failure.at(&self.base_url, &head.path)
                })
            },
            async |how_long| pause(&self.caller, how_long).await,
        )
        .await
    }

    /// What was fetched, if it is all that was announced.
    fn whole(&self, fetched: Fetched<S::Data>) -> Result<Whole<S::Data>> {
        let size = self.sender.size(&fetched.data)?;
        let size = size.ok_or_else(|| Error::sync("fetch an object", "the answer has no bytes"))?;
        match fetched.head.length {
            Some(announced) if announced != size => Err(Error::sync(
                "fetch an object",
                format!("{announced} bytes were announced and {size} came; try again"),
            )
            .of_request(Network::new(Reason::Closed))),
            _ => Ok(Whole {
                data: fetched.data,
                size,
                content_type: fetched.head.content_type,
            }),
        }
    }
}

/// The text of a message.
///
/// # Errors
/// `Sync` where it is no Unicode.
pub fn text_in(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body)
        .map_err(|error| Error::sync("write a request", "its text is no Unicode").caused_by(error))
}
