//! Requests that a server of the app's has met, and hands on.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{StreamExt, stream};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::body::AnswerBody;
use crate::engine::object::Chunks;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::routes::{Found, Route, find_with_urls};

/// How many pieces of a body wait between the socket and the storage.
const PIECES_UNDER_WAY: usize = 4;

type Piece = Result<Bytes>;

/// A request whose body comes piece by piece, and whose answer goes so. `C` is kept until it is answered.
pub struct Handed<C> {
    asked: Option<(C, Found, Parts)>,
    sender: Option<mpsc::Sender<Piece>>,
    receiver: Option<mpsc::Receiver<Piece>>,
    answer: Option<Chunks>,
    is_done: bool,
}

/// Whether more of a body is wanted.
pub enum MoreBody {
    /// That is known.
    Known(bool),
    /// A piece has to wait until there is room for it.
    Waits(BoxFuture<'static, bool>),
}

impl<C> Handed<C> {
    /// The request; `has_urls` says whether the storage hands out urls. `None` for what is not of 0.1, which stays the
    /// app's: its own health route, and its answer to other methods.
    pub fn new(
        (method, url): (&str, &str),
        has_urls: impl FnOnce() -> bool,
        keeps: impl FnOnce() -> Result<C>,
    ) -> Result<Option<Self>> {
        let Some((found, head)) = handed((method, url), has_urls) else {
            return Ok(None);
        };
        let (sender, receiver) = mpsc::channel(PIECES_UNDER_WAY);
        Ok(Some(Self {
            asked: Some((keeps()?, found, head)),
            sender: Some(sender),
            receiver: Some(receiver),
            answer: None,
            is_done: false,
        }))
    }

    /// More of the body. Whether there is to be more yet.
    pub fn push(&self, piece: Bytes) -> MoreBody {
        let Some(sender) = self.sender.clone() else {
            return MoreBody::Known(false);
        };
        match sender.try_send(Ok(piece)) {
            Ok(()) => MoreBody::Known(true),
            Err(TrySendError::Closed(_)) => MoreBody::Known(false),
            Err(TrySendError::Full(piece)) => {
                MoreBody::Waits(Box::pin(async move { sender.send(piece).await.is_ok() }))
            }
        }
    }

    /// There is no more of the body. Where it broke off, what is to be done so that the answer hears of it.
    pub fn end(&mut self, broken: bool) -> Option<impl Future<Output = ()> + Send + use<C>> {
        let sender = self.sender.take().filter(|_| broken)?;
        Some(async move {
            let broke_off = Error::new(ErrorKind::Io, "read a request", "the body broke off");
            // There is no listener if the answer did not wait for the body.
            let _ = sender.send(Err(broke_off)).await;
        })
    }

    /// What is asked for, with these headers, which are JSON by their names, and the body. Once.
    pub fn take(&mut self, headers: &str) -> Option<(C, Found, Parts, Chunks)> {
        let ((keeps, found, mut head), receiver) = self.asked.take().zip(self.receiver.take())?;
        head.headers = headers_of(headers);
        let body = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|piece| (piece, receiver))
        });
        Some((keeps, found, head, body.boxed()))
    }

    /// The answer without what of it comes in pieces, which is kept.
    pub fn answered(&mut self, response: Response<AnswerBody>) -> Response<Option<Bytes>> {
        response.map(|body| match body {
            AnswerBody::Whole(bytes) => Some(bytes),
            AnswerBody::Pieces(pieces) => {
                self.go_on(pieces);
                None
            }
        })
    }

    /// The pieces that are kept.
    pub fn pieces(&mut self) -> Option<Chunks> {
        self.answer.take()
    }

    /// Keeps the rest of the answer, unless it will not be asked for.
    pub fn go_on(&mut self, pieces: Chunks) {
        self.answer = Some(pieces).filter(|_| !self.is_done);
    }

    /// Lets go of all of it.
    pub fn done(&mut self) {
        *self = Self {
            asked: None,
            sender: None,
            receiver: None,
            answer: None,
            is_done: true,
        };
    }
}

/// What a request asks for, and its head without headers.
fn handed((method, url): (&str, &str), has_urls: impl FnOnce() -> bool) -> Option<(Found, Parts)> {
    let method = Method::from_bytes(method.as_bytes()).ok()?;
    let found = find_with_urls(&method, url, has_urls);
    match found {
        Found::Route(Route::Health | Route::Events)
        | Found::NoUrls
        | Found::OtherMethods(_)
        | Found::Nothing => return None,
        _ => {}
    }
    let (mut head, ()) = http::Request::new(()).into_parts();
    head.method = method;
    Some((found, head))
}

/// The headers of a request, which are JSON by their names.
fn headers_of(json: &str) -> HeaderMap {
    let given: BTreeMap<String, serde_json::Value> = serde_json::from_str(json).unwrap_or_default();
    let header = |(name, value): (String, serde_json::Value)| {
        let value = HeaderValue::from_bytes(value.as_str()?.as_bytes()).ok()?;
        Some((HeaderName::try_from(name).ok()?, value))
    };
    given.into_iter().filter_map(header).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn put() -> Handed<()> {
        let handed = Handed::new(("PUT", "/files/key"), || false, || Ok(()));
        handed.unwrap().unwrap()
    }

    #[test]
    fn what_is_no_request_of_the_exchange_stays_the_apps() {
        for asked in [
            ("GET", "/health"),
            ("GET", "/"),
            ("no method", "/"),
            ("POST", "/files/presign"),
        ] {
            let keeps = || -> Result<()> { unreachable!("nothing is kept of it") };
            assert!(Handed::new(asked, || false, keeps).unwrap().is_none());
        }
    }

    #[tokio::test]
    async fn a_body_waits_where_the_answer_does_not_keep_up_and_says_where_it_broke_off() {
        let mut handed = put();
        for _ in 0..PIECES_UNDER_WAY {
            assert!(matches!(
                handed.push(Bytes::from("a")),
                MoreBody::Known(true)
            ));
        }
        let MoreBody::Waits(waits) = handed.push(Bytes::from("b")) else {
            unreachable!("there is no room");
        };
        let ((), _, _, body) = handed.take("{}").unwrap();
        assert!(handed.take("{}").is_none());
        let broke_off = handed.end(true).unwrap();
        let feeding = async {
            let wanted = waits.await;
            broke_off.await;
            wanted
        };
        let (wanted, pieces) = tokio::join!(feeding, body.collect::<Vec<_>>());
        assert!(wanted);
        assert_eq!(pieces.len(), PIECES_UNDER_WAY + 2);
        assert!(pieces.last().unwrap().is_err());
        assert!(matches!(handed.push(Bytes::new()), MoreBody::Known(false)));
    }

    #[tokio::test]
    async fn nothing_is_kept_of_an_answer_that_nobody_waits_for() {
        let mut handed = put();
        drop(handed.take("{}"));
        assert!(matches!(handed.push(Bytes::new()), MoreBody::Known(false)));
        handed.done();
        let pieces = || AnswerBody::Pieces(stream::empty().boxed());
        assert!(handed.answered(Response::new(pieces())).body().is_none());
        assert!(handed.pieces().is_none());
    }
}
