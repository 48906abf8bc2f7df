//! Threads for work that waits on a disk.
//!
//! The pool belongs to the process and needs no runtime around it: a round that is polled on the
//! JavaScript thread awaits work here as well as a task of a server does. Work that has begun runs to
//! its end, whether or not anybody still waits for it.

use std::cell::Cell;
use std::sync::{OnceLock, mpsc};

use tokio::runtime::{Builder, Handle, Runtime};

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

/// Waits for `work` on this thread, which is none of the pool but may be one of a runtime: for the few
/// short answers that cannot be awaited.
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

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(false) };
}

/// Runs native work to its end on this thread, which has nothing else to do. What the work asks of a
/// database is done right here, instead of on one thread more for every question.
///
/// Not on a thread of `handle` that others wait for, and not on a thread of the [pool](self): work may
/// wait for the writer's turn, and whoever has it needs the pool.
pub fn to_its_end<T>(handle: &Handle, work: impl Future<Output = T>) -> T {
    /// Puts back what was, a panic or not.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            MAY_WAIT.set(self.0);
        }
    }
    let _before = Before(MAY_WAIT.replace(true));
    handle.block_on(work)
}

const NO_ANSWER: &str =
    "the work ended without an answer; this is a fault of this package, please report it";

/// Runs `work` here where this thread [may wait](to_its_end), and on a thread of the pool elsewhere.
pub(super) async fn run_near<T, F>(operation: &'static str, work: F) -> Result<T>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T> + Send + 'static,
{
    if MAY_WAIT.get() {
        return work();
    }
    run(operation, work).await
}

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
