//! The log of a plane, as a process knows it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;

use crate::engine::change_log::Others;
use crate::error::{Error, ErrorKind, Result};
use crate::store::known_peers::KnownPeers;
use crate::store::postgres::fault::code_of;
use crate::store::postgres::log::{
    self, KnownStreams, LogStanding, LogTables, Names, OPERATION, Sql,
};
use crate::store::postgres::noted::Plane;
use crate::store::postgres::session::PgSession;

/// The log of a plane of a database. All clones are one.
#[derive(Debug, Clone)]
pub(in crate::store::postgres) struct Log {
    names: Arc<Names>,
    /// Whether there can be one. That is known once it was asked for.
    is_refused: Arc<AtomicBool>,
    /// Which tables it was put in place for.
    seen: Arc<Mutex<Option<String>>>,
    streams: Arc<KnownStreams>,
    peers: Arc<KnownPeers>,
}

impl Log {
    /// The log in this schema. Nothing is sent.
    pub(in crate::store::postgres) fn of(plane: Plane, schema: &str) -> Self {
        Self {
            names: Arc::new(Names::of(plane, schema)),
            is_refused: Arc::default(),
            seen: Arc::default(),
            streams: Arc::default(),
            peers: Arc::default(),
        }
    }

    /// What its streams hold, as far as that is known.
    pub(super) fn streams(&self) -> Arc<KnownStreams> {
        Arc::clone(&self.streams)
    }

    /// The peers that this process has heard of.
    pub(super) fn peers(&self) -> Arc<KnownPeers> {
        Arc::clone(&self.peers)
    }

    pub(super) fn is_kept(&self) -> bool {
        !self.is_refused.load(Ordering::Acquire)
    }

    /// Puts the log in place, unless this process has done that before.
    pub(super) async fn begin<T: LogTables>(&self, session: &PgSession, tables: &T) -> Result<()> {
        let is_seen = self
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        if is_seen {
            return Ok(());
        }
        self.put_in_place(session, tables).await
    }

