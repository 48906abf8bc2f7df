//! Stores of this crate's own behind the routes of a server.

use std::fmt;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::engine::object::{Incoming, UploadId};
use crate::engine::ports::Log;
use crate::engine::responder::Responder;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::message::{Answer, Request};
use crate::protocol::wire::weigh;
use crate::store::blocking::to_its_end;
use crate::store::side::NativeSide;
use crate::store::{Json, ObjectStore, ObjectUrl, PutOptions};
use crate::transport::presign::{FileToUpload, Presigned};
use crate::transport::server::{About, Answers, File, Files, GoesOn, Later, Presigner};

/// At most this many requests of a channel ask its stores at one time, each on a thread of its own. Others wait for that;
/// how many may is a limit of the server.
const AT_ONE_TIME: usize = 16;

/// Answers requests beside each other. What is answered from memory needs no thread and waits for nothing.
pub struct StoreAnswers<L: Log> {
    responder: Arc<Responder<NativeSide<L>>>,
    places: Arc<Semaphore>,
}

impl<L: Log> fmt::Debug for StoreAnswers<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreAnswers")
    }
}

impl<L: Log> StoreAnswers<L> {
    /// Over these stores.
    pub fn new(responder: Responder<NativeSide<L>>) -> Self {
        Self {
            responder: Arc::new(responder),
            places: Arc::new(Semaphore::new(AT_ONE_TIME)),
        }
    }
}

impl<L: Log + Send + Sync + 'static> Answers for StoreAnswers<L> {
    fn exchange(&self, request: Request<Json>) -> Later<'_, Answer<Json>> {
        Box::pin(async move {
            let request = match self.responder.answer_at_hand(request) {
                Ok(answer) => return Ok(answer),
                Err(request) => request,
            };
            let place = Arc::clone(&self.places).acquire_owned().await;
            let (responder, threads) = (Arc::clone(&self.responder), Handle::current());
            // What a responder does between two waits stays on one thread.
            let answered = spawn_blocking(move || {
                let _place = place;
                let answer = responder.answer_packed(request, &|item| weigh(&item.body));
                to_its_end(&threads, answer)
            });
            answered.await.unwrap_or_else(|failed| {
                Err(Error::new(
                    ErrorKind::Internal,
                    "exchange",
                    "the work ended without an answer; this is a fault of this package, please report it",
                )
                .caused_by(failed))
            })
        })
    }
}

/// A storage of this crate's own hands out urls.
#[derive(Debug)]
pub struct StoreUrls(pub Arc<dyn ObjectStore>);

impl StoreUrls {
    async fn url(&self, key: &str, put: Option<PutOptions>) -> Result<Option<Presigned>> {
        let url = self.0.presign(key, put).await?;
        Ok(url.map(|ObjectUrl { url, headers }| Presigned { url, headers }))
    }
}

impl Presigner for StoreUrls {
    fn to_get(&self, key: String) -> Later<'_, Option<Presigned>> {
        Box::pin(async move { self.url(&key, None).await })
    }

    fn to_put(&self, file: FileToUpload) -> Later<'_, Option<Presigned>> {
        let options = PutOptions {
            content_type: file.content_type,
            metadata: None,
            size: file.size,
            digest: file.digest,
        };
        Box::pin(async move { self.url(&file.key, Some(options)).await })
    }
}

/// Files stream in and out of a storage.
#[derive(Debug)]
pub struct StoreFiles(pub Arc<dyn ObjectStore>);

impl Files for StoreFiles {
    fn about(&self, key: String) -> Later<'_, Option<About>> {
        Box::pin(async move { Ok(self.open(key).await?.map(|file| file.about)) })
    }

    fn open(&self, key: String) -> Later<'_, Option<File>> {
        Box::pin(async move {
            let Some(stored) = self.0.open_object(&key).await? else {
                return Ok(None);
            };
            let about = About {
                size: Some(stored.size),
                content_type: stored.content_type,
                version: Some(stored.version),
                digest: stored.digest,
            };
            Ok(Some(File {
                about,
                size: stored.size,
                read: stored.read,
            }))
        })
    }

    fn put(&self, key: String, file: Incoming) -> Later<'_, ()> {
        Box::pin(async move {
            let options = PutOptions {
                content_type: file.content_type,
                size: file.size,
                ..PutOptions::default()
            };
            self.0.put_chunks(&key, options, file.chunks).await
        })
    }

    fn parts(&self) -> Option<&dyn GoesOn> {
        Some(self)
    }

    fn delete(&self, key: String) -> Later<'_, ()> {
        Box::pin(async move { self.0.delete(&key).await })
    }
}

impl GoesOn for StoreFiles {
    fn uploaded(&self, key: String, upload: UploadId) -> Later<'_, u64> {
        Box::pin(async move { self.0.uploaded(&key, upload).await })
    }

    fn go_on(&self, key: String, file: Incoming, at: (UploadId, u64)) -> Later<'_, ()> {
        Box::pin(async move {
            let options = PutOptions {
                content_type: file.content_type,
                ..PutOptions::default()
            };
            self.0.go_on(&key, options, at, file.chunks).await
        })
    }
}
