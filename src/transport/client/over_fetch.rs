//! A peer over a `fetch` that is not this package's own.
//!
//! What a request asks for, which statuses are answers, and what they say of a file is as with connections of this
//! package's own; how a request is sent, and where the bytes of a file are, is the [`Sender`]'s.

use bytes::Bytes;
use serde::Serialize;

use super::presign::{is_not_found, no_urls, or_no_urls, presign_path, upload_heads};
use super::presign_over_fetch::WayOfFetch;
use super::{
    Asked, Caller, Content, FIRST_BYTE, Failure, Fetched, HEALTH_PATH, Head, Look, Looking,
    PeerTerms, Sender, Wanted, confirmed, fetch, file_path, pause, repeat, text_in,
};
use crate::engine::object::page_instead;
use crate::engine::ports::Stat;
use crate::error::{Error, ErrorKind, Network, Reason, Result};
use crate::protocol::item::Blob;
use crate::protocol::message::Expected;
use crate::protocol::text::Text;

/// A peer.
#[derive(Debug)]
pub struct OverFetch<S, C> {
    /// How requests are sent.
    pub sender: S,
    /// The caller, which adds to them.
    pub caller: C,
    /// Which peer it is.
    pub terms: PeerTerms,
}

/// An object's bytes, how many they are, and the content type.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Whole<D> {
    /// The bytes.
    #[serde(skip)]
    pub data: D,
    /// How many they are.
    pub size: u64,
    /// The content type it was put with.
    #[serde(skip_serializing_if = "Option::is_none")]
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
        let Some(way) = self.way_from(&blob.key).await? else {
            return Ok(None);
        };
        let fetched = self.ask_by(&way, Wanted::File(blob.size), &[]).await?;
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
            failure.at(&way.base_url, &way.head.path).error
        })
    }

    fn looking(&self, wants_size: bool) -> Looking {
        Looking {
            wants_size,
            forbidden_is_absent: self.terms.forbidden_is_absent,
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
            let Some(way) = self.way_from(key).await? else {
                return Ok(None);
            };
            look = match self.ask_by(&way, Wanted::FirstByte, &[416]).await? {
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
        let way = WayOfFetch::through(&self.terms.base_url, Head::bare(method, path));
        self.ask_by(&way, wanted, accepts).await
    }

    /// The same, by a way of a file.
    async fn ask_by(
        &self,
        way: &WayOfFetch,
        wanted: Wanted,
        accepts: &[u16],
    ) -> Result<Option<Fetched<S::Data>>> {
        let mut accepts = accepts.to_vec();
        let method = way.head.method;
        let looks = method == "HEAD" || matches!(wanted, Wanted::File(_) | Wanted::FirstByte);
        accepts.extend(Some(403).filter(|_| looks && self.terms.forbidden_is_absent));
        repeat(
            self.terms.retries,
            async |_| {
                let mut headers = way.headers(&self.caller).await?;
                if looks {
                    headers.set("Accept-Encoding", "identity");
                }
                if wanted == Wanted::FirstByte {
                    headers.set("Range", FIRST_BYTE);
                }
                let asked = Asked {
                    method,
                    base_url: &way.base_url,
                    path: &way.head.path,
                    headers: &headers,
                    body: None,
                    wanted,
                    accepts: &accepts,
                };
                fetch(&self.sender, &asked).await
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
        if self.put(blob, data).await? {
            return Ok(());
        }
        self.confirm(blob, size).await
    }

    /// Stores an object. Returns whether the peer vouched for its bytes.
    pub async fn put(&self, blob: &Blob, data: &S::Data) -> Result<bool> {
        let size = self.sender.size(data)?;
        let put = async |way: &WayOfFetch| {
            let put = repeat(
                self.terms.retries,
                async |_| {
                    let asked = Asked {
                        method: "PUT",
                        base_url: &way.base_url,
                        path: &way.head.path,
                        headers: &way.headers(&self.caller).await?,
                        body: Some(Content::Bytes(data)),
                        wanted: Wanted::Nothing,
                        accepts: &[],
                    };
                    fetch(&self.sender, &asked).await
                },
                async |how_long| pause(&self.caller, how_long).await,
            );
            match put.await? {
                Some(fetched) => Ok(fetched.head.vouched),
                None => Err(Error::sync("store an object", "the peer answered 404")),
            }
        };
        self.upload(blob, size, put).await
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
        self.tell(&head, read).await
    }

    /// Posts a text, or asks where there is none, and reads the answer.
    async fn tell<T>(
        &self,
        head: &Head,
        read: impl AsyncFn(Fetched<S::Data>) -> Result<T>,
    ) -> Result<T> {
        let body = head.body.as_ref().filter(|body| !body.is_empty());
        repeat(
            self.terms.retries,
            async |_| {
                let headers = self.caller.headers(head).await?;
                let text = body.map(|text| text_in(text)).transpose()?;
                let asked = Asked {
                    method: head.method,
                    base_url: &self.terms.base_url,
                    path: &head.path,
                    headers: &headers,
                    body: text.map(Content::Text),
                    wanted: Wanted::Message,
                    accepts: &[],
                };
                let fetched = fetch(&self.sender, &asked).await?;
                let fetched = fetched
                    .ok_or_else(|| Error::sync("malformed exchange answer", "there is none"))?;
                let status = fetched.head.status;
                read(fetched).await.map_err(|error| {
                    let failure = Failure::from(error).answered(status);
                    failure.at(&self.terms.base_url, &head.path)
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

impl<S: Sender, C: Caller> OverFetch<S, C> {
    /// The way from which a file comes; `None` if there is no such file.
    async fn way_from(&self, key: &Text) -> Result<Option<WayOfFetch>> {
        if !self.terms.presigns {
            let head = Head::bare("GET", &file_path(key)?);
            return Ok(Some(WayOfFetch::through(&self.terms.base_url, head)));
        }
        let head = Head::bare("GET", &presign_path(key)?);
        match self.tell(&head, async |told| self.text_of(&told)).await {
            Ok(answer) => {
                WayOfFetch::by(&answer, &self.terms.base_url, Head::bare("GET", "")).map(Some)
            }
            Err(error) if is_not_found(&error) => {
                // Where no urls are handed out that is the answer as well.
                let path = file_path(key)?;
                let looked = self.ask("HEAD", &path, Wanted::Nothing, &[400, 405, 501]);
                let found = looked.await?;
                let look = found.map(|found| found.head.look(self.looking(false)));
                match look {
                    Some(Look::There(stat)) if !stat.is_page => Err(no_urls(error)),
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
        put: impl AsyncFnOnce(&WayOfFetch) -> Result<bool>,
    ) -> Result<bool> {
        let head = Head {
            content_type: blob.mime_type.as_ref().map(ToString::to_string),
            ..Head::put(&file_path(&blob.key)?)
        };
        if !self.terms.presigns {
            return put(&WayOfFetch::through(&self.terms.base_url, head)).await;
        }
        let [presign, confirm] = upload_heads(blob, size)?;
        let told = self.tell(&presign, async |told| self.text_of(&told)).await;
        let answer = told.map_err(or_no_urls)?;
        put(&WayOfFetch::by(&answer, &self.terms.base_url, head)?).await?;
        self.tell(&confirm, async |_| Ok(())).await?;
        Ok(true)
    }

    fn text_of(&self, told: &Fetched<S::Data>) -> Result<Vec<u8>> {
        self.sender
            .text(&told.data)
            .map_err(|error| Error::sync("presign an object", error.to_string()).caused_by(error))
    }
}
