//! `createSyncEngine(options)`

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::adapters::{AnyBlobs, NodeSide, state, store_of};
use super::convert::Body;
use super::error::invalid;
use super::inside::refuse_any_inside;
use super::native_round::{Memory, NativeEngine, NativeRound};
use super::options::Options;
use super::report::{JsEvents, Listening, NodeEngine};
use super::runtime::{spawn_bound, take_turn};
use super::stores::Native;
use super::transport::{InProcess, Peer};
use super::value::{Call, Env, Intrinsic, Kind, Method, Value, function, object_of_methods};
use crate::engine::action::{Action, Done};
use crate::engine::round::{Engine, RoundOptions};
use crate::engine::watch::Watch;
use crate::error::Result;
use crate::joint::asking::Stop;
use crate::polling::Turns;
use crate::store::{Holder, ObjectStore, StateStore};

/// `createSyncEngine(options)`: the native half of the engine that `js/engine` makes.
pub fn create_sync_engine<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let notifier = scope.helper(Intrinsic::CreateNotifier, &[])?;
    let caller = Rc::new(Caller {
        engine: Rc::new(build(call, options, notifier)?),
        native_memory: RefCell::default(),
        turns: Rc::default(),
    });
    let engine = object_of_methods(scope, options.array(), METHODS, &caller)?;
    scope.set(engine, "changeNotifier", notifier)?;
    Ok(engine)
}

const METHODS: &[(&str, Method<Rc<Caller>>)] = &[
    ("begin", begin),
    ("backlog", |call, caller| {
        let caller = Rc::clone(caller);
        let allowed = refuse_any_inside(call, || caller.holders());
        spawn_bound(call, async move {
            allowed?;
            Ok(caller.engine.backlog().await?.map(serde_json::Value::from))
        })
    }),
];

/// Called with the name of what is begun, its options, and the function that hears of progress. Answers
/// `{ promise, stop }`: the promise of the result, `null` if it was called off; and the function that calls it off,
/// which says whether its turn had come.
fn begin<'s>(call: &Call<'s>, caller: &Rc<Caller>) -> Result<Value<'s>> {
    let scope = call.scope;
    let options = Options::new(scope, call.arg(1))?;
    let listener = match scope.kind(call.arg(2))? {
        Kind::Function => Some(scope.keep(call.arg(2))?),
        _ => None,
    };
    let action = match scope.as_string(call.arg(0)).as_deref() {
        Some("exchange") => Action::Round {
            listens: listener.is_some(),
        },
        _ => Action::Reconciliation {
            objects: options.flag("objects", false)?,
        },
    };
    let stop = Arc::new(Stop::default());
    let began = Rc::new(Cell::new(false));
    let listening = Listening {
        stop: options.given("signal")?.map(|_| Arc::clone(&stop)),
        listener,
        hears_transfers: options.flag("transfers", false)?,
    };
    let allowed = refuse_any_inside(call, || caller.holders());
    let (caller, env) = (Rc::clone(caller), Rc::clone(call.env));
    let beginning = Rc::clone(&began);
    let promise = spawn_bound(call, async move {
        allowed?;
        let _turn = take_turn(&env, &caller.turns).await?;
        beginning.set(true);
        let stop = listening.stop.clone();
        let is_stopped = || stop.as_ref().is_some_and(|stop| stop.is_stopped());
        if is_stopped() {
            return Ok(None);
        }
        caller.engine.events.listening.replace(listening);
        let done = caller.done(&env, action, stop.clone()).await;
        caller.engine.events.listening.take();
        match done {
            Err(_) if is_stopped() => Ok(None),
            done => done.map(Some).map_err(|error| error.or_in(action.name())),
        }
    })?;
    let stop = function(scope, "stop", move |call| {
        stop.stop();
        call.scope.boolean(began.get())
    })?;
    scope.object_of(&[("promise", promise), ("stop", stop)])
}

/// What is behind an engine object.
struct Caller {
    /// The engine, for rounds on this thread.
    engine: Rc<NodeEngine>,
    /// What native rounds remember.
    native_memory: RefCell<Memory>,
    /// One round, or reconciliation, at a time.
    turns: Rc<Turns>,
}

impl Caller {
    /// The transactions that a round would wait for.
    fn holders(&self) -> Result<Vec<Holder>> {
        let mut holders = self.engine.side.holders()?;
        if let Some(state) = &self.engine.state {
            let store = store_of::<dyn StateStore>(&state.other.0)?;
            holders.extend(store.and_then(|store| store.held_by()));
        }
        if let Some(peer) = self.engine.peer.0.native::<InProcess>()? {
            holders.extend(peer.holders()?);
        }
        Ok(holders)
    }

    /// The way to do it on another thread, where every store is this package's own. What was begun the one way is begun
    /// anew the other way, from what is persisted.
    fn native(&self) -> Result<Option<NativeRound>> {
        let engine = &self.engine;
        engine.side.find_stores()?;
        engine.local.find_store()?;
        engine.remote.find_store()?;
        if let Some(state) = &engine.state {
            state.choose(store_of(&state.other.0)?);
        }
        let native = NativeRound::of(engine)?;
        if native.is_some() {
            engine.sweep.take();
        } else {
            self.native_memory.take();
        }
        Ok(native)
    }

    /// Does it, unless `stop` calls it off.
    async fn done(
        &self,
        env: &Rc<Env>,
        action: Action,
        stop: Option<Arc<Stop>>,
    ) -> Result<Done<Body>> {
        let Some(native) = self.native()? else {
            return Box::pin(self.engine.done(action)).await;
        };
        let work = async move |engine: &NativeEngine| Box::pin(engine.done(action)).await;
        let done = native.until(stop).run(env, &self.native_memory, work);
        Ok(Box::pin(done).await?.map(Body::Json))
    }
}

fn build<'s>(call: &Call<'s>, options: &Options<'s>, notifier: Value<'s>) -> Result<NodeEngine> {
    let env = call.env;
    let page_size = options.number("scanPageSize")?;
    refuse_one_storage(call, options)?;
    Ok(Engine {
        side: NodeSide::new(options, env, ("localDatabaseAdapter", page_size))?,
        local: AnyBlobs::new(options.object("localObjectStorage")?),
        remote: AnyBlobs::new(options.object("remoteObjectStorage")?),
        peer: Peer(options.object("transport")?),
        state: state(options, env)?,
        events: JsEvents {
            clock: options.object("clock")?,
            notifier: options.hang(notifier)?,
            listening: RefCell::default(),
        },
        options: RoundOptions {
            more_small_blobs: options.given("blobConcurrency")?.is_none(),
            holds_all: options.given("onDuplicate")?.is_some(),
            ..options.data()?
        },
        sweep: RefCell::default(),
        session: RefCell::default(),
        watch: Watch::default(),
    })
}

/// Refuses one storage as both sides: every object would be there already, and none would ever move.
fn refuse_one_storage<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<()> {
    let scope = call.scope;
    let (here, there) = ("localObjectStorage", "remoteObjectStorage");
    let (Some(here), Some(there)) = (options.given(here)?, options.given(there)?) else {
        return Ok(());
    };
    let folder = |storage| -> Result<_> {
        let native = scope.native_of::<Native<dyn ObjectStore>>(storage)?;
        Ok(native.and_then(|native| native.0.place()))
    };
    let place = folder(here)?;
    if scope.is_same(here, there) || (place.is_some() && place == folder(there)?) {
        return Err(invalid(
            "createSyncEngine(remoteObjectStorage)",
            "must be the storage of the other side, got that of localObjectStorage: no object would move",
        ));
    }
    Ok(())
}
