//! `createSyncEngine(options)`

use std::cell::RefCell;
use std::rc::Rc;

use super::adapters::{AnyBlobs, AnyRecords, AnyState, Console, JsClock, NodeSide};
use super::convert::{Body, write_hlc};
use super::error::to_js;
use super::executor::{IntoJs, Turns, await_js, spawn_traced};
use super::js::{Call, Handle, Intrinsic, Key, Place, Realm, Scope, Value, bound, enter};
use super::native_round::NativeRound;
use super::notifier::{create_notifier, emit_applied};
use super::options::Options;
use super::transport::{DEFAULT_SCAN_PAGE_SIZE, Peer};
use crate::engine::ports::Events;
use crate::engine::round::{DEFAULT_BLOB_CONCURRENCY, Engine, Options as RoundOptions, Report};
use crate::engine::sweep::{Direction, Held, Sweep};
use crate::error::Result;
use crate::protocol::item::ItemKind;
use crate::protocol::message::DEFAULT_PAGE_LIMIT;
use crate::protocol::text::Text;
use crate::store::Json;

/// An engine over whatever adapters the app passed in.
pub type NodeEngine = Engine<NodeSide, AnyBlobs, Peer, AnyState, JsEvents>;

/// `createSyncEngine(options)`
pub fn create_sync_engine<'s>(call: &Call<'s>) -> Result<Value<'s>> {
    let (scope, realm) = (call.scope, call.realm);
    let notifier = create_notifier(scope, realm)?;
    let options = Options::new(scope, realm, call.arg(0), "createSyncEngine")?;
    let caller = Rc::new(Caller {
        engine: Rc::new(build(call, &options, notifier)?),
        native_sweep: RefCell::default(),
        turns: Rc::default(),
    });
    let array = options.array();
    let object = scope.object()?;
    let exchange = bound(scope, realm, "exchange", array, move |call| {
        let (caller, realm) = (Rc::clone(&caller), Rc::clone(call.realm));
        let entered = enter(call)?;
        spawn_traced(call.scope, call.realm, async move {
            let _entered = entered;
            let _turn = caller.turns.take(&realm).await?;
            caller.round(&realm).await
        })
    })?;
    scope.set(realm, object, Key::Exchange, exchange)?;
    scope.set_named(object, "changeNotifier", notifier)?;
    Ok(object)
}

/// What is behind an engine object.
struct Caller {
    engine: Rc<NodeEngine>,
    /// Where the sweep of native rounds stands.
    native_sweep: RefCell<Sweep<Json>>,
    turns: Rc<Turns>,
}

impl Caller {
    /// One round, on another thread where every store is this package's own. A sweep that was begun the
    /// one way is begun anew the other way, from what is persisted.
    async fn round(&self, realm: &Rc<Realm>) -> Result<Report<Body>> {
        look(&self.engine)?;
        if let Some(round) = NativeRound::of(&self.engine, realm)? {
            self.engine.sweep.take();
            return Box::pin(round.run(realm, &self.native_sweep)).await;
        }
        self.native_sweep.take();
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
    let realm = call.realm;
    #[allow(clippy::cast_precision_loss, reason = "a page size")]
    let scan_page_size = match options.count("scanPageSize", DEFAULT_SCAN_PAGE_SIZE)? {
        usize::MAX => f64::INFINITY,
        size => size as f64,
    };
    let records = if options.flag("syncSharedRecords", true)? {
        let adapter = options.handle("localDatabaseAdapter")?;
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
    Ok(Engine {
        side: NodeSide {
            records,
            rows: options.rows(scan_page_size)?,
            clock: JsClock(clock.clone()),
            log: Console(Rc::clone(realm)),
        },
        local: blobs("localObjectStorage")?,
        remote: blobs("remoteObjectStorage")?,
        peer: Peer(options.handle("transport")?),
        state: options.handle_if_given("syncState")?.map(AnyState::new),
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
    })
}

/// The engine's change notifier, and the clock that stamps its events.
pub struct JsEvents {
    clock: Handle,
    notifier: Handle,
}

impl Events for JsEvents {
    async fn records_applied(&self, ids: Vec<Text>) -> Result<()> {
        let realm = self.clock.realm();
        let stamp = await_js(
            realm,
            "clock.now",
            |scope, invoke| {
                let clock = self.clock.value(scope)?;
                invoke.method(scope, (clock, "clock"), Key::Now, &[])
            },
            |scope, stamp| realm.keep(scope, stamp),
        )
        .await?;
        realm.scope(|scope| {
            let list = scope.array()?;
            for (index, id) in (0u32..).zip(&ids) {
                realm.scope(|scope| scope.set_element(list, index, scope.string(id)?))?;
            }
            let notifier = self.notifier.value(scope)?;
            emit_applied(scope, realm, notifier, [list, stamp.value(scope)?]);
            Ok(())
        })
    }
}

impl IntoJs for Report<Body> {
    fn into_js<'s>(self, scope: Scope<'s>, realm: &Rc<Realm>) -> Result<Value<'s>> {
        let mut list = None;
        if !self.held.is_empty() {
            let held = list.insert(scope.array()?);
            for (index, one) in (0u32..).zip(&self.held) {
                scope.set_element(*held, index, write_held(scope, realm, one)?)?;
            }
        }
        #[allow(clippy::cast_precision_loss, reason = "no page has so many items")]
        let counts = [self.applied, self.shipped].map(|count| count as f64);
        let numbers = [counts[0], counts[1], f64::from(self.has_more)];
        for (index, number) in numbers.into_iter().enumerate() {
            realm.desk.put_after(Place::First, index, number);
        }
        realm.helper(scope, Intrinsic::MakeResult, list.as_slice())
    }
}

fn write_held<'s>(scope: Scope<'s>, realm: &Rc<Realm>, held: &Held<Body>) -> Result<Value<'s>> {
    let object = scope.object()?;
    scope.set(realm, object, Key::NodeId, scope.string(&held.node_id)?)?;
    let direction = match held.direction {
        Direction::Outbound => "outbound",
        Direction::Inbound => "inbound",
    };
    scope.set_named(object, "direction", scope.text(direction)?)?;
    let kind = match held.item.kind {
        ItemKind::Record(_) => "record",
        ItemKind::Row(_) => "appRow",
    };
    scope.set_named(object, "kind", scope.text(kind)?)?;
    scope.set(
        realm,
        object,
        Key::Timestamp,
        write_hlc(scope, realm, &held.item.hlc)?,
    )?;
    scope.set_named(object, "item", held.item.body.to_js(scope, realm)?)?;
    let key = match &held.item.blob {
        Some(blob) => scope.string(&blob.key)?,
        None => scope.null()?,
    };
    scope.set_named(object, "key", key)?;
    scope.set(
        realm,
        object,
        Key::Code,
        scope.text(held.error.kind().code())?,
    )?;
    scope.set_named(object, "reason", scope.text(&held.error.to_string())?)?;
    scope.set(realm, object, Key::Error, to_js(scope, realm, &held.error)?)?;
    Ok(object)
}
