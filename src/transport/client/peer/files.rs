//! The files of a peer.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;

use super::super::presign::{
    WayOfFile, is_not_found, no_urls, or_no_urls, presign_path, upload_heads,
};
use super::super::resume::Resumed;
use super::super::rewind::Rewind;
use super::super::{Caller, Failure, Head, Look, file_path, pause, repeat};
use super::Peer;
use crate::engine::object::{Chunks, Incoming, page_instead};
use crate::engine::ports::{Blobs, Stat};
use crate::error::{Error, Result};
use crate::protocol::item::Blob;
use crate::protocol::text::Text;

impl<C: Caller> Peer<C> {
    /// Deletes a file. Where there is none, it is done.
    pub async fn delete(&self, key: &Text) -> Result<()> {
        self.ask(
            &Head::bare("DELETE", &file_path(key)?),
            |client, head, headers| async move { client.delete(&head.path, &headers).await },
        )
        .await
    }

    /// Puts a file of these bytes, and makes sure that the peer has it.
    pub async fn store_bytes(&self, blob: &Blob, bytes: Bytes) -> Result<()> {
        let size = bytes.len() as u64;
        if self.put_bytes(blob, bytes).await? {
            return Ok(());
        }
        self.confirm(blob, size).await
    }

    /// Puts a file of these bytes. Says whether the peer speaks this protocol.
    pub async fn put_bytes(&self, blob: &Blob, bytes: Bytes) -> Result<bool> {
        let content_type = blob.mime_type.as_ref().map(ToString::to_string);
        let size = Some(bytes.len() as u64);
        let put = async |way: &WayOfFile| {
            self.ask_by(way, |client, head, headers| {
                let (bytes, content_type) = (bytes.clone(), content_type.clone());
                async move {
                    let content_type = content_type.as_deref();
                    let put = client.put_bytes(&head.path, &headers, content_type, bytes);
                    put.await
                }
            })
            .await
        };
        self.upload(blob, size, put).await
    }

    /// What the peer says of a file without sending it; with `wants_size` nothing whose size it does not
    /// tell is there, unless the peer speaks this protocol.
    async fn look(&self, key: &Text, wants_size: bool) -> Result<Option<Stat>> {
        let path = file_path(key)?;
        let head = Head::bare("HEAD", &path);
        let look = self.ask(&head, move |client, head, headers| async move {
            client.look(&head.path, &headers, wants_size).await
        });
        let look = match look.await? {
            Look::Unclear => {
                let Some(way) = self.way_from(key).await? else {
                    return Ok(None);
                };
                let part = self.ask_by(&way, move |client, head, headers| async move {
                    client.look_at_part(&head.path, &headers, wants_size).await
                });
                part.await?
            }
            look => look,
        };
        Ok(match look {
            Look::There(stat) => Some(stat),
            _ => None,
        })
    }

    /// Whether a peer that answered well to a `PUT`, and does not say that it speaks this protocol, has the
    /// file now: a web server may answer everything with 200.
    async fn confirm(&self, blob: &Blob, size: u64) -> Result<()> {
        let mut stat = self.look(&blob.key, true).await?;
        if stat.is_none() {
            stat = self.inspect(&blob.key).await?;
        }
        confirmed(blob, size, stat.as_ref())
    }

    /// Where the upload of a large file goes on, if the peer has some of it.
    async fn resumed(&self, blob: &Blob, size: Option<u64>) -> Result<Resumed> {
        let goes_on = !self.presigns && self.client.takes_parts();
        let Some(upload) = Resumed::of(blob, size).filter(|_| goes_on) else {
            return Ok(Resumed::default());
        };
        let head = Head::bare("HEAD", &file_path(&blob.key)?);
        let offset = self.ask(&head, move |client, head, headers| async move {
            client.uploaded(&head.path, &headers, upload).await
        });
        Ok(Resumed {
            upload: Some(upload),
            offset: offset.await?,
        })
    }

    /// The file, where it is not a web page that came instead.
    pub async fn get_file(&self, key: &Text) -> Result<Option<Incoming>> {
        let object = Blobs::get(self, key).await?;
        match &object {
            Some(object) if object.is_page && !Blob::under(key.clone()).is_page() => {
                Err(page_instead(key))
            }
            _ => Ok(object),
        }
    }
}

impl<C: Caller> Peer<C> {
    /// The way from which a file comes; `None` if there is no such file.
    async fn way_from(&self, key: &Text) -> Result<Option<WayOfFile>> {
        if !self.presigns {
            let head = Head::bare("GET", &file_path(key)?);
            return Ok(Some(WayOfFile::through(&self.client, head)));
        }
        let head = Head::bare("GET", &presign_path(key)?);
        let told = self.ask(&head, |client, head, headers| async move {
            client.tell(&head, &headers).await
        });
        match told.await {
            Ok(answer) => WayOfFile::by(&answer, &self.client, Head::bare("GET", "")).map(Some),
            Err(error) if is_not_found(&error) => {
                // Where no urls are handed out that is the answer as well.
                let head = Head::bare("HEAD", &file_path(key)?);
                let look = self.ask(&head, |client, head, headers| async move {
                    client.look(&head.path, &headers, false).await
                });
                match look.await? {
                    Look::There(stat) if !stat.is_page => Err(no_urls(error)),
                    _ => Ok(None),
                }
            }
            Err(error) => Err(or_no_urls(error)),
        }
    }

