//! A connection while one call has it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::timeout;
use tokio_postgres::Row;

use super::dialect::Dialect;
use super::fault::{code_of, too_late};
use super::param::Param;
use super::pool::{InUse, Pool};
use crate::error::{Error, Network, Result};

/// See the [module page](self). Given back to its pool when it is dropped; one that is dropped within a transaction
/// is closed, which undoes the transaction.
#[derive(Debug)]
pub(super) struct PgSession {
    pool: Arc<Pool>,
    in_use: Option<InUse>,
    is_in_transaction: AtomicBool,
    /// An answer is missing, so that nothing more can be asked.
    is_lost: AtomicBool,
    origin: Mutex<(i64, i64)>,
}

impl PgSession {
    /// A connection of the pool.
    pub(super) async fn begin(
        pool: &Arc<Pool>,
        operation: &'static str,
        may_ask: bool,
    ) -> Result<Self> {
        let taken = pool.take(operation, may_ask).await;
        Ok(Self {
            in_use: Some(taken.map_err(|error| at(error, pool))?),
            pool: Arc::clone(pool),
            is_in_transaction: AtomicBool::new(false),
            is_lost: AtomicBool::new(false),
            origin: Mutex::default(),
        })
    }

    /// Runs a statement, and answers its rows.
    pub(super) async fn query(
        &self,
        operation: &'static str,
        sql: &str,
        params: impl AsRef<[Param]>,
    ) -> Result<Vec<Row>> {
        let connection = &self.in_use(operation)?.connection;
        let sql = self.dialect().text(sql);
        let asked = connection.query(operation, &sql, params.as_ref());
        self.in_time(operation, asked).await
    }

    /// What kind of server it is.
    pub(super) fn dialect(&self) -> Dialect {
        self.pool.connector.dialect
    }

    /// Which database of which server it is, in a text without spaces, as far as its address says.
    pub(super) fn place(&self) -> &str {
        &self.pool.place
    }

    /// Where the versions came from that the transaction writes: a number for the log, and one in it. Both are 0 for
    /// what is written here.
    pub(super) fn origin(&self) -> (i64, i64) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says where the versions of the transaction come from.
    pub(super) fn set_origin(&self, origin: (i64, i64)) {
        *self.origin.lock().unwrap_or_else(PoisonError::into_inner) = origin;
    }

    /// Runs a statement that defines something, which two processes may do at once: the second finds it done.
    pub(super) async fn define(&self, operation: &'static str, sql: &str) -> Result<()> {
        match self.batch(operation, sql).await {
            Err(error) if is_defined_already(&error) => Ok(()),
            Err(error) if is_not_understood(&error) => Err(error.about(operation, NO_DSQL)),
            done => done,
        }
    }

    /// Begins a transaction; one that only reads sees one state of the database.
    pub(super) async fn transaction(&self, operation: &'static str, reads: bool) -> Result<()> {
        self.is_in_transaction.store(true, Ordering::Release);
        self.set_origin((0, 0));
        self.batch(operation, &self.pool.connector.beginning(reads))
            .await
    }

    /// Makes it last.
    pub(super) async fn commit(&self, operation: &'static str) -> Result<()> {
        let committed = self.batch(operation, "COMMIT").await;
        // A server that refuses has ended the transaction, too.
        if committed
            .as_ref()
            .err()
            .is_none_or(|error| code_of(error).is_some())
        {
            self.is_in_transaction.store(false, Ordering::Release);
        }
        committed
    }

    /// Undoes it.
    pub(super) async fn rollback(&self, operation: &'static str) -> Result<()> {
        self.batch(operation, "ROLLBACK").await?;
        self.is_in_transaction.store(false, Ordering::Release);
        Ok(())
    }

    /// Undoes what is open after a failure. A connection on which that fails is closed, which undoes it too.
    pub(super) async fn undo(&self, operation: &'static str) {
        if self.is_in_transaction.load(Ordering::Acquire) && !self.is_lost() {
            let _ = self.rollback(operation).await;
        }
    }

    /// Runs statements that have no parameters and no answers.
    pub(super) async fn batch(&self, operation: &'static str, sql: &str) -> Result<()> {
        let connection = &self.in_use(operation)?.connection;
        let sql = self.dialect().text(sql);
        self.in_time(operation, connection.batch(operation, &sql))
            .await
    }

    /// Whether it was lost, so that only another one can go on.
    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Acquire)
            || self
                .in_use
                .as_ref()
                .is_none_or(|used| used.connection.is_closed())
    }

    fn in_use(&self, operation: &'static str) -> Result<&InUse> {
        match &self.in_use {
            Some(in_use) if !self.is_lost.load(Ordering::Acquire) => Ok(in_use),
            _ => Err(at(too_late(operation), &self.pool)),
        }
    }

    async fn in_time<T>(
        &self,
        operation: &'static str,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let answer = match self.pool.connector.patience() {
            None => answer.await,
            Some(limit) => timeout(limit, answer).await.unwrap_or_else(|_| {
                self.is_lost.store(true, Ordering::Release);
                Err(too_late(operation))
            }),
        };
        answer.map_err(|error| at(error, &self.pool))
    }
}

impl Drop for PgSession {
    fn drop(&mut self) {
        let is_free = !*self.is_in_transaction.get_mut() && !*self.is_lost.get_mut();
        if let Some(in_use) = self.in_use.take().filter(|_| is_free) {
            self.pool.give_back(in_use);
        }
    }
}

const NO_DSQL: &str = "the server does not make indexes as Aurora DSQL does; where it is PostgreSQL, leave the option dialect out";

fn is_not_understood(error: &Error) -> bool {
    code_of(error).is_some_and(|code| code.code() == "42601")
}

/// Whether a schema, a table or an index is there that was to be made.
fn is_defined_already(error: &Error) -> bool {
    // Two that begin at one moment meet in the catalogue, whose keys are unique.
    code_of(error)
        .is_some_and(|code| matches!(code.code(), "42P06" | "42P07" | "42710" | "42701" | "23505"))
}

/// The same error, with the name of the server.
fn at(error: Error, pool: &Pool) -> Error {
    match error.network() {
        Some(network) if network.url.is_empty() => {
            let network = Network {
                url: pool.name.clone(),
                ..network.clone()
            };
            error.of_request(network)
        }
        _ => error,
    }
}
