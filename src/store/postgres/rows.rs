//! Records in and out of the table.

use rusqlite::types::Value;
use tokio_postgres::Row;

use super::fault::{about, during};
use super::param::Param;
use super::record::{Encoded, decode, encode};
use super::schema::Shape;
use super::session::Session;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::store::Json;

/// A record that is to be written, as its columns have it.
#[derive(Debug, Clone)]
pub(super) struct ToWrite {
    pub(super) id: String,
    pub(super) updated_at: Hlc,
    /// The columns in order, the extra column, and the node.
    texts: Vec<Option<String>>,
    pub(super) has_foreign: Vec<bool>,
}

impl ToWrite {
    /// Reads a record; what no table here can hold is refused.
    pub(super) fn read(operation: &'static str, shape: &Shape, json: &str) -> Result<Self> {
        let Encoded {
            id,
            updated_at,
            values,
            extra,
            has_foreign,
        } = encode(operation, shape, json)?;
        fits(operation, &id, &updated_at)?;
        let mut texts: Vec<Option<String>> = values.into_iter().map(text_of).collect();
        texts.push(extra);
        texts.push(Some(updated_at.node_id.to_string()));
        if let Some(at) = texts.iter().flatten().position(|text| text.contains('\0')) {
            let column = shape
                .columns
                .get(at)
                .map_or("a field", |column| &column.field);
            return Err(refuse(
                operation,
                format!(
                    "{column} of the record {id:?} must have no U+0000, which PostgreSQL cannot store"
                ),
            ));
        }
        Ok(Self {
            id,
            updated_at,
            texts,
            has_foreign,
        })
    }
}

/// Stamps have their order as text if they have the usual digits.
pub(super) fn fits(operation: &'static str, id: &str, hlc: &Hlc) -> Result<()> {
    if hlc.wall_time < 1 << 48 && hlc.counter < 1 << 16 {
        return Ok(());
    }
    let what = format!(
        "updatedAt of {id:?} must have at most 12 digits of time and 4 of its counter in hexadecimal, got {hlc}: text \
         has another order then"
    );
    Err(refuse(operation, what))
}

fn refuse(operation: &'static str, what: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, operation, what)
}

fn text_of(value: Value) -> Option<String> {
    match value {
        Value::Null | Value::Blob(_) => None,
        Value::Integer(number) => Some(number.to_string()),
        Value::Real(number) => Some(number.to_string()),
        Value::Text(text) => Some(text),
    }
}

/// Stores records that have the same foreign fields, in the order of their ids, and answers the ids of those that were
/// stored. No two may have one id.
pub(super) async fn write(
    operation: &'static str,
    session: &Session,
    shape: &Shape,
    records: &[&ToWrite],
    newer: bool,
) -> Result<Vec<String>> {
    let Some(first) = records.first() else {
        return Ok(Vec::new());
    };
    let sql = shape.upsert(&first.has_foreign, newer);
    let list = |at: usize| {
        let texts = records.iter().map(|record| record.texts.get(at).cloned());
        Param::Texts(texts.map(Option::flatten).collect())
    };
    let params: Vec<Param> = (0..first.texts.len()).map(list).collect();
    let rows = session.query(operation, &sql, &params).await;
    let rows = rows.map_err(about(operation, || named(&first.id)))?;
    rows.iter().map(|row| text(operation, row, 0)).collect()
}

fn named(id: &str) -> String {
    format!("the record {id:?}")
}

/// The text in a column that has one.
pub(super) fn text(operation: &'static str, row: &Row, at: usize) -> Result<String> {
    row.try_get(at).map_err(during(operation))
}

/// The record with this id.
pub(super) async fn get(
    operation: &'static str,
    session: &Session,
    shape: &Shape,
    id: &str,
) -> Result<Option<Json>> {
    let rows = session
        .query(operation, &shape.by_id, &[Param::text(id)])
        .await?;
    rows.first()
        .map(|row| {
            let (values, extra) = read(operation, shape, row)?;
            Ok(decode(shape, &values, extra.as_deref()).into())
        })
        .transpose()
}

/// The columns of a row that the shape's `select` reads, and the extra one.
pub(super) fn read(
    operation: &'static str,
    shape: &Shape,
    row: &Row,
) -> Result<(Vec<Value>, Option<String>)> {
    let text = |at: usize| row.try_get(at).map_err(during(operation));
    let count = shape.columns.len();
    let values: Result<Vec<Value>> = (0..count)
        .map(|at| Ok(shape.value(at, text(at)?)))
        .collect();
    Ok((values?, text(count)?))
}
