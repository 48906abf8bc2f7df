//! Whose a table is before it is made, where no lock keeps two registrations apart.
//!
//! The ids of two apps may come to one table. Each registration looks through the registry for that, where one that goes on
//! at the same moment does not stand yet. So it first writes whose its new tables are: of two that claim one table, the key
//! of the claims lets one through, and the other finds the claim when it begins again.

use super::super::columns::quote;
use super::super::fault::{during, may_not};
use super::super::param::Param;
use super::super::session::PgSession;
use super::table::Name;
use crate::error::{Error, ErrorKind, Result};

/// Claims tables for an app, in a transaction of its own. Fails where one of them is another app's.
pub(super) async fn claim(
    operation: &'static str,
    session: &PgSession,
    schema: &str,
    (app_id, tables): (&str, Vec<Name>),
) -> Result<()> {
    let claims = format!("{}.app_syncable_tables", quote(schema));
    if tables.is_empty() || !prepare(operation, session, &claims).await? {
        return Ok(());
    }
    let names = tables.into_iter().map(|name| (name.schema, name.table));
    let (schemas, tables): (Vec<String>, Vec<String>) = names.unzip();
    let parameters = [
        Param::texts(schemas),
        Param::texts(tables),
        Param::text(app_id),
    ];
    session.transaction(operation, false).await?;
    let insert = format!(
        "INSERT INTO {claims} (table_schema, table_name, app_id)
         SELECT u.table_schema, u.table_name, $3 FROM unnest($1::text[], $2::text[]) AS u (table_schema, table_name)
         ON CONFLICT (table_schema, table_name) DO NOTHING"
    );
    session.query(operation, &insert, &parameters).await?;
    let others = format!(
        "SELECT c.table_schema, c.table_name, c.app_id FROM {claims} AS c
           JOIN unnest($1::text[], $2::text[]) AS u (table_schema, table_name)
             ON c.table_schema = u.table_schema AND c.table_name = u.table_name
          WHERE c.app_id <> $3 LIMIT 1"
    );
    let found = session.query(operation, &others, &parameters).await?;
    if let Some(row) = found.first() {
        let text = |at| row.try_get(at).map_err(during(operation));
        let (schema, table) = (text(0)?, text(1)?);
        let other: String = text(2)?;
        return Err(taken(operation, &Name { schema, table }, &other));
    }
    session.commit(operation).await
}

/// That a table is another app's.
pub(super) fn taken(operation: &'static str, name: &Name, owner: &str) -> Error {
    Error::new(
        ErrorKind::InvalidArgument,
        operation,
        format!("the table {name} belongs to the app {owner:?} already; use another name"),
    )
}

/// Makes the table of claims, if it is missing. Says whether it is there: a role that may not make it may still register
/// tables that were made for it.
async fn prepare(operation: &'static str, session: &PgSession, claims: &str) -> Result<bool> {
    let is_there = "SELECT to_regclass($1) IS NOT NULL";
    let found = session
        .query(operation, is_there, &[Param::text(claims)])
        .await?;
    let is_there = |row: &tokio_postgres::Row| row.try_get(0).unwrap_or(false);
    if found.first().is_some_and(is_there) {
        return Ok(true);
    }
    let sql = format!(
        "CREATE TABLE IF NOT EXISTS {claims} (table_schema text NOT NULL, table_name text NOT NULL, app_id text NOT NULL,
           PRIMARY KEY (table_schema, table_name))"
    );
    match session.define(operation, &sql).await {
        Ok(()) => Ok(true),
        Err(error) if may_not(&error) => Ok(false),
        Err(error) => Err(error),
    }
}
