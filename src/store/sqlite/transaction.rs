//! A transaction that an app holds open.
//!
//! It has the writer's turn until it ends, so other writes wait; what it wrote is seen by
//! itself alone until it is committed. One that is dropped is rolled back, and so is one that
//! [outlives](RecordTransaction::outlived) its time or its store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rusqlite::Connection;
use tokio::sync::watch;

use super::fault::during;
use super::late::{LateCheck, delete_own, put_own};
use super::query;
use super::record::encode;
use super::rows;
use super::schema::Shape;
use super::turn::Turn;
use crate::error::{Error, ErrorKind, Result};
use crate::protocol::hlc::Hlc;
use crate::store::gate::closed;
use crate::store::late::LateStamps;
use crate::store::query::{Query, QueryResult};
use crate::store::{Holder, Json, Later, RecordTransaction, blocking};

/// See the [module page](self).
#[derive(Debug, Clone)]
pub struct SqliteTransaction {
    stands: Arc<tokio::sync::Mutex<Stands>>,
    shape: Arc<Shape>,
    holder: Holder,
    cut: watch::Receiver<bool>,
}

/// How a transaction stands.
#[derive(Debug)]
enum Stands {
    Open(Open),
    Over(Why),
}

/// Why it is over.
#[derive(Debug, Clone, Copy)]
enum Why {
    Ended,
    Closed,
    TooLong,
}

impl Why {
    fn error(self, operation: &'static str) -> Error {
        match self {
            Self::Ended => Error::new(
                ErrorKind::Closed,
                operation,
                "the transaction has ended; begin a new one",
            ),
            Self::Closed => closed(operation),
            Self::TooLong => Error::new(
                ErrorKind::TransactionTimeout,
                operation,
                "the callback took longer than transactionTimeoutMs, so the transaction was rolled back; do \
                 in it only what has to be written together, or allow more time",
            ),
        }
    }
}

#[derive(Debug)]
struct Open {
    turn: Turn,
    /// What it has stored late, and where that is noted once it lasts.
    late: Mutex<LateCheck>,
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
        const OPERATION: &str = "begin a transaction";
        let cut = turn.cut.clone();
        if *cut.borrow() {
            return Err(closed(OPERATION));
        }
        let (open, holder) = blocking::run(OPERATION, move || {
            turn.shared.check_place(OPERATION)?;
            turn.connection
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(during(OPERATION))?;
            let holder = turn.hold();
            let late = Mutex::default();
            let open = Open { turn, late, stamps };
            ready(&open.turn.connection)?;
            Ok((open, holder))
        })
        .await?;
        Ok(Self {
            stands: Arc::new(tokio::sync::Mutex::new(Stands::Open(open))),
            shape,
            holder,
            cut,
        })
    }

    async fn end(
        &self,
        operation: &'static str,
        why: Why,
        last: impl FnOnce(&Open) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let mut stands = Arc::clone(&self.stands).lock_owned().await;
        blocking::run(operation, move || {
            match std::mem::replace(&mut *stands, Stands::Over(why)) {
                Stands::Open(open) => last(&open),
                Stands::Over(before) => {
                    *stands = Stands::Over(before);
                    Err(before.error(operation))
                }
            }
        })
        .await
    }

    async fn run<T, F>(&self, operation: &'static str, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Shape, &mut LateCheck) -> Result<T> + Send + 'static,
    {
        let stands = Arc::clone(&self.stands).lock_owned().await;
        let shape = Arc::clone(&self.shape);
        blocking::run(operation, move || match &*stands {
            Stands::Open(open) => {
                let mut late = open.late.lock().unwrap_or_else(PoisonError::into_inner);
                work(open.connection(operation)?, &shape, &mut late)
            }
            Stands::Over(why) => Err(why.error(operation)),
        })
        .await
    }
}

impl RecordTransaction for SqliteTransaction {
    fn holder(&self) -> Holder {
        self.holder
    }

    fn outlived(&self, limit: Option<Duration>) -> BoxFuture<'_, Error> {
        const OPERATION: &str = "run a transaction";
        let mut cut = self.cut.clone();
        let closing = async move {
            // An error means that the store is gone, which an open transaction keeps.
            let _ = cut.wait_for(|cut| *cut).await;
        };
        let time_over = async move {
            match limit {
                Some(limit) => tokio::time::sleep(limit).await,
                None => std::future::pending().await,
            }
        };
        Box::pin(async move {
            let why = tokio::select! {
                () = closing => Why::Closed,
                () = time_over => Why::TooLong,
            };
            match self.end(OPERATION, why, |_| Ok(())).await {
                Ok(()) => why.error(OPERATION),
                Err(error) => error,
            }
        })
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
        Box::pin(self.end(OPERATION, Why::Ended, move |open| {
            let connection = open.connection(OPERATION)?;
            open.turn.shared.check_place(OPERATION)?;
            connection
                .execute_batch("COMMIT")
                .map_err(during(OPERATION))?;
            let mut late = open.late.lock().unwrap_or_else(PoisonError::into_inner);
            open.stamps.note(late.found.drain(..));
            Ok(())
        }))
    }

    fn rollback(&self) -> Later<'_, ()> {
        Box::pin(self.end("roll a transaction back", Why::Ended, |_| Ok(())))
    }
}

impl Open {
    /// The connection, while the transaction stands. Nothing may run past its end as if it were inside.
    fn connection(&self, operation: &'static str) -> Result<&Connection> {
        if self.turn.connection.is_autocommit() {
            return Err(Error::new(
                ErrorKind::Closed,
                operation,
                "an earlier failure has ended the transaction; begin a new one",
            ));
        }
        Ok(&self.turn.connection)
    }
}
