//! What apps keep beside their records: one row of JSON for each type and record.

use std::collections::HashMap;

use super::answer::text;
use super::columns::quote;
use super::param::Param;
use super::session::PgSession;
use crate::error::Result;
use crate::store::Json;

/// The table in this schema.
fn table(schema: &str) -> String {
    format!("{}.starkeep_metadata", quote(schema))
}

/// Keeps a row. It replaces the row of the same key.
pub(super) async fn put(
    session: &PgSession,
    schema: &str,
    key: [&str; 2],
    row: &str,
) -> Result<()> {
    let sql = format!(
        "INSERT INTO {} (type_id, record_id, row_json) VALUES ($1, $2, $3)
         ON CONFLICT (type_id, record_id) DO UPDATE SET row_json = excluded.row_json",
        table(schema)
    );
    let params = [Param::text(key[0]), Param::text(key[1]), Param::text(row)];
    session.query("put metadata", &sql, &params).await.map(drop)
}

/// The rows of those records that have one.
pub(super) async fn get(
    session: &PgSession,
    schema: &str,
    type_id: &str,
    ids: &[String],
) -> Result<HashMap<String, Json>> {
    const OPERATION: &str = "get metadata";
    let sql = format!(
        "SELECT record_id, row_json FROM {} WHERE type_id = $1 AND record_id = ANY ($2)",
        table(schema)
    );
    let params = [Param::text(type_id), Param::texts(ids.to_vec())];
    let rows = session.query(OPERATION, &sql, &params).await?;
    let read = |row| {
        Ok((
            text(OPERATION, row, 0)?,
            Json::from(text(OPERATION, row, 1)?),
        ))
    };
    rows.iter().map(read).collect()
}

/// Removes a row.
pub(super) async fn delete(session: &PgSession, schema: &str, key: [&str; 2]) -> Result<()> {
    let sql = format!(
        "DELETE FROM {} WHERE type_id = $1 AND record_id = $2",
        table(schema)
    );
    let params = [Param::text(key[0]), Param::text(key[1])];
    session
        .query("delete metadata", &sql, &params)
        .await
        .map(drop)
}
