//! The rows of apps, each in a table of its app.
//!
//! - Which apps and tables there are is written in the database and read with every question: another process
//!   may add to it, or to the tables, at any time.
//! - What comes as a change is stored, and goes on, as the whole row that it makes ([`apply`]).
//! - Names come from apps: they are quoted, never pasted.

mod apply;
mod claims;
mod create;
mod known;
mod logged;
mod namespaces;
mod table;

use std::future::ready;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use self::apply::APPLY;
use self::known::{KnownTables, take_in};
use self::logged::RowTables;
use self::table::PgTable;
use super::database::{Database, Within, is_sound};
use super::intake::Pace;
use super::line::WriteLine;
use super::logged::{HasLog, Log, keeps_log};
use super::noted::Plane;
use super::options::{PasswordSource, PostgresOptions};
use super::parts::{is_there_already, take_page};
use super::session::PgSession;
use super::tls::TlsClients;
use crate::engine::ports::Late;
use crate::error::Result;
use crate::protocol::delta::Ask;
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::{Item, Table};
use crate::protocol::text::Text;
use crate::protocol::watermarks::Watermarks;
use crate::store::gate::Pass;
use crate::store::late::LateStamps;
use crate::store::{AppRowStore, Holder, Json, Later, Namespace, Registration, Taken, blocking};

/// A store of app rows. All clones are one store.
#[derive(Debug, Clone)]
pub struct PostgresAppRows {
    database: Database,
    /// The schema of the registry.
    schema: Arc<str>,
    ready: Arc<OnceCell<()>>,
    line: WriteLine,
    late: LateStamps,
    tables: RowTables,
    log: Log,
}

impl PostgresAppRows {
    /// The rows of the apps in the registry of the schema of the options. Nothing is sent before the first call, which
    /// creates the registry if it is not there.
    pub fn open(
        options: &PostgresOptions,
        password: PasswordSource,
        tls: Arc<dyn TlsClients>,
    ) -> Result<Self> {
        let schema: Arc<str> = options.schema.as_str().into();
        Ok(Self {
            database: Database::open(options, password, tls)?,
            ready: Arc::default(),
            line: WriteLine::new(),
            late: LateStamps::default(),
            tables: RowTables {
                schema: Arc::clone(&schema),
            },
            log: Log::of(Plane::Rows, &schema),
            schema,
        })
    }

    /// Creates the registry, if that was not seen to.
    async fn prepared(&self, operation: &'static str, inside: &Arc<Pass>) -> Result<()> {
        let prepare = || {
            let schema = Arc::clone(&self.schema);
            let within = (inside, Within::Preparing);
            self.database.run(operation, within, move |session| {
                let schema = Arc::clone(&schema);
                Box::pin(async move { namespaces::prepare(session, &schema).await })
            })
        };
        self.ready.get_or_try_init(prepare).await.map(drop)
    }

