//! A round of which every store is this package's own: it runs on another thread from end to end.
//!
//! The JS thread begins it and settles its promise. In between it is called for what only the app can do,
//! each a [task](TaskQueue) in the context that the round was begun in: its clock, headers for its peer,
//! listeners, the console.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::try_join;

use super::adapters::AnyState;
use super::clock::JsClock;
use super::http::{HttpTransport, PeerOptions};
use super::report::{JsEvents, NodeEngine};
use super::runtime::{on_a_thread, run_tasks};
use super::transport::InProcess;
use super::value::Env;
use crate::engine::ports::{Clock, Events, Log};
use crate::engine::round::Engine;
use crate::engine::session::Session;
use crate::engine::sweep::Sweep;
use crate::error::{Error, Result};
use crate::joint::asking::{App, Asking, Console, Listeners, RoundClock, Stop};
use crate::joint::round::{Answering, Storage, WayBack};
use crate::joint::tasks::{EndOfTasks, TaskQueue, Tasks};
use crate::store::Json;
use crate::store::ports::{Here, Port, StatePort};
use crate::store::side::NativeSide;
use crate::transport::client::{Caller, Head, Headers};

/// What of a round stays on the JS thread.
pub struct RoundContext {
    /// The engine whose round it is.
    engine: Rc<NodeEngine>,
    /// Its peer, where that is in this process.
    peer: Option<Rc<InProcess>>,
    /// The apps that are asked for headers, by number.
    apps: Vec<Rc<PeerOptions>>,
}

impl App for RoundContext {
    type Clock = JsClock;
    type Events = JsEvents;

    fn clock(&self, of_peer: bool) -> Option<&JsClock> {
        if of_peer {
            return self.peer.as_ref().map(|peer| peer.clock());
        }
        Some(&self.engine.side.clock)
    }

    fn events(&self) -> &JsEvents {
        &self.engine.events
    }

    fn warn(&self, message: &str, error: Option<&Error>) {
        self.engine.side.log.warn(message, error);
    }

    async fn headers(&self, peer: usize, head: &Head) -> Result<Headers> {
        match self.apps.get(peer) {
            Some(app) => app.headers(head).await,
            None => Ok(head.headers()),
        }
    }
}

/// An engine over stores, for any thread.
pub type NativeEngine = Engine<
    NativeSide<Console<RoundContext>, RoundClock<RoundContext>>,
    Storage<Asking<RoundContext>>,
    Answering<Console<RoundContext>, RoundClock<RoundContext>, Asking<RoundContext>>,
    StatePort<Here, Console<RoundContext>>,
    Listeners<RoundContext>,
>;

/// What native rounds of one engine remember.
pub type Memory = (Sweep<Json>, Session<Json>);

/// A round that is about to begin.
pub struct NativeRound {
    engine: NativeEngine,
    context: Rc<RoundContext>,
    queue: TaskQueue<RoundContext>,
    tasks: Tasks<RoundContext>,
}

impl NativeRound {
    /// The round of `engine`, where it can be one. Whose its adapters are was found out.
    pub fn of(engine: &Rc<NodeEngine>) -> Result<Option<Self>> {
        let (Some(stores), Some(local), Some(remote)) = (
            engine.side.native(),
            engine.local.native(),
            engine.remote.native(),
        ) else {
            return Ok(None);
        };
        let (queue, tasks) = TaskQueue::new();
        let console = Console(queue.clone());
        let mut back = WayBack::new(&queue);
        let clock_of = |clock: &JsClock, of_peer| -> Result<_> {
            let (ours, now) = (clock.shared()?, clock.app_ms());
            Ok(RoundClock::new(ours, &queue, of_peer, now))
        };
        let state = match engine.state.as_ref().map(AnyState::store) {
            None => None,
            Some(None) => return Ok(None),
            Some(Some(store)) => Some(StatePort {
                port: Port::here(store),
                log: console.clone(),
            }),
        };
        let in_process = engine.peer.0.native::<InProcess>()?;
        let answering = if let Some(peer) = &in_process {
            let clock = clock_of(peer.clock(), true)?;
            let responder = peer.natively(console.clone(), clock)?;
            responder
                .map(|responder| Answering::InProcess(Box::new(responder), Arc::clone(&peer.turns)))
        } else {
            let http = engine.peer.0.native::<HttpTransport>()?;
            let peer = http.as_ref().and_then(|http| http.native());
            peer.map(|peer| Answering::Http(back.peer(peer)))
        };
        let Some(peer) = answering else {
            return Ok(None);
        };
        let clock = clock_of(&engine.side.clock, false)?;
        Ok(Some(Self {
            engine: Engine {
                side: stores.with(console, clock),
                local: back.storage(&local),
                remote: back.storage(&remote),
                peer,
                state,
                events: Listeners {
                    tasks: queue.clone(),
                    stop: None,
                    hear_transfers: engine.events.hears_transfers(),
                },
                options: engine.options.clone(),
                sweep: RefCell::default(),
                session: RefCell::default(),
                watch: engine.watch.beside(),
            },
            context: Rc::new(RoundContext {
                engine: Rc::clone(engine),
                peer: in_process,
                apps: back.apps,
            }),
            queue,
            tasks,
        }))
    }

    /// The same, which `stop` calls off.
    pub fn until(mut self, stop: Option<Arc<Stop>>) -> Self {
        self.engine.events.stop = stop;
        self
    }

    /// Does `work` with the engine on a thread of its own. `memory` is what rounds like this one remember.
    pub async fn run<T: Send + 'static>(
        self,
        env: &Rc<Env>,
        memory: &RefCell<Memory>,
        work: impl AsyncFnOnce(&NativeEngine) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sweep, session) = memory.take();
        let engine = self.engine;
        engine.sweep.replace(sweep);
        engine.session.replace(session);
        let end = EndOfTasks(self.queue);
        let work = on_a_thread(env, move || async move {
            let _end = end;
            let done = work(&engine).await;
            let after = (engine.sweep.into_inner(), engine.session.into_inner());
            Ok((done, after))
        });
        let ((done, after), ()) = try_join(work, run_tasks(env, self.tasks, self.context)).await?;
        memory.replace(after);
        done
    }
}
