//! Syncs of folders, shared by the objects that wait for one.
//!
//! A sync brings everything to disk that happened to a folder before it began. So of those who wait while one is under
//! way, one alone does the next, for all.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use cap_std::fs::Dir;

use crate::store::identity::FileId;

/// See the [module page](self).
#[derive(Debug, Default)]
pub(super) struct Syncs {
    folders: Mutex<HashMap<FileId, Arc<Folder>>>,
}

#[derive(Debug, Default)]
struct Folder {
    numbers: Mutex<Numbers>,
    ended: Condvar,
}

#[derive(Debug, Default)]
struct Numbers {
    /// The number of the last sync that was begun.
    begun: u64,
    /// The greatest number of one that succeeded.
    done: u64,
    is_running: bool,
    waiting: usize,
}

impl Syncs {
    /// Returns once everything that happened to the folder before the call is on disk.
    pub(super) fn sync(&self, folder: &Dir) -> io::Result<()> {
        if !cfg!(unix) {
            return Ok(());
        }
        let open = folder.open(".")?.into_std();
        let id = FileId::of_open(&open, Path::new("."))?;
        let folder = {
            let mut folders = locked(&self.folders);
            let folder = Arc::clone(folders.entry(id.clone()).or_default());
            locked(&folder.numbers).waiting += 1;
            folder
        };
        let outcome = folder.sync(|| open.sync_all());
        let mut folders = locked(&self.folders);
        let mut numbers = locked(&folder.numbers);
        numbers.waiting -= 1;
        if numbers.waiting == 0 {
            folders.remove(&id);
        }
        outcome
    }
}

impl Folder {
    fn sync(&self, sync: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        let mut numbers = locked(&self.numbers);
        let wanted = numbers.begun + 1;
        while numbers.done < wanted {
            if numbers.is_running {
                let woken = self.ended.wait(numbers);
                numbers = woken.unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            numbers.is_running = true;
            numbers.begun += 1;
            let number = numbers.begun;
            drop(numbers);
            let outcome = sync();
            let mut numbers = locked(&self.numbers);
            numbers.is_running = false;
            if outcome.is_ok() {
                numbers.done = number;
            }
            self.ended.notify_all();
            return outcome;
        }
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Barrier;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;

    use super::*;

    /// A model of a folder: what happened to it, and how much of that was there when the last sync began.
    #[test]
    fn all_that_happened_before_a_call_is_on_disk_after_it() {
        let folder = Folder::default();
        let (happened, on_disk) = (AtomicU64::new(0), AtomicU64::new(0));
        let together = Barrier::new(8);
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        together.wait();
                        let mine = happened.fetch_add(1, Ordering::SeqCst) + 1;
                        let begin = || {
                            let there = happened.load(Ordering::SeqCst);
                            thread::yield_now();
                            on_disk.fetch_max(there, Ordering::SeqCst);
                            Ok(())
                        };
                        folder.sync(begin).unwrap();
                        assert!(on_disk.load(Ordering::SeqCst) >= mine);
                    }
                });
            }
        });
    }

    #[test]
    fn a_sync_that_fails_is_the_failure_of_its_caller_and_the_next_tries_again() {
        let folder = Folder::default();
        let failed = folder.sync(|| Err(io::Error::other("the disk is gone")));
        assert!(failed.is_err());
        folder.sync(|| Ok(())).unwrap();
    }
}
