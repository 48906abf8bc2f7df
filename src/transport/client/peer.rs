//! One peer as ports of the engine: its answering side, and its files.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::rewind::Rewind;
use super::{Client, Failure, HEALTH_PATH, Headers, file_path, repeat};
use crate::engine::object::Incoming;
use crate::engine::ports::{Blobs, Exchange};
use crate::error::Result;
use crate::protocol::item::{Blob, Digest, Item};
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::wire::{Json, weigh, write_request};
use crate::transport::EXCHANGE_PATH;

/// A request, as whoever adds headers to it sees it.
#[derive(Debug, Clone)]
pub struct Head {
    /// The method.
    pub method: &'static str,
    /// The path below the base URL.
    pub path: String,
    /// The content type that goes with it.
    pub content_type: Option<String>,
    /// The text of the body, empty where there is none; `None` where it is no text.
    pub body: Option<Bytes>,
}

impl Head {
    /// A request without a body.
    pub fn bare(method: &'static str, path: &str) -> Self {
        Self {
            method,
            path: path.to_owned(),
            content_type: None,
            body: Some(Bytes::new()),
        }
    }

    /// The putting of a file.
    pub fn put(path: &str) -> Self {
        Self {
            body: None,
            ..Self::bare("PUT", path)
        }
    }

    /// The posting of a message.
    pub fn post(text: &Bytes) -> Self {
        Self {
            content_type: Some("application/json".to_owned()),
            body: Some(text.clone()),
            ..Self::bare("POST", EXCHANGE_PATH)
        }
    }
}

/// Who speaks with a peer: what it adds to requests, and the threads that it has for them.
#[allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]
pub trait Caller {
    /// The headers of a request. Asked before every try.
    async fn headers(&self, head: &Head) -> Result<Headers>;

    /// Whether requests have to arrive as [`Caller::headers`] saw them.
    fn signs(&self) -> bool;

    /// Does `work` where a connection can be waited for.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T>;
}

/// A peer, as `C` speaks with it.
#[derive(Debug)]
pub struct Peer<C> {
    /// The way to it.
    pub client: Arc<Client>,
    /// So many further tries a request has.
    pub retries: u32,
    /// See [`Caller`].
    pub caller: C,
}

impl<C: Caller> Peer<C> {
    /// Whether the peer is there and well.
    pub async fn is_healthy(&self) -> Result<bool> {
        self.ask(
            &Head::bare("GET", HEALTH_PATH),
            |client, _, headers| async move { client.is_healthy(&headers).await },
        )
        .await
    }

    /// Deletes a file. Where there is none, it is done.
    pub async fn delete(&self, key: &Text) -> Result<()> {
        self.ask(
            &Head::bare("DELETE", &file_path(key)?),
            |client, head, headers| async move { client.delete(&head.path, &headers).await },
        )
        .await
    }

    /// Puts a file of these bytes.
    pub async fn put_bytes(
        &self,
        key: &Text,
        bytes: Bytes,
        content_type: Option<&str>,
    ) -> Result<()> {
        let content_type = content_type.map(ToOwned::to_owned);
        self.ask(&Head::put(&file_path(key)?), |client, head, headers| {
            let (bytes, content_type) = (bytes.clone(), content_type.clone());
            async move {
                let content_type = content_type.as_deref();
                client
                    .put_bytes(&head.path, &headers, content_type, bytes)
                    .await
            }
        })
        .await
    }

    /// Makes a request, and makes it again while that is worth it.
    async fn ask<T, A, F>(&self, head: &Head, ask: A) -> Result<T>
    where
        T: Send + 'static,
        A: Fn(Arc<Client>, Head, Headers) -> F,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        repeat(
            self.retries,
            async |over| {
                let headers = self.caller.headers(head).await?;
                let asking = ask(self.client.over(over), head.clone(), headers);
                let answer = self.caller.run(async move { Ok(asking.await) }).await?;
                answer.map_err(|failure| self.client.located(failure, &head.path))
            },
            async |how_long| pause(&self.caller, how_long).await,
        )
        .await
    }
}

/// Waits before a further try.
///
/// # Errors
/// Where `caller` has no threads.
pub async fn pause(caller: &impl Caller, how_long: Duration) -> Result<()> {
    let sleep = async move {
        tokio::time::sleep(how_long).await;
        Ok(())
    };
    caller.run(sleep).await
}

/// The text of a request, written where that holds up nobody.
///
/// # Errors
/// Where `caller` has no threads.
pub async fn text_of(caller: &impl Caller, request: Request<Json>) -> Result<Bytes> {
    let text = async move { Ok(Bytes::from(write_request(&request))) };
    caller.run(text).await
}

impl<C: Caller> Peer<C> {
    /// Posts a request that is text already, and reads the answer.
    pub async fn post(&self, text: Bytes) -> Result<Answer<Json>> {
        // What is signed is what is sent.
        let may_pack = !self.caller.signs();
        self.ask(&Head::post(&text), |client, _, headers| {
            let text = text.clone();
            async move { client.exchange(text, &headers, may_pack).await }
        })
        .await
    }
}

impl<C: Caller> Exchange<Json> for Peer<C> {
    async fn exchange(&self, request: Request<Json>) -> Result<Answer<Json>> {
        let request = Request {
            max_answer_bytes: Some(self.client.max_answer_bytes()),
            ..request
        };
        self.post(text_of(&self.caller, request).await?).await
    }

    fn pack(&self, item: &mut Item<Json>) -> Result<usize> {
        weigh(&item.body)
    }
}

impl<C: Caller> Blobs for Peer<C> {
    type Data = Incoming;

    async fn has(&self, key: &Text) -> Result<bool> {
        self.ask(
            &Head::bare("HEAD", &file_path(key)?),
            |client, head, headers| async move { client.has(&head.path, &headers).await },
        )
        .await
    }

    async fn get(&self, key: &Text) -> Result<Option<Incoming>> {
        self.ask(
            &Head::bare("GET", &file_path(key)?),
            |client, head, headers| async move { client.get(&head.path, &headers).await },
        )
        .await
    }

    /// There is one try, as the bytes come once. What a connection swallowed that the peer had closed is not
    /// lost with it, if it was not too much.
    async fn put(&self, blob: &Blob, data: Incoming) -> Result<()> {
        const ONE_TRY: u32 = 0;
        let head = Head::put(&file_path(&blob.key)?);
        let content_type = blob.mime_type.as_ref().map(ToString::to_string);
        let (size, bytes) = (data.size, Rewind::new(data.chunks));
        repeat(
            ONE_TRY,
            async |over| {
                let headers = self.caller.headers(&head).await?;
                let object = Incoming {
                    content_type: content_type.clone(),
                    size,
                    chunks: bytes.begin(),
                };
                let (client, path) = (self.client.over(over), head.path.clone());
                let put = async move { Ok(client.put(&path, &headers, object).await) };
                self.caller.run(put).await?.map_err(|failure| Failure {
                    stale: failure.stale && bytes.can_begin_again(),
                    ..failure
                })
            },
            async |how_long| pause(&self.caller, how_long).await,
        )
        .await
    }

    async fn checked(&self, blob: &Blob, digest: Digest, data: Incoming) -> Result<Incoming> {
        Ok(data.checked(blob, digest))
    }
}
