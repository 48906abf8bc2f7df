//! Records in and out of the table, within whatever transaction the caller has.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params_from_iter};

use super::fault::during;
use super::record::{Encoded, decode};
use super::schema::Shape;
use crate::error::Result;
use crate::protocol::hlc::Hlc;
use crate::protocol::item::{Item, ItemKind, Said, record_blob, size_in, size_of};
use crate::protocol::text::Text;
use crate::store::Json;

/// A row as it was read.
pub(super) struct Stored {
    pub(super) values: Vec<Value>,
    pub(super) extra: Option<String>,
}

impl Stored {
    /// The row that a statement of the shape's `select` is at.
    pub(super) fn read(shape: &Shape, row: &Row<'_>) -> rusqlite::Result<Self> {
        let count = shape.columns.len();
        let values = (0..count)
            .map(|at| row.get(at))
            .collect::<rusqlite::Result<_>>()?;
        let extra = match row.get(count)? {
            Value::Text(text) => Some(text),
            _ => None,
        };
        Ok(Self { values, extra })
    }

    /// The record as JSON.
    pub(super) fn json(&self, shape: &Shape) -> Json {
        decode(shape, &self.values, self.extra.as_deref()).into()
    }

    /// The record as an item of the exchange.
    pub(super) fn item(&self, shape: &Shape, hlc: Hlc) -> Item<Json> {
        let text = |name| self.text(shape, name).map(Text::from);
        let mime_type = text("mime_type").filter(|mime_type| !mime_type.is_empty());
        let is_deleted = text("deleted_at").is_some();
        let said = Said {
            key: text("object_storage_key"),
            mime_type,
            content_hash: text("content_hash"),
            size: self.size(shape),
        };
        Item {
            hlc,
            kind: ItemKind::Record(text("id").unwrap_or_else(|| Text::from(""))),
            blob: record_blob(said, is_deleted),
            body: self.json(shape),
            fault: None,
        }
    }

    /// How many bytes its object has.
    fn size(&self, shape: &Shape) -> Option<u64> {
        match self.values.get(shape.position("size_bytes")?)? {
            Value::Integer(size) => u64::try_from(*size).ok(),
            Value::Real(size) => size_of(*size),
            Value::Text(digits) => size_in(digits),
            _ => None,
        }
    }

    /// The text in the column `name`.
    pub(super) fn text(&self, shape: &Shape, name: &str) -> Option<&str> {
        match self.values.get(shape.position(name)?)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// Stores a record, whatever stood there.
pub(super) fn put(
    operation: &'static str,
    connection: &Connection,
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
    let mut statement = connection
        .prepare_cached(&shape.sql.upsert)
        .map_err(during(operation))?;
    statement
        .execute(params_from_iter(parameters))
        .map_err(during(operation))?;
    Ok(())
}

/// The record with this id.
pub(super) fn get(
    operation: &'static str,
    connection: &Connection,
    shape: &Shape,
    id: &str,
) -> Result<Option<Json>> {
    let mut statement = connection
        .prepare_cached(&shape.sql.by_id)
        .map_err(during(operation))?;
    let stored = statement
        .query_row([id], |row| Stored::read(shape, row))
        .optional()
        .map_err(during(operation))?;
    Ok(stored.map(|stored| stored.json(shape)))
}

/// When the stored version of a record was written.
pub(super) fn stored_time(
    operation: &'static str,
    connection: &Connection,
    id: &str,
) -> Result<Option<Hlc>> {
    let text: Option<String> = connection
        .prepare_cached("SELECT \"updated_at\" FROM shared_records WHERE \"id\" = ?1")
        .and_then(|mut statement| statement.query_row([id], |row| row.get(0)).optional())
        .map_err(during(operation))?;
    Ok(text.and_then(|text| Hlc::parse(&text).ok()))
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
    connection
        .prepare_cached(&shape.sql.delete)
        .and_then(|mut statement| statement.execute(&parameters[..]))
        .map_err(during(operation))?;
    Ok(())
}
