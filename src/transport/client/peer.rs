//! One peer as ports of the engine: its answering side, and its files ([`files`]).

mod files;

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;

pub use self::files::confirmed;
use super::presign::WayOfFile;
use super::{Caller, Client, Failure, HEALTH_PATH, Head, Headers, pause, repeat, text_of};
use crate::engine::ports::Exchange;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::item::Item;
use crate::protocol::message::{Answer, Expected, Request};
use crate::protocol::wire::{Json, weigh, write_request};

/// A peer, as `C` speaks with it.
#[derive(Debug, Clone)]
pub struct Peer<C> {
    /// The way to it.
    pub client: Arc<Client>,
    /// How many further tries a request has.
    pub retries: u32,
    /// See [`Caller`].
    pub caller: C,
    /// Whether the bytes of files go to urls that the peer hands out, and come from such.
    pub presigns: bool,
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

    /// Makes a request, and makes it again while that is worth it.
    pub(super) async fn ask<T, A, F>(&self, head: &Head, ask: A) -> Result<T>
    where
        T: Send + 'static,
        A: Fn(Arc<Client>, Head, Headers) -> F,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        self.ask_by(&WayOfFile::through(&self.client, head.clone()), ask)
            .await
    }

    /// The same, by a way of a file.
    async fn ask_by<T, A, F>(&self, way: &WayOfFile, ask: A) -> Result<T>
    where
        T: Send + 'static,
        A: Fn(Arc<Client>, Head, Headers) -> F,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        repeat(
            self.retries,
            async |over| {
                let headers = way.headers(&self.caller).await?;
                let asking = ask(way.client.over(over), way.head.clone(), headers);
                let answer = self.caller.run(async move { Ok(asking.await) }).await?;
                answer.map_err(|failure| way.client.located(failure, &way.head.path))
            },
            async |how_long| pause(&self.caller, how_long).await,
        )
        .await
    }
}

/// Does `work` on another thread. It ends if its outcome is not waited for any longer.
async fn aside<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<T, Failure> {
    let mut aside = JoinSet::new();
    aside.spawn(work);
    match aside.join_next().await {
        Some(Ok(outcome)) => outcome,
        Some(Err(failed)) => Err(unfinished().caused_by(failed).into()),
        None => Err(unfinished().into()),
    }
}

fn unfinished() -> Error {
    Error::new(
        ErrorKind::Internal,
        "exchange",
        "a request ended without an outcome; this is a fault of this package, please report it",
    )
}

impl<C: Caller> Peer<C> {
    /// Posts a request that is text already, and reads the answer.
    pub async fn post(&self, text: Bytes, expected: Expected) -> Result<Answer<Json>> {
        // What is signed is what is sent.
        let reading = (!self.caller.signs(), expected.items);
        let head = Head::post(&text, expected.compares);
        self.ask(&head, |client, head, headers| {
            let text = text.clone();
            async move { client.exchange(&head.path, text, &headers, reading).await }
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
        let expected = request.expects();
        if self.caller.is_asked() {
            let text = text_of(&self.caller, request).await?;
            return self.post(text, expected).await;
        }
        // All of it goes on by itself, whatever this side does meanwhile on its own thread.
        let reading = (true, expected.items);
        let head = Head::post(&Bytes::new(), expected.compares);
        let request = Arc::new(request);
        self.ask(&head, |client, head, headers| {
            let request = Arc::clone(&request);
            aside(async move {
                let text = Bytes::from(write_request(&request));
                client.exchange(&head.path, text, &headers, reading).await
            })
        })
        .await
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn pack(&self, item: &mut Item<Json>) -> Result<usize> {
        weigh(&item.body)
    }
}
