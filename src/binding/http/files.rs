//! Files of a peer, over connections of this package's own.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;

use super::callbacks::{App, pause};
use crate::binding::executor::on_threads;
use crate::engine::object::Incoming;
use crate::error::Result;
use crate::protocol::text::Text;
use crate::transport::client::{Client, Failure, HEALTH_PATH, Headers, file_path, repeat};

/// What is behind a storage object.
pub struct NativeFiles {
    /// The peer.
    pub app: App,
    /// The way to it.
    pub client: Arc<Client>,
}

/// The body of a request without one, as whoever signs it sees it.
pub const NO_BODY: Option<&str> = Some("");

/// The body of a request that is not text.
pub const NO_TEXT: Option<&str> = None;

impl NativeFiles {
    /// Whether the peer is there and well.
    pub async fn is_healthy(&self) -> Result<bool> {
        self.ask("GET", HEALTH_PATH, |client, _, headers| async move {
            client.is_healthy(&headers).await
        })
        .await
    }

    /// Whether the object is there.
    pub async fn has(&self, key: &Text) -> Result<bool> {
        self.ask(
            "HEAD",
            &file_path(key)?,
            |client, path, headers| async move { client.has(&path, &headers).await },
        )
        .await
    }

    /// The object, if it is there.
    pub async fn get(&self, key: &Text) -> Result<Option<Incoming>> {
        self.ask(
            "GET",
            &file_path(key)?,
            |client, path, headers| async move { client.get(&path, &headers).await },
        )
        .await
    }

    /// Deletes the object.
    pub async fn delete(&self, key: &Text) -> Result<()> {
        self.ask(
            "DELETE",
            &file_path(key)?,
            |client, path, headers| async move { client.delete(&path, &headers).await },
        )
        .await
    }

    /// Puts an object of these bytes.
    pub async fn put_bytes(
        &self,
        key: &Text,
        bytes: Bytes,
        content_type: Option<&str>,
    ) -> Result<()> {
        let (path, realm) = (file_path(key)?, self.app.realm());
        repeat(
            self.app.retries,
            async || {
                let headers = self.app.headers("PUT", &path, None, NO_TEXT).await?;
                let (client, path, bytes) = (Arc::clone(&self.client), path.clone(), bytes.clone());
                let content_type = content_type.map(ToOwned::to_owned);
                let put = on_threads(realm, async move {
                    let content_type = content_type.as_deref();
                    Ok(client.put_bytes(&path, &headers, content_type, bytes).await)
                });
                put.await?
            },
            async |how_long| pause(realm, how_long).await,
        )
        .await
    }

    /// Puts an object whose bytes are still to come. There is one try: they come once.
    pub async fn put(&self, key: &Text, object: Incoming) -> Result<()> {
        let path = file_path(key)?;
        let headers = self.app.headers("PUT", &path, None, NO_TEXT).await?;
        let client = Arc::clone(&self.client);
        on_threads(self.app.realm(), async move {
            let put = client.put(&path, &headers, object).await;
            put.map_err(|failure| failure.error)
        })
        .await
    }

    async fn ask<T, A, F>(&self, method: &str, path: &str, ask: A) -> Result<T>
    where
        T: Send + 'static,
        A: Fn(Arc<Client>, String, Headers) -> F,
        F: Future<Output = Result<T, Failure>> + Send + 'static,
    {
        let realm = self.app.realm();
        repeat(
            self.app.retries,
            async || {
                let headers = self.app.headers(method, path, None, NO_BODY).await?;
                let asking = ask(Arc::clone(&self.client), path.to_owned(), headers);
                on_threads(realm, async move { Ok(asking.await) }).await?
            },
            async |how_long| pause(realm, how_long).await,
        )
        .await
    }
}

/// All the bytes of an object.
pub async fn collect(object: Incoming) -> Result<Bytes> {
    /// What is announced need not come.
    const BELIEVED: u64 = 64 * 1024 * 1024;
    let room = usize::try_from(object.size.unwrap_or(0).min(BELIEVED)).unwrap_or(0);
    let mut bytes = BytesMut::with_capacity(room);
    let mut chunks = object.chunks;
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes.freeze())
}
