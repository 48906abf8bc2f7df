//! The threads on which connections live.

use tokio::runtime::{Builder, Handle};

use crate::error::{Error, ErrorKind, Result};
use crate::store::blocking::Threads;

/// Connections wait for a network nearly always.
const WORKERS: usize = 2;

/// The threads, which start when they are first needed. They belong to the process.
pub(super) fn threads() -> Result<&'static Handle> {
    static THREADS: Threads = Threads::new();
    let runtime = THREADS.get(|| {
        Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("starkeep-postgres")
            .enable_all()
            .build()
    })?;
    Ok(runtime.handle())
}

/// Runs `work` there to its end, and waits for it on any executor.
pub(super) async fn run<T: Send + 'static>(
    operation: &'static str,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let threads = threads().map_err(|error| error.or_in(operation))?;
    threads.spawn(work).await.unwrap_or_else(|failed| {
        Err(Error::new(
            ErrorKind::Internal,
            operation,
            "the work ended without an answer; this is a fault of this package, please report it",
        )
        .caused_by(failed))
    })
}
