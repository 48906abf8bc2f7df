//! What a transaction is that an app holds open, whichever database has it: open, or over and why.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use super::Holder;
use super::gate::closed;
use crate::error::{Error, ErrorKind, Result};

/// The operation of its begin.
pub(super) const BEGIN: &str = "begin a transaction";

/// The operation of one that is over before its callback is.
pub(super) const RUN: &str = "run a transaction";

/// Why a transaction is over.
#[derive(Debug, Clone, Copy)]
pub(super) enum WhyOver {
    /// It was committed or rolled back.
    Ended,
    /// The database has given it up.
    Failed,
    /// Its store was closed.
    Closed,
    /// Its callback took longer than it may.
    TooLong,
}

impl WhyOver {
    /// What a call in it says.
    pub(super) fn error(self, operation: &'static str) -> Error {
        match self {
            Self::Ended => Error::new(
                ErrorKind::Closed,
                operation,
                "the transaction has ended; begin a new one",
            ),
            Self::Failed => Error::new(
                ErrorKind::Closed,
                operation,
                "an earlier failure has ended the transaction; begin a new one",
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

/// How a transaction stands. `O` is what an open one has.
#[derive(Debug)]
pub(super) enum Stands<O> {
    Open(O),
    Over(WhyOver),
}

impl<O> Stands<O> {
    /// What it has, while it is open.
    pub(super) fn open(&mut self, operation: &'static str) -> Result<&mut O> {
        match self {
            Self::Open(open) => Ok(open),
            Self::Over(why) => Err(why.error(operation)),
        }
    }

    /// It is over from now on, if it was open.
    pub(super) fn end(&mut self, operation: &'static str, why: WhyOver) -> Result<O> {
        match std::mem::replace(self, Self::Over(why)) {
            Self::Open(open) => Ok(open),
            Self::Over(before) => {
                *self = Self::Over(before);
                Err(before.error(operation))
            }
        }
    }
}

/// A transaction, and what its store says of its end. All clones are one.
#[derive(Debug)]
pub(super) struct HeldTransaction<O> {
    stands: Arc<Mutex<Stands<O>>>,
    holder: Holder,
    cut: watch::Receiver<bool>,
}

impl<O> Clone for HeldTransaction<O> {
    fn clone(&self) -> Self {
        Self {
            stands: Arc::clone(&self.stands),
            holder: self.holder,
            cut: self.cut.clone(),
        }
    }
}

impl<O> HeldTransaction<O> {
    /// An open one of a store that says by `cut` that it closes.
    pub(super) fn new(open: O, holder: Holder, cut: watch::Receiver<bool>) -> Self {
        Self {
            stands: Arc::new(Mutex::new(Stands::Open(open))),
            holder,
            cut,
        }
    }

    /// Whose calls are inside it.
    pub(super) fn holder(&self) -> Holder {
        self.holder
    }

    /// How it stands, once no other call works in it.
    pub(super) fn stands(&self) -> impl Future<Output = OwnedMutexGuard<Stands<O>>> + Send + use<O>
    where
        O: Send,
    {
        Arc::clone(&self.stands).lock_owned()
    }

    /// Ends it by `end` once its time is over or its store closes, and returns the error that says so.
    pub(super) async fn outlived<E>(
        &self,
        limit: Option<Duration>,
        end: impl FnOnce(WhyOver) -> E,
    ) -> Error
    where
        E: Future<Output = Result<()>>,
    {
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
        let why = tokio::select! {
            () = closing => WhyOver::Closed,
            () = time_over => WhyOver::TooLong,
        };
        match end(why).await {
            Ok(()) => why.error(RUN),
            Err(error) => error,
        }
    }
}

/// Fails once the store closes: no transaction begins then.
pub(super) fn check_open(cut: &watch::Receiver<bool>) -> Result<()> {
    if *cut.borrow() {
        return Err(closed(BEGIN));
    }
    Ok(())
}
