//! What a round on another thread asks the app: to warn, to listen, and for headers.

use std::rc::Rc;
use std::sync::Arc;

use super::context::Context;
use crate::engine::ports::{Events, Log};
use crate::engine::progress::Progress;
use crate::error::{Error, Result};
use crate::joint::round::Storage;
use crate::node::adapters::NativeStorage;
use crate::node::events::Stop;
use crate::node::http::{PeerOptions, plain_headers};
use crate::node::runtime::TaskQueue;
use crate::protocol::text::Text;
use crate::store::ports::Port;
use crate::transport::client::{Caller, Head, Headers, Peer};

/// Warnings go to the app's console.
#[derive(Clone)]
pub struct Console(pub TaskQueue<Context>);

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
    pub tasks: TaskQueue<Context>,
    /// How the app calls the reconciliation off that runs, if it can.
    pub stop: Option<Arc<Stop>>,
}

impl Events for Listeners {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        let applied =
            async move |context: Rc<Context>| context.engine.events.records_applied(ids).await;
        self.tasks.run("changeNotifier", applied).await
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
    app: Option<(TaskQueue<Context>, usize)>,
    signs: bool,
}

/// `peer` for another thread. Its app joins those that tasks find by their numbers.
pub fn asking(
    peer: &Peer<Rc<PeerOptions>>,
    tasks: &TaskQueue<Context>,
    apps: &mut Vec<Rc<PeerOptions>>,
) -> Peer<Asking> {
    let app = peer.caller.is_asked().then(|| {
        apps.push(Rc::clone(&peer.caller));
        (tasks.clone(), apps.len() - 1)
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

/// The storage for another thread.
pub fn storage(
    found: NativeStorage,
    tasks: &TaskQueue<Context>,
    apps: &mut Vec<Rc<PeerOptions>>,
) -> Storage<Asking> {
    match found {
        NativeStorage::Store(store) => Storage::Store(Port::here(store)),
        NativeStorage::Peer(peer) => Storage::Peer(asking(&peer, tasks, apps)),
    }
}

impl Caller for Asking {
    async fn headers(&self, head: &Head) -> Result<Headers> {
        let Some((tasks, number)) = &self.app else {
            return Ok(plain_headers(head));
        };
        let (number, head) = (*number, head.clone());
        let headers = async move |context: Rc<Context>| match context.apps.get(number) {
            Some(app) => app.headers(&head).await,
            None => Ok(plain_headers(&head)),
        };
        tasks.run("request headers", headers).await
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