    /// Runs `work`, and once more where a fault may pass. It is given the schema of the registry.
    fn run<T, W>(&self, operation: &'static str, within: Within, work: W) -> Later<'static, T>
    where
        T: Send + 'static,
        W: for<'s> Fn(&'s PgSession, &'s str) -> BoxFuture<'s, Result<T>> + Send + Sync + 'static,
    {
        let store = self.clone();
        let ready = move |inside| async move {
            store.prepared(operation, &inside).await?;
            Ok(store.schema)
        };
        self.database.run_on(operation, within, ready, work)
    }

    /// Reads from a table, if it is registered and there.
    fn with_table<T, W>(
        &self,
        operation: &'static str,
        table: &Table,
        work: W,
    ) -> Later<'static, Option<T>>
    where
        T: Send + 'static,
        W: for<'s> Fn(&'s PgSession, &'s PgTable) -> BoxFuture<'s, Result<T>>
            + Send
            + Sync
            + 'static,
    {
        let (Some(app), Some(name)) = (table.app.to_utf8(), table.name.to_utf8()) else {
            return Box::pin(ready(Ok(None)));
        };
        let asked = Arc::new((app, name, work));
        self.run(operation, Within::Nothing, move |session, schema| {
            let asked = Arc::clone(&asked);
            Box::pin(async move {
                let (app, name, work) = &*asked;
                let namespace = namespaces::get(operation, session, schema, app).await?;
                let Some(info) = namespace.as_ref().and_then(|known| known.table(name)) else {
                    return Ok(None);
                };
                match table::load(operation, session, app, info).await? {
                    Some(table) => work(session, &table).await.map(Some),
                    None => Ok(None),
                }
            })
        })
    }

    fn page(&self, table: &Table, ask: Ask) -> Later<'static, (Vec<Item<Json>>, bool)> {
        const OPERATION: &str = "find unseen rows of an app";
        let ask = Arc::new(ask);
        let page = self.with_table(OPERATION, table, move |session, table| {
            let ask = Arc::clone(&ask);
            Box::pin(async move {
                let item =
                    |hlc, row: &_| Ok(table.item(OPERATION, hlc, &table.read(OPERATION, row)?));
                table.by_time.page(OPERATION, session, &ask, item).await
            })
        });
        Box::pin(async move { Ok(page.await?.unwrap_or_default()) })
    }

    fn take_in_by(
        &self,
        items: &Arc<[Item<Json>]>,
        strict: bool,
        way: Pace,
    ) -> Later<'static, Vec<Taken>> {
        let items = Arc::clone(items);
        self.run(APPLY, Within::Writing, move |session, schema| {
            let items = Arc::clone(&items);
            Box::pin(async move {
                let tables = KnownTables::new(session, schema);
                take_in(session, tables, (&items, strict), way).await
            })
        })
    }
}

impl HasLog for PostgresAppRows {
    type Tables = RowTables;

    fn parts(&self) -> (&Database, &RowTables, &Log) {
        (&self.database, &self.tables, &self.log)
    }

    fn ready(&self, inside: &Arc<Pass>) -> Later<'static, ()> {
        let (store, inside) = (self.clone(), Arc::clone(inside));
        Box::pin(async move { store.prepared(APPLY, &inside).await })
    }
}

keeps_log!(PostgresAppRows);

