//! One store's way to a database: whether it is open, and calls that are made again where a fault may pass.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::sleep;

use super::connection::random;
use super::dialect::Dialect;
use super::fault::may_pass;
use super::line::{GRACE, WriteLine};
use super::options::{PasswordSource, PostgresOptions};
use super::pool::Pool;
use super::runtime;
use super::session::PgSession;
use super::tls::TlsClients;
use super::written::Written;
use crate::error::{ErrorKind, Result};
use crate::store::Later;
use crate::store::blocking::is_waited_for;
use crate::store::gate::{Gate, Pass, closed};

/// The longest first pause; the next is up to twice as long.
const FIRST_PAUSE_MS: f64 = 50.0;
/// The longest pause.
const LONGEST_PAUSE_MS: f64 = 3_000.0;

/// How a call uses its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// Each statement, or each transaction of the call's own, by itself; it writes nothing that a log tells others.
    Nothing,
    /// The same; it writes what a log tells others.
    Writes,
    /// A transaction that only reads, in one state of the database.
    Reading,
    /// A transaction that writes.
    Writing,
    /// What makes tables: a transaction, where that can be within one.
    Preparing,
}

/// See the [module page](self). All clones are one.
#[derive(Debug, Clone)]
pub(super) struct Database {
    inner: Arc<OpenDatabase>,
}

#[derive(Debug)]
struct OpenDatabase {
    gate: Gate,
    /// Until the store is closed: the last store that lets go of a pool ends its connections.
    pool: Mutex<Option<Arc<Pool>>>,
    written: Written,
    dialect: Dialect,
}

impl Database {
    /// The database of these options. Nothing is sent.
    pub(super) fn open(
        options: &PostgresOptions,
        password: PasswordSource,
        tls: Arc<dyn TlsClients>,
    ) -> Result<Self> {
        let pool = Pool::shared(options, password, tls)?;
        let inner = OpenDatabase {
            gate: Gate::new(),
            written: Written::to(&pool.name, &options.schema),
            pool: Mutex::new(Some(pool)),
            dialect: options.dialect,
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// What kind of server it is.
    pub(super) fn dialect(&self) -> Dialect {
        self.inner.dialect
    }

    /// Lets one more in, unless the store is closed.
    pub(super) fn enter(&self, operation: &'static str) -> Result<Arc<Pass>> {
        self.inner.gate.enter(operation).map(Arc::new)
    }

    /// What of its schema this process writes.
    pub(super) fn written(&self) -> &Written {
        &self.inner.written
    }

    fn known_pool(&self) -> MutexGuard<'_, Option<Arc<Pool>>> {
        let pool = self.inner.pool.lock();
        pool.unwrap_or_else(PoisonError::into_inner)
    }

    fn pool(&self, operation: &'static str) -> Result<Arc<Pool>> {
        self.known_pool().clone().ok_or_else(|| closed(operation))
    }

    /// Runs `work` to its end on a connection, and once more where a fault may pass: it must come to the same if it
    /// is done twice. What runs is inside the store until then.
    pub(super) fn run<T, W>(
        &self,
        operation: &'static str,
        (inside, within): (&Arc<Pass>, Within),
        work: W,
    ) -> impl Future<Output = Result<T>> + Send + use<T, W>
    where
        T: Send + 'static,
        W: for<'s> Fn(&'s PgSession) -> BoxFuture<'s, Result<T>> + Send + Sync + 'static,
    {
        let (inside, pool) = (Arc::clone(inside), self.pool(operation));
        let writes = matches!(within, Within::Writes | Within::Writing | Within::Preparing);
        let writing = writes.then(|| self.written().begin());
        let within = match within {
            Within::Preparing if !self.dialect().defines_in_transactions() => Within::Nothing,
            within => within,
        };
        async move {
            let pool = pool?;
            // It is known on this thread alone.
            let may_ask = !is_waited_for();
            let again = async move {
                let _inside = inside;
                let _writing = writing;
                again(pool.connector.dialect, || {
                    once(&pool, operation, within, may_ask, &work)
                })
                .await
            };
            runtime::run(operation, again).await
        }
    }

