//! Files of a peer, over a `fetch` of the app's.

use std::rc::Rc;

use super::callbacks::PeerOptions;
use super::fetching::{Asked, Fetch, Fetched, Sent, Wanted};
use crate::engine::object::page_instead;
use crate::engine::ports::Stat;
use crate::error::{Error, Network, Reason, Result};
use crate::node::error::must_be;
use crate::node::value::Persistent;
use crate::protocol::item::Blob;
use crate::protocol::text::Text;
use crate::transport::client::{
    FIRST_BYTE, Failure, HEALTH_PATH, Head, Look, Looking, confirmed, file_path, pause, repeat,
};

/// Files of a peer, over a `fetch` of the app's.
pub struct FetchFiles {
    pub(super) app: Rc<PeerOptions>,
    pub(super) fetch: Fetch,
}

/// An object's bytes, how many they are, and the content type.
pub struct Whole {
    /// The bytes.
    pub data: Persistent,
    /// How many they are.
    pub size: u64,
    /// The content type it was put with.
    pub content_type: Option<String>,
}

impl FetchFiles {
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
    pub async fn get(&self, blob: &Blob) -> Result<Option<Whole>> {
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
            failure.at(&self.app.base_url, &path).error
        })
    }

    fn looking(&self, wants_size: bool) -> Looking {
        Looking {
            wants_size,
            forbidden_is_absent: self.app.forbidden_is_absent,
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
    ) -> Result<Option<Fetched>> {
        let mut accepts = accepts.to_vec();
        let looks = method == "HEAD" || matches!(wanted, Wanted::File(_) | Wanted::FirstByte);
        accepts.extend(Some(403).filter(|_| looks && self.app.forbidden_is_absent));
        let head = Head::bare(method, path);
        repeat(
            self.app.retries,
            async |_| {
                let mut headers = self.app.headers(&head).await?;
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
                self.fetch.send(&self.app, asked).await
            },
            async |how_long| pause(&self.app, how_long).await,
        )
        .await
    }

    /// Puts an object, and makes sure that the peer has it.
    pub async fn store(&self, blob: &Blob, data: &Persistent) -> Result<()> {
        let size = data
            .env()
            .scope(|scope| Ok(scope.byte_length(data.value(scope)?)))?
            .ok_or_else(|| must_be("an object's data", "a Uint8Array", "something else"))?;
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
        data: &Persistent,
        content_type: Option<&str>,
    ) -> Result<bool> {
        let path = file_path(key)?;
        let head = Head {
            content_type: content_type.map(ToOwned::to_owned),
            ..Head::put(&path)
        };
        let put = repeat(
            self.app.retries,
            async |_| {
                let headers = self.app.headers(&head).await?;
                let asked = Asked {
                    method: "PUT",
                    path: &path,
                    headers: &headers,
                    body: Some(Sent::Bytes(data)),
                    wanted: Wanted::Nothing,
                    accepts: &[],
                };
                self.fetch.send(&self.app, asked).await
            },
            async |how_long| pause(&self.app, how_long).await,
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

    /// What was fetched, if it is all that was announced.
    fn whole(&self, fetched: Fetched) -> Result<Whole> {
        let size = self
            .app
            .env()
            .scope(|scope| Ok(scope.byte_length(fetched.data.value(scope)?)))?
            .ok_or_else(|| Error::sync("fetch an object", "the answer has no bytes"))?;
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
