//! Tables that this package makes for apps.

use std::collections::HashSet;

use super::super::columns::quote;
use super::super::delta::is_ordered;
use super::super::schema::{create_schema, define_all};
use super::super::session::PgSession;
use super::super::table::columns_of;
use super::table::{EXTRA, Name};
use crate::error::Result;
use crate::store::TableSpec;
use crate::store::row::cells::BOOKKEEPING;

/// Creates the table if it is missing, and its columns that are.
pub(super) async fn create(
    operation: &'static str,
    session: &PgSession,
    app_id: &str,
    spec: &TableSpec,
) -> Result<()> {
    let at = Name::of(app_id, &spec.name);
    let name = at.to_string();
    create_schema(session, &at.schema).await?;
    let mut known: HashSet<String> = BOOKKEEPING.iter().map(|name| (*name).to_owned()).collect();
    known.insert(EXTRA.to_owned());
    let own = spec.pk_columns.iter().chain(&spec.columns);
    let own: Vec<&String> = own
        .filter(|column| known.insert((*column).clone()))
        .collect();
    let declare = |column: &String| format!("{} text COLLATE \"C\"", quote(column));
    let mut parts: Vec<String> = own.iter().map(|column| declare(column)).collect();
    parts.push(format!(
        "updated_at text COLLATE \"C\" NOT NULL, deleted_at text COLLATE \"C\", node_id text COLLATE \"C\" NOT NULL,
         {EXTRA} text"
    ));
    if !spec.pk_columns.is_empty() {
        let key: Vec<String> = spec.pk_columns.iter().map(|column| quote(column)).collect();
        parts.push(format!("PRIMARY KEY ({})", key.join(", ")));
    }
    let found = columns_of(operation, session, &name).await?;
    if found.is_empty() {
        let table = format!("({})", parts.join(", "));
        let statements = if session.dialect().has_jumps() {
            // An index is named by the database.
            vec![
                format!("CREATE TABLE {name} {table}"),
                format!("CREATE INDEX ON {name} (node_id, updated_at)"),
                format!(
                    "CREATE INDEX ON {name} (node_id) WHERE NOT {}",
                    is_ordered("")
                ),
            ]
        } else {
            let index = quote(&format!(
                "{}_by_node",
                at.table.chars().take(40).collect::<String>()
            ));
            let dialect = session.dialect();
            vec![
                format!("CREATE TABLE IF NOT EXISTS {name} {table}"),
                dialect.index(&index, &name, "node_id, updated_at"),
            ]
        };
        return define_all(operation, session, &statements).await;
    }
    for column in own {
        if found.iter().all(|there| there.name != *column) {
            let sql = format!("ALTER TABLE {name} ADD COLUMN {}", declare(column));
            define_all(operation, session, &[sql]).await?;
        }
    }
    Ok(())
}
