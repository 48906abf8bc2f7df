//! The threads on which stores and transports work.

use tokio::runtime::{Builder, Runtime};

use crate::error::Result;
use crate::store::blocking::Threads;

/// The threads, shared by all environments of the process: they hold no state.
///
/// # Errors
/// `Io` if the system gives no more threads.
pub fn threads() -> Result<&'static Runtime> {
    static THREADS: Threads = Threads::new();
    THREADS.get(|| {
        Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("starkeep-sync")
            // A round is one future of many layers, which a build without optimisation needs room for.
            .thread_stack_size(8 * 1024 * 1024)
            .enable_all()
            .build()
    })
}
