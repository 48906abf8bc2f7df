//! The table of records, as its log knows it, and how a record is taken in.

use std::sync::Arc;

use rusqlite::Connection;

use super::delta;
use super::log::{self, Entering, Plane, Tracked};
use super::logged::{FetchItems, Tables, TakeIn};
use super::record::{decode, encode};
use super::rows::{self, Intake};
use super::schema::{Shape, TABLE};
use crate::error::Result;
use crate::protocol::hlc::{Hlc, NodeId, wins};
use crate::protocol::item::Item;
use crate::protocol::log::Stream;
use crate::store::row::equal::is_greater;
pub(super) use crate::store::row::incoming::TAKE_IN;
use crate::store::row::incoming::{check_inside, record_id};
use crate::store::{Json, SHARED_NODE};

/// See the [module page](self).
#[derive(Debug, Clone)]
pub(super) struct RecordTables {
    pub(super) shape: Arc<Shape>,
}

impl RecordTables {
    /// The table of a file, which is created if it is missing.
    pub(super) fn prepare(connection: &mut Connection) -> Result<Self> {
        let shape = Arc::new(Shape::prepare(connection)?);
        Ok(Self { shape })
    }
}

impl Tables for RecordTables {
    const PLANE: Plane = Plane::Records;
    const ENTERED: Option<&'static str> = Some("");

    fn tracked(&self, _connection: &Connection) -> Result<Option<Vec<Tracked>>> {
        Ok(Some(vec![Tracked {
            stream: Stream::Records.name(),
            table: TABLE.to_owned(),
            key: vec!["id".to_owned()],
            has_deleted_at: true,
        }]))
    }

    fn newest_of(
        &self,
        connection: &Connection,
        _stream: &Stream,
        node: &NodeId,
    ) -> Result<Option<Hlc>> {
        delta::newest_of("purge records", connection, &self.shape.sql.by_time, node)
    }

    fn fetch<'a>(&'a self, connection: &'a Connection) -> FetchItems<'a> {
        const OPERATION: &str = "read a record";
        let mut by_id = None;
        Box::new(move |_, id| {
            let statement = match &mut by_id {
                Some(statement) => statement,
                None => by_id.insert(rows::by_id(OPERATION, connection, &self.shape)?),
            };
            let Some(stored) = rows::stored_by(OPERATION, statement, &self.shape, id)? else {
                return Ok(Vec::new());
            };
            let hlc = stored.time(&self.shape).unwrap_or_else(Hlc::zero);
            Ok(vec![stored.item(OPERATION, &self.shape, hlc, String::new)])
        })
    }

    fn take_in<'a>(
        &'a self,
        connection: &'a Connection,
        mut log: Option<&'a mut Entering<'_>>,
    ) -> Result<TakeIn<'a>> {
        let mut rows = Intake::prepare(TAKE_IN, connection, &self.shape)?;
        Ok(Box::new(move |item| {
            let (id, is_deleted) = match take_in_one(&mut rows, item)? {
                Met::Older(id, is_deleted) => (id, is_deleted),
                Met::NotOlder => return Ok(false),
                Met::Same(id) => return settle_equal(&mut rows, log.as_deref_mut(), item, &id),
            };
            if let Some(log) = &mut log {
                log.came(&id, (&item.hlc.to_string(), is_deleted));
            }
            Ok(true)
        }))
    }
}

/// Of two versions with one timestamp the greater one stands; whether that is the one that came, and was not stored.
fn settle_equal(
    rows: &mut Intake<'_>,
    log: Option<&mut Entering<'_>>,
    item: &Item<Json>,
    id: &str,
) -> Result<bool> {
    let Some(stored) = rows.stored(id)? else {
        return Ok(false);
    };
    let incoming = encode(TAKE_IN, rows.shape, &item.body)?;
    let reads_back = decode(rows.shape, &incoming.values, incoming.extra.as_deref());
    let Some(is_greater) = is_greater(&reads_back, &stored.json(rows.shape)) else {
        return Ok(false);
    };
    tracing::warn!(?id, time = %item.hlc, "{SHARED_NODE}");
    if is_greater {
        rows.put(&incoming)?;
    }
    let time = item.hlc.to_string();
    match log {
        Some(log) => {
            let is_deleted = if is_greater {
                incoming.is_deleted(rows.shape)
            } else {
                stored.is_deleted(rows.shape)
            };
            log.renew(id, (&time, is_deleted));
        }
        None => log::renew(rows.connection, Plane::Records, "", id, &time)?,
    }
    Ok(is_greater)
}

/// What an item with an id met that was to be taken in.
#[derive(Debug)]
pub(super) enum Met {
    /// Nothing, or an older version: it is stored now, and is a tombstone or not.
    Older(String, bool),
    /// A version of the same time.
    Same(String),
    /// A newer one.
    NotOlder,
}

/// Stores the item if it is the newer version.
pub(super) fn take_in_one(rows: &mut Intake<'_>, item: &Item<Json>) -> Result<Met> {
    let id = record_id(item)?;
    let stored = rows.stored_time(&id)?;
    if !wins(&item.hlc, stored.as_ref()) {
        let is_same = stored.as_ref() == Some(&item.hlc);
        return Ok(if is_same {
            Met::Same(id)
        } else {
            Met::NotOlder
        });
    }
    let record = encode(TAKE_IN, rows.shape, &item.body)?;
    check_inside((&record.id, &record.updated_at), item, &id)?;
    rows.put(&record)?;
    Ok(Met::Older(id, record.is_deleted(rows.shape)))
}
