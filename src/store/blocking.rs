//! Threads for work that waits on a disk.
//!
//! The pool belongs to the process and needs no runtime around it: a round that is polled on the
//! JavaScript thread awaits work here as well as a task of a server does. Work that has begun runs to
//! its end, whether or not anybody still waits for it.

use std::sync::{OnceLock, mpsc};

use tokio::runtime::{Builder, Runtime};

use crate::error::{Error, ErrorKind, Result};

/// More threads than this would only queue at the disk.
const THREADS: usize = 16;

fn pool() -> Option<&'static Runtime> {
    static POOL: OnceLock<Option<Runtime>> = OnceLock::new();
    POOL.get_or_init(|| {
        Builder::new_current_thread()
            .thread_name("starkeep-store")
            .max_blocking_threads(THREADS)
            .build()
            .inspect_err(|error| tracing::error!(%error, "the threads of the stores cannot start"))
            .ok()
    })
    .as_ref()
}

/// Waits for `work` on this thread, which is none of the pool: for the few short answers that cannot be
/// awaited.
pub(super) fn wait<T, W>(operation: &'static str, work: W) -> Result<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let pool = threads(operation)?;
    let handle = pool.handle().clone();
    let (done, answer) = mpsc::sync_channel(1);
    pool.spawn_blocking(move || done.send(handle.block_on(work)));
    answer.recv().unwrap_or_else(|failed| {
        Err(Error::new(ErrorKind::Internal, operation, NO_ANSWER).caused_by(failed))
    })
}

fn threads(operation: &'static str) -> Result<&'static Runtime> {
    pool().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            operation,
            "the threads of the stores cannot start; this process is out of resources",
        )
    })
}

const NO_ANSWER: &str =
    "the work ended without an answer; this is a fault of this package, please report it";

/// Runs `work` on a thread of the pool.
pub(super) async fn run<T, F>(operation: &'static str, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    let ended = threads(operation)?.spawn_blocking(work).await;
    ended.unwrap_or_else(|failed| {
        Err(Error::new(ErrorKind::Internal, operation, NO_ANSWER).caused_by(failed))
    })
}
