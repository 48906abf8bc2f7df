//! A connection while one call has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::timeout;
use tokio_postgres::Row;

use super::fault::too_late;
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
        let asked = connection.query(operation, sql, params.as_ref());
        self.in_time(operation, asked).await
    }

    /// Begins a transaction; one that only reads sees one state of the database.
    pub(super) async fn transaction(&self, operation: &'static str, reads: bool) -> Result<()> {
        self.is_in_transaction.store(true, Ordering::Release);
        self.batch(operation, &self.pool.connector.beginning(reads))
            .await
    }

    /// Makes it last.
    pub(super) async fn commit(&self, operation: &'static str) -> Result<()> {
        self.batch(operation, "COMMIT").await?;
        self.is_in_transaction.store(false, Ordering::Release);
        Ok(())
    }

    /// Undoes it.
    pub(super) async fn rollback(&self, operation: &'static str) -> Result<()> {
        self.batch(operation, "ROLLBACK").await?;
        self.is_in_transaction.store(false, Ordering::Release);
        Ok(())
    }

    /// Runs statements that have no parameters and no answers.
    pub(super) async fn batch(&self, operation: &'static str, sql: &str) -> Result<()> {
        let connection = &self.in_use(operation)?.connection;
        self.in_time(operation, connection.batch(operation, sql))
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
