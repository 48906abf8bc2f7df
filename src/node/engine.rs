//! `createSyncEngine(options)`

use std::cell::RefCell;
use std::rc::Rc;

use super::adapters::{AnyBlobs, AnyRecords, AnyState, Console, JsClock, NodeSide, app_rows};
use super::convert::{Body, write_hlc};
use super::error::{invalid, to_js, warn_once};
use super::inside::{Holders, refuse_any_inside};
use super::known_options::SYNC_ENGINE;
use super::native_round::{Memory, NativeRound};
use super::node_engine::{JsEvents, NodeEngine};
use super::notifier::create_notifier;
use super::options::{Lacking, Options};
use super::runtime::{FairLock, IntoJs, spawn_traced};
use super::stores::NativeBlobs;
use super::transport::{DEFAULT_SCAN_PAGE_SIZE, InProcess, Peer};
use super::value::{Call, Env, Intrinsic, Key, Kind, Scope, Slot, Value, bound, enter, native_of};
use crate::engine::held::{Direction, Held};
use crate::engine::round::{DEFAULT_BLOB_CONCURRENCY, Engine, Report, RoundOptions};
use crate::engine::watch::Watch;
use crate::error::{Error, Result};
use crate::protocol::item::ItemKind;
use crate::protocol::message::DEFAULT_PAGE_LIMIT;

/// An engine object, and what is behind it.
pub struct Made<'s> {
    /// The object, with its `exchange`.
    pub object: Value<'s>,
    /// What its adapters hang on.
    pub adapters: Value<'s>,
    /// What is behind it.
    pub caller: Rc<Caller>,
}

/// Makes an engine that exchanges.
pub fn make_sync_engine<'s>(call: &Call<'s>) -> Result<Made<'s>> {
    let (scope, env) = (call.scope, call.env);
    let notifier = create_notifier(scope, env)?;
    let options = Options::new(scope, env, call.arg(0), &SYNC_ENGINE)?;
    let caller = Rc::new(Caller {
        engine: Rc::new(build(call, &options, notifier)?),
        native_memory: RefCell::default(),
        turns: Rc::default(),
    });
    let made = Rc::clone(&caller);
    let array = options.array();
    let object = scope.object()?;
    let exchange = bound(scope, env, "exchange", array, move |call| {
        let (caller, env) = (Rc::clone(&caller), Rc::clone(call.env));
        let entered = enter(call)?;
        let allowed = refuse_any_inside(call, |holders| caller.holders(holders));
        spawn_traced(call.scope, call.env, async move {
            let _entered = entered;
            allowed?;
            let _turn = caller.turns.take(&env).await?;
            let round = caller.round(&env).await;
            round.map_err(|error| error.or_in("exchange"))
        })
    })?;
    scope.set(env, object, Key::Exchange, exchange)?;
    scope.set_named(object, "changeNotifier", notifier)?;
    Ok(Made {
        object,
        adapters: array,
        caller: made,
    })
}

/// What is behind an engine object.
pub struct Caller {
    /// The engine, for rounds on this thread.
    pub engine: Rc<NodeEngine>,
    /// What native rounds remember.
    pub native_memory: RefCell<Memory>,
    /// One round, or reconciliation, at a time.
    pub turns: Rc<FairLock>,
}

impl Caller {
    /// The transactions that a round would wait for.
    pub fn holders(&self, holders: &mut Holders) -> Result<()> {
        self.engine.side.holders(holders)?;
        if let Some(state) = &self.engine.state {
            holders.add(state.held_by()?);
        }
        match self.engine.peer.0.native::<InProcess>()? {
            Some(peer) => peer.holders(holders),
            None => Ok(()),
        }
    }

    /// One round, on another thread where every store is this package's own. A sweep that was begun the
    /// one way is begun anew the other way, from what is persisted.
    async fn round(&self, env: &Rc<Env>) -> Result<Report<Body>> {
        look(&self.engine)?;
        if let Some(round) = NativeRound::of(&self.engine, env)? {
            self.engine.sweep.take();
            return Box::pin(round.run(env, &self.native_memory)).await;
        }
        self.native_memory.take();
        self.engine.round().await
    }
}

/// Finds out which of the adapters are this package's own.
pub fn look(engine: &NodeEngine) -> Result<()> {
    engine.side.look()?;
    engine.local.look()?;
    engine.remote.look()?;
    engine.state.as_ref().map_or(Ok(()), AnyState::look)
}

fn build<'s>(call: &Call<'s>, options: &Options<'s>, notifier: Value<'s>) -> Result<NodeEngine> {
    let env = call.env;
    #[allow(clippy::cast_precision_loss, reason = "a page size")]
    let scan_page_size = match options.count("scanPageSize", DEFAULT_SCAN_PAGE_SIZE)? {
        usize::MAX => f64::INFINITY,
        size => size as f64,
    };
    let records = if options.flag("syncSharedRecords", true)? {
        let adapter = options.records("localDatabaseAdapter", Lacking::Refused)?;
        Some(AnyRecords::new(
            adapter,
            "localDatabaseAdapter",
            scan_page_size,
        ))
    } else {
        None
    };
    let blobs =
        |option| Ok::<_, crate::error::Error>(AnyBlobs::new(options.handle(option)?, option));
    let clock = options.handle("clock")?;
    refuse_one_storage(call, options)?;
    Ok(Engine {
        side: NodeSide {
            records,
            rows: app_rows(options, scan_page_size, |_| Ok(true))?,
            clock: JsClock(clock.clone()),
            log: Console(Rc::clone(env)),
        },
        local: blobs("localObjectStorage")?,
        remote: blobs("remoteObjectStorage")?,
        peer: Peer(options.adapter("transport", &[Key::Exchange])?),
        state: state(options, env)?,
        events: JsEvents {
            clock,
            notifier: options.hang(notifier)?,
            reconciling: RefCell::default(),
        },
        options: RoundOptions {
            page_limit: options.count("pageLimit", DEFAULT_PAGE_LIMIT)?,
            blob_concurrency: options.count("blobConcurrency", DEFAULT_BLOB_CONCURRENCY)?,
            verify_content_hash: options.flag("verifyContentHash", false)?,
            strict_order: options.flag("strictOrder", false)?,
            max_clock_skew_ms: options.max_clock_skew()?,
            ..RoundOptions::default()
        },
        sweep: RefCell::default(),
        session: RefCell::default(),
        watch: Watch::default(),
    })
}

