//! A round of which every store is this package's own: it runs on another thread from end to end.
//!
//! The JS thread begins it and settles its promise. In between it is called for what only the app can do,
//! each a [task](TaskQueue) in the context that the round was begun in: its clock, headers for its peer,
//! listeners, the console.

mod clock;
mod context;
mod ports;
mod reconcile;

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::try_join;

use super::convert::Body;
use super::http::HttpTransport;
use super::node_engine::NodeEngine;
use super::runtime::{EndOfTasks, TaskQueue, on_a_thread};
use super::transport::InProcess;
use super::value::Env;
use crate::engine::held::Held;
use crate::engine::round::{Engine, Report};
use crate::engine::session::Session;
use crate::engine::sweep::Sweep;
use crate::engine::watch::Watch;
use crate::error::Result;
use crate::store::Json;
use crate::store::ports::{Here, Port, StatePort};
use crate::store::side::NativeSide;

use clock::RoundClock;
use context::Context;
use ports::{Answering, Console, Listeners, Storage, asking};

type NativeEngine = Engine<
    NativeSide<Console, RoundClock>,
    Storage,
    Answering,
    StatePort<Here, Console>,
    Listeners,
>;

/// What native rounds of one engine remember.
pub type Memory = (Sweep<Json>, Session<Json>);

/// A round that is about to begin.
pub struct NativeRound {
    engine: NativeEngine,
    context: Rc<Context>,
    tasks: Arc<TaskQueue<Context>>,
}

impl NativeRound {
    /// The round of `engine`, where it can be one. Its adapters were [looked at](NodeEngine).
    pub fn of(engine: &Rc<NodeEngine>, env: &Rc<Env>) -> Result<Option<Self>> {
        let (Some(stores), Some(local), Some(remote)) = (
            engine.side.native(),
            engine.local.native(),
            engine.remote.native(),
        ) else {
            return Ok(None);
        };
        let tasks = TaskQueue::new(env);
        let console = Console(Arc::clone(&tasks));
        let mut apps = Vec::new();
        let state = match &engine.state {
            None => None,
            Some(state) => match state.native() {
                None => return Ok(None),
                Some(store) => Some(StatePort {
                    port: Port::here(store),
                    log: console.clone(),
                }),
            },
        };
        let in_process = engine.peer.0.native::<InProcess>()?;
        let answering = if let Some(peer) = &in_process {
            let clock = RoundClock::new(peer.clock(), &tasks, |context| {
                context.peer.as_ref().map(|peer| peer.clock())
            })?;
            let responder = peer.natively(console.clone(), clock)?;
            responder.map(|responder| {
                Answering::InProcess(Box::new(responder), Arc::clone(peer.turns()))
            })
        } else {
            let http = engine.peer.0.native::<HttpTransport>()?;
            let peer = http.as_ref().and_then(|http| http.native());
            peer.map(|peer| Answering::Http(asking(peer, &tasks, &mut apps)))
        };
        let Some(peer) = answering else {
            return Ok(None);
        };
        let clock = RoundClock::new(&engine.side.clock, &tasks, |context| {
            Some(&context.engine.side.clock)
        })?;
        let (local, remote) = (
            Storage::new(local, &tasks, &mut apps),
            Storage::new(remote, &tasks, &mut apps),
        );
        Ok(Some(Self {
            engine: Engine {
                side: stores.with(console, clock),
                local,
                remote,
                peer,
                state,
                events: Listeners {
                    tasks: Arc::clone(&tasks),
                    stop: None,
                },
                options: engine.options.clone(),
                sweep: RefCell::default(),
                session: RefCell::default(),
                watch: Watch::default(),
            },
            context: Rc::new(Context {
                engine: Rc::clone(engine),
                peer: in_process,
                apps,
            }),
            tasks,
        }))
    }

    /// The round. `memory` is what rounds like this one remember.
    pub async fn run(self, env: &Rc<Env>, memory: &RefCell<Memory>) -> Result<Report<Body>> {
        let Self {
            engine,
            context,
            tasks,
        } = self;
        let (sweep, session) = memory.take();
        engine.sweep.replace(sweep);
        engine.session.replace(session);
        let end = EndOfTasks(Arc::clone(&tasks));
        let round = on_a_thread(env, move || async move {
            let _end = end;
            let report = Box::pin(engine.round()).await;
            Ok((
                report,
                (engine.sweep.into_inner(), engine.session.into_inner()),
            ))
        });
        let ((report, after), ()) = try_join(round, tasks.serve(env, context)).await?;
        memory.replace(after);
        report.map(for_js)
    }
}

fn held_for_js(held: Vec<Held<Json>>) -> Vec<Held<Body>> {
    let held = held.into_iter().map(|held| Held {
        node_id: held.node_id,
        direction: held.direction,
        kind: held.kind,
        hlc: held.hlc,
        body: held.body.map(Body::Json),
        blob: held.blob,
        code: held.code,
        error: held.error,
    });
    held.collect()
}

fn for_js(report: Report<Json>) -> Report<Body> {
    Report {
        applied: report.applied,
        shipped: report.shipped,
        has_more: report.has_more,
        held: held_for_js(report.held),
        landed: report.landed,
        in_sync: report.in_sync,
    }
}
