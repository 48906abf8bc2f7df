//! Records in and out of the table.

use std::collections::HashMap;

use rusqlite::types::Value;
use tokio_postgres::Row;

use super::columns::FieldKind;

use super::answer::text;
use super::fault::{about, during};
use super::param::Param;
use super::record::{Encoded, decode, encode};
use super::schema::Shape;
use super::session::PgSession;
use super::table::{text_of, warn_of_dropped};
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::Item;
use crate::store::Json;
use crate::store::row::malformed;
use crate::store::row::stored::{Stored, named};

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
        let mut texts: Vec<Option<String>> = values.into_iter().map(text_of).collect();
        for (column, text) in shape.columns.iter().zip(&texts) {
            if let (FieldKind::Time, Some(text)) = (column.kind, text) {
                fits(operation, &id, &column.field, text)?;
            }
        }
        if extra.is_some() && !shape.has_extra {
            warn_of_dropped(&shape.table);
        }
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

impl ToWrite {
    /// The record as it reads back, as JSON.
    pub(super) fn json(&self, shape: &Shape) -> String {
        let count = shape.columns.len();
        let values = self.texts.iter().take(count).cloned().enumerate();
        let values: Vec<Value> = values.map(|(at, text)| shape.value(at, text)).collect();
        let extra = self.texts.get(count).and_then(Option::as_deref);
        decode(shape, &values, extra)
    }
}

/// Stamps have their order as text if they have the usual digits.
fn fits(operation: &'static str, id: &str, field: &str, text: &str) -> Result<()> {
    let colons = text.bytes().enumerate().filter(|(_, byte)| *byte == b':');
    let mut colons = colons.map(|(at, _)| at);
    if text.is_empty() || (colons.next() == Some(12) && colons.next() == Some(17)) {
        return Ok(());
    }
    let what = format!(
        "{field} of the record {id:?} must have at most 12 digits of time and 4 of its counter in hexadecimal, got \
         {text:?}: text has another order then"
    );
    Err(refuse(operation, what))
}

fn refuse(operation: &'static str, what: String) -> Error {
    Error::new(ErrorKind::InvalidArgument, operation, what)
}

/// Stores records that have the same foreign fields, in the order of their ids, and answers the ids of those that were
/// stored. No two may have one id.
pub(super) async fn write(
    operation: &'static str,
    session: &PgSession,
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
    note(operation, session, shape, &rows).await?;
    rows.iter().map(|row| text(operation, row, 0)).collect()
}

/// Notes what a statement wrote, of which it answered ids and times, where the table does not do so itself.
async fn note(
    operation: &'static str,
    session: &PgSession,
    shape: &Shape,
    written: &[Row],
) -> Result<()> {
    let Some(noted) = &shape.noted else {
        return Ok(());
    };
    let version = |row: &Row| Ok((text(operation, row, 0)?, Some(text(operation, row, 1)?)));
    let versions: Vec<_> = written.iter().map(version).collect::<Result<_>>()?;
    noted.note(operation, session, &versions).await
}

/// The record with this id.
pub(super) async fn get(
    operation: &'static str,
    session: &PgSession,
    shape: &Shape,
    id: &str,
) -> Result<Option<Json>> {
    if id.contains('\0') {
        return Ok(None);
    }
    let rows = session
        .query(operation, &shape.by_id, &[Param::text(id)])
        .await?;
    let found = rows.first().map(|row| read(operation, shape, row));
    Ok(found.transpose()?.map(|stored| stored.json(shape)))
}

/// The row that a statement of the shape's `select` answers.
pub(super) fn read(operation: &'static str, shape: &Shape, row: &Row) -> Result<Stored> {
    let text = |at: usize| row.try_get(at).map_err(during(operation));
    let count = shape.columns.len();
    let values: Result<Vec<Value>> = (0..count)
        .map(|at| Ok(shape.value(at, text(at)?)))
        .collect();
    Ok(Stored {
        values: values?,
        extra: text(count)?,
        unreadable: Vec::new(),
    })
}

/// At most `limit` records that have no place in the order. Each has a fault that says so.
pub(super) async fn unorderable(
    operation: &'static str,
    session: &PgSession,
    shape: &Shape,
    limit: usize,
) -> Result<Vec<Item<Json>>> {
    if !shape.has_extra {
        // Only a table of this package's own has the index for it.
        return Ok(Vec::new());
    }
    let item = |row: &Row| {
        let stored = read(operation, shape, row)?;
        let mut item = stored.item(operation, shape, Hlc::zero(), String::new);
        item.fault.get_or_insert_with(|| {
            let named = stored.id(shape).map(named).unwrap_or_default();
            let time = text(operation, row, row.len() - 1).unwrap_or_default();
            malformed::fault(
                operation,
                &named,
                "updated_at",
                USUAL_TIME,
                &format!("{time:?}"),
            )
        });
        Ok(item)
    };
    let by_time = &shape.by_time;
    by_time.unorderable(operation, session, limit, item).await
}

