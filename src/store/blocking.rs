//! Threads for work that waits on a disk.
//!
//! The pool belongs to the process and needs no runtime around it: a round that is polled on the
//! JavaScript thread awaits work here as well as a task of a server does. Work that has begun runs to
//! its end, whether or not anybody still waits for it.

use std::cell::Cell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, OnceLock, PoisonError, mpsc};
use std::thread::LocalKey;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;

use crate::error::{Error, ErrorKind, Result};

/// Most of them wait for the disk, which brings many small files to rest in the time of one.
const THREADS: usize = 64;

/// Threads that start when they are first needed. A start that fails is tried again with the next call: a
/// process that was out of descriptors or threads may have some again.
#[derive(Debug, Default)]
pub struct Threads {
    started: OnceLock<Runtime>,
    starting: Mutex<()>,
}

impl Threads {
    /// Threads that have not started.
    pub const fn new() -> Self {
        Self {
            started: OnceLock::new(),
            starting: Mutex::new(()),
        }
    }

    /// The threads, which `start` starts where they do not run.
    pub fn get(&self, start: impl FnOnce() -> io::Result<Runtime>) -> Result<&Runtime> {
        if let Some(running) = self.started.get() {
            return Ok(running);
        }
        let _one_at_a_time = self.starting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = self.started.get() {
            return Ok(running);
        }
        // A thread that the system refuses is a panic of the runtime's.
        let started = catch_unwind(AssertUnwindSafe(start))
            .unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::WouldBlock)));
        // What they are for, the caller knows.
        let running =
            started.map_err(|error| Error::new(ErrorKind::Io, "", NO_THREADS).caused_by(error))?;
        Ok(self.started.get_or_init(|| running))
    }
}

const NO_THREADS: &str =
    "this process is out of descriptors or threads; close some, or raise its limits, and try again";

fn pool() -> Result<&'static Runtime> {
    static POOL: Threads = Threads::new();
    POOL.get(|| {
        Builder::new_current_thread()
            .thread_name("starkeep-store")
            .max_blocking_threads(THREADS)
            .build()
    })
}

/// Begins `work` on a thread of the pool.
fn begin<T, F>(operation: &'static str, work: F) -> Result<JoinHandle<T>>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let pool = pool().map_err(|error| error.or_in(operation))?;
    // A first thread that the system refuses is a panic of the pool's. Later ones only make work wait.
    catch_unwind(AssertUnwindSafe(|| pool.spawn_blocking(work)))
        .map_err(|_| Error::new(ErrorKind::Io, operation, NO_THREADS))
}

/// Ends after `time`, on any executor. Holds a thread of the pool until then, or until it is dropped.
pub(super) async fn pause(time: Duration) {
    let (_held, dropped) = mpsc::sync_channel::<()>(0);
    let sleeping = run("wait", move || {
        let _ = dropped.recv_timeout(time);
        Ok(())
    });
    // Without a thread there is nothing to wait on.
    let _ = sleeping.await;
}

/// Waits for `work` on this thread, which is none of the pool but may be one of a runtime: for the few
/// short answers that cannot be awaited.
pub(super) fn wait<T, W>(operation: &'static str, work: W) -> Result<T>
where
    T: Send + 'static,
    W: Future<Output = Result<T>> + Send + 'static,
{
    let pool = pool().map_err(|error| error.or_in(operation))?;
    let handle = pool.handle().clone();
    let (done, answer) = mpsc::sync_channel(1);
    begin(operation, move || {
        let _before = Before(&IS_WAITED_FOR, IS_WAITED_FOR.replace(true));
        done.send(handle.block_on(work))
    })?;
    answer.recv().unwrap_or_else(|failed| {
        Err(Error::new(ErrorKind::Internal, operation, NO_ANSWER).caused_by(failed))
    })
}

/// Lets a thread of the pool bring `work` to its end without waiting for it.
pub(super) fn detach<W>(operation: &'static str, work: W) -> Result<()>
where
    W: Future<Output = ()> + Send + 'static,
{
    let pool = pool().map_err(|error| error.or_in(operation))?;
    let handle = pool.handle().clone();
    begin(operation, move || handle.block_on(work)).map(drop)
}

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(false) };
    static IS_WAITED_FOR: Cell<bool> = const { Cell::new(false) };
}

/// Whether what runs on this thread keeps the caller's thread [waiting](wait), so that nothing can be asked there.
pub(super) fn is_waited_for() -> bool {
    IS_WAITED_FOR.get()
}

/// Puts back what was, a panic or not.
struct Before(&'static LocalKey<Cell<bool>>, bool);

impl Drop for Before {
    fn drop(&mut self) {
        self.0.set(self.1);
    }
}

/// Runs native work to its end on this thread, which has nothing else to do. What the work asks of a
/// database is done right here, instead of on one thread more for every question.
///
/// Not on a thread of `handle` that others wait for, and not on a thread of the [pool](self): work may
/// wait for the writer's turn, and its holder needs the pool.
pub fn to_its_end<T>(handle: &Handle, work: impl Future<Output = T>) -> T {
    let _before = Before(&MAY_WAIT, MAY_WAIT.replace(true));
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
    let ended = begin(operation, work)?.await;
    ended.unwrap_or_else(|failed| {
        Err(Error::new(ErrorKind::Internal, operation, NO_ANSWER).caused_by(failed))
    })
}
