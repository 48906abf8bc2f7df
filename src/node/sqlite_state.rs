//! `createSqliteSyncStateStore({ db })` over the app's own `node:sqlite` handle.
//!
//! The file is the app's, so it is reached through the app's SQLite library and never through ours: two
//! libraries on one file in one process corrupt it. Apps read and write the table themselves; its form
//! is an interface.

use std::rc::Rc;

use super::convert::{parse_json, stringify};
use super::error::must_be;
use super::options::Options;
use super::runtime::{IntoJs, spawn};
use super::stores::STATE_METHODS;
use super::value::{Call, Env, Handle, Kind, Persistent, Scope, Value, bound, brand};
use crate::error::Result;
use crate::store::Json;

const CREATE_TABLE: &str = "CREATE TABLE IF NOT EXISTS sync_state (
  key TEXT PRIMARY KEY,
  value_json TEXT NOT NULL,
  updated_at INTEGER NOT NULL DEFAULT (strftime('%s','now'))
)";
const SELECT_VALUE: &str = "SELECT value_json FROM sync_state WHERE key = ?1";
const UPSERT_VALUE: &str = "INSERT INTO sync_state (key, value_json) VALUES (?1, ?2)
  ON CONFLICT (key) DO UPDATE SET value_json = excluded.value_json, updated_at = strftime('%s','now')";

/// What is behind the store over `{ db }`.
pub struct AppDatabase {
    db: Handle,
}

impl AppDatabase {
    fn method<'s>(scope: Scope<'s>, object: Value<'s>, name: &str) -> Result<Value<'s>> {
        let method = match scope.kind(object)? {
            Kind::Object => scope.get_named(object, name)?,
            _ => scope.undefined()?,
        };
        if scope.kind(method)? != Kind::Function {
            return Err(must_be(
                "createSqliteSyncStateStore({ db })",
                "a DatabaseSync of node:sqlite",
                &scope.describe_kind(object),
            ));
        }
        Ok(method)
    }

    fn exec(&self, scope: Scope<'_>, sql: &str) -> Result<()> {
        let db = self.db.value(scope)?;
        scope.call(db, Self::method(scope, db, "exec")?, &[scope.text(sql)?])?;
        Ok(())
    }

    fn statement<'s>(&self, scope: Scope<'s>, sql: &str) -> Result<Value<'s>> {
        let db = self.db.value(scope)?;
        scope.call(db, Self::method(scope, db, "prepare")?, &[scope.text(sql)?])
    }

    fn read(
        &self,
        scope: Scope<'_>,
        env: &Rc<Env>,
        key: &str,
        missing: &str,
    ) -> Result<Persistent> {
        let statement = self.statement(scope, SELECT_VALUE)?;
        let get = Self::method(scope, statement, "get")?;
        let row = scope.call(statement, get, &[scope.text(key)?])?;
        let text = match scope.kind(row)? {
            Kind::Object => scope.as_text(scope.get_named(row, "value_json")?),
            _ => None,
        };
        let text = text.map_or_else(|| missing.to_owned(), |text| text.to_string());
        env.keep(scope, parse_json(scope, env, &text)?)
    }

    /// What is under `key`, as a value of JavaScript, at once.
    pub fn read_now<'s>(&self, scope: Scope<'s>, env: &Rc<Env>, key: &str) -> Result<Value<'s>> {
        self.read(scope, env, key, "null")?.value(scope)
    }

    fn write(&self, scope: Scope<'_>, key: &str, json: &Json) -> Result<()> {
        let statement = self.statement(scope, UPSERT_VALUE)?;
        let run = Self::method(scope, statement, "run")?;
        scope.call(statement, run, &[scope.text(key)?, scope.text(json)?])?;
        Ok(())
    }
}

/// The store over `{ db }`.
pub fn create_over_app_database<'s>(call: &Call<'s>, options: &Options<'s>) -> Result<Value<'s>> {
    let (scope, env) = (call.scope, call.env);
    let array = options.array();
    let database = Rc::new(AppDatabase {
        db: options.handle("db")?,
    });
    database.exec(scope, CREATE_TABLE)?;
    let object = scope.object()?;
    for (get, set, key, missing) in STATE_METHODS {
        let reading = Rc::clone(&database);
        let getter = bound(scope, env, get, array, move |call| {
            let read = reading.read(call.scope, call.env, key, missing);
            settled(call, read)
        })?;
        scope.set_named(object, get, getter)?;
        let writing = Rc::clone(&database);
        let setter = bound(scope, env, set, array, move |call| {
            let written = stringify(call.scope, call.env, call.arg(0))
                .and_then(|json| writing.write(call.scope, key, &json));
            settled(call, written)
        })?;
        scope.set_named(object, set, setter)?;
    }
    brand(scope, env, object, database)?;
    Ok(object)
}

/// A promise of what is known already.
fn settled<'s, T: IntoJs>(call: &Call<'s>, outcome: Result<T>) -> Result<Value<'s>> {
    spawn(call.scope, call.env, async move { outcome })
}
