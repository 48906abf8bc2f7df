//! The tables of records: what is created, what must hold of one that is there, and the statements for it as it is.

use std::fmt::Write as _;
use std::ops::Deref;

use futures_util::future::BoxFuture;
use rusqlite::types::Value;

use super::columns::{Column, KNOWN, clear_columns, quote};
use super::delta::{ByTime, is_ordered};
use super::dialect::Dialect;
use super::fault::may_not;
use super::noted::{Noted, Plane};
use super::param::Param;
use super::session::PgSession;
use super::table::{TableColumn, columns_of, is_in_order_of_bytes, wrong_collation};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::log::Stream;
use crate::store::row::layout::{EXTRA, Layout};

pub(super) const OPERATION: &str = "prepare the tables";
/// What keeps two processes from creating the tables at the same time.
pub(super) const SETTING_UP: &str = "SELECT pg_advisory_xact_lock(7305804402566787443)";

/// The table as it is, and the statements for it.
#[derive(Debug)]
pub(super) struct Shape {
    layout: Layout,
    /// For each column how it is read and written.
    pub(super) kinds: Vec<TableColumn>,
    pub(super) has_extra: bool,
    /// The table's name within SQL.
    pub(super) table: String,
    /// Everything of a record but the `WHERE`: the columns of `t` in order, then the extra column.
    pub(super) select: String,
    pub(super) by_id: String,
    /// The ids and times of those of these records that are there.
    pub(super) stored_times: String,
    pub(super) delete: String,
    pub(super) by_time: ByTime,
    /// Where the versions are noted that this package writes, where it has to.
    pub(super) noted: Option<Noted>,
    pub(super) dialect: Dialect,
}

impl Deref for Shape {
    type Target = Layout;

    fn deref(&self) -> &Layout {
        &self.layout
    }
}

