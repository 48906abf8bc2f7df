//! A transaction that an app holds open.
//!
//! It has a connection of its own until it ends, and the turn of the app's writes; what it wrote is seen by itself alone
//! until it is committed. One that is dropped is rolled back, and so is one that
//! [outlives](RecordTransaction::outlived) its time or its store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;

use super::fault::code_of;
use super::late::{delete_own, put_own};
use super::line::LineTurn;
use super::rows::{self, ToWrite};
use super::schema::Shape;
use super::session::PgSession;
use super::written::Writing;
use super::{query, runtime};
use crate::error::{Error, Result};
use crate::protocol::hlc::Hlc;
use crate::store::gate::Pass;
use crate::store::late::{LateCheck, LateStamps};
use crate::store::query::{Query, QueryResult};
use crate::store::transaction::{BEGIN, HeldTransaction, RUN, Stands, WhyOver, check_open};
use crate::store::{Holder, Json, Later, RecordTransaction};

/// See the [module page](self).
#[derive(Debug, Clone)]
pub(super) struct PostgresTransaction {
    held: HeldTransaction<Open>,
    shape: Arc<Shape>,
}

/// The session goes first: the turn is over once the transaction is.
#[derive(Debug)]
struct Open {
    session: PgSession,
    late: LateCheck,
    stamps: LateStamps,
    _writing: Writing,
    _turn: LineTurn,
    _inside: Arc<Pass>,
}

/// What a transaction stands on: the turn, and the connection with the pass.
pub(super) type Ground = (LineTurn, (Arc<Pass>, PgSession));

impl PostgresTransaction {
    /// Begins with the turn and the connection, which it keeps.
    pub(super) async fn begin(
        (turn, (inside, session)): Ground,
        shape: Arc<Shape>,
        (stamps, writing): (LateStamps, Writing),
        cut: watch::Receiver<bool>,
    ) -> Result<Self> {
        check_open(&cut)?;
        let session = runtime::run(BEGIN, async move {
            session.transaction(BEGIN, false).await?;
            Ok(session)
        });
        let session = session.await?;
        let holder = turn.hold();
        let open = Open {
            session,
            late: LateCheck::default(),
            stamps,
            _writing: writing,
            _turn: turn,
            _inside: inside,
        };
        Ok(Self {
            held: HeldTransaction::new(open, holder, cut),
            shape,
        })
    }

    /// Ends it, whether `last` succeeds or not.
    fn end<W>(
        &self,
        operation: &'static str,
        why: WhyOver,
        last: W,
    ) -> impl Future<Output = Result<()>> + Send + use<W>
    where
        W: for<'o> FnOnce(&'o mut Open) -> BoxFuture<'o, Result<()>> + Send + 'static,
    {
        let stands = self.held.stands();
        runtime::run(operation, async move {
            let mut stands = stands.await;
            let mut open = stands.end(operation, why)?;
            last(&mut open).await
        })
    }

    /// Does `work` within it. A statement that fails ends it.
    fn run<T, W>(&self, operation: &'static str, work: W) -> Later<'static, T>
    where
        T: Send + 'static,
        W: for<'o> FnOnce(&'o mut Open, &'o Shape) -> BoxFuture<'o, Result<T>> + Send + 'static,
    {
        let (stands, shape) = (self.held.stands(), Arc::clone(&self.shape));
        Box::pin(runtime::run(operation, async move {
            let mut stands = stands.await;
            let open = stands.open(operation)?;
            if !shape.dialect.has_savepoints() {
                let answer = work(open, &shape).await;
                // What the database refused has ended the transaction.
                let has_ended = |error: &Error| code_of(error).is_some() || open.session.is_lost();
                if answer.as_ref().is_err_and(has_ended) {
                    *stands = Stands::Over(WhyOver::Failed);
                }
                return answer;
            }
            open.session.batch(operation, "SAVEPOINT step").await?;
            let answer = work(open, &shape).await;
            let after = if answer.is_ok() {
                "RELEASE SAVEPOINT step"
            } else {
                "ROLLBACK TO SAVEPOINT step; RELEASE SAVEPOINT step"
            };
            if open.session.batch(operation, after).await.is_err() {
                *stands = Stands::Over(WhyOver::Failed);
            }
            answer
        }))
    }
}

impl RecordTransaction for PostgresTransaction {
    fn holder(&self) -> Holder {
        self.held.holder()
    }

    fn outlived(&self, limit: Option<Duration>) -> BoxFuture<'_, Error> {
        Box::pin(
            self.held
                .outlived(limit, |why| self.end(RUN, why, undo(RUN))),
        )
    }

    fn put(&self, record: Json) -> Later<'_, ()> {
        const OPERATION: &str = "put a record in a transaction";
        self.run(OPERATION, move |open, shape| {
            Box::pin(async move {
                let record = ToWrite::read(OPERATION, shape, &record)?;
                put_own(OPERATION, (&open.session, shape), &record, &mut open.late).await
            })
        })
    }

    fn get(&self, id: &str) -> Later<'_, Option<Json>> {
        const OPERATION: &str = "get a record in a transaction";
        let id = id.to_owned();
        self.run(OPERATION, move |open, shape| {
            Box::pin(async move { rows::get(OPERATION, &open.session, shape, &id).await })
        })
    }

    fn delete(&self, id: &str, hlc: Hlc) -> Later<'_, ()> {
        const OPERATION: &str = "delete a record in a transaction";
        let id = id.to_owned();
        self.run(OPERATION, move |open, shape| {
            Box::pin(async move {
                let session = (&open.session, shape);
                delete_own(OPERATION, session, (&id, &hlc), &mut open.late).await
            })
        })
    }

    fn query(&self, query: Query) -> Later<'_, QueryResult> {
        self.run("query records in a transaction", move |open, shape| {
            Box::pin(async move { query::run(&open.session, shape, &query).await })
        })
    }

    fn commit(&self) -> Later<'_, ()> {
        const OPERATION: &str = "commit a transaction";
        Box::pin(self.end(OPERATION, WhyOver::Ended, |open| {
            Box::pin(async move {
                open.session.commit(OPERATION).await?;
                open.stamps.note(open.late.found.drain(..));
                Ok(())
            })
        }))
    }

    fn rollback(&self) -> Later<'_, ()> {
        const OPERATION: &str = "roll a transaction back";
        Box::pin(self.end(OPERATION, WhyOver::Ended, undo(OPERATION)))
    }
}

/// Undoes it. A connection on which that fails is closed, which undoes it too.
fn undo(
    operation: &'static str,
) -> impl for<'o> FnOnce(&'o mut Open) -> BoxFuture<'o, Result<()>> + Send + 'static {
    move |open| {
        Box::pin(async move {
            let _ = open.session.rollback(operation).await;
            Ok(())
        })
    }
}
