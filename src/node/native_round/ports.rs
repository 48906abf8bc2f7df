//! The ports of a round on another thread, but for its clock.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::clock::RoundClock;
use super::context::Context;
use crate::engine::object::Incoming;
use crate::engine::ports::{Blobs, Events, Exchange, Log, Stat};
use crate::engine::progress::Progress;
use crate::engine::responder::Responder;
use crate::error::{Error, Result};
use crate::node::adapters::NativeStorage;
use crate::node::http::{PeerOptions, plain_headers};
use crate::node::runtime::TaskQueue;
use crate::node::stopping::Stop;
use crate::protocol::item::{Blob, Item};
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::protocol::wire::Json;
use crate::store::ports::{ObjectPort, Port};
use crate::store::side::NativeSide;
use crate::transport::client::{Caller, Head, Headers, Peer};

/// Warnings go to the app's console.
#[derive(Clone)]
pub struct Console(pub Arc<TaskQueue<Context>>);

impl Log for Console {
    fn warn(&self, message: &str, error: Option<&Error>) {
        let (message, error) = (message.to_owned(), error.cloned());
        self.0
            .post(move |context| context.engine.side.log.warn(&message, error.as_ref()));
    }
}

/// The app's listeners.
pub struct Listeners {
    /// The way to them.
    pub tasks: Arc<TaskQueue<Context>>,
    /// How the app calls the reconciliation off that runs, if it can.
    pub stop: Option<Arc<Stop>>,
}

impl Events for Listeners {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        self.tasks
            .run("changeNotifier", |context| {
                Box::pin(async move { context.engine.events.records_applied(ids).await })
            })
            .await
    }

    fn progressed(&self, progress: Progress) {
        self.tasks
            .post(move |context| context.engine.events.progressed(progress));
    }

    fn is_stopped(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.is_stopped())
    }

    async fn stopped(&self) {
        match &self.stop {
            Some(stop) => Arc::clone(stop).stopped().await,
            None => std::future::pending().await,
        }
    }
}

/// Who speaks with a peer on a thread of its own. The app is asked for headers where it has a say in them.
pub struct Asking {
    app: Option<(Arc<TaskQueue<Context>>, usize)>,
    signs: bool,
}

/// `peer` for another thread. Its app joins those that tasks find by their numbers.
pub fn asking(
    peer: &Peer<Rc<PeerOptions>>,
    tasks: &Arc<TaskQueue<Context>>,
    apps: &mut Vec<Rc<PeerOptions>>,
) -> Peer<Asking> {
    let app = peer.caller.is_asked().then(|| {
        apps.push(Rc::clone(&peer.caller));
        (Arc::clone(tasks), apps.len() - 1)
    });
    Peer {
        client: Arc::clone(&peer.client),
        retries: peer.retries,
        caller: Asking {
            app,
            signs: peer.caller.signs(),
        },
    }
}

impl Caller for Asking {
    async fn headers(&self, head: &Head) -> Result<Headers> {
        let Some((tasks, number)) = &self.app else {
            return Ok(plain_headers(head));
        };
        let (number, head) = (*number, head.clone());
        tasks
            .run("request headers", move |context| {
                Box::pin(async move {
                    match context.apps.get(number) {
                        Some(app) => app.headers(&head).await,
                        None => Ok(plain_headers(&head)),
                    }
                })
            })
            .await
    }

    fn signs(&self) -> bool {
        self.signs
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        work.await
    }
}

/// An object storage of this package.
pub enum Storage {
    /// A store.
    Store(ObjectPort),
    /// A peer's files.
    Peer(Peer<Asking>),
}

impl Storage {
    /// `found` for another thread.
    pub fn new(
        found: NativeStorage,
        tasks: &Arc<TaskQueue<Context>>,
        apps: &mut Vec<Rc<PeerOptions>>,
    ) -> Self {
        match found {
            NativeStorage::Store(store) => Self::Store(Port::here(store)),
            NativeStorage::Peer(peer) => Self::Peer(asking(&peer.0, tasks, apps)),
        }
    }
}

impl Blobs for Storage {
    type Data = Incoming;

    async fn has(&self, key: &Text) -> Result<bool> {
        match self {
            Self::Store(store) => store.has(key).await,
            Self::Peer(peer) => peer.has(key).await,
        }
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        match self {
            Self::Store(store) => store.stat(key).await,
            Self::Peer(peer) => peer.stat(key).await,
        }
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        match self {
            Self::Store(store) => store.inspect(key).await,
            Self::Peer(peer) => peer.inspect(key).await,
        }
    }

    async fn get(&self, key: &Text) -> Result<Option<Incoming>> {
        match self {
            Self::Store(store) => store.get(key).await,
            Self::Peer(peer) => peer.get(key).await,
        }
    }

    async fn put(&self, blob: &Blob, data: Incoming) -> Result<()> {
        match self {
            Self::Store(store) => store.put(blob, data).await,
            Self::Peer(peer) => peer.put(blob, data).await,
        }
    }

    async fn checked(&self, blob: &Blob, hashed: bool, data: Incoming) -> Result<Incoming> {
        data.checked(blob, hashed)
    }
}

/// The other side.
pub enum Answering {
    /// In this process, over native stores, one request at a time.
    InProcess(
        Box<Responder<NativeSide<Console, RoundClock>>>,
        Arc<Mutex<()>>,
    ),
    /// Over HTTP.
    Http(Peer<Asking>),
}

impl Exchange<Json> for Answering {
    async fn exchange(&self, request: Request<Json>) -> Result<Answer<Json>> {
        match self {
            Self::InProcess(responder, turns) => {
                let _turn = turns.lock().await;
                responder.answer(request).await
            }
            Self::Http(peer) => peer.exchange(request).await,
        }
    }

    fn pack(&self, item: &mut Item<Json>) -> Result<usize> {
        match self {
            Self::InProcess(..) => Ok(1),
            Self::Http(peer) => peer.pack(item),
        }
    }
}
