//! A transaction that an app holds open.
//!
//! It has the writer's turn until it ends, so whoever writes past it waits; what it wrote is seen by
//! itself alone until it is committed. One that is dropped is rolled back.

use std::sync::Arc;

use rusqlite::Connection;
use tokio::sync::Mutex;

use super::database::Turn;
use super::fault::during;
use super::query::{self, Query, QueryResult};
use super::record::encode;
use super::rows;
use super::schema::Shape;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::store::{Json, blocking};

/// See the [module page](self).
#[derive(Debug, Clone)]
pub struct SqliteTransaction {
    open: Arc<Mutex<Option<Open>>>,
    shape: Arc<Shape>,
}

#[derive(Debug)]
struct Open {
    turn: Turn,
}

impl Drop for Open {
    fn drop(&mut self) {
        if !self.turn.connection.is_autocommit()
            && let Err(error) = self.turn.connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction cannot be rolled back");
        }
    }
}

impl SqliteTransaction {
    /// Begins with the turn that it keeps.
    pub(super) async fn begin(turn: Turn, shape: Arc<Shape>) -> Result<Self> {
        const OPERATION: &str = "begin a transaction";
        let open = blocking::run(OPERATION, move || {
            turn.connection
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(during(OPERATION))?;
            Ok(Open { turn })
        })
        .await?;
        Ok(Self {
            open: Arc::new(Mutex::new(Some(open))),
            shape,
        })
    }

    /// Stores a record, whatever stood there.
    pub async fn put(&self, record: Json) -> Result<()> {
        const OPERATION: &str = "put a record in a transaction";
        self.run(OPERATION, move |connection, shape| {
            let record = encode(OPERATION, shape, &record)?;
            rows::put(OPERATION, connection, shape, &record)
        })
        .await
    }

    /// The record with this id, deleted or not.
    pub async fn get(&self, id: &str) -> Result<Option<Json>> {
        const OPERATION: &str = "get a record in a transaction";
        let id = id.to_owned();
        self.run(OPERATION, move |connection, shape| {
            rows::get(OPERATION, connection, shape, &id)
        })
        .await
    }

    /// Marks a record as deleted at `hlc`. One that is not there stays so.
    pub async fn delete(&self, id: &str, hlc: Hlc) -> Result<()> {
        const OPERATION: &str = "delete a record in a transaction";
        let id = id.to_owned();
        self.run(OPERATION, move |connection, shape| {
            rows::delete(OPERATION, connection, shape, &id, &hlc)
        })
        .await
    }

    /// The records for which the query holds, in its order.
    pub async fn query(&self, query: Query) -> Result<QueryResult> {
        self.run(
            "query records in a transaction",
            move |connection, shape| query::run(connection, shape, &query),
        )
        .await
    }

    /// Makes it last and ends it.
    pub async fn commit(&self) -> Result<()> {
        self.end("commit a transaction", |connection| {
            connection
                .execute_batch("COMMIT")
                .map_err(during("commit a transaction"))
        })
        .await
    }

    /// Undoes it and ends it.
    pub async fn rollback(&self) -> Result<()> {
        self.end("roll a transaction back", |_| Ok(())).await
    }

    async fn end(
        &self,
        operation: &'static str,
        last: impl FnOnce(&Connection) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let mut open = Arc::clone(&self.open).lock_owned().await;
        blocking::run(operation, move || {
            let ending = open.take();
            last(connection_of(operation, ending.as_ref())?)
        })
        .await
    }

    async fn run<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Shape) -> Result<T> + Send + 'static,
    {
        let open = Arc::clone(&self.open).lock_owned().await;
        let shape = Arc::clone(&self.shape);
        blocking::run(operation, move || {
            work(connection_of(operation, open.as_ref())?, &shape)
        })
        .await
    }
}

/// The connection, while the transaction stands. Nothing may run past its end as if it were inside.
fn connection_of<'a>(operation: &'static str, open: Option<&'a Open>) -> Result<&'a Connection> {
    let over = |message| Error::new(ErrorKind::Closed, operation, message);
    let open = open.ok_or_else(|| over("the transaction has ended; begin a new one"))?;
    if open.turn.connection.is_autocommit() {
        return Err(over(
            "an earlier failure has ended the transaction; begin a new one",
        ));
    }
    Ok(&open.turn.connection)
}
