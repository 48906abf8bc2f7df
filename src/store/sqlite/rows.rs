//! Records in and out of the table, within whatever transaction the caller has.

use rusqlite::types::Value;
use rusqlite::{
    CachedStatement, Connection, OptionalExtension, Row, Statement, ToSql, params_from_iter,
};

use super::fault::{about, during, ignored};
use super::malformed::{Raw, read_columns};
use super::record::Encoded;
use super::schema::Shape;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::store::Json;
use crate::store::row::stored::{Stored, named};

/// The row that a statement of the shape's `select` is at.
pub(super) fn read(shape: &Shape, row: &Row<'_>) -> rusqlite::Result<Stored> {
    let count = shape.columns.len();
    let (mut values, no_texts) = read_columns(row, count + 1)?;
    let extra = match values.pop() {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    };
    let told = no_texts.into_iter().map(|(at, raw)| (at, raw.told()));
    Ok(Stored {
        values,
        extra,
        unreadable: told.collect(),
    })
}

/// Stores a record, whatever stood there. One that the table refuses is named.
pub(super) fn put(
    operation: &'static str,
    connection: &Connection,
    shape: &Shape,
    record: &Encoded,
) -> Result<()> {
    let mut statement = connection
        .prepare_cached(&shape.sql.upsert)
        .map_err(during(operation))?;
    put_by(operation, &mut statement, shape, record)
}

/// The same by the shape's statement for it.
fn put_by(
    operation: &'static str,
    upsert: &mut Statement<'_>,
    shape: &Shape,
    record: &Encoded,
) -> Result<()> {
    let node = shape
        .has_node_id
        .then(|| record.updated_at.node_id.to_string());
    let parameters = record
        .values
        .iter()
        .map(|value| value as &dyn ToSql)
        .chain([&record.extra as &dyn ToSql])
        .chain(node.iter().map(|node| node as &dyn ToSql))
        .chain(record.has_foreign.iter().map(|has| has as &dyn ToSql));
    let changed = upsert
        .execute(params_from_iter(parameters))
        .map_err(about(operation, || named(&record.id)))?;
    if changed == 0 {
        return Err(ignored(operation, &named(&record.id)));
    }
    Ok(())
}

/// The statements by which a page is taken in, found once for all of its records.
pub(super) struct Intake<'c> {
    pub(super) connection: &'c Connection,
    pub(super) shape: &'c Shape,
    operation: &'static str,
    stored_time: CachedStatement<'c>,
    upsert: CachedStatement<'c>,
}

impl<'c> Intake<'c> {
    /// Those of this table.
    pub(super) fn prepare(
        operation: &'static str,
        connection: &'c Connection,
        shape: &'c Shape,
    ) -> Result<Self> {
        let prepare = |sql: &str| connection.prepare_cached(sql).map_err(during(operation));
        Ok(Self {
            connection,
            shape,
            operation,
            stored_time: prepare(STORED_TIME)?,
            upsert: prepare(&shape.sql.upsert)?,
        })
    }

    /// When the stored version of a record was written.
    pub(super) fn stored_time(&mut self, id: &str) -> Result<Option<Hlc>> {
        stored_time_by(self.operation, &mut self.stored_time, id)
    }

    /// The row of a record.
    pub(super) fn stored(&self, id: &str) -> Result<Option<Stored>> {
        stored(self.operation, self.connection, self.shape, id)
    }

    /// Stores a record, whatever stood there.
    pub(super) fn put(&mut self, record: &Encoded) -> Result<()> {
        put_by(self.operation, &mut self.upsert, self.shape, record)
    }
}

/// The row of the record with this id.
pub(super) fn stored(
    operation: &'static str,
    connection: &Connection,
    shape: &Shape,
    id: &str,
) -> Result<Option<Stored>> {
    let mut by_id = by_id(operation, connection, shape)?;
    stored_by(operation, &mut by_id, shape, id)
}

/// The statement that finds a record.
pub(super) fn by_id<'c>(
    operation: &'static str,
    connection: &'c Connection,
    shape: &Shape,
) -> Result<CachedStatement<'c>> {
    let statement = connection.prepare_cached(&shape.sql.by_id);
    statement.map_err(during(operation))
}

/// The row that this statement finds.
pub(super) fn stored_by(
    operation: &'static str,
    by_id: &mut Statement<'_>,
    shape: &Shape,
    id: &str,
) -> Result<Option<Stored>> {
    by_id
        .query_row([id], |row| read(shape, row))
        .optional()
        .map_err(during(operation))
}

/// The record with this id.
pub(super) fn get(
    operation: &'static str,
    connection: &Connection,
    shape: &Shape,
    id: &str,
) -> Result<Option<Json>> {
    let stored = stored(operation, connection, shape, id)?;
    Ok(stored.map(|stored| stored.json(shape)))
}

const STORED_TIME: &str = "SELECT \"updated_at\" FROM shared_records WHERE \"id\" = ?1";

/// When the stored version of a record was written.
pub(super) fn stored_time(
    operation: &'static str,
    connection: &Connection,
    id: &str,
) -> Result<Option<Hlc>> {
    let mut statement = connection
        .prepare_cached(STORED_TIME)
        .map_err(during(operation))?;
    stored_time_by(operation, &mut statement, id)
}

fn stored_time_by(
    operation: &'static str,
    statement: &mut Statement<'_>,
    id: &str,
) -> Result<Option<Hlc>> {
    let stored = statement.query_row([id], |row| Raw::read(row, 0));
    let stored = stored.optional().map_err(during(operation))?;
    Ok(stored.and_then(|stored| stored.time()))
}

/// Marks a record as deleted. One that is not there stays so.
pub(super) fn delete(
    operation: &'static str,
    connection: &Connection,
    shape: &Shape,
    id: &str,
    at: &Hlc,
) -> Result<()> {
    let (time, node) = (at.to_string(), at.node_id.to_string());
    let mut parameters: Vec<&dyn ToSql> = vec![&id, &time];
    if shape.has_node_id {
        parameters.push(&node);
    }
    let changed = connection
        .prepare_cached(&shape.sql.delete)
        .and_then(|mut statement| statement.execute(&parameters[..]))
        .map_err(about(operation, || named(id)))?;
    if changed == 0 && get(operation, connection, shape, id)?.is_some() {
        return Err(ignored(operation, &named(id)));
    }
    Ok(())
}
