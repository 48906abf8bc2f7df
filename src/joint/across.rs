//! A channel whose adapters live on one thread, behind the routes of a server: what only they can do is a
//! [task](TaskQueue) there.

use std::error::Error as StdError;
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::serving::{StoreFiles, StoreUrls};
use super::tasks::TaskQueue;
use crate::engine::object::{Incoming, pieces_of};
use crate::engine::ports::{Log as EngineLog, Stat};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::grant::Grant;
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::wire::Json;
use crate::store::ObjectStore;
use crate::transport::presign::{FileToUpload, Presigned};
use crate::transport::routes::Refusal;
use crate::transport::server::{
    About, AccessRequest, Answers, Arrived, Authorizer, Channel, ChannelLimits, FaultLog, File,
    Files, Later, News, Presigner, Rates,
};

/// What a url is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlFor {
    /// Getting an object.
    Get,
    /// Putting one.
    Put,
}

impl UrlFor {
    /// The method of the request that is made to it.
    pub fn method(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Put => "PUT",
        }
    }
}

/// What of a channel lives on the thread of its adapters.
#[allow(
    async_fn_in_trait,
    reason = "the crate's own callers name the concrete types"
)]
pub trait LocalChannel: 'static {
    /// A request as the app has it, where it does.
    type Request: 'static;

    /// One request of a caller that gets JSON, and its answer.
    async fn exchange(&self, request: Request<Json>) -> Result<Answer<Json>>;
    /// What the app's transport answers to the text of a request.
    async fn relay(&self, request: &str) -> Result<Json>;
    /// What a caller may do, if it comes in.
    async fn admits(
        &self,
        request: Option<&Self::Request>,
        wanted: &AccessRequest,
    ) -> Result<Option<Grant>>;
    /// What is known of an object, if it is there.
    async fn stat(&self, key: &Text) -> Result<Option<Stat>>;
    /// An object and its content type, if it is there.
    async fn get(&self, key: &Text) -> Result<Option<(Bytes, Option<String>)>>;
    /// Stores an object.
    async fn put(&self, key: &Text, content_type: Option<&Text>, bytes: &Bytes) -> Result<()>;
    /// Deletes an object.
    async fn delete(&self, key: &Text) -> Result<()>;
    /// A url to get the object from, or to put one to, if the storage has one.
    async fn presign(&self, way: UrlFor, file: &FileToUpload) -> Result<Option<Presigned>>;
    /// Says a warning.
    fn warn(&self, message: &str, error: Option<&Error>);
    /// Tells the app what came in with an exchange.
    fn arrived(&self, arrived: &Arrived);
}

/// What tasks are run with: the channels, and the request that is answered where the app has it.
pub struct Context<K: LocalChannel> {
    /// The channels, in the order of their numbers.
    pub channels: Vec<Rc<K>>,
    /// The request.
    pub request: Option<K::Request>,
}

/// The way to a channel from the native threads.
pub struct Across<K: LocalChannel> {
    tasks: TaskQueue<Context<K>>,
    channel: usize,
    /// Whether exchanges go through to a transport that is the app's own.
    relays: bool,
}

/// What a channel has besides its answers.
pub struct Around {
    /// A storage of this crate's own, which is reached without the channel.
    pub store: Option<Arc<dyn ObjectStore>>,
    /// Whether the storage hands out urls.
    pub has_urls: bool,
    /// Whether somebody decides about callers.
    pub is_guarded: bool,
    /// What every caller may do at most.
    pub grant: Arc<Grant>,
    /// What it allows.
    pub limits: ChannelLimits,
}

impl<K: LocalChannel> Across<K> {
    /// The way to the channel with this number.
    pub fn new(tasks: &TaskQueue<Context<K>>, channel: usize, relays: bool) -> Self {
        Self {
            tasks: tasks.clone(),
            channel,
            relays,
        }
    }

    /// The channel itself, for the native threads.
    pub fn channel(self, around: Around) -> Channel {
        let way = Arc::new(self);
        let (files, presigner): (Arc<dyn Files>, Arc<dyn Presigner>) = match around.store {
            Some(store) => (
                Arc::new(StoreFiles(Arc::clone(&store))),
                Arc::new(StoreUrls(store)),
            ),
            None => (Arc::clone(&way) as _, Arc::clone(&way) as _),
        };
        let guard = || Arc::clone(&way) as Arc<dyn Authorizer>;
        Channel {
            answers: Arc::clone(&way) as _,
            files,
            presigner: Some(presigner).filter(|_| around.has_urls),
            authorizer: around.is_guarded.then(guard),
            grant: around.grant,
            log: way,
            limits: around.limits,
            news: News::default(),
            rates: Rates::default(),
            stats: Arc::default(),
        }
    }

    /// Has `work` done with the channel.
    fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl AsyncFnOnce(&K, &Context<K>) -> Result<T> + Send + 'static,
    ) -> Later<'_, T> {
        let number = self.channel;
        let work = async move |context: Rc<Context<K>>| {
            let channel = context.channels.get(number).ok_or_else(|| {
                let what = "has no such channel";
                Error::new(ErrorKind::InvalidArgument, operation, what)
            })?;
            let outcome = work(channel, &context).await;
            outcome.map_err(|error| said(&**channel, operation, &error))
        };
        Box::pin(self.tasks.run(operation, work))
    }

    /// Has the channel say an error, where there still is one.
    fn post(&self, error: Option<&Error>, say: impl FnOnce(&K, Option<&Error>) + Send + 'static) {
        let (number, error) = (self.channel, error.cloned());
        self.tasks.post(move |context| {
            if let Some(channel) = context.channels.get(number) {
                say(channel, error.as_ref());
            }
        });
    }
}