impl Shape {
    /// Creates what is missing, if the role may, and reads the columns of the table.
    pub(super) fn prepare<'s>(
        session: &'s PgSession,
        schema: &'s str,
    ) -> BoxFuture<'s, Result<Self>> {
        Box::pin(async move {
            let table = format!("{}.records", quote(schema));
            if columns_of(OPERATION, session, &table).await?.is_empty() {
                create(session, schema, &table).await?;
            }
            let mut shape = Self::of(session, table).await?;
            if !session.dialect().has_triggers() {
                let noted = Noted::of(Plane::Records, schema, Stream::Records.name());
                let is_there = noted.prepare(OPERATION, session).await?;
                shape.noted = is_there.then_some(noted);
            }
            Ok(shape)
        })
    }

    async fn of(session: &PgSession, table: String) -> Result<Self> {
        let found = columns_of(OPERATION, session, &table).await?;
        let mut kinds = Vec::new();
        let (mut columns, mut computed) = (Vec::new(), Vec::new());
        let (mut has_extra, mut has_node_id) = (false, false);
        for found in found {
            if matches!(found.name.as_str(), "updated_at" | "node_id")
                && !is_in_order_of_bytes(&found.collation)
            {
                return Err(wrong_collation(OPERATION, &table, &found));
            }
            match found.name.as_str() {
                EXTRA => has_extra = true,
                "node_id" => has_node_id = true,
                _ => {
                    let (name, default) = (found.name.clone(), found.default.clone());
                    let column = Column::new(name, found.not_null, default);
                    if !found.is_computed {
                        columns.push(column);
                        kinds.push(found);
                    } else if column.is_foreign() {
                        computed.push(column.field);
                    }
                }
            }
        }
        let layout = Layout::new(
            clear_columns(columns).into_iter().flatten().collect(),
            computed,
        );
        layout.check(&table, "use another schema")?;
        if !has_node_id {
            return Err(Error::new(
                ErrorKind::Database,
                OPERATION,
                format!(
                    "the table {table} has no column node_id, so it is not one of Starkeep's; use another schema"
                ),
            ));
        }
        let kind_of = |column: &Column| kinds.iter().find(|kind| kind.name == column.name).cloned();
        let kinds: Vec<TableColumn> = layout.columns.iter().filter_map(kind_of).collect();
        let read: Vec<String> = kinds.iter().map(TableColumn::read).collect();
        let extra = if has_extra { EXTRA } else { "NULL::text" };
        let read = format!("{}, {extra}", read.join(", "));
        let select = format!("SELECT {read} FROM {table} AS t");
        Ok(Self {
            by_id: format!("{select} WHERE t.\"id\" = $1"),
            stored_times: format!(
                "SELECT \"id\", \"updated_at\" FROM {table} WHERE \"id\" = ANY ($1)"
            ),
            delete: format!(
                "WITH {}, gone AS (
                   UPDATE {table} AS t SET \"deleted_at\" = $2, \"updated_at\" = $2, \"node_id\" = $3
                    WHERE t.\"id\" = $1 RETURNING 1)
                 SELECT stored, newest, stored IS NULL OR EXISTS (SELECT 1 FROM gone) FROM before",
                before(&table, 1, 3)
            ),
            by_time: ByTime::new(session.dialect(), &table, &read),
            noted: None,
            dialect: session.dialect(),
            layout,
            kinds,
            has_extra,
            table,
            select,
        })
    }

    /// The statement that stores records, each from its place in lists of texts: those of the columns in order, the extra
    /// column, and the node. `has` says of each foreign column whether the records have that field. If `newer`, only what
    /// is newer than what is stored.
    pub(super) fn upsert(&self, has: &[bool], newer: bool) -> String {
        let (mut names, mut values, mut lists) = (Vec::new(), Vec::new(), Vec::new());
        let mut updates = Vec::new();
        let mut has = has.iter();
        let mut add = |name: String, value: String| {
            if name != "\"id\"" {
                updates.push(format!("{name} = excluded.{name}"));
            }
            names.push(name);
            values.push(value);
        };
        for (at, (column, kind)) in self.columns.iter().zip(&self.kinds).enumerate() {
            lists.push(format!("c{at}"));
            if !column.is_foreign() || has.next().copied().unwrap_or(true) {
                add(column.quoted(), kind.write(&format!("i.c{at}")));
            }
        }
        for (name, is_there) in [(EXTRA, self.has_extra), ("node_id", true)] {
            lists.push(format!("i_{name}"));
            if is_there {
                add(name.to_owned(), format!("i.i_{name}"));
            }
        }
        let count = lists.len();
        let params: Vec<String> = (1..=count).map(|at| format!("${at}::text[]")).collect();
        let mut sql = format!(
            "INSERT INTO {} AS t ({}) SELECT {} FROM unnest({}) AS i({}) ON CONFLICT (\"id\") DO UPDATE SET {}",
            self.table,
            names.join(", "),
            values.join(", "),
            params.join(", "),
            lists.join(", "),
            updates.join(", ")
        );
        if newer {
            sql.push_str(" WHERE excluded.\"updated_at\" > t.\"updated_at\"");
        }
        let _ = write!(sql, " RETURNING t.\"id\"");
        if self.noted.is_some() {
            let _ = write!(sql, ", t.\"updated_at\"");
        }
        sql
    }

    /// The statement that stores one record, whatever stood there: its parameters are those of [`Self::upsert`], its id, and
    /// its node.
    pub(super) fn put(&self, has: &[bool]) -> String {
        let lists = self.columns.len() + 2;
        format!(
            "WITH {}, put AS ({}) SELECT stored, newest, EXISTS (SELECT 1 FROM put) FROM before",
            before(&self.table, lists + 1, lists + 2),
            self.upsert(has, false)
        )
    }

    /// The statement that finds what stands there before another one. Its parameters are the record's id and the node.
    pub(super) fn before(&self) -> String {
        format!("SELECT {}", before_columns(&self.table, 1, 2))
    }

    /// The statement that marks a record as deleted, alone.
    pub(super) fn mark(&self) -> String {
        format!(
            "UPDATE {} AS t SET \"deleted_at\" = $2, \"updated_at\" = $2, \"node_id\" = $3 WHERE t.\"id\" = $1
             RETURNING t.\"id\"",
            self.table
        )
    }

    /// The value of a column as it was read.
    pub(super) fn value(&self, at: usize, text: Option<String>) -> Value {
        match (self.kinds.get(at), text) {
            (Some(kind), Some(text)) => kind.value(text),
            _ => Value::Null,
        }
    }
}