/// Refuses one storage as both sides: every object would be there already, and none would ever move.
fn refuse_one_storage<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<()> {
    let (scope, env) = (call.scope, call.env);
    let here = options.get("localObjectStorage")?;
    let there = options.get("remoteObjectStorage")?;
    if scope.is_nullish(here)? {
        return Ok(());
    }
    let folder = |storage| {
        let native = native_of::<NativeBlobs>(scope, env, storage)?;
        Ok::<_, Error>(native.and_then(|native| native.0.place()))
    };
    let is_one_folder =
        || Ok(matches!((folder(here)?, folder(there)?), (Some(a), Some(b)) if a == b));
    if scope.is_same(here, there) || is_one_folder()? {
        return Err(invalid(
            "createSyncEngine(remoteObjectStorage)",
            "must be the storage of the other side, got that of localObjectStorage: no object would move",
        ));
    }
    Ok(())
}

fn state(options: &Options<'_>, env: &Rc<Env>) -> Result<Option<AnyState>> {
    let functions = [
        Key::GetWatermarks,
        Key::SetWatermarks,
        Key::GetPeerWatermarks,
        Key::SetPeerWatermarks,
    ];
    let state = options.adapter_if_given("syncState", &functions)?;
    if state.is_none() {
        warn_once(
            env,
            "an engine without `syncState` forgets what was exchanged when the process ends, and then reads and \
             exchanges everything again; pass createSqliteSyncStateStore({ path }) as its `syncState`",
        );
    }
    Ok(state.map(AnyState::new))
}

impl IntoJs for Report<Body> {
    fn into_js<'s>(self, scope: Scope<'s>, env: &Rc<Env>) -> Result<Value<'s>> {
        let mut list = None;
        if !self.held.is_empty() {
            let held = list.insert(scope.array()?);
            for (index, one) in (0u32..).zip(&self.held) {
                scope.set_element(*held, index, write_held(scope, env, one)?)?;
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "no page has so many items")]
        let counts = [self.applied, self.shipped].map(|count| count as f64);
        let numbers = [counts[0], counts[1], f64::from(self.has_more)];
        for (index, number) in numbers.into_iter().enumerate() {
            env.shared.put_after(Slot::First, index, number);
        }
        let result = env.helper(scope, Intrinsic::MakeResult, list.as_slice())?;
        if let Some(in_sync) = self.in_sync {
            scope.set_named(result, "inSync", scope.boolean(in_sync)?)?;
        }
        Ok(result)
    }
}

pub fn write_held<'s>(scope: Scope<'s>, env: &Rc<Env>, held: &Held<Body>) -> Result<Value<'s>> {
    let object = scope.object()?;
    scope.set(env, object, Key::NodeId, scope.string(&held.node_id)?)?;
    let direction = match held.direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
    };
    scope.set_named(object, "direction", scope.text(direction)?)?;
    let kind = match held.kind {
        ItemKind::Record(_) => "record",
        ItemKind::Row(_) => "appRow",
    };
    scope.set_named(object, "kind", scope.text(kind)?)?;
    let item = match &held.body {
        Some(body) => body.to_js(scope, env)?,
        None => scope.null()?,
    };
    scope.set(env, object, Key::Id, id_of(scope, env, held, item)?)?;
    let stamp = write_hlc(scope, env, &held.hlc)?;
    scope.set(env, object, Key::Timestamp, stamp)?;
    scope.set_named(object, "item", item)?;
    let key = match &held.blob {
        Some(blob) => scope.string(&blob.key)?,
        None => scope.null()?,
    };
    scope.set_named(object, "key", key)?;
    scope.set(env, object, Key::Code, scope.text(&held.code)?)?;
    scope.set_named(object, "reason", scope.text(&held.error.to_string())?)?;
    scope.set(env, object, Key::Error, to_js(scope, env, &held.error)?)?;
    Ok(object)
}

/// The id of a record, or what an app row has as `id`, if that can be read.
fn id_of<'s>(
    scope: Scope<'s>,
    env: &Env,
    held: &Held<Body>,
    entry: Value<'s>,
) -> Result<Value<'s>> {
    if let ItemKind::Record(id) = &held.kind {
        return scope.string(id);
    }
    let id = |key| {
        let columns = scope.get(env, entry, key)?;
        match scope.kind(columns)? {
            Kind::Object => Ok(scope.as_text(scope.get(env, columns, Key::Id)?)),
            _ => Ok::<_, Error>(None),
        }
    };
    if scope.kind(entry)? == Kind::Object {
        for key in [Key::Row, Key::Where] {
            // What an app's getter throws is no reason to fail the round that names the item.
            if let Ok(Some(id)) = id(key) {
                return scope.string(&id);
            }
        }
    }
    scope.null()
}
