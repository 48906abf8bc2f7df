//! `createSyncEngine(options)`

use std::cell::RefCell;
use std::rc::Rc;

use super::adapters::{AnyBlobs, AnyRecords, AnyRows, AnyState, Console, JsClock, NodeSide};
use super::convert::{Body, write_hlc};
use super::error::{invalid, to_js};
use super::inside::{Holders, refuse_any_inside};
use super::native_round::{Memory, NativeRound};
use super::node_engine::{JsEvents, NodeEngine};
use super::options::Options;
use super::runtime::{FairLock, IntoJs, spawn_traced};
use super::stores::Native;
use super::transport::{DEFAULT_SCAN_PAGE_SIZE, InProcess, Peer};
use super::value::{Call, Env, Intrinsic, Key, Kind, Scope, Value, bound, enter, list, native_of};
use crate::engine::held::{Direction, Held};
use crate::engine::round::{DEFAULT_BLOB_CONCURRENCY, Engine, Report, RoundOptions};
use crate::error::{Error, Result};
use crate::protocol::item::ItemKind;
use crate::protocol::message::DEFAULT_PAGE_LIMIT;
use crate::store::ObjectStore;

/// `createSyncEngine(options)`
pub fn create_sync_engine<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let scope = call.scope;
    let notifier = scope.helper(Intrinsic::CreateNotifier, &[])?;
    let options = Options::new(scope, call.arg(0))?;
    let caller = Rc::new(Caller {
        engine: Rc::new(build(call, &options, notifier)?),
        native_memory: RefCell::default(),
        turns: Rc::default(),
    });
    let array = options.array();
    let object = scope.object()?;
    let exchange = bound(scope, "exchange", array, move |call| {
        let (caller, env) = (Rc::clone(&caller), Rc::clone(call.env));
        let entered = enter(call)?;
        let allowed = refuse_any_inside(call, |holders| caller.holders(holders));
        spawn_traced(call.scope, async move {
            let _entered = entered;
            allowed?;
            let _turn = caller.turns.take(&env).await?;
            let round = caller.round(&env).await;
            round.map_err(|error| error.or_in("exchange"))
        })
    })?;
    scope.set(object, Key::Exchange, exchange)?;
    scope.set_named(object, "changeNotifier", notifier)?;
    Ok(object)
}

/// What is behind an engine object.
struct Caller {
    engine: Rc<NodeEngine>,
    /// What native rounds remember.
    native_memory: RefCell<Memory>,
    turns: Rc<FairLock>,
}

impl Caller {
    /// The transactions that a round would wait for.
    fn holders(&self, holders: &mut Holders) -> Result<()> {
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
fn look(engine: &NodeEngine) -> Result<()> {
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
        let adapter = options.object("localDatabaseAdapter")?;
        Some(AnyRecords::new(adapter, scan_page_size))
    } else {
        None
    };
    let blobs = |option| Ok::<_, Error>(AnyBlobs::new(options.object(option)?));
    let clock = options.object("clock")?;
    refuse_one_storage(call, options)?;
    let rows = options.rows()?;
    Ok(Engine {
        side: NodeSide {
            records,
            rows: rows.map(|source| AnyRows::new(source, scan_page_size)),
            clock: JsClock(clock.clone()),
            log: Console(Rc::clone(env)),
        },
        local: blobs("localObjectStorage")?,
        remote: blobs("remoteObjectStorage")?,
        peer: Peer(options.object("transport")?),
        state: options.object_if_given("syncState")?.map(AnyState::new),
        events: JsEvents {
            clock,
            notifier: options.hang(notifier)?,
        },
        options: RoundOptions {
            page_limit: options.count("pageLimit", DEFAULT_PAGE_LIMIT)?,
            blob_concurrency: options.count("blobConcurrency", DEFAULT_BLOB_CONCURRENCY)?,
            verify_content_hash: options.flag("verifyContentHash", false)?,
            strict_order: options.flag("strictOrder", false)?,
            max_clock_skew_ms: options.max_clock_skew()?,
        },
        sweep: RefCell::default(),
        session: RefCell::default(),
    })
}

/// Refuses one storage as both sides: every object would be there already, and none would ever move.
fn refuse_one_storage<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<()> {
    let scope = call.scope;
    let here = options.given("localObjectStorage")?;
    let there = options.given("remoteObjectStorage")?;
    let Some((here, there)) = here.zip(there) else {
        return Ok(());
    };
    let folder = |storage| {
        let native = native_of::<Native<dyn ObjectStore>>(scope, storage)?;
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

impl IntoJs for Report<Body> {
    fn into_js(self, scope: Scope<'_>) -> Result<Value<'_>> {
        let held = list(scope, &self.held, write_held)?;
        let result = scope.object()?;
        scope.set_named(result, "applied", scope.count(self.applied as u64)?)?;
        scope.set_named(result, "shipped", scope.count(self.shipped as u64)?)?;
        scope.set(result, Key::HasMore, scope.boolean(self.has_more)?)?;
        if let Some(in_sync) = self.in_sync {
            scope.set_named(result, "inSync", scope.boolean(in_sync)?)?;
        }
        // An app that compares a quiet round's result with the three fields of old finds them alone.
        if self.held.is_empty() {
            scope.define_hidden(result, "held", held)?;
        } else {
            scope.set_named(result, "held", held)?;
        }
        Ok(result)
    }
}

fn write_held<'s>(scope: Scope<'s>, held: &Held<Body>) -> Result<Value<'s>> {
    let object = scope.object()?;
    scope.set(object, Key::NodeId, scope.string(&held.node_id)?)?;
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
        Some(body) => body.to_js(scope)?,
        None => scope.null()?,
    };
    scope.set(object, Key::Id, id_of(scope, held, item)?)?;
    let stamp = write_hlc(scope, &held.hlc)?;
    scope.set(object, Key::Timestamp, stamp)?;
    scope.set_named(object, "item", item)?;
    let key = match &held.blob {
        Some(blob) => scope.string(&blob.key)?,
        None => scope.null()?,
    };
    scope.set_named(object, "key", key)?;
    scope.set(object, Key::Code, scope.text(&held.code)?)?;
    scope.set_named(object, "reason", scope.text(&held.error.to_string())?)?;
    scope.set(object, Key::Error, to_js(scope, &held.error)?)?;
    Ok(object)
}

/// The id of a record, or what an app row has as `id`, if that can be read.
fn id_of<'s>(scope: Scope<'s>, held: &Held<Body>, entry: Value<'s>) -> Result<Value<'s>> {
    if let ItemKind::Record(id) = &held.kind {
        return scope.string(id);
    }
    let id = |key| {
        let columns = scope.get(entry, key)?;
        match scope.kind(columns)? {
            Kind::Object => Ok(scope.as_text(scope.get(columns, Key::Id)?)),
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