/// Runs statements that define: in the caller's transaction, or each in its own where that is how it is done.
pub(super) async fn define_all(
    operation: &'static str,
    session: &PgSession,
    statements: &[String],
) -> Result<()> {
    if session.dialect().defines_in_transactions() {
        return session.batch(operation, &statements.join("; ")).await;
    }
    for statement in statements {
        session.define(operation, statement).await?;
    }
    Ok(())
}

/// What stands there before a statement: when the record was written whose id is that parameter, and the newest of the
/// node that is the other.
fn before(table: &str, id: usize, node: usize) -> String {
    format!(
        "before AS MATERIALIZED (SELECT {})",
        before_columns(table, id, node)
    )
}

fn before_columns(table: &str, id: usize, node: usize) -> String {
    format!(
        "(SELECT \"updated_at\" FROM {table} WHERE \"id\" = ${id}) AS stored,
         (SELECT \"updated_at\" FROM {table} WHERE \"node_id\" = ${node}
           ORDER BY \"updated_at\" DESC LIMIT 1) AS newest"
    )
}

/// Creates a schema, if it is missing: to create it if it is there already is a right that few roles have.
pub(super) async fn create_schema(session: &PgSession, schema: &str) -> Result<()> {
    let sql = "SELECT 1 FROM pg_namespace WHERE nspname = $1";
    let found = session
        .query(OPERATION, sql, &[Param::text(schema)])
        .await?;
    if found.is_empty() {
        let sql = format!("CREATE SCHEMA {}", quote(schema));
        if session.dialect().defines_in_transactions() {
            session.batch(OPERATION, &sql).await?;
        } else {
            session.define(OPERATION, &sql).await?;
        }
    }
    Ok(())
}

async fn create(session: &PgSession, schema: &str, table: &str) -> Result<()> {
    let declare = |declared: &str| {
        declared
            .replace("TEXT", "text COLLATE \"C\"")
            .replace("INTEGER", "bigint")
    };
    let columns: Vec<String> = KNOWN
        .iter()
        .map(|(_, name, declared)| format!("{} {}", quote(name), declare(declared)))
        .collect();
    let quoted = quote(schema);
    let dialect = session.dialect();
    let mut statements = vec![
        format!(
            "CREATE TABLE IF NOT EXISTS {table} ({}, node_id text COLLATE \"C\" NOT NULL, {EXTRA} text)",
            columns.join(", ")
        ),
        dialect.index("idx_records_node_watermark", table, "node_id, updated_at"),
        format!(
            "CREATE TABLE IF NOT EXISTS {quoted}.starkeep_metadata (
               type_id text COLLATE \"C\" NOT NULL, record_id text COLLATE \"C\" NOT NULL, row_json text NOT NULL,
               PRIMARY KEY (type_id, record_id))"
        ),
    ];
    if dialect.has_jumps() {
        statements.push(format!(
            "CREATE INDEX IF NOT EXISTS idx_records_without_place ON {table} (\"id\") WHERE NOT {}",
            is_ordered("")
        ));
    }
    let created = async {
        if dialect.has_locks() {
            session.query(OPERATION, SETTING_UP, &[]).await?;
        }
        create_schema(session, schema).await?;
        define_all(OPERATION, session, &statements).await
    };
    created.await.map_err(|error| {
        if may_not(&error) {
            error.about(
                OPERATION,
                format!("there is no table {table}, and this role may not create it"),
            )
        } else {
            error
        }
    })
}
