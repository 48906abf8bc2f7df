//! Which apps have rows here, and in which tables.

use tokio_postgres::Row;

use super::super::columns::quote;
use super::super::fault::during;
use super::super::noted::{Noted, Plane};
use super::super::param::Param;
use super::super::schema::{SETTING_UP, create_schema, define_all};
use super::super::session::PgSession;
use super::claims;
use super::create::create;
use super::table::Name;
use crate::error::Result;
use crate::store::row::namespaces::{add_specs, read_tables, specs_of, write_tables};
use crate::store::{Namespace, Registration, TableInfo, TableSpec};

/// The registry in this schema.
pub(super) fn registry(schema: &str) -> String {
    format!("{}.app_syncable_namespaces", quote(schema))
}

/// All apps, in the order of their ids; none if there is no registry.
pub(super) async fn list(
    operation: &'static str,
    session: &PgSession,
    schema: &str,
) -> Result<Vec<Namespace>> {
    ask(operation, session, schema, None).await
}

/// The app with this id.
pub(super) async fn get(
    operation: &'static str,
    session: &PgSession,
    schema: &str,
    app_id: &str,
) -> Result<Option<Namespace>> {
    if app_id.contains('\0') {
        return Ok(None);
    }
    let found = ask(operation, session, schema, Some(app_id)).await?;
    Ok(found.into_iter().next())
}

async fn ask(
    operation: &'static str,
    session: &PgSession,
    schema: &str,
    app_id: Option<&str>,
) -> Result<Vec<Namespace>> {
    let registry = registry(schema);
    let sql = format!(
        "SELECT app_id::text, tables_json::text, files_enabled::int <> 0 FROM {registry}
          WHERE $1::text IS NULL OR app_id = $1 ORDER BY app_id COLLATE \"C\""
    );
    let app = Param::Text(app_id.map(str::to_owned));
    let rows = session.query(operation, &sql, &[app]).await?;
    rows.iter().map(|row| read(operation, row)).collect()
}

fn read(operation: &'static str, row: &Row) -> Result<Namespace> {
    let app_id: String = row.try_get(0).map_err(during(operation))?;
    let tables: String = row.try_get(1).map_err(during(operation))?;
    Ok(Namespace {
        tables: read_tables(operation, &app_id, &tables)?,
        app_id,
        files_enabled: row.try_get(2).map_err(during(operation))?,
    })
}

/// Creates the registry, if it is missing and the role may.
pub(super) async fn prepare(session: &PgSession, schema: &str) -> Result<()> {
    const OPERATION: &str = "prepare the tables";
    let registry = registry(schema);
    let has_triggers = session.dialect().has_triggers();
    let noted = (!has_triggers).then(|| Noted::of(Plane::Rows, schema, String::new()));
    let found = session
        .query(
            OPERATION,
            "SELECT to_regclass($1) IS NOT NULL",
            &[Param::text(&registry)],
        )
        .await?;
    let is_there = found
        .first()
        .is_some_and(|row| row.try_get(0).unwrap_or(false));
    if is_there {
        return match noted {
            Some(noted) => noted.prepare(OPERATION, session).await.map(drop),
            None => Ok(()),
        };
    }
    if session.dialect().has_locks() {
        session.query(OPERATION, SETTING_UP, &[]).await?;
    }
    create_schema(session, schema).await?;
    if let Some(noted) = noted {
        noted.prepare(OPERATION, session).await?;
    }
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {registry} (app_id text COLLATE \"C\" PRIMARY KEY, tables_json text NOT NULL,
           files_enabled integer NOT NULL DEFAULT 0, created_at timestamptz NOT NULL DEFAULT now())"
    );
    define_all(OPERATION, session, &[sql]).await
}