    /// The same on what `ready` answers: what the store looks at, or creates, before its first call.
    pub(super) fn run_on<C, T, R, W>(
        &self,
        operation: &'static str,
        within: Within,
        ready: impl FnOnce(Arc<Pass>) -> R + Send + 'static,
        work: W,
    ) -> Later<'static, T>
    where
        C: ?Sized + Send + Sync + 'static,
        T: Send + 'static,
        R: Future<Output = Result<Arc<C>>> + Send,
        W: for<'s> Fn(&'s PgSession, &'s C) -> BoxFuture<'s, Result<T>> + Send + Sync + 'static,
    {
        let (database, entered) = (self.clone(), self.enter(operation));
        Box::pin(async move {
            let inside = entered?;
            let on = ready(Arc::clone(&inside)).await?;
            let work = Arc::new(work);
            let running = database.run(operation, (&inside, within), move |session| {
                let (work, on) = (Arc::clone(&work), Arc::clone(&on));
                Box::pin(async move { work(session, &on).await })
            });
            running.await
        })
    }

    /// A connection that is kept for several calls.
    pub(super) async fn session(&self, operation: &'static str) -> Result<PgSession> {
        let (pool, may_ask) = (self.pool(operation)?, !is_waited_for());
        let begun = async move {
            let dialect = pool.connector.dialect;
            again(dialect, || PgSession::begin(&pool, operation, may_ask)).await
        };
        runtime::run(operation, begun).await
    }

    /// Waits for calls that run, then closes the store for good. Closing again does nothing. Transactions of this line whose
    /// callbacks go on and on are not waited for.
    pub(super) fn close_with(
        &self,
        line: &WriteLine,
    ) -> impl Future<Output = Result<()>> + Send + use<> {
        let (database, line) = (self.clone(), line.clone());
        runtime::run("close a database", async move {
            let gate = &database.inner.gate;
            tokio::select! {
                biased;
                () = gate.close() => {}
                () = sleep(GRACE) => {
                    line.cut.send_replace(true);
                    gate.close().await;
                }
            }
            drop(database.known_pool().take());
            Ok(())
        })
    }
}

/// Whether a database is sound that answered this. Fails where the store is closed.
pub(super) fn is_sound<T>(answer: Result<T>) -> Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Closed => Err(error),
        Err(error) => {
            tracing::warn!(%error, "the database is not sound");
            Ok(false)
        }
    }
}

/// What `ask` answers, asked again while that may help.
async fn again<T, F: Future<Output = Result<T>>>(
    dialect: Dialect,
    ask: impl Fn() -> F,
) -> Result<T> {
    let mut longest = FIRST_PAUSE_MS;
    let mut left = dialect.tries();
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        if left == 0 || !may_pass(&error) {
            return Err(error);
        }
        tracing::debug!(%error, "a call to the database is made again");
        sleep(Duration::from_secs_f64(
            longest * (0.5 + 0.5 * random()) / 1000.0,
        ))
        .await;
        longest = (longest * 2.0).min(LONGEST_PAUSE_MS);
        left -= 1;
    }
}

async fn once<T, W>(
    pool: &Arc<Pool>,
    operation: &'static str,
    within: Within,
    may_ask: bool,
    work: &W,
) -> Result<T>
where
    W: for<'s> Fn(&'s PgSession) -> BoxFuture<'s, Result<T>>,
{
    let session = PgSession::begin(pool, operation, may_ask).await?;
    if matches!(within, Within::Nothing | Within::Writes) {
        let done = work(&session).await;
        if done.is_err() {
            session.undo(operation).await;
        }
        return done;
    }
    session
        .transaction(operation, within == Within::Reading)
        .await?;
    match work(&session).await {
        Ok(answer) => {
            session.commit(operation).await?;
            Ok(answer)
        }
        Err(error) => {
            if !session.is_lost() {
                // A connection on which this fails is closed, which undoes it too.
                let _ = session.rollback(operation).await;
            }
            Err(error)
        }
    }
}