    /// Has `put` bring a file to the peer. Returns whether the peer vouches for having it.
    async fn upload(
        &self,
        blob: &Blob,
        size: Option<u64>,
        put: impl AsyncFnOnce(&WayOfFile) -> Result<bool>,
    ) -> Result<bool> {
        if !self.presigns {
            let head = Head::put(&file_path(&blob.key)?);
            return put(&WayOfFile::through(&self.client, head)).await;
        }
        let [presign, confirm] = upload_heads(blob, size)?;
        let tell = async |head: &Head| {
            self.ask(head, |client, head, headers| async move {
                client.tell(&head, &headers).await
            })
            .await
        };
        let answer = tell(&presign).await.map_err(or_no_urls)?;
        put(&WayOfFile::by(&answer, &self.client, Head::put(""))?).await?;
        tell(&confirm).await?;
        Ok(true)
    }
}

impl<C: Caller> Blobs for Peer<C> {
    type Data = Incoming;

    async fn has(&self, key: &Text) -> Result<bool> {
        let stat = self.look(key, false).await?;
        let is_page = Blob::under(key.clone()).is_page();
        Ok(stat.is_some_and(|stat| !stat.is_page || is_page))
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        self.look(key, true).await
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        let Some(object) = self.get(key).await? else {
            return Ok(None);
        };
        self.caller.run(object.measured()).await.map(Some)
    }

    async fn get(&self, key: &Text) -> Result<Option<Incoming>> {
        let Some(way) = self.way_from(key).await? else {
            return Ok(None);
        };
        self.ask_by(&way, |client, head, headers| async move {
            client.get(&head.path, &headers).await
        })
        .await
    }

    /// There is one try, as the bytes come once. What a connection swallowed that the peer had closed is not
    /// lost with it, if it was not too much.
    async fn put(&self, blob: &Blob, data: Incoming) -> Result<()> {
        let content_type = blob.mime_type.as_ref().map(ToString::to_string);
        let resumed = self.resumed(blob, data.size).await?;
        let (chunks, count) = counted(resumed.rest(data.chunks));
        let size = data.size.map(|size| size - resumed.offset);
        let (is_page, bytes) = (data.is_page, Rewind::new(chunks));
        let put = async |way: &WayOfFile| {
            repeat(
                ONE_TRY,
                async |over| {
                    let mut headers = way.headers(&self.caller).await?;
                    resumed.describe(&mut headers);
                    let object = Incoming {
                        content_type: content_type.clone(),
                        size,
                        is_page,
                        chunks: bytes.begin(),
                    };
                    let (client, path) = (way.client.over(over), way.head.path.clone());
                    let put = async move { Ok(client.put(&path, &headers, object).await) };
                    self.caller.run(put).await?.map_err(|failure| Failure {
                        stale: failure.stale && bytes.can_begin_again(),
                        ..failure
                    })
                },
                async |how_long| pause(&self.caller, how_long).await,
            )
            .await
        };
        // Of what went on in the middle it is asked whether the whole is there: a part must not pass for it.
        let sent = self.upload(blob, data.size, put).await;
        let status = sent
            .as_ref()
            .err()
            .and_then(|error| error.network()?.status);
        if resumed.offset > 0 && status == Some(400) {
            self.client.sends_whole_files();
        }
        if sent? && resumed.offset == 0 {
            return Ok(());
        }
        let count = count.load(Ordering::Relaxed) + resumed.offset;
        self.confirm(blob, count).await
    }

    /// A server that speaks this protocol weighs `If-None-Match`; any other may store what it should not.
    fn puts_new(&self) -> bool {
        !self.presigns && self.client.is_vouched_for()
    }

    async fn put_new(&self, blob: &Blob, data: Incoming) -> Result<bool> {
        const PRECONDITION_FAILED: u16 = 412;
        let content_type = blob.mime_type.as_ref().map(ToString::to_string);
        let bytes = self.caller.run(data.whole()).await?;
        let size = bytes.len() as u64;
        let head = Head::put(&file_path(&blob.key)?);
        let put = self.ask(&head, |client, head, mut headers| {
            let (bytes, content_type) = (bytes.clone(), content_type.clone());
            async move {
                headers.set("If-None-Match", "*");
                let content_type = content_type.as_deref();
                client
                    .put_bytes(&head.path, &headers, content_type, bytes)
                    .await
            }
        });
        match put.await {
            Ok(true) => Ok(true),
            Ok(false) => self.confirm(blob, size).await.map(|()| true),
            Err(error) => match error.network().and_then(|network| network.status) {
                Some(PRECONDITION_FAILED) => Ok(false),
                _ => Err(error),
            },
        }
    }

    async fn checked(&self, blob: &Blob, hashed: bool, data: Incoming) -> Result<Incoming> {
        data.checked(blob, hashed)
    }
}

/// A file's bytes come once.
const ONE_TRY: u32 = 0;

/// The same bytes, and how many they were once they are over.
fn counted(chunks: Chunks) -> (Chunks, Arc<AtomicU64>) {
    let count = Arc::new(AtomicU64::new(0));
    let seen = Arc::clone(&count);
    let chunks = chunks.inspect(move |chunk| {
        if let Ok(chunk) = chunk {
            seen.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        }
    });
    (chunks.boxed(), count)
}

/// Whether a file of this size that was put is what the peer has.
///
/// # Errors
/// `Sync` where it is not.
pub fn confirmed(blob: &Blob, size: u64, stat: Option<&Stat>) -> Result<()> {
    let is_it = |stat: &Stat| {
        stat.size.is_none_or(|found| found == size) && (!stat.is_page || blob.is_page())
    };
    if stat.is_some_and(is_it) {
        return Ok(());
    }
    Err(Error::sync(
        "store an object",
        format!(
            "the peer answered well to the PUT of {:?} and does not have its {size} bytes; check baseUrl, and \
             whether the network asks for a login",
            blob.key.to_string()
        ),
    ))
}
