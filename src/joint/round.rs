//! What a round over stores of this crate's own speaks to: stores, or a peer over HTTP.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::RwLock;

use super::asking::{App, Asking};
use super::tasks::TaskQueue;
use crate::engine::object::Incoming;
use crate::engine::ports::{Blobs, Clock, Exchange, Log, Stat};
use crate::engine::responder::Responder;
use crate::engine::watch::ByteCounter;
use crate::error::Result;
use crate::protocol::item::{Blob, Item};
use crate::protocol::message::{Answer, Request};
use crate::protocol::text::Text;
use crate::store::Json;
use crate::store::ports::{Here, ObjectPort, Port, Threading};
use crate::store::side::NativeSide;
use crate::transport::client::{Caller, Peer};

/// A storage of objects.
#[derive(Debug)]
pub enum Storage<C, P = Here> {
    /// A store.
    Store(ObjectPort<P>),
    /// A peer's files.
    Peer(Peer<C>),
}

/// Asks whichever it is. What a peer is asked is boxed: a request is large, and a round would have room for it in each
/// of its steps.
macro_rules! either {
    ($storage:expr, $name:ident => $ask:expr) => {
        match $storage {
            Self::Store($name) => $ask.await,
            Self::Peer($name) => Box::pin($ask).await,
        }
    };
}

impl<C: Caller, P: Threading> Storage<C, P> {
    /// Stores an object whose bytes are there.
    pub async fn put_bytes(&self, blob: &Blob, bytes: Bytes) -> Result<()> {
        match self {
            Self::Store(store) => store.put_bytes(blob, bytes).await,
            Self::Peer(peer) => Box::pin(peer.store_bytes(blob, bytes)).await,
        }
    }
}

impl<C: Caller, P: Threading> Blobs for Storage<C, P> {
    type Data = Incoming;

    async fn has(&self, key: &Text) -> Result<bool> {
        either!(self, storage => storage.has(key))
    }

    async fn stat(&self, key: &Text) -> Result<Option<Stat>> {
        either!(self, storage => storage.stat(key))
    }

    async fn inspect(&self, key: &Text) -> Result<Option<Stat>> {
        either!(self, storage => storage.inspect(key))
    }

    async fn get(&self, key: &Text) -> Result<Option<Incoming>> {
        either!(self, storage => storage.get(key))
    }

    async fn put(&self, blob: &Blob, data: Incoming) -> Result<()> {
        either!(self, storage => storage.put(blob, data))
    }

    fn takes_many(&self) -> bool {
        true
    }

    fn puts_new(&self) -> bool {
        match self {
            Self::Store(store) => store.puts_new(),
            Self::Peer(peer) => peer.puts_new(),
        }
    }

    async fn put_new(&self, blob: &Blob, data: Incoming) -> Result<bool> {
        either!(self, storage => storage.put_new(blob, data))
    }

    async fn checked(&self, blob: &Blob, hashed: bool, data: Incoming) -> Result<Incoming> {
        data.checked(blob, hashed)
    }

    fn counted(&self, data: Incoming, counter: &ByteCounter) -> Incoming {
        data.counted(counter)
    }
}

/// The way back from another thread to where the app lives, and the apps that are asked there for headers, by number.
pub struct WayBack<A, C> {
    queue: TaskQueue<A>,
    /// The apps that are asked.
    pub apps: Vec<C>,
}

impl<A: App, C: Caller + Clone> WayBack<A, C> {
    /// The way back by this queue.
    pub fn new(queue: &TaskQueue<A>) -> Self {
        Self {
            queue: queue.clone(),
            apps: Vec::new(),
        }
    }

    /// The peer for another thread.
    pub fn peer(&mut self, peer: &Peer<C>) -> Peer<Asking<A>> {
        let app = peer.caller.is_asked().then(|| {
            self.apps.push(peer.caller.clone());
            (self.queue.clone(), self.apps.len() - 1)
        });
        Peer {
            client: Arc::clone(&peer.client),
            retries: peer.retries,
            caller: Asking {
                app,
                signs: peer.caller.signs(),
            },
            presigns: peer.presigns,
        }
    }

    /// The storage for another thread.
    pub fn storage<P>(&mut self, found: &Storage<C, P>) -> Storage<Asking<A>> {
        match found {
            Storage::Store(port) => Storage::Store(Port::here(Arc::clone(&port.store))),
            Storage::Peer(peer) => Storage::Peer(self.peer(peer)),
        }
    }
}

/// The other side.
pub enum Answering<L: Log, K: Clock, C> {
    /// In this process, over stores. Requests run beside each other, and beside none that is answered on the JavaScript thread.
    InProcess(Box<Responder<NativeSide<L, K>>>, Arc<RwLock<()>>),
    /// Over HTTP.
    Http(Peer<C>),
}

impl<L: Log, K: Clock, C: Caller> Exchange<Json> for Answering<L, K, C> {
    async fn exchange(&self, request: Request<Json>) -> Result<Answer<Json>> {
        match self {
            Self::InProcess(responder, turns) => {
                let request = match responder.answer_at_hand(request) {
                    Ok(answer) => return Ok(answer),
                    Err(request) => request,
                };
                let _turn = turns.read().await;
                responder.answer(request).await
            }
            Self::Http(peer) => peer.exchange(request).await,
        }
    }

    fn is_elsewhere(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    fn pack(&self, item: &mut Item<Json>) -> Result<usize> {
        match self {
            Self::InProcess(..) => Ok(1),
            Self::Http(peer) => peer.pack(item),
        }
    }
}