/// Warnings of an answering side on the native threads: they are said where those of the others are.
pub struct Warnings<K: LocalChannel>(pub Across<K>);

impl<K: LocalChannel> EngineLog for Warnings<K> {
    fn warn(&self, message: &str, error: Option<&Error>) {
        let message = message.to_owned();
        self.0
            .post(error, move |channel, error| channel.warn(&message, error));
    }
}

/// The mark of an error that was said already.
#[derive(Debug, thiserror::Error)]
#[error("see the warning of the JavaScript thread")]
struct AlreadySaid;

/// What a caller hears of the error, without its cause, which may be a value that only the channel's thread may hold. A
/// fault is said before, with the cause.
fn said(channel: &impl LocalChannel, operation: &str, error: &Error) -> Error {
    if Refusal::of(error).is_fault() {
        channel.warn(&failed(operation), Some(error));
    }
    let told = Error::new(error.kind(), "", error.told()).caused_by(AlreadySaid);
    match error.network() {
        Some(network) => told.of_request(network.clone()),
        None => told,
    }
}

fn failed(operation: &str) -> String {
    format!("{operation} failed for a caller")
}

impl<K: LocalChannel> Answers for Across<K> {
    fn exchange(&self, request: Request<Json>) -> Later<'_, Answer<Json>> {
        self.run("exchange", async move |channel: &K, _: &Context<K>| {
            channel.exchange(request).await
        })
    }

    fn relay(&self, request: &[u8]) -> Option<Later<'_, Json>> {
        if !self.relays {
            return None;
        }
        let request = Json::from(String::from_utf8_lossy(request));
        Some(
            self.run("exchange", async move |channel: &K, _: &Context<K>| {
                channel.relay(&request).await
            }),
        )
    }
}

impl<K: LocalChannel> Authorizer for Across<K> {
    fn admits(&self, wanted: AccessRequest) -> Later<'_, Option<Grant>> {
        self.run(
            "authorize",
            async move |channel: &K, context: &Context<K>| {
                channel.admits(context.request.as_ref(), &wanted).await
            },
        )
    }
}

impl<K: LocalChannel> FaultLog for Across<K> {
    fn fault(&self, operation: &'static str, error: &Error) {
        if error
            .cause()
            .is_some_and(<dyn StdError + Send + Sync>::is::<AlreadySaid>)
        {
            return;
        }
        self.warn(failed(operation), error);
    }

    fn warn(&self, message: String, error: &Error) {
        self.post(Some(error), move |channel, error| {
            channel.warn(&message, error);
        });
    }

    fn arrived(&self, arrived: &Arc<Arrived>) {
        let arrived = Arc::clone(arrived);
        self.post(None, move |channel, _| channel.arrived(&arrived));
    }
}

impl<K: LocalChannel> Files for Across<K> {
    fn about(&self, key: String) -> Later<'_, Option<About>> {
        self.run("has", async move |channel: &K, _: &Context<K>| {
            let stat = channel.stat(&Text::from(key.as_str())).await?;
            Ok(stat.map(|stat| About {
                size: stat.size,
                digest: stat.digest,
                ..About::default()
            }))
        })
    }

    fn open(&self, key: String) -> Later<'_, Option<File>> {
        let fetched = self.run("get", async move |channel: &K, _: &Context<K>| {
            channel.get(&Text::from(key.as_str())).await
        });
        Box::pin(async move {
            let file = |(bytes, content_type): (Bytes, Option<String>)| File {
                about: About {
                    size: Some(bytes.len() as u64),
                    content_type,
                    ..About::default()
                },
                size: bytes.len() as u64,
                read: Box::new(move |range| pieces_of(part(&bytes, &range))),
            };
            Ok(fetched.await?.map(file))
        })
    }

    fn put(&self, key: String, file: Incoming) -> Later<'_, ()> {
        Box::pin(async move {
            let content_type = file.content_type.as_deref().map(Text::from);
            let bytes = file.whole().await?;
            let put = async move |channel: &K, _: &Context<K>| {
                let key = Text::from(key.as_str());
                channel.put(&key, content_type.as_ref(), &bytes).await
            };
            self.run("put", put).await
        })
    }

    fn holds_whole_files(&self) -> bool {
        true
    }

    fn delete(&self, key: String) -> Later<'_, ()> {
        self.run("delete", async move |channel: &K, _: &Context<K>| {
            channel.delete(&Text::from(key.as_str())).await
        })
    }
}

impl<K: LocalChannel> Presigner for Across<K> {
    fn to_get(&self, key: String) -> Later<'_, Option<Presigned>> {
        let file = FileToUpload {
            key,
            ..FileToUpload::default()
        };
        self.run("presign", async move |channel: &K, _: &Context<K>| {
            channel.presign(UrlFor::Get, &file).await
        })
    }

    fn to_put(&self, file: FileToUpload) -> Later<'_, Option<Presigned>> {
        self.run("presign", async move |channel: &K, _: &Context<K>| {
            channel.presign(UrlFor::Put, &file).await
        })
    }
}

fn part(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.slice(place(range.start)..place(range.end))
}