impl AppRowStore for PostgresAppRows {
    fn register(&self, app_id: &str, registration: Registration) -> Later<'_, ()> {
        const OPERATION: &str = "register an app";
        let asked = Arc::new((app_id.to_owned(), registration));
        self.run(OPERATION, Within::Preparing, move |session, schema| {
            let asked = Arc::clone(&asked);
            Box::pin(async move {
                namespaces::register(OPERATION, session, schema, &asked.0, &asked.1).await
            })
        })
    }

    fn health_check(&self) -> Later<'_, bool> {
        let listed = self.namespaces();
        Box::pin(async move { is_sound(listed.await) })
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(self.database.close_with(&self.line))
    }

    fn held_by(&self) -> Option<Holder> {
        None
    }

    fn namespaces(&self) -> Later<'_, Vec<Namespace>> {
        self.run(LIST, Within::Nothing, |session, schema| {
            Box::pin(namespaces::list(LIST, session, schema))
        })
    }

    fn namespaces_now(&self) -> Result<Vec<Namespace>> {
        let store = self.clone();
        blocking::wait(LIST, async move { store.namespaces().await })
    }

    fn namespace(&self, app_id: &Text) -> Later<'_, Option<Namespace>> {
        const OPERATION: &str = "look for an app";
        let Some(app_id) = app_id.to_utf8() else {
            return Box::pin(ready(Ok(None)));
        };
        let app_id: Arc<str> = app_id.into();
        self.run(OPERATION, Within::Nothing, move |session, schema| {
            let app_id = Arc::clone(&app_id);
            Box::pin(async move { namespaces::get(OPERATION, session, schema, &app_id).await })
        })
    }

    fn node_watermarks(&self, table: &Table) -> Later<'_, Watermarks> {
        const OPERATION: &str = "read the watermarks of an app's rows";
        let marks = self.with_table(OPERATION, table, |session, table| {
            Box::pin(table.by_time.watermarks(OPERATION, session))
        });
        Box::pin(async move { Ok(marks.await?.unwrap_or_default()) })
    }

    fn newest_upto(&self, table: &Table, marks: Watermarks) -> Later<'_, Option<Watermarks>> {
        const OPERATION: &str = "read the watermarks of an app's rows";
        let marks = Arc::new(marks);
        let found = self.with_table(OPERATION, table, move |session, table| {
            let marks = Arc::clone(&marks);
            Box::pin(async move {
                let by_time = &table.by_time;
                by_time.newest_upto(OPERATION, session, &marks).await
            })
        });
        Box::pin(async move { Ok(Some(found.await?.unwrap_or_default())) })
    }

    fn late(&self, known: u64) -> Late {
        self.late.since(known)
    }

    fn unseen(&self, table: &Table, ask: Ask) -> Later<'_, (Vec<Item<Json>>, bool)> {
        self.page(table, ask)
    }

    fn unorderable(&self, table: &Table, limit: usize) -> Later<'_, Vec<Item<Json>>> {
        const OPERATION: &str = "find rows of an app without a time";
        let found = self.with_table(OPERATION, table, move |session, table| {
            Box::pin(async move {
                if !table.has_extra {
                    // Only a table of this package's own has the index for it.
                    return Ok(Vec::new());
                }
                let item = |row: &_| {
                    let stored = table.read(OPERATION, row)?;
                    Ok(table.without_place(OPERATION, &stored))
                };
                let by_time = &table.by_time;
                by_time.unorderable(OPERATION, session, limit, item).await
            })
        });
        Box::pin(async move { Ok(found.await?.unwrap_or_default()) })
    }

    /// All that is later in the order of nodes, too: what `since` says is one point for all of them.
    fn scan(&self, table: &Table, since: Hlc, limit: usize) -> Later<'_, (Vec<Item<Json>>, bool)> {
        const OPERATION: &str = "scan the rows of an app";
        let since = Arc::new(since);
        let page = self.with_table(OPERATION, table, move |session, table| {
            let since = Arc::clone(&since);
            Box::pin(async move {
                let item =
                    |hlc, row: &_| Ok(table.item(OPERATION, hlc, &table.read(OPERATION, row)?));
                table
                    .by_time
                    .after(OPERATION, session, (&since, limit), item)
                    .await
            })
        });
        Box::pin(async move { Ok(page.await?.unwrap_or_default()) })
    }

    fn apply(&self, item: Item<Json>) -> Later<'_, ()> {
        let (line, stamps) = (self.line.clone(), self.late.clone());
        let (item, hlc) = (Arc::new(item.clone()), item.hlc);
        let apply = || {
            let item = Arc::clone(&item);
            self.run(APPLY, Within::Writing, move |session, schema| {
                let item = Arc::clone(&item);
                Box::pin(async move {
                    let mut tables = KnownTables::new(session, schema);
                    let by_time = &tables.of(&item).await?.by_time;
                    let node: [&NodeId; 1] = [&item.hlc.node_id];
                    let before = by_time.newest_of(APPLY, session, node.into_iter()).await?;
                    Ok(tables.apply(&item).await? && before.covers(&item.hlc))
                })
            })
        };
        let (first, again) = (apply(), apply());
        Box::pin(async move {
            let _turn = line.turn(APPLY).await?;
            let is_late = match first.await {
                Err(error) if is_there_already(&error) => again.await?,
                answer => answer?,
            };
            if is_late {
                stamps.note([hlc]);
            }
            Ok(())
        })
    }

    fn take_in(&self, items: Vec<Item<Json>>, strict: bool) -> Later<'_, Vec<Taken>> {
        let store = self.clone();
        let take = move |items: &_, pace| store.take_in_by(items, strict, pace);
        take_page(self.database.dialect(), (items, strict), take)
    }
}

const LIST: &str = "list the apps";
