//! A transaction that an app holds open.
//!
//! It has the writer's turn until it ends, so other writes wait; what it wrote is seen by
//! itself alone until it is committed. One that is dropped is rolled back, and so is one that
//! [outlives](RecordTransaction::outlived) its time or its store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::Connection;

use super::fault::during;
use super::late::{delete_own, put_own};
use super::query;
use super::record::encode;
use super::rows;
use super::schema::Shape;
use super::turn::Turn;
use crate::error::{Error, Result};
use crate::protocol::hlc::Hlc;
use crate::store::late::{LateCheck, LateStamps};
use crate::store::query::{Query, QueryResult};
use crate::store::transaction::{BEGIN, HeldTransaction, RUN, WhyOver, check_open};
use crate::store::{Holder, Json, Later, RecordTransaction, blocking};

/// See the [module page](self).
#[derive(Debug, Clone)]
pub struct SqliteTransaction {
    held: HeldTransaction<Open>,
    shape: Arc<Shape>,
}

#[derive(Debug)]
struct Open {
    turn: Turn,
    /// What it has stored late, and where that is noted once it lasts.
    late: LateCheck,
    stamps: LateStamps,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.turn.connection.is_autocommit()
            && let Err(error) = self.turn.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction cannot be rolled back");
        }
        self.turn.let_go();
    }
}

impl SqliteTransaction {
    /// Begins with the turn that it keeps.
    pub(super) async fn begin(
        turn: Turn,
        shape: Arc<Shape>,
        stamps: LateStamps,
        ready: impl FnOnce(&Connection) -> Result<()> + Send + 'static,
    ) -> Result<Self> {
        let cut = turn.cut.clone();
        check_open(&cut)?;
        let (open, holder) = blocking::run(BEGIN, move || {
            turn.shared.check_place(BEGIN)?;
            turn.connection
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(during(BEGIN))?;
            let holder = turn.hold();
            let late = LateCheck::default();
            let open = Open { turn, late, stamps };
            ready(&open.turn.connection)?;
            Ok((open, holder))
        })
        .await?;
        Ok(Self {
            held: HeldTransaction::new(open, holder, cut),
            shape,
        })
    }

    async fn end(
        &self,
        operation: &'static str,
        why: WhyOver,
        last: impl FnOnce(&mut Open) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let mut stands = self.held.stands().await;
        blocking::run(operation, move || {
            let mut open = stands.end(operation, why)?;
            last(&mut open)
        })
        .await
    }

    async fn run<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Shape, &mut LateCheck) -> Result<T> + Send + 'static,
    {
        let mut stands = self.held.stands().await;
        let shape = Arc::clone(&self.shape);
        blocking::run(operation, move || {
            let Open { turn, late, .. } = stands.open(operation)?;
            work(connection(turn, operation)?, &shape, late)
        })
        .await
    }
}

impl RecordTransaction for SqliteTransaction {
    fn holder(&self) -> Holder {
        self.held.holder()
    }

    fn outlived(&self, limit: Option<Duration>) -> BoxFuture<'_, Error> {
        Box::pin(
            self.held
                .outlived(limit, |why| self.end(RUN, why, |_| Ok(()))),
        )
    }

    fn put(&self, record: Json) -> Later<'_, ()> {
        const OPERATION: &str = "put a record in a transaction";
        Box::pin(self.run(OPERATION, move |connection, shape, late| {
            let record = encode(OPERATION, shape, &record)?;
            put_own(OPERATION, (connection, shape), &record, late)
        }))
    }

    fn get(&self, id: &str) -> Later<'_, Option<Json>> {
        const OPERATION: &str = "get a record in a transaction";
        let id = id.to_owned();
        Box::pin(self.run(OPERATION, move |connection, shape, _| {
            rows::get(OPERATION, connection, shape, &id)
        }))
    }

    fn delete(&self, id: &str, hlc: Hlc) -> Later<'_, ()> {
        const OPERATION: &str = "delete a record in a transaction";
        let id = id.to_owned();
        Box::pin(self.run(OPERATION, move |connection, shape, late| {
            delete_own(OPERATION, (connection, shape), (&id, &hlc), late)
        }))
    }

    fn query(&self, query: Query) -> Later<'_, QueryResult> {
        Box::pin(self.run(
            "query records in a transaction",
            move |connection, shape, _| query::run(connection, shape, &query),
        ))
    }

    fn commit(&self) -> Later<'_, ()> {
        const OPERATION: &str = "commit a transaction";
        Box::pin(self.end(OPERATION, WhyOver::Ended, move |open| {
            let connection = connection(&open.turn, OPERATION)?;
            open.turn.shared.check_place(OPERATION)?;
            connection
                .execute_batch("COMMIT")
                .map_err(during(OPERATION))?;
            open.stamps.note(open.late.found.drain(..));
            Ok(())
        }))
    }

    fn rollback(&self) -> Later<'_, ()> {
        Box::pin(self.end("roll a transaction back", WhyOver::Ended, |_| Ok(())))
    }
}

/// The connection, while the transaction stands. Nothing may run past its end as if it were inside.
fn connection<'t>(turn: &'t Turn, operation: &'static str) -> Result<&'t Connection> {
    if turn.connection.is_autocommit() {
        return Err(WhyOver::Failed.error(operation));
    }
    Ok(&turn.connection)
}
