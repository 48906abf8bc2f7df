//! The table of records, as its log knows it.

use std::sync::Arc;

use tokio::sync::OnceCell;

use super::columns::quote;
use super::intake::{self, Pace, TAKE_IN};
use super::log::{self, LogTables, Sql, Tracked};
use super::param::Param;
use super::rows::{self, ToWrite};
use super::schema::Shape;
use super::session::PgSession;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::{Hlc, NodeId};
use crate::protocol::item::Item;
use crate::protocol::log::Stream;
use crate::protocol::watermarks::Watermarks;
use crate::store::row::equal::is_greater;
use crate::store::row::stored::Stored;
use crate::store::{Json, Later, SHARED_NODE, Taken};

const FETCH: &str = "read a record";

const PURGE: &str = "purge records";

/// See the [module page](self).
#[derive(Debug, Clone)]
pub(super) struct RecordTables {
    schema: Arc<str>,
    /// The table as it is, which the store looks at before it asks the log.
    shape: Arc<OnceCell<Arc<Shape>>>,
}

impl RecordTables {
    pub(super) fn new(schema: Arc<str>, shape: Arc<OnceCell<Arc<Shape>>>) -> Self {
        Self { schema, shape }
    }

    fn shape(&self) -> Result<&Shape> {
        let shape = self.shape.get().map(|shape| &**shape);
        shape.ok_or_else(|| {
            let message = "the table was not looked at before; this is a fault of this package, please report it";
            Error::new(ErrorKind::Internal, log::OPERATION, message)
        })
    }

    fn table(&self) -> Tracked {
        Tracked {
            stream: Stream::Records.name(),
            relation: format!("{}.records", quote(&self.schema)),
            key: vec!["id".to_owned()],
        }
    }
}

impl LogTables for RecordTables {
    fn tracked<'s>(&'s self, _session: &'s PgSession) -> Later<'s, Option<Vec<Tracked>>> {
        Box::pin(async move { Ok(Some(vec![self.table()])) })
    }

    fn fetch<'s>(
        &'s self,
        session: &'s PgSession,
        _stream: &'s Stream,
        keys: Vec<String>,
    ) -> Later<'s, Vec<(String, Item<Json>)>> {
        Box::pin(async move {
            let shape = self.shape()?;
            let found = stored(FETCH, session, shape, (keys, "")).await?;
            let item = |(id, stored): (String, Stored)| {
                let hlc = stored.time(shape).unwrap_or_else(Hlc::zero);
                let item = stored.item(FETCH, shape, hlc, || id.clone());
                (id, item)
            };
            Ok(found.into_iter().map(item).collect())
        })
    }

    fn newest_of<'s>(
        &'s self,
        session: &'s PgSession,
        _stream: &'s Stream,
        nodes: Vec<NodeId>,
    ) -> Later<'s, Watermarks> {
        Box::pin(async move {
            let by_time = &self.shape()?.by_time;
            by_time.newest_of(PURGE, session, nodes.iter()).await
        })
    }

    fn take_in<'s>(
        &'s self,
        sql: Sql<'s>,
        items: &'s [Item<Json>],
        how: Pace,
    ) -> Later<'s, Vec<Taken>> {
        Box::pin(async move {
            let shape = self.shape()?;
            let mut taken = intake::take_in(sql.session, shape, (items, false), how).await?;
            settle_equal((sql, shape, &self.table()), items, &mut taken).await?;
            Ok(taken)
        })
    }
}

/// The rows with these ids, each with its id.
async fn stored(
    operation: &'static str,
    session: &PgSession,
    shape: &Shape,
    (ids, lock): (Vec<String>, &str),
) -> Result<Vec<(String, Stored)>> {
    let select = &shape.select;
    let query = format!("{select} WHERE t.\"id\" = ANY ($1) ORDER BY t.\"id\" {lock}");
    let found = session
        .query(operation, &query, &[Param::texts(ids)])
        .await?;
    let with_id = |row| {
        let stored = rows::read(operation, shape, row)?;
        // Found by its id, it has one.
        let id = stored.id(shape).unwrap_or_default().to_owned();
        Ok((id, stored))
    };
    found.iter().map(with_id).collect()
}

/// Of two versions with one timestamp the greater one stands, and every side hears of it. `taken` says what became of the
/// items before that.
async fn settle_equal(
    (sql, shape, table): (Sql<'_>, &Shape, &Tracked),
    items: &[Item<Json>],
    taken: &mut [Taken],
) -> Result<()> {
    let session = sql.session;
    let is_stale = |(_, taken): &(&Item<Json>, &Taken)| matches!(taken, Taken::Stale);
    let stale = items.iter().zip(&*taken).filter(is_stale);
    let ids: Vec<String> = stale.filter_map(|(item, _)| id_of(item)).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let known = rows::stored_times(TAKE_IN, session, shape, ids).await?;
    for (item, became) in items.iter().zip(taken) {
        let id = id_of(item).filter(|id| known.get(id) == Some(&item.hlc));
        let Some(id) = id.filter(|_| matches!(became, Taken::Stale)) else {
            continue;
        };
        let found = stored(
            TAKE_IN,
            session,
            shape,
            (vec![id.clone()], shape.dialect.locking("FOR UPDATE OF t")),
        )
        .await?;
        let Some((_, stored)) = found.first() else {
            continue;
        };
        if stored.time(shape).as_ref() != Some(&item.hlc) {
            continue;
        }
        let record = ToWrite::read(TAKE_IN, shape, &item.body)?;
        let Some(is_greater) = is_greater(&record.json(shape), &stored.json(shape)) else {
            continue;
        };
        tracing::warn!(?id, time = %item.hlc, "{SHARED_NODE}");
        if is_greater {
            rows::write(TAKE_IN, session, shape, &[&record], false).await?;
            *became = Taken::Applied;
        }
        match &shape.noted {
            Some(noted) => noted.note(TAKE_IN, session, &[(id, None)]).await?,
            None => log::renew(&sql, table, "r.\"id\" = $2", &id).await?,
        }
    }
    Ok(())
}

fn id_of(item: &Item<Json>) -> Option<String> {
    let id = item.kind.record_id()?.to_utf8()?;
    (!id.contains('\0')).then_some(id)
}