    fn has_seen(&self, tables: &str) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().is_some_and(|seen| seen == tables)
    }

    pub(super) fn sql<'s>(&'s self, session: &'s PgSession) -> Sql<'s> {
        Sql {
            session,
            names: &self.names,
        }
    }

    /// Makes what is missing, unless this was seen to already. Fails where the role may not.
    async fn put_in_place<T: LogTables>(&self, session: &PgSession, tables: &T) -> Result<()> {
        let sql = self.sql(session);
        let which = sql.text(&format!("SELECT {}", tables.which())).await?;
        let making = async {
            let tracked = tables.tracked(session).await?.ok_or_else(without_keys)?;
            if log::is_in_place(&sql, &tracked).await? {
                return Ok(());
            }
            log::prepare(&sql, &tracked).await
        };
        let made = making.await;
        let may_not = |error: &Error| match code_of(error) {
            Some(code) => code.code() == "42501",
            None => error.kind() == ErrorKind::InvalidArgument,
        };
        match made {
            Ok(()) => {
                *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(which);
                Ok(())
            }
            Err(error) => {
                if !session.is_lost() {
                    // A connection on which this fails is closed, which undoes it too.
                    let _ = session.rollback(OPERATION).await;
                }
                if may_not(&error) {
                    self.refuse(&error);
                }
                Err(error)
            }
        }
    }

    /// Notes, and says once, that no log can be kept.
    fn refuse(&self, error: &Error) {
        if !self.is_refused.swap(true, Ordering::AcqRel) {
            tracing::warn!(%error, "{NO_LOG}");
        }
    }

    /// Asks the log once it is settled.
    pub(super) async fn ask<T: LogTables, R>(
        &self,
        session: &PgSession,
        tables: &T,
        (others, asked): (
            &Others,
            impl for<'s> Fn(Sql<'s>, &'s LogStanding, &'s T) -> BoxFuture<'s, Result<R>>,
        ),
    ) -> Result<R> {
        let sql = self.sql(session);
        for _ in 0..TRIES {
            session.transaction(OPERATION, true).await?;
            let standing = self.standing(&sql, tables, others).await;
            if let Ok(Some(standing)) = &standing
                && standing.is_settled
            {
                let answer = asked(sql, standing, tables).await;
                session.rollback(OPERATION).await?;
                return answer;
            }
            session.rollback(OPERATION).await?;
            match standing? {
                Some(_) => log::settle(&sql).await?,
                None => self.put_in_place(session, tables).await?,
            }
        }
        if !session.dialect().has_locks() {
            return self.ask_at_once(sql, tables, (others, asked)).await;
        }
        // Others write all the time. What they write now is seen later.
        log::begin_with_turn(&sql).await?;
        log::settle_all(&sql).await?;
        let standing = LogStanding::read(&sql, others, &tables.which()).await?;
        let answer = asked(sql, &standing, tables).await?;
        session.commit(OPERATION).await?;
        Ok(answer)
    }

    /// Asks in the transaction that gives the last numbers. Where others gave some meanwhile it is refused, and begun again.
    async fn ask_at_once<T: LogTables, R>(
        &self,
        sql: Sql<'_>,
        tables: &T,
        (others, asked): (
            &Others,
            impl for<'s> Fn(Sql<'s>, &'s LogStanding, &'s T) -> BoxFuture<'s, Result<R>>,
        ),
    ) -> Result<R> {
        loop {
            sql.session.transaction(OPERATION, false).await?;
            log::number(&sql).await?;
            let standing = LogStanding::read(&sql, others, &tables.which()).await?;
            if standing.is_settled {
                let answer = asked(sql, &standing, tables).await?;
                sql.session.commit(OPERATION).await?;
                return Ok(answer);
            }
            sql.session.commit(OPERATION).await?;
        }
    }

    /// How it stands with the log; `None` if it is not in place.
    pub(super) async fn standing<T: LogTables>(
        &self,
        sql: &Sql<'_>,
        tables: &T,
        others: &Others,
    ) -> Result<Option<LogStanding>> {
        match LogStanding::find(sql, others, &tables.which()).await {
            Ok(standing) => {
                Ok(standing
                    .filter(|standing| standing.is_in_place && self.has_seen(&standing.tables)))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// So often a log is settled, and then asked, while others may write to it.
const TRIES: usize = 3;

const NO_LOG: &str = "no change log is kept in this database: its role may not make the triggers and tables that it needs. \
     Its channels exchange by watermarks; to have a log, grant the role CREATE on the schema and TRIGGER on the tables";

fn without_keys() -> Error {
    let message = "a table of an app has no columns that tell its rows apart, so that no change log can be kept of it";
    Error::new(ErrorKind::InvalidArgument, OPERATION, message)
}

/// Whether a table or a function of the log is not there.
fn is_missing(error: &Error) -> bool {
    code_of(error).is_some_and(|code| matches!(code.code(), "42P01" | "42883" | "3F000"))
}

/// How a transaction begins.
#[derive(Debug, Clone, Copy)]
pub(super) enum Begins {
    /// Beside all others.
    Beside,
    /// With the turn to give numbers.
    WithTurn,
}

impl Log {
    pub(super) async fn write<'s, R>(
        &'s self,
        session: &'s PgSession,
        (operation, begins): (&'static str, Begins),
        work: impl FnOnce(Sql<'s>) -> BoxFuture<'s, Result<R>>,
    ) -> Result<R> {
        let sql = self.sql(session);
        match begins {
            Begins::Beside => session.transaction(operation, false).await?,
            Begins::WithTurn => log::begin_with_turn(&sql).await?,
        }
        let done = work(sql).await;
        match &done {
            Ok(_) => session.commit(operation).await?,
            // A connection on which this fails is closed, which undoes it too.
            Err(_) if !session.is_lost() => drop(session.rollback(operation).await),
            Err(_) => {}
        }
        done
    }
}