/// Registers an app, or adds to what it has: nothing that is there is taken away or changed. It is done within the caller's
/// transaction; if tables cannot be made in one, they are [claimed](claims) first, and are there before the registry says so.
pub(super) async fn register(
    operation: &'static str,
    session: &PgSession,
    schema: &str,
    app_id: &str,
    registration: &Registration,
) -> Result<()> {
    let dialect = session.dialect();
    let specs = specs_of(registration);
    let create_all = || async {
        for spec in &specs {
            create(operation, session, app_id, spec).await?;
        }
        Ok(())
    };
    let asked = (app_id, &specs[..], registration.files_enabled);
    if dialect.defines_in_transactions() {
        session.query(operation, SETTING_UP, &[]).await?;
        enter(operation, session, schema, asked).await?;
        return create_all().await;
    }
    with_new(operation, session, schema, (app_id, &specs)).await?;
    let known = get(operation, session, schema, app_id).await?;
    let is_new = |spec: &&TableSpec| {
        let known = known.as_ref();
        known.is_none_or(|known| known.table(&spec.name).is_none())
    };
    let new = specs.iter().filter(is_new);
    let new = new.map(|spec| Name::of(app_id, &spec.name)).collect();
    claims::claim(operation, session, schema, (app_id, new)).await?;
    create_all().await?;
    session.transaction(operation, false).await?;
    enter(operation, session, schema, asked).await?;
    session.commit(operation).await
}

/// The tables that an app has with these; fails where one of them cannot be.
async fn with_new(
    operation: &'static str,
    session: &PgSession,
    schema: &str,
    (app_id, specs): (&str, &[TableSpec]),
) -> Result<Vec<TableInfo>> {
    let known = get(operation, session, schema, app_id).await?;
    let mut tables = known.map(|known| known.tables).unwrap_or_default();
    add_specs(operation, &mut tables, specs)?;
    let others = list(operation, session, schema).await?;
    for table in &tables {
        let name = Name::of(app_id, &table.name);
        name.check(operation, app_id, &table.name)?;
        let is_taken = others
            .iter()
            .filter(|other| other.app_id != app_id)
            .find(|other| {
                let mut taken = other.tables.iter();
                taken.any(|table| Name::of(&other.app_id, &table.name) == name)
            });
        if let Some(other) = is_taken {
            return Err(claims::taken(operation, &name, &other.app_id));
        }
    }
    Ok(tables)
}

/// Writes the tables of an app into the registry, within the caller's transaction.
async fn enter(
    operation: &'static str,
    session: &PgSession,
    schema: &str,
    (app_id, specs, files_enabled): (&str, &[TableSpec], bool),
) -> Result<()> {
    let tables = with_new(operation, session, schema, (app_id, specs)).await?;
    let json = write_tables(operation, &tables)?;
    let registry = registry(schema);
    let is_number = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
                      WHERE attrelid = to_regclass($1) AND attname = 'files_enabled'";
    let found = session
        .query(operation, is_number, &[Param::text(&registry)])
        .await?;
    let declared: String = match found.first() {
        Some(row) => row.try_get(0).map_err(during(operation))?,
        None => "integer".to_owned(),
    };
    let sql = format!(
        "INSERT INTO {registry} AS t (app_id, tables_json, files_enabled)
         VALUES ($1, $2::text::{}, CAST($3::text AS {declared}))
         ON CONFLICT (app_id) DO UPDATE SET
           tables_json = excluded.tables_json, files_enabled = excluded.files_enabled",
        json_type(operation, session, &registry).await?
    );
    let enabled = if files_enabled { "1" } else { "0" };
    let params = [Param::text(app_id), Param::text(json), Param::text(enabled)];
    session.query(operation, &sql, &params).await.map(drop)
}

/// The type of the column of tables: text, or JSON.
async fn json_type(operation: &'static str, session: &PgSession, registry: &str) -> Result<String> {
    let sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
                WHERE attrelid = to_regclass($1) AND attname = 'tables_json'";
    let found = session
        .query(operation, sql, &[Param::text(registry)])
        .await?;
    match found.first() {
        Some(row) => row.try_get(0).map_err(during(operation)),
        None => Ok("text".to_owned()),
    }
}
