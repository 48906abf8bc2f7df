//! What engines remember between rounds.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::OnceCell;

use super::answer::text;
use super::columns::quote;
use super::database::{Database, Within};
use super::line::WriteLine;
use super::options::{PasswordSource, PostgresOptions};
use super::param::Param;
use super::schema::{OPERATION as PREPARE, SETTING_UP, create_schema, define_all};
use super::session::PgSession;
use super::tls::TlsClients;
use crate::error::Result;
use crate::store::{Holder, Json, Later, StateStore};

/// A store of JSON values under keys. All clones are one store.
#[derive(Debug, Clone)]
pub struct PostgresState {
    database: Database,
    place: Arc<StatePlace>,
    ready: Arc<OnceCell<()>>,
    line: WriteLine,
}

/// Where the values are.
#[derive(Debug)]
struct StatePlace {
    schema: String,
    /// The table within SQL.
    table: String,
    /// Whose values they are.
    scope: String,
}

impl PostgresState {
    /// The values of `scope` in `sync_state` of the schema of the options. Nothing is sent before the first call, which
    /// creates the table if it is not there.
    pub fn open(
        options: &PostgresOptions,
        scope: String,
        password: PasswordSource,
        tls: Arc<dyn TlsClients>,
    ) -> Result<Self> {
        let place = StatePlace {
            table: format!("{}.sync_state", quote(&options.schema)),
            schema: options.schema.clone(),
            scope,
        };
        Ok(Self {
            database: Database::open(options, password, tls)?,
            place: Arc::new(place),
            ready: Arc::default(),
            line: WriteLine::new(),
        })
    }

    fn run<T, W>(&self, operation: &'static str, work: W) -> Later<'static, T>
    where
        T: Send + 'static,
        W: for<'s> Fn(&'s PgSession, &'s StatePlace) -> BoxFuture<'s, Result<T>>
            + Send
            + Sync
            + 'static,
    {
        let store = self.clone();
        let ready = move |inside| async move {
            let prepare = || {
                let place = Arc::clone(&store.place);
                let within = (&inside, Within::Preparing);
                store.database.run(PREPARE, within, move |session| {
                    let place = Arc::clone(&place);
                    Box::pin(async move { prepare(session, &place).await })
                })
            };
            store.ready.get_or_try_init(prepare).await?;
            Ok(store.place)
        };
        self.database
            .run_on(operation, Within::Nothing, ready, work)
    }
}

async fn prepare(session: &PgSession, place: &StatePlace) -> Result<()> {
    let table = &place.table;
    let sql = "SELECT to_regclass($1) IS NOT NULL";
    let found = session.query(PREPARE, sql, &[Param::text(table)]).await?;
    if found
        .first()
        .is_some_and(|row| row.try_get(0).unwrap_or(false))
    {
        return Ok(());
    }
    if session.dialect().has_locks() {
        session.query(PREPARE, SETTING_UP, &[]).await?;
    }
    create_schema(session, &place.schema).await?;
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {table} (scope text COLLATE \"C\" NOT NULL, key text COLLATE \"C\" NOT NULL,
           value_json text NOT NULL, updated_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (scope, key))"
    );
    define_all(PREPARE, session, &[sql]).await
}

impl StateStore for PostgresState {
    fn get(&self, key: &str) -> Later<'_, Option<Json>> {
        const OPERATION: &str = "read the sync state";
        let key: Arc<str> = key.into();
        self.run(OPERATION, move |session, place| {
            let key = Arc::clone(&key);
            Box::pin(async move {
                let table = &place.table;
                let sql = format!("SELECT value_json FROM {table} WHERE scope = $1 AND key = $2");
                let params = [Param::text(place.scope.as_str()), Param::text(&*key)];
                let rows = session.query(OPERATION, &sql, &params).await?;
                let value = rows.first().map(|row| text(OPERATION, row, 0));
                Ok(value.transpose()?.map(Json::from))
            })
        })
    }

    fn set(&self, key: &str, value: Json) -> Later<'_, ()> {
        const OPERATION: &str = "write the sync state";
        let (key, line): (Arc<str>, WriteLine) = (key.into(), self.line.clone());
        let written = self.run(OPERATION, move |session, place| {
            let (key, value) = (Arc::clone(&key), Arc::clone(&value));
            Box::pin(async move {
                let sql = format!(
                    "INSERT INTO {} (scope, key, value_json) VALUES ($1, $2, $3) ON CONFLICT (scope, key)
                       DO UPDATE SET value_json = excluded.value_json, updated_at = now()",
                    place.table
                );
                let scope = place.scope.as_str();
                let params = [Param::text(scope), Param::text(&*key), Param::text(&*value)];
                session.query(OPERATION, &sql, &params).await.map(drop)
            })
        });
        Box::pin(async move {
            let _turn = line.turn(OPERATION).await?;
            written.await
        })
    }

    fn held_by(&self) -> Option<Holder> {
        None
    }

    fn close(&self) -> Later<'_, ()> {
        Box::pin(self.database.close_with(&self.line))
    }
}
