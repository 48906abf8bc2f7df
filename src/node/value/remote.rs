//! The way to an environment from other threads.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Status, sys};

use crate::error::{Error, ErrorKind, Result};

/// What napi could not do.
#[allow(clippy::needless_pass_by_value, reason = "as `map_err` has it")]
pub(super) fn failed(error: napi::Error) -> Error {
    Error::new(
        ErrorKind::Internal,
        "a call into JavaScript",
        error.to_string(),
    )
}

/// The way to an environment from other threads: a notify that is rung there is heard here.
///
/// The thread-safe function behind it is referenced only while a notify is waited for, so that
/// nothing but pending work keeps the process alive.
#[derive(Default)]
pub struct Remote {
    state: Mutex<RemoteState>,
}

#[derive(Default)]
struct RemoteState {
    function: Option<Wakes>,
    rung: Vec<u64>,
    /// Warnings of other threads.
    said: Vec<String>,
    /// What only the environment's thread may drop.
    dropped: Vec<Box<dyn Send>>,
}

impl RemoteState {
    fn take(&mut self) -> (Vec<u64>, Vec<String>, Vec<Box<dyn Send>>) {
        let said = std::mem::take(&mut self.said);
        let dropped = std::mem::take(&mut self.dropped);
        (std::mem::take(&mut self.rung), said, dropped)
    }

    fn wake(&self) {
        if let Some(function) = &self.function {
            // A full queue or an ending environment refuses the call; no one waits then.
            function.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }
}

/// A function of the environment's, which may be called from any thread.
type Wakes = ThreadsafeFunction<(), (), (), Status, false, true, 0>;

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remote")
    }
}

impl Remote {
    /// Ties it to the environment, on its thread, where `hear` is told what was rung.
    pub(super) fn attach(
        self: &Arc<Self>,
        raw_env: sys::napi_env,
        hear: impl Fn(Vec<u64>, Vec<String>) + 'static,
    ) -> Result<()> {
        let remote = Arc::clone(self);
        let env = napi::Env::from_raw(raw_env);
        let woken = env.create_function_from_closure("starkeep sync", move |_| {
            let (rung, said, dropped) = remote.lock().take();
            drop(dropped);
            hear(rung, said);
            Ok(())
        });
        let function = woken.and_then(|woken: Function<'_, (), ()>| {
            let build = woken.build_threadsafe_function::<()>();
            build.callee_handled::<false>().weak::<true>().build()
        });
        self.lock().function = Some(function.map_err(failed)?);
        Ok(())
    }

    /// The environment ends.
    pub(super) fn detach(&self) {
        let mut state = self.lock();
        state.function = None;
        let (_, _, dropped) = state.take();
        drop(state);
        drop(dropped);
    }

    /// Drops a value on its own thread, from any other.
    pub fn drop_there(&self, value: impl Send + 'static) {
        let mut state = self.lock();
        if state.function.is_some() {
            state.dropped.push(Box::new(value));
            state.wake();
        } else {
            // The environment is gone, and what it kept with it.
            std::mem::forget(value);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, RemoteState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has a warning said, from any thread. Returns false if the environment has ended.
    pub fn say(&self, message: &str) -> bool {
        let mut state = self.lock();
        state.said.push(message.to_owned());
        state.wake();
        state.function.is_some()
    }

    /// Rings a notify, from any thread.
    pub fn ring(&self, notify: u64) {
        let mut state = self.lock();
        state.rung.push(notify);
        state.wake();
    }

    /// Keeps the process alive, or no longer. Only on the JS thread.
    pub fn hold_process(&self, raw_env: sys::napi_env, hold: bool) {
        if let Some(function) = &self.lock().function {
            let change = if hold {
                sys::napi_ref_threadsafe_function
            } else {
                sys::napi_unref_threadsafe_function
            };
            // SAFETY: the function lives in the mutex; the environment's own thread calls it.
            unsafe { change(raw_env, function.raw()) };
        }
    }
}