/// What has a place in the order.
pub(super) const USUAL_TIME: &str =
    "a timestamp of 12 and 4 digits (000000000000:0000:node), of the node that node_id says";

/// When the stored versions of those of these records were written that are there, and have a time.
pub(super) async fn stored_times(
    operation: &'static str,
    session: &PgSession,
    shape: &Shape,
    ids: Vec<String>,
) -> Result<HashMap<String, Hlc>> {
    let rows = session
        .query(operation, &shape.stored_times, &[Param::texts(ids)])
        .await?;
    let mut times = HashMap::with_capacity(rows.len());
    for row in rows {
        if let Ok(time) = Hlc::parse(&text(operation, &row, 1)?) {
            times.insert(text(operation, &row, 0)?, time);
        }
    }
    Ok(times)
}

/// What an app's own write replaces, and what its node had stored before.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) stored: Option<Hlc>,
    pub(super) newest: Option<Hlc>,
}

impl Before {
    fn read(operation: &'static str, row: &Row) -> Result<Self> {
        let time = |at: usize| {
            let text: Option<String> = row.try_get(at).map_err(during(operation))?;
            Ok(text.and_then(|text| Hlc::parse(&text).ok()))
        };
        Ok(Self {
            stored: time(0)?,
            newest: time(1)?,
        })
    }
}

/// Stores a record, whatever stood there.
pub(super) async fn put(
    operation: &'static str,
    session: &PgSession,
    shape: &Shape,
    record: &ToWrite,
) -> Result<Before> {
    if !shape.dialect.writes_within_queries() {
        let asked = (record.id.as_str(), &record.updated_at.node_id);
        let before = before(operation, session, shape, asked).await?;
        let stored = write(operation, session, shape, &[record], false).await?;
        return if stored.is_empty() {
            Err(ignored(operation, &record.id))
        } else {
            Ok(before)
        };
    }
    let sql = shape.put(&record.has_foreign);
    let texts = record.texts.iter().cloned();
    let mut params: Vec<Param> = texts.map(|text| Param::Texts(vec![text])).collect();
    params.push(Param::text(record.id.clone()));
    params.push(Param::text(record.updated_at.node_id.to_string()));
    let rows = session.query(operation, &sql, &params).await;
    let rows = rows.map_err(about(operation, || named(&record.id)))?;
    written(operation, &rows, &record.id)
}

/// Marks a record as deleted. One that is not there stays so.
pub(super) async fn delete(
    operation: &'static str,
    session: &PgSession,
    shape: &Shape,
    id: &str,
    at: &Hlc,
) -> Result<Before> {
    let time = at.to_string();
    fits(operation, id, "deletedAt", &time)?;
    let node = at.node_id.to_string();
    let params = [
        Param::text(id),
        Param::text(time.as_str()),
        Param::text(node),
    ];
    if !shape.dialect.writes_within_queries() {
        let before = before(operation, session, shape, (id, &at.node_id)).await?;
        let marked = session.query(operation, &shape.mark(), &params).await;
        let marked = marked.map_err(about(operation, || named(id)))?;
        if let (Some(noted), false) = (&shape.noted, marked.is_empty()) {
            let version = [(id.to_owned(), Some(time))];
            noted.note(operation, session, &version).await?;
        }
        return if marked.is_empty() && before.stored.is_some() {
            Err(ignored(operation, id))
        } else {
            Ok(before)
        };
    }
    let rows = session.query(operation, &shape.delete, &params).await;
    let rows = rows.map_err(about(operation, || named(id)))?;
    written(operation, &rows, id)
}

/// What stood there before a write, of whose rows the third column says whether one was written or there was none.
fn written(operation: &'static str, rows: &[Row], id: &str) -> Result<Before> {
    let Some(row) = rows.first() else {
        return Ok(Before {
            stored: None,
            newest: None,
        });
    };
    if !row.try_get::<_, bool>(2).map_err(during(operation))? {
        return Err(ignored(operation, id));
    }
    Before::read(operation, row)
}

fn ignored(operation: &'static str, id: &str) -> Error {
    let what = format!(
        "{} was not written: a trigger of the table ignores it; change the record, or the table",
        named(id)
    );
    Error::new(ErrorKind::Constraint, operation, what)
}

/// What stands there before a write, asked by itself.
async fn before(
    operation: &'static str,
    session: &PgSession,
    shape: &Shape,
    (id, node): (&str, &NodeId),
) -> Result<Before> {
    let params = [Param::text(id), Param::text(node.to_string())];
    let rows = session.query(operation, &shape.before(), &params).await?;
    match rows.first() {
        Some(row) => Before::read(operation, row),
        None => Ok(Before {
            stored: None,
            newest: None,
        }),
    }
}
